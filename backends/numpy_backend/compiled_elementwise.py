"""Elementwise calls by machine code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled_steps import Compiled, Known
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native
    from pyflame_rt.backends.native.elementwise import ElementwiseKernel

_FLOAT = 4
_ELEMENTS = 4.0
"""Elements in a nanosecond; about."""


def prepare(schedule: Schedule, call: Call) -> CompiledElementwise | None:
    """The function of a call; None where operands are broadcast otherwise than along rows."""
    from pyflame_rt.backends.native.activations import numbers_of
    from pyflame_rt.backends.native.elementwise import BINARY, ElementwiseKernel
    from pyflame_rt.backends.native.processors import instructions

    name, kind = call.invoke.callee, instructions(schedule.cpu)
    count = sum(given is not None for given in call.input_types)
    is_f32 = call.one_dtype() and call.dtype == np.float32
    if kind is None or not is_f32 or 0 in call.output_shape or count != len(call.input_types):
        return None
    binary = name in BINARY
    if count != (2 if binary else 1) or (binary and call.params):
        return None
    numbers = () if binary else numbers_of(name, call.params)
    shapes = [call.shape(i) for i in range(count)]
    rows = _rows(call.output_shape, shapes)
    if numbers is None or rows is None:
        return None
    kernel = ElementwiseKernel(
        schedule.cpu, schedule.lanes, kind.has_fma, name, numbers,
        tuple("scalar" if size == 1 else "vector" for _, size in rows[1:]),
    )  # fmt: skip
    return CompiledElementwise(schedule, kernel, tuple(rows))


def _rows(
    shape: tuple[int, ...], operands: Sequence[tuple[int, ...]]
) -> list[tuple[int, int]] | None:
    """(rows, elements of a row) of the result and of each operand, of which a row may be the same for
    all rows, and an element for a whole row. None where that does not say how they are broadcast."""
    total = math.prod(shape)
    sizes = [math.prod(operand) for operand in operands]
    if all(size in (1, total) for size in sizes):
        return [(1, total), *((1, size) for size in sizes)]
    for axis in range(1, len(shape)):
        rows, size = math.prod(shape[:axis]), math.prod(shape[axis:])
        found = [(rows, size)]
        for operand in operands:
            whole = (1,) * (len(shape) - len(operand)) + operand
            before, after = whole[:axis], whole[axis:]
            if before not in (shape[:axis], (1,) * axis):
                break
            if after not in (shape[axis:], (1,) * (len(shape) - axis)):
                break
            found.append((math.prod(before), math.prod(after)))
        if len(found) == len(operands) + 1 and size > 1:
            return found
    return None


@dataclass(frozen=True, eq=False)
class CompiledElementwise(Compiled):
    """y = f(a) or f(a, b), row by row."""

    schedule: Schedule
    kernel: ElementwiseKernel
    rows: tuple[tuple[int, int], ...]
    """Rows and their elements, of y and of each operand."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of a, b and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        known = [a for a in arrays[: len(self.rows)] if a is not None]
        if not all(a.flags.c_contiguous and a.flags.aligned for a in known):
            return None
        loaded, (rows, size) = kernels.loaded(self.kernel), self.rows[0]
        numbers = [len(self.rows) - 1, *range(len(self.rows) - 1)]
        shares: list[native.Share] = []
        for first, stop in pairwise(self._bounds(rows if rows > 1 else size)):
            if first == stop:
                continue
            places: list[native.Number] = [0] * 3
            ways = [0] * 3
            for index, (number, (own, row)) in enumerate(zip(numbers, self.rows, strict=True)):
                ways[index] = row * _FLOAT if own > 1 else 0
                step = ways[index] if rows > 1 else (_FLOAT if row > 1 else 0)
                places[index] = Place(number, first * step)
            count = (stop - first, size) if rows > 1 else (1, stop - first)
            shares.append((Call(loaded, (*places, *count, *ways)),))
        return (Step(tuple(shares), rows * size / _ELEMENTS),)

    def _bounds(self, count: int) -> list[int]:
        shares = self.schedule.shares
        return [count * share // shares for share in range(shares + 1)]
