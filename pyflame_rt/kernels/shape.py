"""Rearranging elements: nothing is computed. Results may be views of the operands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.sizes import (
    OutOfRangeError,
    check_size,
    integers,
    optional_integers,
    zero,
)

Array = npt.NDArray[Any]
Ints = tuple[int, ...]

__all__ = [
    "center_crop_pad",
    "concat",
    "expand",
    "flatten",
    "gather",
    "identity",
    "pad",
    "reshape",
    "slice_",
    "split",
    "squeeze",
    "tile",
    "transpose",
    "unsqueeze",
]


def axes_of(axes: Sequence[int], rank: int) -> list[int]:
    """Non-negative axes. Raises ValueError for one out of range or given twice."""
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} is outside the {rank} dimensions")
    found = [axis % rank for axis in axes]
    if len(set(found)) < len(found):
        raise ValueError(f"axes {list(axes)} name one dimension twice")
    return found


def identity(x: Array) -> Array:
    """x itself."""
    return x


def reshape(
    x: Array,
    shape_value: Array | None = None,
    *,
    shape: Ints | None = None,
    allowzero: bool = False,
) -> Array:
    """The elements in row-major order under a new shape.

    -1 stands for what remains, 0 for the same dimension of x unless `allowzero`.
    """
    wanted = integers(shape, shape_value, "shape")
    copied = [] if allowzero else [index for index, dim in enumerate(wanted) if dim == 0]
    if any(index >= x.ndim for index in copied):
        raise ValueError(f"a 0 in {wanted} copies a dimension that {list(x.shape)} lacks")
    for index in copied:
        wanted[index] = x.shape[index]
    if wanted.count(-1) == 1:
        # Copied dimensions cancel out, even those without elements.
        known = math.prod(d for axis, d in enumerate(wanted) if axis not in copied and d != -1)
        given = math.prod(d for axis, d in enumerate(x.shape) if axis not in copied)
        if known > 0 and given % known == 0:
            wanted[wanted.index(-1)] = given // known
    if min(wanted, default=0) < 0 or math.prod(wanted) != x.size:
        raise ValueError(f"the shape {list(x.shape)} cannot become {wanted}")
    return x.reshape(wanted)


def flatten(x: Array, *, axis: int = 1) -> Array:
    """A matrix: the dimensions before `axis` are its rows, the others its columns."""
    if not -x.ndim <= axis <= x.ndim:
        raise ValueError(f"axis {axis} is outside the {x.ndim} dimensions")
    if axis < 0:
        axis += x.ndim
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def squeeze(x: Array, axes_value: Array | None = None, *, axes: Ints | None = None) -> Array:
    """x without dimensions of size 1: those given, or all."""
    given = optional_integers(axes, axes_value, "axes")
    if given is None:
        return x.reshape([dim for dim in x.shape if dim != 1])
    dropped = axes_of(given, x.ndim)
    if any(x.shape[axis] != 1 for axis in dropped):
        raise ValueError(f"axes {given} of the shape {list(x.shape)} are not all 1")
    return x.reshape([dim for axis, dim in enumerate(x.shape) if axis not in dropped])


def unsqueeze(x: Array, axes_value: Array | None = None, *, axes: Ints | None = None) -> Array:
    """x with dimensions of size 1, at the given places of the result."""
    given = integers(axes, axes_value, "axes")
    rank = x.ndim + len(given)
    inserted, dims = axes_of(given, rank), iter(x.shape)
    shape = [1 if axis in inserted else next(dims) for axis in range(rank)]
    check_size(shape, x.dtype)
    return x.reshape(shape)


def transpose(x: Array, *, perm: Ints | None = None) -> Array:
    """Dimension i of the result is dimension perm[i] of x; reversed if absent."""
    if perm is not None and sorted(perm) != list(range(x.ndim)):
        raise ValueError(f"perm {list(perm)} does not permute {x.ndim} dimensions")
    return x.transpose(perm)


def expand(x: Array, shape_value: Array | None = None, *, shape: Ints | None = None) -> Array:
    """x broadcast with the given shape; the result may be larger in x's dimensions."""
    wanted = integers(shape, shape_value, "shape")
    check_size(wanted, x.dtype)
    result = np.broadcast_shapes(x.shape, tuple(wanted))
    check_size(result, x.dtype)
    return np.array(np.broadcast_to(x, result))


def concat(*arrays: Array, axis: int) -> Array:
    """The operands one after another along an axis."""
    if len({array.ndim for array in arrays}) != 1:
        raise ValueError(f"the operands' ranks differ: {[array.ndim for array in arrays]}")
    (along,) = axes_of([axis], arrays[0].ndim)
    return np.concatenate(arrays, along)


def split_sizes(dim: int, num_outputs: int) -> list[int]:
    """Equal parts of a dimension, the last ones smaller, or empty, if they cannot be equal."""
    if num_outputs < 1:
        raise ValueError(f"cannot split in {num_outputs} parts")
    size = -(-dim // num_outputs)
    return [min(size, max(0, dim - size * part)) for part in range(num_outputs)]


def split(
    x: Array,
    split_value: Array | None = None,
    *,
    split: Ints | None = None,
    num_outputs: int | None = None,
    axis: int = 0,
) -> tuple[Array, ...]:
    """Consecutive parts of x along an axis: of the given sizes, or `num_outputs` equal ones."""
    (along,) = axes_of([axis], x.ndim)
    sizes = optional_integers(split, split_value, "split")
    if sizes is None:
        if num_outputs is None:
            raise ValueError("split and num_outputs are both missing")
        sizes = split_sizes(x.shape[along], num_outputs)
    if min(sizes, default=-1) < 0 or sum(sizes) != x.shape[along]:
        raise ValueError(f"the parts {sizes} do not add up to {x.shape[along]}")
    ends = np.cumsum(np.array(sizes, np.int64))
    return tuple(np.split(x, ends[:-1], along))


def slice_range(start: int, end: int, step: int, dim: int) -> range:
    """The indices that a slice takes of a dimension of that size, in their order.

    Negative bounds count from the back, and are then clamped to what the direction can reach
    (unlike Python's, a start before the first element is the first element for a negative step).
    Raises ValueError for step 0.
    """
    if step == 0:
        raise ValueError("the step of a slice is zero")
    if dim == 0:
        return range(0)
    start, end = (bound + dim if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return range(min(max(start, 0), dim), min(max(end, 0), dim), step)
    return range(min(max(start, 0), dim - 1), min(max(end, -1), dim - 1), step)


def slice_(
    x: Array,
    starts_value: Array | None = None,
    ends_value: Array | None = None,
    axes_value: Array | None = None,
    steps_value: Array | None = None,
    *,
    starts: Ints | None = None,
    ends: Ints | None = None,
    axes: Ints | None = None,
    steps: Ints | None = None,
) -> Array:
    """Along each axis the elements from start up to end, which is excluded, by step."""
    first = integers(starts, starts_value, "starts")
    last = integers(ends, ends_value, "ends")
    along = optional_integers(axes, axes_value, "axes")
    by = optional_integers(steps, steps_value, "steps")
    along = axes_of(list(range(len(first))) if along is None else along, x.ndim)
    by = [1] * len(first) if by is None else by
    if not len(first) == len(last) == len(along) == len(by):
        raise ValueError("starts, ends, axes and steps differ in length")
    index = [slice(None)] * x.ndim
    for axis, start, end, step in zip(along, first, last, by, strict=True):
        taken = slice_range(start, end, step, x.shape[axis])
        stop = None if taken.stop < 0 else taken.stop
        index[axis] = slice(taken.start, stop, step) if taken else slice(0, 0)
    return x[(*index, ...)]


def pad(
    x: Array,
    pads_value: Array | None = None,
    constant_value_value: Array | None = None,
    axes_value: Array | None = None,
    *,
    pads: Ints | None = None,
    constant_value: float | None = None,
    axes: Ints | None = None,
    mode: str = "constant",
) -> Array:
    """x with elements added around it, or removed where a pad is negative (which goes first).

    `pads` are those before each axis, then those after each. They are filled with a constant (0 if
    absent), with the mirror image without its border, the border, or from the opposite side.
    """
    amounts = integers(pads, pads_value, "pads")
    along = optional_integers(axes, axes_value, "axes")
    along = axes_of(list(range(x.ndim)) if along is None else along, x.ndim)
    if len(amounts) != 2 * len(along):
        raise ValueError(f"{len(amounts)} pads for {len(along)} axes")
    before, after = [0] * x.ndim, [0] * x.ndim
    for axis, low, high in zip(along, amounts, amounts[len(along) :], strict=False):
        before[axis], after[axis] = low, high
    sizes = list(zip(x.shape, before, after, strict=True))
    check_size([dim + low + high for dim, low, high in sizes], x.dtype)
    if any(dim + min(low, 0) + min(high, 0) < 0 for dim, low, high in sizes):
        raise ValueError(f"the pads {amounts} remove more than there is in {list(x.shape)}")
    x = x[(*(slice(max(-low, 0), dim + min(high, 0)) for dim, low, high in sizes), ...)]
    widths = [(max(low, 0), max(high, 0)) for _, low, high in sizes]
    if mode == "constant":
        scalar = constant_value if constant_value_value is None else constant_value_value
        fill = zero(x.dtype) if scalar is None else np.array(scalar).reshape(()).astype(x.dtype)
        result = np.full([d + sum(w) for d, w in zip(x.shape, widths, strict=True)], fill, x.dtype)
        inside = zip(x.shape, widths, strict=True)
        result[tuple(slice(low, low + dim) for dim, (low, _) in inside)] = x
        return result
    if any(dim == 0 and sum(width) for dim, width in zip(x.shape, widths, strict=True)):
        raise ValueError(f"mode {mode} cannot extend a dimension without elements")
    return np.pad(x, widths, cast(Literal["reflect", "edge", "wrap"], mode))


def center_crop_pad(
    x: Array,
    shape_value: Array | None = None,
    *,
    shape: Ints | None = None,
    axes: Ints | None = None,
) -> Array:
    """The middle of x where it is larger than wanted, zeros (or "") around it where smaller."""
    wanted = integers(shape, shape_value, "shape")
    along = axes_of(list(range(x.ndim)) if axes is None else axes, x.ndim)
    if len(wanted) != len(along):
        raise ValueError(f"{len(wanted)} numbers of shape for {len(along)} axes")
    result = list(x.shape)
    source, target = [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for axis, size in zip(along, wanted, strict=True):
        dim, result[axis] = x.shape[axis], size
        off, gap = (max(dim - size, 0) // 2, max(size - dim, 0) // 2)
        source[axis], target[axis] = slice(off, off + size), slice(gap, gap + dim)
    check_size(result, x.dtype)
    y = np.full(result, zero(x.dtype), x.dtype)
    y[tuple(target)] = x[tuple(source)]
    return y


def gather(x: Array, indices: Array, *, axis: int = 0) -> Array:
    """The entries of an axis at the given indices, whose shape takes the place of the axis."""
    (along,) = axes_of([axis], x.ndim)
    dim = x.shape[along]
    outside = (indices < -dim) | (indices >= dim)
    if np.any(outside):
        first = int(indices[outside].reshape(-1)[0])
        raise OutOfRangeError(f"index {first} is outside a dimension of {dim} elements")
    check_size([*x.shape[:along], *indices.shape, *x.shape[along + 1 :]], x.dtype)
    if not x.flags.aligned:
        # np.take would first copy all of x; weights lie in a file as they may.
        return np.asarray(x[(*(slice(None),) * along, indices)], order="C")
    return np.asarray(np.take(x, indices, along))


def tile(x: Array, repeats_value: Array | None = None, *, repeats: Ints | None = None) -> Array:
    """x repeated that many times along each axis."""
    times = integers(repeats, repeats_value, "repeats")
    if len(times) != x.ndim or min(times, default=0) < 0:
        raise ValueError(f"repeats {times} do not suit {x.ndim} dimensions")
    check_size([dim * count for dim, count in zip(x.shape, times, strict=True)], x.dtype)
    return np.tile(x, times)
