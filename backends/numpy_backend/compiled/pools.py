"""Pools of whole images by machine code, on N x spatial x C."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled.attention import bits
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native

_FLOAT = 4
_ELEMENTS = 8.0
"""Elements in a nanosecond; about."""


def global_average_pool(schedule: Schedule, call: Call) -> CompiledPool | None:
    """The mean of each channel."""
    return _pool(schedule, call, "average")


def global_max_pool(schedule: Schedule, call: Call) -> CompiledPool | None:
    """The maximum of each channel."""
    return _pool(schedule, call, "max")


def _pool(schedule: Schedule, call: Call, what: str) -> CompiledPool | None:
    shape = call.shape(0)
    if not call.in_layout("nhwc") or not call.one_dtype() or call.dtype != np.float32:
        return None
    if len(shape) < 3 or 0 in shape:
        return None
    return CompiledPool(schedule, what, shape)


@dataclass(frozen=True, eq=False)
class CompiledPool(Compiled):
    """The mean or maximum of each channel of images of a shape."""

    schedule: Schedule
    what: str
    shape: tuple[int, ...]

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.floats.global_pools import GlobalPoolKernel
        from pyflame_rt.backends.native.steps import Call, Place, Step

        known = [a for i, a in enumerate(arrays) if a is not None and i not in late]
        if not all(a.flags.c_contiguous and a.flags.aligned for a in known):
            return None
        images, *spatial, channels = self.shape
        rows, columns, lanes = math.prod(spatial[:-1]), spatial[-1], self.schedule.lanes
        loaded = kernels.loaded(GlobalPoolKernel(self.schedule.cpu, lanes, self.what))
        way = channels * _FLOAT
        panels = -(-channels // lanes)
        bounds = [panels * i // self.schedule.shares for i in range(self.schedule.shares + 1)]
        shares: list[native.Share] = []
        for first, stop in pairwise(bounds):
            if first == stop:
                continue
            at, some = first * lanes * _FLOAT, min(stop * lanes, channels) - first * lanes
            record = (
                Place(0, at), Place(len(arrays) - 1, at), some, images, rows, columns,
                rows * columns * way, columns * way, way, way, bits(float(rows * columns)),
            )  # fmt: skip
            shares.append((Call(loaded, record),))
        return (Step(tuple(shares), math.prod(self.shape) / _ELEMENTS),)
