"""Softmax and normalizations along the last axes, by machine code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled_attention import bits
from pyflame_rt.backends.numpy_backend.compiled_steps import Compiled, Known
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native
    from pyflame_rt.backends.native.kernels import Kernel

_FLOAT = 4
_ELEMENTS = 4.0
"""Elements in a nanosecond; about."""


def softmax(schedule: Schedule, call: Call) -> CompiledRows | None:
    """That of a call along its last axis."""
    from pyflame_rt.backends.native.processors import instructions
    from pyflame_rt.backends.native.rows import SoftmaxKernel

    shape, kind = call.shape(0), instructions(schedule.cpu)
    axis = int(call.params["axis"]) % max(len(shape), 1)
    is_last = len(shape) > 0 and axis == len(shape) - 1
    if kind is None or not is_last or not _is_f32(call):
        return None
    kernel = SoftmaxKernel(schedule.cpu, schedule.lanes, kind.has_fma)
    size = shape[axis]
    return CompiledRows(
        schedule, kernel, math.prod(shape[:-1]), size, 1, (None,), (0, size, 0, bits(1.0), 0)
    )


def layer_norm(schedule: Schedule, call: Call) -> CompiledRows | None:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias for each row."""
    return _norm(schedule, call, centred=True)


def rms_norm(schedule: Schedule, call: Call) -> CompiledRows | None:
    """x / sqrt(mean square + epsilon) * scale for each row."""
    return _norm(schedule, call, centred=False)


def _norm(schedule: Schedule, call: Call, centred: bool) -> CompiledRows | None:
    from pyflame_rt.backends.native.processors import instructions
    from pyflame_rt.backends.native.rows import NormKernel

    shape, kind = call.shape(0), instructions(schedule.cpu)
    axis = int(call.params["axis"]) % max(len(shape), 1)
    rows, size = math.prod(shape[:axis]), math.prod(shape[axis:])
    given = [math.prod(call.shape(i)) for i in (1, 2) if call.has(i)]
    if kind is None or any(n != size for n in given) or not _is_f32(call):
        return None
    kernel = NormKernel(schedule.cpu, schedule.lanes, kind.has_fma, centred)
    numbers = (bits(call.params["epsilon"]), bits(1 / max(size, 1)))
    y = len(call.input_types)
    return CompiledRows(schedule, kernel, rows, size, y, (1, 2 if y > 2 else None), numbers)


def _is_f32(call: Call) -> bool:
    return call.one_dtype() and call.dtype == np.float32 and 0 not in call.shape(0)


@dataclass(frozen=True, eq=False)
class CompiledRows(Compiled):
    """A function of each row of x."""

    schedule: Schedule
    kernel: Kernel
    rows: int
    size: int
    y: int
    """The number of the result among the operands."""
    vectors: tuple[int | None, ...]
    """Operands that are the same for all rows, if there are any."""
    numbers: tuple[int, ...]
    """What stands at the end of the record."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x, the vectors and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        y = self.y
        known = [a for i, a in enumerate(arrays[: y + 1]) if a is not None and i not in late]
        if not all(a.flags.c_contiguous and a.flags.aligned for a in known):
            return None
        loaded, way = kernels.loaded(self.kernel), self.size * _FLOAT
        others: list[native.Number] = [
            0 if i is None or (arrays[i] is None and i not in late) else Place(i)
            for i in self.vectors
        ]
        bounds = [self.rows * i // self.schedule.shares for i in range(self.schedule.shares + 1)]
        shares: list[native.Share] = []
        for first, stop in pairwise(bounds):
            if first == stop:
                continue
            x_place, y_place = Place(0, first * way), Place(y, first * way)
            record = (x_place, y_place, *others, stop - first, self.size, way, way)
            shares.append((Call(loaded, (*record, *self.numbers)),))
        return (Step(tuple(shares), self.rows * self.size / _ELEMENTS),)
