"""Reductions along axes by machine code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled.attention import bits
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.reduction import reduced_axes

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native

_FLOAT = 4
_ELEMENTS = 16.0
"""Elements in a nanosecond; about."""


def reduction(name: str, schedule: Schedule, call: Call) -> CompiledReduction | None:
    """That of a call along axes that are known."""
    if call.has(1):
        return None
    params, shape = call.params, call.shape(0)
    noop = bool(params.get("noop_with_empty_axes", False))
    axes = reduced_axes(len(shape), params.get("axes") or (), noop)
    return _over(name, schedule, call, axes)


def global_pool(name: str, schedule: Schedule, call: Call) -> CompiledReduction | None:
    """The mean or maximum of each channel of each image."""
    if not call.in_layout("nchw"):
        return None
    kind = "max" if name == "global_max_pool" else "mean"
    return _over(kind, schedule, call, range(2, len(call.shape(0))))


def _over(
    name: str, schedule: Schedule, call: Call, axes: Sequence[int]
) -> CompiledReduction | None:
    from pyflame_rt.backends.native.processors import instructions

    shape, kind = call.shape(0), instructions(schedule.cpu)
    if kind is None or not axes or 0 in shape or not call.one_dtype() or call.dtype != np.float32:
        return None
    groups = _groups(shape, axes)
    if groups is None:
        return None
    return CompiledReduction(schedule, kind.has_fma, name, groups, len(call.input_types))


@dataclass(frozen=True)
class Groups:
    """Sizes, and ways in x, of two axes that are kept and two that go; whether the last one goes."""

    kept: tuple[tuple[int, int], tuple[int, int]]
    gone: tuple[tuple[int, int], tuple[int, int]]
    by_rows: bool


def _groups(shape: Sequence[int], axes: Sequence[int]) -> Groups | None:
    """Axes in a row that are all kept, or all go, put together; None if there are too many."""
    sizes = [(axis in axes, size) for axis, size in enumerate(shape) if size != 1]
    runs = [(goes, math.prod(n for _, n in run)) for goes, run in groupby(sizes, lambda e: e[0])]
    way, kept, gone = _FLOAT, list[tuple[int, int]](), list[tuple[int, int]]()
    for goes, size in reversed(runs):
        (gone if goes else kept).insert(0, (size, way))
        way *= size
    if len(kept) > 2 or len(gone) > 2:
        return None
    last = runs[-1][0] if runs else True
    filled = [[(1, 0)] * (2 - len(found)) + found for found in (kept, gone)]
    first, second = ((a, b) for a, b in filled)
    return Groups(first, second, last)


@dataclass(frozen=True, eq=False)
class CompiledReduction(Compiled):
    """A sum, product or extreme along axes."""

    schedule: Schedule
    has_fma: bool
    name: str
    groups: Groups
    y: int
    """The number of the result among the operands."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.floats.reductions import ReductionKernel
        from pyflame_rt.backends.native.steps import Call, Place, Step

        known = [a for i, a in enumerate(arrays[: self.y + 1]) if a is not None and i not in late]
        if not all(a.flags.c_contiguous and a.flags.aligned for a in known):
            return None
        form = "rows" if self.groups.by_rows else "columns"
        kernel = ReductionKernel(self.cpu, self.schedule.lanes, self.has_fma, self.name, form)
        loaded = kernels.loaded(kernel)
        (n0, x0), (n1, x1) = self.groups.kept
        gone = [number for axis in self.groups.gone for number in axis]
        count = self.groups.gone[0][0] * self.groups.gone[1][0]
        y0, y1 = n1 * _FLOAT, _FLOAT
        shares: list[native.Share] = []
        # The second axis is the longer one where there is one; columns lie side by side in vectors.
        grain = 1 if self.groups.by_rows else kernel.width
        along = 0 if n0 >= self.schedule.shares else 1
        bounds = _bounds((n0, n1)[along], self.schedule.shares, 1 if along == 0 else grain)
        for first, stop in pairwise(bounds):
            sizes = (stop - first, n1) if along == 0 else (n0, stop - first)
            x, y = (first * way for way in ((x0, y0) if along == 0 else (x1, y1)))
            kept = (sizes[0], x0, y0, sizes[1], x1, y1)
            record = (Place(0, x), Place(self.y, y), *kept, *gone, bits(count))
            shares.append((Call(loaded, record),))
        return (Step(tuple(shares), n0 * n1 * count / _ELEMENTS),)


def _bounds(size: int, shares: int, grain: int) -> list[int]:
    """Where shares begin and end, none of them empty, at multiples of a grain."""
    pieces = -(-size // grain)
    shares = max(1, min(shares, pieces))
    return [min(size, pieces * share // shares * grain) for share in range(shares + 1)]
