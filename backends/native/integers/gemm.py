"""Products of matrices of bytes in the registers: how their elements are multiplied, and sums end.

Weights are packed as [panel][depth / 4][column][4], and four neighbouring bytes of a row of x meet those of
each column in one instruction, or in a few. Sums are of 32 bits and exact, and are never put down before
they are finished. See `register_tiles` for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers import finish
from pyflame_rt.backends.native.integers.finish import Ending, Finish, finish_fields
from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.writing import register_tiles
from pyflame_rt.backends.native.writing.activations import is_short
from pyflame_rt.backends.native.writing.builder import Builder, Values
from pyflame_rt.backends.native.writing.elements import Multiplying
from pyflame_rt.backends.native.writing.loops import fields
from pyflame_rt.backends.native.writing.register_tiles import PLACES, SIZES, Masks, Registers
from pyflame_rt.dialects.plan.integer_schedules import BYTES, IntegerSchedule

ENTRY = "integer_gemm"
OPERANDS = ("@x", "@y", "@residual", "@zero", "@scale", "@jobs", "count")
"""The record of the function: addresses of x, y, a residual (0 without one), x's zero point, x's scale,
and jobs."""

JOB = (
    *PLACES, *SIZES, "lines", "a_line", "runs", "a_run", "depth", *finish.FIELDS,
)  # fmt: skip
"""What a job says, and what finishes sums. A row of x is `lines`, `a_line` apart, of `runs`, `a_run`
apart, of `depth` bytes."""

_FIRST_OF_FINISH = len(JOB) - len(finish.FIELDS)


@dataclass(frozen=True)
class IntegerGemmKernel:
    """What code is made of: y = ending(x @ w) by tiles of certain sizes."""

    schedule: IntegerSchedule
    dot: str
    """See `integer_processors.dot_of`."""
    heights: tuple[int, ...]
    panels: int
    ending: Ending
    fused: bool = True
    """Whether there is an instruction that multiplies and adds f32, for `ending`'s function."""

    entry = ENTRY
    operands: ClassVar[tuple[str, ...]] = OPERANDS
    fields: ClassVar[tuple[str, ...]] = JOB

    @property
    def cpu(self) -> str:
        """The instructions that the code is made of."""
        return self.schedule.cpu

    @property
    def size(self) -> int:
        """Bytes of an element of the result."""
        return self.ending.size

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        return register_tiles.emit(self)

    def tile(self, rows: int, panels: int) -> Registers:
        """The code of a tile."""
        return _Tile(self, rows, panels)


class _Bytes(Multiplying):
    """Bytes of x from 0 to 255, or signed ones that are read as 128 more, with weights from -128 to 127."""

    def __init__(self, b: Builder, v: Integers, *, signed: bool) -> None:
        super().__init__(b, BYTES, v.lanes)
        self._v, self._signed = v, signed

    def weights(self, pointer: SSAValue) -> Sequence[SSAValue]:
        return self._v.right(self._v.load(pointer))

    def element(self, pointer: SSAValue, left: SSAValue | None = None) -> Sequence[SSAValue]:
        v = self._v
        found = v.spread(pointer) if left is None else v.few_bytes(pointer, left)
        return v.left(v.flipped(found) if self._signed else found)

    def added(
        self, total: SSAValue, element: Sequence[SSAValue], weights: Sequence[SSAValue]
    ) -> SSAValue:
        return self._v.dot(total, element, weights)


class _Tile(Registers):
    """The function that computes one tile."""

    AXES = (("lines", "a_line"), ("runs", "a_run"))

    def __init__(self, kernel: IntegerGemmKernel, rows: int, panels: int) -> None:
        b = Registers.builder(rows, panels, fused=kernel.fused)
        self._v = Integers(b, kernel.schedule.lanes, kernel.dot)
        self._ending = kernel.ending
        super().__init__(kernel, rows, panels, b, _Bytes(b, self._v, signed=self._ending.signed))

    def begin(self) -> Sequence[SSAValue]:
        """What sums begin with, and nothing for the sums of rows, which are carried along."""
        b, given = self.b, self.given
        finishing = finish_fields(b, given["job"], _FIRST_OF_FINISH)
        outside = fields(b, given["record"], OPERANDS)
        self._finish = Finish(b, self._v, self._ending, {**finishing, **outside}, given["across"])
        none = b.splat_integer(0, self._v.lanes)
        row_sums = [none] * (self.rows if self._ending.has_shifts else 0)
        return [*[*self._finish.starts(self.panels * self.beside)] * self.rows, *row_sums]

    def other(self, left: SSAValue | None) -> Sequence[SSAValue] | None:
        """Ones, where rows of x are summed."""
        return self._v.right(self._v.ones(left)) if self._ending.has_shifts else None

    def end(self, carried: Sequence[SSAValue]) -> None:
        """Finish the sums and put them down; with masks where not all columns are there."""
        sums, row_sums = carried[: len(self.places)], carried[len(self.places) :]
        values = [
            self._finish.value(total, k, row_sums[r] if row_sums else None)
            for total, (r, k) in zip(sums, self.places, strict=True)
        ]
        if self._ending.result != "float32":
            self._finish.prepare_sum()
            self.by_edge(partial(self._put, values))
            return
        residual = self.said("record", "@residual")["residual"]
        has_residual = self.b.compare("ne", self.b.number_of(residual), 0)
        self.by_edge(partial(self._put_floats, values, has_residual))
        if self._ending.activation and not is_short(self._ending.activation):
            self.activate_put_down(self._ending.activation, self._ending.numbers)

    def _put(self, values: Values, masks: Masks) -> Values:
        size = self._ending.size
        for value, (r, k) in zip(values, self.places, strict=True):
            place = self.place("c", r, k, size)
            if self._ending.adds is not None:
                value = self._finish.added(value, self.place("residual", r, k, size), masks[k])
            self._v.put(value, place, masks[k], size)
        return ()

    def _put_floats(self, values: Values, has_residual: SSAValue, masks: Masks) -> Values:
        b, lanes = self.b, self._v.lanes

        def added() -> Values:
            more = (
                b.load_vector(self.place("residual", r, k, 4), lanes, masks[k])
                for r, k in self.places
            )
            return [b.add_floats(value, one) for value, one in zip(values, more, strict=True)]

        found = b.when(has_residual, added, values)
        for value, (r, k) in zip(found, self.places, strict=True):
            self._v.put(self._finish.activated(value), self.place("c", r, k, 4), masks[k], 4)
        return ()
