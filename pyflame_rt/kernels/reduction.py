"""Reductions along axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import highest, lowest, rounding_once

Array = npt.NDArray[Any]
Axes: TypeAlias = tuple[int, ...]

__all__ = [
    "arg_max", "arg_min", "reduce_l1", "reduce_l2", "reduce_log_sum", "reduce_log_sum_exp",
    "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum", "reduce_sum_square",
]  # fmt: skip


def _reduction(reduce: Callable[[Array, Axes, bool], Any]) -> Callable[..., Array]:
    """A kernel with ONNX's axes (an operand or a property; all of them if empty) from a reduction
    along given ones."""

    @wraps(reduce)
    @rounding_once
    def kernel(
        x: Array,
        axes_value: Array | None = None,
        *,
        axes: Sequence[int] | None = None,
        keepdims: bool = True,
        noop_with_empty_axes: bool = False,
    ) -> Array:
        given = axes if axes_value is None else axes_value.reshape(-1).tolist()
        return reduce(x, reduced_axes(x.ndim, given or (), noop_with_empty_axes), bool(keepdims))

    return kernel


def reduced_axes(rank: int, axes: Sequence[int], noop_with_empty_axes: bool) -> Axes:
    """The non-negative axes to reduce, in order. Raises ValueError for one that is no axis of the
    operand or comes twice."""
    if not axes:
        return () if noop_with_empty_axes else tuple(range(rank))
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} is outside the {rank} dimensions")
    distinct = sorted({axis % rank for axis in axes})
    if len(distinct) < len(axes):
        raise ValueError(f"axes {list(axes)} name one dimension twice")
    return tuple(distinct)


@_reduction
def reduce_sum(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Sum; 0 of nothing. Integers wrap."""
    return np.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


@_reduction
def reduce_mean(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Arithmetic mean; NaN of nothing. Of integers, truncated towards zero."""
    wide = {"i": np.dtype(np.int64), "u": np.dtype(np.uint64)}.get(x.dtype.kind, x.dtype)
    total: Any = np.sum(x, axis=axes, keepdims=keepdims, dtype=wide)
    count = wide.type(math.prod(x.shape[a] for a in axes))
    return total / count if wide.kind == "f" else (total - np.fmod(total, count)) // count


@_reduction
def reduce_max(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Maximum; of nothing the lowest value of the type. NaN if there is one."""
    return np.max(x, axis=axes, keepdims=keepdims, initial=lowest(x.dtype))


@_reduction
def reduce_min(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Minimum; of nothing the highest value of the type. NaN if there is one."""
    return np.min(x, axis=axes, keepdims=keepdims, initial=highest(x.dtype))


@_reduction
def reduce_prod(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Product; 1 of nothing. Integers wrap."""
    return np.prod(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


@_reduction
def reduce_l1(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Sum of magnitudes."""
    return np.sum(np.abs(x), axis=axes, keepdims=keepdims, dtype=x.dtype)


@_reduction
def reduce_l2(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Square root of the sum of squares; of integers, truncated."""
    return np.sqrt(np.sum(x * x, axis=axes, keepdims=keepdims, dtype=x.dtype))


@_reduction
def reduce_sum_square(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Sum of squares."""
    return np.sum(x * x, axis=axes, keepdims=keepdims, dtype=x.dtype)


@_reduction
def reduce_log_sum(x: Array, axes: Axes, keepdims: bool) -> Array:
    """Logarithm of the sum; -inf of nothing."""
    return np.log(np.sum(x, axis=axes, keepdims=keepdims))


@_reduction
def reduce_log_sum_exp(x: Array, axes: Axes, keepdims: bool) -> Array:
    """log(sum(exp(x))), which does not overflow; -inf of nothing."""
    top: Array = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, x.dtype.type(0))
    total = np.sum(np.exp(x - top), axis=axes, keepdims=keepdims)
    return np.log(total) + top.reshape(total.shape)


def arg_max(x: Array, *, axis: int, keepdims: bool, select_last_index: bool) -> Array:
    """Where along an axis the maximum stands, first or last; a NaN is above all numbers."""
    return _arg(np.argmax, x, axis, keepdims, select_last_index)


def arg_min(x: Array, *, axis: int, keepdims: bool, select_last_index: bool) -> Array:
    """Where along an axis the minimum stands, first or last; a NaN is below all numbers."""
    return _arg(np.argmin, x, axis, keepdims, select_last_index)


def _arg(pick: Callable[..., Any], x: Array, axis: int, keepdims: bool, last: bool) -> Array:
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is outside the {x.ndim} dimensions")
    if x.shape[axis] == 0:
        raise ValueError(f"nothing to choose from: axis {axis} of shape {list(x.shape)} is empty")
    if last:
        index = x.shape[axis] - 1 - pick(np.flip(x, axis), axis=axis, keepdims=keepdims)
    else:
        index = pick(x, axis=axis, keepdims=keepdims)
    return np.asarray(index, np.int64)
