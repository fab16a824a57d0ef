"""Rearranging elements: a view of the operand, found once, is copied into the output."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.shape import axes_of, slice_range
from pyflame_rt.kernels.sizes import OutOfRangeError


def _transpose(call: Call) -> Function | None:
    if not call.one_dtype():
        return None
    perm = call.params.get("perm")

    def run(x: Array, out: Array) -> None:
        np.copyto(out, x.transpose(perm))

    return run


def _expand(call: Call) -> Function | None:
    return _broadcast if call.one_dtype() and not call.has(1) else None


def _broadcast(x: Array, _shape: object, out: Array) -> None:
    np.copyto(out, x)


def _concat(call: Call) -> Function | None:
    if not call.one_dtype():
        return None
    axis = int(call.params["axis"])

    def run(*arrays: Array) -> None:
        np.concatenate(arrays[:-1], axis, arrays[-1])

    return run


def _slice(call: Call) -> Function | None:
    if not call.one_dtype() or any(call.has(i) for i in range(1, 5)):
        return None
    params, shape = call.params, call.shape(0)
    starts, ends = params["starts"], params["ends"]
    axes = axes_of(params.get("axes") or range(len(starts)), len(shape))
    steps = params.get("steps") or (1,) * len(starts)
    index = [slice(None)] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken = slice_range(start, end, step, shape[axis])
        stop = None if taken.stop < 0 else taken.stop
        index[axis] = slice(taken.start, stop, step) if taken else slice(0, 0)
    where = (*index, ...)

    def run(x: Array, _s: object, _e: object, _a: object, _st: object, out: Array) -> None:
        np.copyto(out, x[where])

    return run


def _pad(call: Call) -> Function | None:
    """A constant around the operand, or less of it where a pad is negative."""
    params, shape = call.params, call.shape(0)
    given = any(call.has(i) for i in (1, 3)) or (call.has(2) and not call.is_constant(2))
    if given or not call.one_dtype() or params.get("mode", "constant") != "constant":
        return None
    axes = axes_of(params.get("axes") or range(len(shape)), len(shape))
    before, after = [0] * len(shape), [0] * len(shape)
    for axis, low, high in zip(
        axes, params["pads"][: len(axes)], params["pads"][len(axes) :], strict=True
    ):
        before[axis], after[axis] = low, high
    sizes = list(zip(shape, before, after, strict=True))
    taken = (*(slice(max(-low, 0), size + min(high, 0)) for size, low, high in sizes), ...)
    placed = (*(slice(max(low, 0), low + size + min(high, 0)) for size, low, high in sizes), ...)
    scalar = call.constant(2) if call.has(2) else params.get("constant_value", 0)
    fill = np.asarray(scalar).reshape(()).astype(call.dtype)

    def run(x: Array, _p: object, _c: object, _a: object, out: Array) -> None:
        out.fill(fill)
        np.copyto(out[placed], x[taken])

    return run


def _gather(call: Call) -> Function | None:
    """`np.take` with clipped indices, which writes to its output directly, once they are checked."""
    shape, indices = call.shape(0), call.input_types[1]
    if indices is None or call.dtype.kind == "V":
        return None
    (axis,) = axes_of([int(call.params.get("axis", 0))], len(shape))
    dim = shape[axis]
    if call.is_constant(1):
        known = call.constant(1)
        if known.size and not -dim <= known.min() <= known.max() < dim:
            return None
        places = call.packed(
            "places", lambda: np.where(known < 0, known + dim, known).astype(np.intp)
        )

        def run_known(x: Array, _indices: object, out: Array) -> None:
            _take(x, places, axis, out, "clip")

        return run_known

    def run(x: Array, indices: Array, out: Array) -> None:
        outside = (indices < -dim) | (indices >= dim)
        if outside.any():
            first = int(indices[outside].reshape(-1)[0])
            raise OutOfRangeError(f"index {first} is outside a dimension of {dim} elements")
        _take(x, indices, axis, out, "wrap")

    return run if dim else None


def _take(x: Array, places: Array, axis: int, out: Array, mode: Literal["clip", "wrap"]) -> None:
    if x.flags.aligned:
        np.take(x, places, axis, out, mode)
    else:
        # np.take would first copy all of x; weights lie in a file as they may.
        np.copyto(out, x[(*(slice(None),) * axis, places)])


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("concat", _concat, "axis"),
    late("expand", _expand, "shape", arity=2),
    late("gather", _gather, "axis", raw=(0,)),
    late("pad", _pad, "pads", "constant_value", "axes", "mode", arity=4),
    late("slice", _slice, "starts", "ends", "axes", "steps", arity=5),
    late("transpose", _transpose, "perm"),
)
