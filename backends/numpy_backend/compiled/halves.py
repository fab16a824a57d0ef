"""Floats of 16 bits and machine code: weights that stay what they are, x rounded to them, and casts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Function
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.backends.numpy_backend.program import Constant, Invoke
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import ELEMENTS, Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native

PAIRS = "bf16_pairs"

_FLOAT = np.dtype(np.float32)
_NAMES = {
    _FLOAT: "f32",
    np.dtype(np.float16): "f16",
    np.dtype(ml_dtypes.bfloat16): "bf16",
}
_ROUNDED = 40
"""The number of the room for x of 16 bits."""


def runs(schedule: Schedule) -> bool:
    """Whether machine code of a schedule runs here."""
    from pyflame_rt.backends.native import kernels, processors

    cpu = schedule.cpu
    has_pairs = schedule.elements != PAIRS or processors.with_pairs(cpu) != cpu
    return kernels.runs(cpu) and has_pairs


def has_types(schedule: Schedule, call: Call) -> bool:
    """Whether the second input has the elements of the schedule, and all else f32."""
    kinds = list(call.input_types)
    weights = kinds.pop(1)
    others = (*kinds, *call.into_types)
    name = None if weights is None else _NAMES.get(weights.dtype)
    return name == schedule.elements.partition("_")[0] and all(
        kind is None or kind.dtype == _FLOAT for kind in others
    )


def key_of(schedule: Schedule, *more: object) -> tuple[object, ...]:
    """The name of what is packed for a schedule."""
    group = ELEMENTS[schedule.elements].group
    return ("native", schedule.columns, *more, *((group,) if group > 1 else ()))


def packed(schedule: Schedule, w: Array, runs: int = 1) -> Array:
    """Weights, depth x columns, as `products.pack` packs them for a schedule."""
    from pyflame_rt.backends.native.floats.products import pack

    return pack(schedule.columns, as_bits(w), ELEMENTS[schedule.elements].group, runs)


def as_bits(w: Array) -> Array:
    """NumPy moves bf16 element by element, and integers by rows."""
    return w.view(np.uint16) if w.itemsize == 2 else w


# Where there is no code.


def has_narrow_weights(invoke: Invoke) -> bool:
    """Whether a call takes weights that only machine code takes so."""
    schedule = invoke.schedule
    return isinstance(schedule, Schedule) and schedule.elements != "f32"


def with_wide_weights(plain: Any, call: Call) -> Function | None:
    """What NumPy does with the weights as f32."""
    ref = call.invoke.inputs[1]
    assert isinstance(ref, Constant)
    wide = Constant(packing.packed(ref.packs, ref.array, "f32", _widened))
    inputs = (call.invoke.inputs[0], wide, *call.invoke.inputs[2:])
    kinds = list(call.input_types)
    if (kind := kinds[1]) is not None:
        kinds[1] = replace(kind, dtype=_FLOAT)
    changed = replace(
        call, invoke=replace(call.invoke, inputs=inputs, packs={}), input_types=tuple(kinds)
    )
    if isinstance(changed, BoundCall):
        given = (changed.inputs[0], wide.array, *changed.inputs[2:])
        return plain(replace(changed, inputs=given))
    function = plain(changed)
    if function is None:
        return None

    def run(x: Array, _: Array, *others: Any) -> object:
        return function(x, wide.array, *others)

    return run


def _widened(w: Array) -> Array:
    return w.astype(np.float32)


# x of 16 bits.


@dataclass(frozen=True, eq=False)
class Rounded:
    """Memory for rows of x as bf16, side by side."""

    rows: int
    depth: int
    room: Array

    @staticmethod
    def of(call: Call, rows: int, depth: int) -> Rounded:
        """That of a call."""
        size = rows * depth
        return Rounded(rows, depth, call.rooms.get(_ROUNDED, np.dtype(np.uint16), 2 * size)[:size])

    @property
    def way(self) -> int:
        """Bytes from row to row."""
        return 2 * self.depth

    @property
    def address(self) -> int:
        """Where it begins."""
        return self.room.__array_interface__["data"][0]

    def step(self, schedule: Schedule, x: int, way: int) -> native.Step:
        """Rounding of x, the operand of that number, which has rows so far apart."""
        from pyflame_rt.backends.native.floats.casting import CastKernel, cast_call
        from pyflame_rt.backends.native.steps import Place, Step

        kernel = CastKernel.of(schedule.cpu, schedule.lanes, "f32", "bf16")
        count, depth = self.rows, self.depth
        if way == 4 * depth:
            # Rows that lie side by side are one.
            count, depth, way = 1, self.rows * depth, 0
        shares = min(schedule.shares, count)
        bounds = [count * share // shares for share in range(shares + 1)]
        return Step(
            tuple(
                (
                    cast_call(
                        kernel, Place(x, first * way), self.address + first * self.way, depth,
                        [(last - first, way, self.way)], (self.room,),
                    ),
                )
                for first, last in pairwise(bounds)
            ),
            self.rows * self.depth / _CONVERTED,
        )  # fmt: skip


_CONVERTED = 15.0
"""Elements in a nanosecond; about."""


# Casts.


def cast(schedule: Schedule, call: Call) -> CompiledCast | None:
    """y = x in another type, one of the two being f32."""
    kind = call.input_types[0]
    assert kind is not None
    source, target = _NAMES.get(kind.dtype), _NAMES.get(call.dtype)
    if source is None or target is None or (source == "f32") == (target == "f32"):
        return None
    return CompiledCast(schedule, math.prod(call.output_shape), source, target)


@dataclass(frozen=True, eq=False)
class CompiledCast(Compiled):
    """y = x in another type."""

    schedule: Schedule
    count: int
    source: str
    target: str

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x and y."""
        from pyflame_rt.backends.native.floats.casting import CastKernel, cast_call
        from pyflame_rt.backends.native.steps import Place, Step

        if any(a is not None and not a.flags.c_contiguous for a in arrays):
            return None
        kernel = CastKernel.of(self.cpu, self.schedule.lanes, self.source, self.target)
        return (Step.of(cast_call(kernel, Place(0), Place(1), self.count, [])),)
