"""Elements by their indices: picked, written, counted, ordered.

Indices are checked before anything is allocated. NaN is the greatest number, and equal to itself,
where elements are put in order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once, widened
from pyflame_rt.kernels.shape import axes_of
from pyflame_rt.kernels.sizes import OutOfRangeError, check_size, one_number, zero

Array = npt.NDArray[Any]

__all__ = [
    "compress", "cum_prod", "cum_sum", "eye_like", "gather_elements", "gather_nd", "non_zero", "one_hot",
    "reverse_sequence", "scatter_elements", "scatter_nd", "tensor_scatter", "top_k", "trilu", "unique",
]  # fmt: skip

_REDUCTIONS: dict[str, np.ufunc] = {
    "add": np.add,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
}


def _number(given: int | None, value: Array | None, name: str) -> int:
    """A parameter that is one number, from its property or its operand."""
    if given is not None:
        return given
    if value is None:
        raise ValueError(f"{name} is missing")
    number = one_number(value, f"{name} must be one number")
    if not np.isfinite(number):
        raise ValueError(f"{name} must be a number, got {number}")
    return int(number)


def _inside(indices: Array, dim: int) -> Array:
    """Indices counted from the front. Raises ValueError for one outside the dimension."""
    outside = (indices < -dim) | (indices >= dim)
    if np.any(outside):
        first = int(indices[outside].reshape(-1)[0])
        raise OutOfRangeError(f"index {first} is outside a dimension of {dim} elements")
    wide = indices.astype(np.int64)
    return np.where(wide < 0, wide + dim, wide)


def _check_elements(x: Array, indices: Array, axis: int) -> int:
    """The axis along which `indices` point. Raises ValueError where they have no element of x."""
    (along,) = axes_of([axis], x.ndim)
    fits = indices.ndim == x.ndim and all(
        count <= dim or k == along
        for k, (count, dim) in enumerate(zip(indices.shape, x.shape, strict=True))
    )
    if not fits:
        raise ValueError(f"indices of {list(indices.shape)} do not suit {list(x.shape)}")
    return along


def _offsets(columns: Sequence[Array], shape: Sequence[int]) -> Array:
    """Row-major positions in a tensor of that shape."""
    steps = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    return sum(
        (column * step for column, step in zip(columns, steps, strict=True)),
        np.zeros((), np.int64),
    )


def non_zero(x: Array) -> Array:
    """The indices of the elements that are not zero: a row a dimension, in row-major order.

    Of a scalar there are no rows, but as many columns as it has such elements.
    """
    if x.ndim == 0:
        return np.zeros((0, int(x != zero(x.dtype))), np.int64)
    return np.stack(np.nonzero(x != zero(x.dtype))).astype(np.int64, copy=False)


def gather_elements(x: Array, indices: Array, *, axis: int = 0) -> Array:
    """The elements at the places of `indices`, which say where along the axis."""
    along = _check_elements(x, indices, axis)
    index = _inside(indices, x.shape[along])
    taken = [slice(None) if k == along else slice(count) for k, count in enumerate(indices.shape)]
    return np.take_along_axis(x[tuple(taken)], index, along)


def gather_nd(x: Array, indices: Array, *, batch_dims: int = 0) -> Array:
    """The elements, or slices, of x at the index tuples that the last dimension holds."""
    batch = batch_dims
    if not 0 <= batch < min(x.ndim, indices.ndim) or x.shape[:batch] != indices.shape[:batch]:
        shapes = f"{list(x.shape)} and {list(indices.shape)}"
        raise ValueError(f"{shapes} do not have {batch} batch dimensions in common")
    width = indices.shape[-1]
    if width > x.ndim - batch:
        raise ValueError(f"index tuples of {width} for {x.ndim - batch} dimensions")
    columns = [_inside(indices[..., k], x.shape[batch + k]) for k in range(width)]
    shape = (*indices.shape[:-1], *x.shape[batch + width :])
    check_size(shape, x.dtype)
    batches, count = math.prod(x.shape[:batch]), math.prod(indices.shape[batch:-1])
    rows = np.broadcast_to(np.arange(batches)[:, None], (batches, count))
    picked = (column.reshape(batches, count) for column in columns)
    return x.reshape(batches, *x.shape[batch:])[(rows, *picked)].reshape(shape)


def _scattered(
    x: Array, offsets: Array, updates: Array, shape: tuple[int, int], reduction: str
) -> Array:
    """x as a matrix of that shape with rows written: of several updates of a row the last stays."""
    rows, values = offsets.reshape(-1), updates.reshape(offsets.size, shape[1])
    if reduction == "none":
        result = np.array(x, order="C")
        result.reshape(shape)[rows] = values
        return result
    wide = np.array(widened(x), order="C")
    with np.errstate(all="ignore"):
        _REDUCTIONS[reduction].at(wide.reshape(shape), rows, widened(values))
        return wide.astype(x.dtype, copy=False)


def scatter_elements(
    x: Array, indices: Array, updates: Array, *, axis: int = 0, reduction: str = "none"
) -> Array:
    """x with the updates written, or combined, at the places of `indices` along the axis."""
    along = _check_elements(x, indices, axis)
    if updates.shape != indices.shape:
        raise ValueError(f"{list(indices.shape)} indices for {list(updates.shape)} updates")
    index = _inside(indices, x.shape[along])
    places = np.meshgrid(*map(np.arange, indices.shape), indexing="ij", sparse=True)
    columns = [index if k == along else place for k, place in enumerate(places)]
    return _scattered(x, _offsets(columns, x.shape), updates, (x.size, 1), reduction)


def scatter_nd(x: Array, indices: Array, updates: Array, *, reduction: str = "none") -> Array:
    """x with the updates written, or combined, at the index tuples of the last dimension."""
    width = indices.shape[-1] if indices.ndim else x.ndim + 1
    if width > x.ndim:
        raise ValueError(f"indices of {list(indices.shape)} do not suit {x.ndim} dimensions")
    if updates.shape != (*indices.shape[:-1], *x.shape[width:]):
        raise ValueError(
            f"updates of {list(updates.shape)} for indices of {list(indices.shape)} "
            f"into {list(x.shape)}"
        )
    columns = [_inside(indices[..., k], x.shape[k]) for k in range(width)]
    offsets = np.zeros(indices.shape[:-1], np.int64) + _offsets(columns, x.shape[:width])
    shape = math.prod(x.shape[:width]), math.prod(x.shape[width:])
    return _scattered(x, offsets, updates, shape, reduction)


def tensor_scatter(
    cache: Array,
    update: Array,
    write_indices: Array | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> Array:
    """The cache with the update written along an axis, in each batch from its own index on."""
    (along,) = axes_of([axis], cache.ndim)
    if along == 0:
        raise ValueError("the axis must not be the first")
    batch, room = cache.shape[0], cache.shape[along]
    count = update.shape[along] if update.ndim == cache.ndim else room + 1
    if count > room or update.shape != (*cache.shape[:along], count, *cache.shape[along + 1 :]):
        raise ValueError(f"an update of {list(update.shape)} for a cache of {list(cache.shape)}")
    starts = np.zeros((batch,), np.int64) if write_indices is None else write_indices
    if starts.shape != (batch,):
        raise ValueError(f"indices of {list(starts.shape)} for a batch of {batch}")
    if mode == "linear" and np.any((starts < 0) | (starts > room - count)):
        raise ValueError(f"there is no room for {count} in {room} from {starts.tolist()} on")
    result = np.array(cache, order="C")
    steps, around = np.arange(int(count)), max(int(room), 1)
    rows = np.remainder(np.add.outer(np.remainder(starts, around), steps), around)
    np.moveaxis(result, along, 1)[np.arange(batch)[:, None], rows] = np.moveaxis(update, along, 1)
    return result


def top_k(
    x: Array,
    k_value: Array | None = None,
    *,
    k: int | None = None,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
) -> tuple[Array, Array]:
    """The k greatest or least elements along an axis and their indices, of equals the first ones.

    They are in order whether they have to be (`sorted`) or not.
    """
    (along,) = axes_of([axis], x.ndim)
    dim, count = x.shape[along], _number(k, k_value, "k")
    if not 0 <= count <= dim:
        raise ValueError(f"k is {count}, the dimension {dim}")
    keys = widened(x)
    if largest:
        # Backwards twice, so that equal elements stay in their order.
        order = dim - 1 - np.flip(np.argsort(np.flip(keys, along), along, kind="stable"), along)
    else:
        order = np.argsort(keys, along, kind="stable")
    indices = np.take(order, np.arange(count), along).astype(np.int64, copy=False)
    return np.take_along_axis(x, indices, along), indices


def one_hot(
    indices: Array,
    depth_value: Array | None,
    values: Array,
    *,
    depth: int | None = None,
    axis: int = -1,
) -> Array:
    """values[1] at each index of a new dimension, values[0] elsewhere.

    Indices count from the back when negative; those out of range have no place. Floats are
    truncated.
    """
    size = _number(depth, depth_value, "depth")
    (along,) = axes_of([axis], indices.ndim + 1)
    if size < 0 or values.shape != (2,):
        raise ValueError(f"a depth of {size} and values of {list(values.shape)}")
    check_size([*indices.shape[:along], size, *indices.shape[along:]], values.dtype)
    # Without indices the result is empty, whatever its depth.
    check_size([size], np.dtype(np.int64))
    whole: Array = indices if indices.dtype.kind in "iu" else np.trunc(widened(indices))
    index = np.expand_dims(whole, along)
    places = np.arange(size).reshape([-1 if k == along else 1 for k in range(index.ndim)])
    hot = (index == places) | (index == places - size)
    return np.where(hot, values[1:], values[:1])


def trilu(
    x: Array, k_value: Array | None = None, *, k: int | None = None, upper: bool = True
) -> Array:
    """The matrices of x with zeros below, or above, the k-th diagonal (0 if absent)."""
    if x.ndim < 2:
        raise ValueError(f"needs matrices, got the shape {list(x.shape)}")
    diagonal = 0 if k is None and k_value is None else _number(k, k_value, "k")
    diagonal = min(max(diagonal, -x.shape[-2]), x.shape[-1])
    below = np.tri(x.shape[-2], x.shape[-1], diagonal - int(upper), np.bool_)
    return np.where(below != upper, x, zero(x.dtype))


def eye_like(x: Array, *, dtype: np.dtype[Any] | None = None, k: int = 0) -> Array:
    """Ones on the k-th diagonal of a matrix of x's shape, zeros elsewhere."""
    if x.ndim != 2:
        raise ValueError(f"needs a matrix, got the shape {list(x.shape)}")
    rows, columns = x.shape
    return np.eye(rows, columns, min(max(k, -rows), columns), x.dtype if dtype is None else dtype)


@rounding_once
def cum_prod(
    x: Array,
    axis_value: Array | None = None,
    *,
    axis: int | None = None,
    exclusive: bool = False,
    reverse: bool = False,
) -> Array:
    """Products of the elements up to each one along an axis, or from it on; without it if exclusive.

    Integers wrap.
    """
    return _accumulated(np.multiply, x, _number(axis, axis_value, "axis"), exclusive, reverse)


@rounding_once
def cum_sum(
    x: Array,
    axis_value: Array | None = None,
    *,
    axis: int | None = None,
    exclusive: bool = False,
    reverse: bool = False,
) -> Array:
    """Sums of the elements up to each one along an axis, or from it on; without it if exclusive.

    Integers wrap.
    """
    return _accumulated(np.add, x, _number(axis, axis_value, "axis"), exclusive, reverse)


def _accumulated(combine: np.ufunc, x: Array, axis: int, exclusive: bool, reverse: bool) -> Array:
    (along,) = axes_of([axis], x.ndim)
    terms = np.moveaxis(x, along, 0)
    terms = terms[::-1] if reverse else terms
    found: Array = combine.accumulate(terms, 0, dtype=x.dtype)
    if exclusive:
        found = np.concatenate([np.full_like(found[:1], combine.identity), found[:-1]])
    return np.moveaxis(found[::-1] if reverse else found, 0, along)


def compress(x: Array, condition: Array, *, axis: int | None = None) -> Array:
    """The entries along an axis, or the elements, whose condition holds; a missing one does not."""
    if condition.ndim != 1:
        raise ValueError(f"the condition must be a vector, got {list(condition.shape)}")
    whole = x.reshape(-1) if axis is None else x
    (along,) = axes_of([axis or 0], whole.ndim)
    return np.take(whole, np.flatnonzero(condition[: whole.shape[along]]), along)


def unique(
    x: Array, *, axis: int | None = None, sorted: bool = True
) -> tuple[Array, Array, Array, Array]:
    """The distinct elements, or entries along an axis, in order or as they first occur.

    Then where each occurs first, which of them each of x's is, and how often each occurs.
    """
    whole = x.reshape(-1) if axis is None else x
    (along,) = axes_of([axis or 0], whole.ndim)
    dim = whole.shape[along]
    rest = (*whole.shape[:along], *whole.shape[along + 1 :])
    keys: Array = widened(np.moveaxis(whole, along, 0).reshape(dim, math.prod(rest)))
    if x.dtype == np.object_:
        # Texts by their places in the alphabet of code points.
        keys = np.unique(keys, return_inverse=True)[1].reshape(keys.shape)
    order = np.lexsort(keys.T[::-1]) if keys.size else np.arange(dim)
    left, right = keys[order[:-1]], keys[order[1:]]
    differ = (left != right) & ~((left != left) & (right != right))
    begins = np.ones(dim, np.bool_)
    begins[1:] = differ.any(1)
    starts = np.flatnonzero(begins)
    first, counts = order[starts], np.diff(np.append(starts, dim))
    inverse = np.empty(dim, np.int64)
    inverse[order] = np.cumsum(begins) - 1
    if not sorted:
        ranks = np.argsort(first)
        first, counts, inverse = first[ranks], counts[ranks], np.argsort(ranks)[inverse]
    chosen = np.take(whole, first, along)
    return chosen, first.astype(np.int64), inverse, counts.astype(np.int64)


def reverse_sequence(
    x: Array, sequence_lens: Array, *, batch_axis: int = 1, time_axis: int = 0
) -> Array:
    """x with the beginning of each sequence, of the length given for it, turned around."""
    if x.ndim < 2 or {batch_axis, time_axis} != {0, 1}:
        raise ValueError(f"no axes {batch_axis} and {time_axis} of sequences in {list(x.shape)}")
    batch, time = int(x.shape[batch_axis]), int(x.shape[time_axis])
    if sequence_lens.shape != (batch,):
        raise ValueError(f"{list(sequence_lens.shape)} lengths for {batch} sequences")
    if np.any((sequence_lens < 0) | (sequence_lens > time)):
        raise ValueError(f"lengths {sequence_lens.tolist()} are not all in 0..{time}")
    steps = np.arange(time)[:, None]
    index = np.where(steps < sequence_lens, sequence_lens - 1 - steps, steps)
    by_time = x if time_axis == 0 else x.swapaxes(0, 1)
    result = by_time[index, np.arange(batch)]
    return result if time_axis == 0 else result.swapaxes(0, 1)
