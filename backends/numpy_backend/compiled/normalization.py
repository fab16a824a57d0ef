"""Batch normalization by machine code: a factor and an addend for each channel."""

from __future__ import annotations

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.normalization import folded_statistics
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled.elementwise import CompiledElementwise
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.epilogue import Activation

_FLOAT = np.dtype(np.float32)
_WIDE = 512
"""A row of so many elements takes no longer for each of them than a longer one."""


def batch_normalization(schedule: Schedule, call: BoundCall) -> Run | None:
    """x * factor + addend, each rounded, of f32 whose channels lie together; and a function of it."""
    from pyflame_rt.backends.native.floats.elementwise import Operation
    from pyflame_rt.backends.native.processors import instructions
    from pyflame_rt.backends.native.writing.activations import numbers_of

    kind, x, y = instructions(schedule.cpu), call.input(0), call.output
    is_plain = call.in_layout("nhwc") and call.dtype == _FLOAT and 0 not in y.shape
    if kind is None or not is_plain or not (x.flags.c_contiguous and y.flags.c_contiguous):
        return None
    folded = folded_statistics(call)
    if folded is None:
        return None
    operations = [Operation("mul", (0, 1)), Operation("add", (3, 2))]
    activation = call.params.get("activation")
    if isinstance(activation, Activation):
        numbers = numbers_of(activation.op, activation.properties)
        if numbers is None:
            return None
        operations.append(Operation(activation.op, (4,), numbers))
    width = y.shape[-2] if y.shape[-1] < _WIDE else 1
    factor, addend = (np.tile(part.reshape(-1), width) for part in folded)
    rows, flat = (array.reshape(-1, factor.size) for array in (x, y))
    found = CompiledElementwise(
        schedule, kind.has_fma, (rows.shape, factor.shape, addend.shape), flat.shape,
        (_FLOAT,) * 3, tuple(operations), (2 + len(operations),), 3,
    )  # fmt: skip
    return found.on(rows, factor, addend, flat)
