"""Copies and transposes by machine code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled_steps import Compiled, Known
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native

_FLOAT = 4
_AXES = 4


def copy(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """y = x."""
    return _of(schedule, call, range(len(call.shape(0))))


def transpose(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """y = x with its axes in another order."""
    perm = call.params.get("perm") or tuple(reversed(range(len(call.shape(0)))))
    return _of(schedule, call, perm)


def _of(schedule: Schedule, call: Call, perm: Sequence[int]) -> CompiledCopy | None:
    shape = call.shape(0)
    if not call.one_dtype() or call.dtype != np.float32 or 0 in shape:
        return None
    found = CompiledCopy(schedule, shape, tuple(perm))
    return found if len(found.axes(None, None)) <= _AXES else None


@dataclass(frozen=True, eq=False)
class CompiledCopy(Compiled):
    """y = x with its axes in the order `perm`."""

    schedule: Schedule
    shape: tuple[int, ...]
    perm: tuple[int, ...]

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x and y."""
        from pyflame_rt.backends.native.copying import CopyKernel, copy_call
        from pyflame_rt.backends.native.steps import Place, Step

        axes = self.axes(*arrays[:2])
        if len(axes) > _AXES:
            return None
        sizes, sources, targets = zip(*axes, strict=True) if axes else ((1,), (4,), (4,))
        kernel = CopyKernel(self.cpu, self.schedule.lanes)
        return (Step.of(copy_call(kernel, Place(0), Place(1), sizes, sources, targets)),)

    def axes(self, x: Known, y: Known) -> list[tuple[int, int, int]]:
        """Sizes, and the ways in x and y, of the axes that cannot be put together."""
        shape = tuple(self.shape[axis] for axis in self.perm)
        x_ways = _ways(x, self.shape)
        return merged(shape, tuple(x_ways[axis] for axis in self.perm), _ways(y, shape))


def _ways(array: Array | None, shape: Sequence[int]) -> tuple[int, ...]:
    """The way from element to element along each axis; of what is not known, as it is expected."""
    if array is not None:
        return array.strides
    return tuple(math.prod(shape[axis + 1 :]) * _FLOAT for axis in range(len(shape)))


def merged(
    sizes: Sequence[int], sources: Sequence[int], targets: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Axes of a copy, neighbours that are one in both source and target put together."""
    found: list[tuple[int, int, int]] = []
    for size, source, target in zip(sizes, sources, targets, strict=True):
        if size == 1:
            continue
        if found:
            before, its_source, its_target = found[-1]
            if its_source == size * source and its_target == size * target:
                found[-1] = (before * size, source, target)
                continue
        found.append((size, source, target))
    return found
