"""Elements of products in registers: how they are loaded, and multiplied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from xdsl.dialects import llvm
from xdsl.dialects.builtin import bf16, i16, i32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import Builder, vector_of
from pyflame_rt.backends.native.writing.half_floats import HalfFloats
from pyflame_rt.dialects.plan.schedules import ELEMENTS, Elements, Schedule

_PAIRS = "llvm.x86.avx512bf16.dpbf16ps.512"


class Multiplying(ABC):
    """The code for one kind of elements, on values of so many columns."""

    def __init__(self, b: Builder, kind: Elements, lanes: int) -> None:
        self._b, self.kind, self.lanes = b, kind, lanes

    @property
    def step(self) -> int:
        """Bytes of a row of x in one step along the depth."""
        return self.kind.x * self.kind.group

    @property
    def width(self) -> int:
        """Bytes of weights of all columns in one step."""
        return self.kind.weights * self.kind.group * self.lanes

    @abstractmethod
    def weights(self, pointer: SSAValue) -> Any:
        """Those of one step."""

    @abstractmethod
    def element(self, pointer: SSAValue, left: SSAValue | None = None) -> Any:
        """Those of x in one step, for all columns; if the row ends before, so many are `left`."""

    @abstractmethod
    def added(self, total: SSAValue, element: Any, weights: Any) -> SSAValue:
        """A sum and the products of one step."""


class _Singles(Multiplying):
    """f32 of x with weights that are f32 in registers."""

    def __init__(self, b: Builder, name: str, lanes: int) -> None:
        super().__init__(b, ELEMENTS[name], lanes)
        self._name = name
        # Processors that multiply and add at once convert f16 as well.
        self._halves = HalfFloats(b, lanes, converts=b.fused)

    def weights(self, pointer: SSAValue) -> SSAValue:
        if self._name == "f32":
            return self._b.load_vector(pointer, self.lanes)
        halves = self._b.load(pointer, vector_of(self.lanes, i16), 2)
        return self._halves.widened(self._name, halves)

    def element(self, pointer: SSAValue, left: SSAValue | None = None) -> SSAValue:
        return self._b.broadcast(pointer, self.lanes)

    def added(self, total: SSAValue, element: SSAValue, weights: SSAValue) -> SSAValue:
        return self._b.multiply_add(element, weights, total)


class _Pairs(Multiplying):
    """bf16 of x with bf16 weights, two at a time."""

    def __init__(self, b: Builder, lanes: int) -> None:
        super().__init__(b, ELEMENTS["bf16_pairs"], lanes)
        self._pairs = vector_of(2 * lanes, bf16)

    def weights(self, pointer: SSAValue) -> SSAValue:
        return self._b.load(pointer, self._pairs, 2)

    def element(self, pointer: SSAValue, left: SSAValue | None = None) -> SSAValue:
        b = self._b
        if left is None:
            pair = b.load(pointer, i32, 2)
        else:
            # One is left: there may be anything behind it.
            pair = b.add(llvm.ZExtOp, (b.load(pointer, i16, 2),), i32, {})
        return b.cast(b.spread(pair, self.lanes), self._pairs)

    def added(self, total: SSAValue, element: SSAValue, weights: SSAValue) -> SSAValue:
        return self._b.call(_PAIRS, (total, element, weights), total.type)


def multiplying(b: Builder, schedule: Schedule) -> Multiplying:
    """What a schedule says."""
    if schedule.elements == "bf16_pairs":
        return _Pairs(b, schedule.lanes)
    # LLVM takes values of several registers apart.
    return _Singles(b, schedule.elements, schedule.columns)
