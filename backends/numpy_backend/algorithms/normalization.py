"""Normalizations: batch norm as scale and shift, softmax in the output buffer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Call,
    Function,
    Implementation,
    Run,
    bound,
    by_kernel,
    late,
)
from pyflame_rt.backends.numpy_backend.epilogue import Finish
from pyflame_rt.backends.runtime import Array, ArrayType


def folded_statistics(call: Call) -> tuple[Array, Array] | None:
    """scale / sqrt(var + epsilon) and bias - mean * that, made once from constants.

    None where they are not constant or narrow; a dimension for each of x's from the channels on.
    """
    if not call.computes() or not all(call.is_constant(i) for i in (1, 2, 3, 4)):
        return None
    epsilon = call.params["epsilon"]
    channels = (-1, *(1,) * (len(call.shape(0)) - 2))

    def factor() -> Array:
        scale, var = call.constant(1), call.constant(4)
        return scale.astype(np.float64) / np.sqrt(var.astype(np.float64) + epsilon)

    def shift() -> Array:
        return call.constant(2) - call.constant(3).astype(np.float64) * factor()

    def rounded(make: Callable[[], Array]) -> Callable[[], Array]:
        return lambda: make().astype(call.dtype).reshape(channels)

    with np.errstate(all="ignore"):
        multiplier = call.packed("factor", rounded(factor))
        addend = call.packed("shift", rounded(shift))
    return multiplier, addend


def _batch_normalization(call: Call) -> Function | None:
    """x * multiplier + addend, where both can be made once."""
    folded = folded_statistics(call)
    # The kernel's name is that of this algorithm, and it knows other layouts.
    if folded is None or call.params.get("layout", "nchw") != "nchw":
        return None
    (multiplier, addend), finish = folded, Finish.of(call, None)

    def run(x: Array, _s: object, _b: object, _m: object, _v: object, out: Array) -> None:
        np.multiply(x, multiplier, out)
        np.add(out, addend, out)
        if finish is not None:
            finish(out, None)

    return run


def _batch_normalization_folded(call: BoundCall) -> Run | None:
    function = _batch_normalization(call)
    return None if function is None else partial(function, *call.inputs, call.output)


def _softmax(call: Call) -> Function | None:
    if not call.computes() or 0 in call.shape(0):
        return None
    axis = int(call.params["axis"])
    own = _line_buffer(call, axis)

    def run(x: Array, out: Array, *scratch: Array) -> None:
        line = scratch[0] if own is None else own
        np.maximum.reduce(x, axis, out=line, keepdims=True)
        np.subtract(x, line, out)
        np.exp(out, out)
        np.add.reduce(out, axis, out=line, keepdims=True)
        np.divide(out, line, out)

    return run


def _log_softmax(call: Call) -> Function | None:
    if not call.computes() or 0 in call.shape(0):
        return None
    axis = int(call.params["axis"])
    own = _line_buffer(call, axis)
    wide = ArrayType(call.dtype, call.output_shape)
    own_powers = (
        None if wide in call.scratch_types[1:2] else np.empty(call.output_shape, call.dtype)
    )

    def run(x: Array, out: Array, *scratch: Array) -> None:
        line = scratch[0] if own is None else own
        powers = scratch[1] if own_powers is None else own_powers
        np.maximum.reduce(x, axis, out=line, keepdims=True)
        np.subtract(x, line, out)
        np.exp(out, powers)
        np.add.reduce(powers, axis, out=line, keepdims=True)
        np.log(line, line)
        np.subtract(out, line, out)

    return run


def _line_buffer(call: Call, axis: int) -> Array | None:
    """Memory for one number a line along the axis; None if the plan gives it as scratch."""
    shape = list(call.output_shape)
    shape[axis] = 1
    kind = ArrayType(call.dtype, tuple(shape))
    return None if kind in call.scratch_types[:1] else np.empty(shape, call.dtype)


_BATCH = ("epsilon", "layout", "activation")

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("batch_normalization_folded", _batch_normalization_folded, *_BATCH),
    late("batch_normalization", _batch_normalization, *_BATCH),
    late("log_softmax", _log_softmax, "axis"),
    late("lrn", by_kernel, "size", "alpha", "beta", "bias"),
    late("softmax", _softmax, "axis"),
)
