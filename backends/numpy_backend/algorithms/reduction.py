"""Reductions along axes that are known when the call is prepared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import (
    Call,
    Function,
    Implementation,
    by_kernel,
    late,
)
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.reduction import reduced_axes

Prepare: TypeAlias = Callable[[Call], Function | None]


def _axes(call: Call) -> tuple[int, ...] | None:
    """The axes, None where there are none or an operand gives them."""
    if call.has(1):
        return None
    params = call.params
    noop = bool(params.get("noop_with_empty_axes", False))
    return reduced_axes(len(call.shape(0)), params.get("axes") or (), noop) or None


def _reduce(ufunc: np.ufunc) -> Prepare:
    def prepare(call: Call) -> Function | None:
        axes, keepdims = _axes(call), bool(call.params.get("keepdims", True))
        if axes is None or not call.computes("fiu") or 0 in call.shape(0):
            return None
        dtype = call.dtype

        def run(x: Array, _axes: object, out: Array) -> None:
            ufunc.reduce(x, axes, dtype, out, keepdims=keepdims)

        return run

    return prepare


def _mean(call: Call) -> Function | None:
    total, axes = _reduce(np.add)(call), _axes(call)
    if total is None or axes is None or not call.computes():
        return None
    count = np.array(math.prod(call.shape(0)[axis] for axis in axes), call.dtype)

    def run(x: Array, no_axes: object, out: Array) -> None:
        total(x, no_axes, out)
        np.divide(out, count, out)

    return run


_PARAMS = ("axes", "keepdims", "noop_with_empty_axes")

_BY_KERNEL = (
    "reduce_l1", "reduce_l2", "reduce_log_sum", "reduce_log_sum_exp", "reduce_prod",
    "reduce_sum_square",
)  # fmt: skip

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("reduce_max", _reduce(np.maximum), *_PARAMS, arity=2),
    late("reduce_mean", _mean, *_PARAMS, arity=2),
    late("reduce_min", _reduce(np.minimum), *_PARAMS, arity=2),
    late("reduce_sum", _reduce(np.add), *_PARAMS, arity=2),
    *(late(name, by_kernel, *_PARAMS) for name in _BY_KERNEL),
)
