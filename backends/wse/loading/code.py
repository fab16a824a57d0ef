"""The code of one task before its registers are numbers.

Rows are the image's instructions whose register columns hold `Register` objects and whose targets
hold `Place` objects; `registers.assign` gives the registers numbers and `Code.emit` hands the rows to
the assembler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Label, ProgramBuilder, raw


@dataclass(frozen=True, eq=False)
class Register:
    """A register that is not numbered yet; one with `fixed` is that register."""

    fixed: int | None = None


@dataclass(frozen=True, eq=False)
class Place:
    """A place in the code that branches name."""


@dataclass(frozen=True)
class Constant:
    """A number known when the program is loaded, of a type of the image.

    `register` holds it where an instruction has no place for a constant.
    """

    value: float
    type_name: str
    register: Register | None = None

    @property
    def bits(self) -> int:
        """What a register with the number holds."""
        return raw(self.value, self.type_name)


Operand: TypeAlias = Register | Constant
Column: TypeAlias = Register | Place | int

# The column that an instruction writes; every other one that holds a register is read.
_WRITTEN: Final = {
    im.LI: 0, im.MOVE: 0, im.ALU: 0, im.ALUI: 0, im.FMA: 0, im.CONVERT: 0, im.LOAD: 0,
    im.TIMESTAMP: 0, im.CALL: 1, im.MAP_ELEMENT: 2,
}  # fmt: skip
ENDS: Final = (im.END, im.HALT)


@dataclass(frozen=True)
class Row:
    """One instruction; `spare` ones go when nobody reads what they write."""

    opcode: int
    columns: tuple[Column, ...]
    cost: int = im.COST_SCALAR
    spare: bool = False

    @property
    def written(self) -> Register | None:
        """The register that it writes."""
        place = _WRITTEN.get(self.opcode)
        column = None if place is None else self.columns[place]
        return column if isinstance(column, Register) else None

    @property
    def read(self) -> list[Register]:
        """The registers that it reads."""
        written = _WRITTEN.get(self.opcode)
        return [
            column
            for place, column in enumerate(self.columns)
            if isinstance(column, Register) and place != written
        ]

    @property
    def targets(self) -> list[Place]:
        """Where it may go besides the next row."""
        return [column for column in self.columns if isinstance(column, Place)]


@dataclass
class Code:
    """Rows in order, and the places between them."""

    rows: list[Row | Place] = field(default_factory=list[Row | Place])

    def add(
        self, opcode: int, *columns: Column, cost: int = im.COST_SCALAR, spare: bool = False
    ) -> None:
        """Append an instruction; columns that are not given are 0."""
        self.rows.append(Row(opcode, (*columns, *(0,) * (6 - len(columns))), cost, spare))

    def bind(self, place: Place) -> None:
        """The place is here."""
        self.rows.append(place)

    def constant(self, value: Constant) -> Constant:
        """The number, loaded into a register here if some instruction later wants it in one."""
        to = Register()
        self.add(im.LI, to, value.bits, spare=True)
        return replace(value, register=to)

    def register(self, operand: Operand) -> Register:
        """The operand in a register."""
        if isinstance(operand, Register):
            return operand
        if operand.register is not None:
            return operand.register
        to = Register()
        self.add(im.LI, to, operand.bits)
        return to

    def assign(self, to: Register, operand: Operand) -> None:
        """to <- operand; a copy goes away when both can be one register."""
        if isinstance(operand, Register):
            self.add(im.MOVE, to, operand)
        else:
            self.add(im.LI, to, operand.bits)

    def alu(
        self, function: str, type_name: str, left: Operand, right: Operand | None = None
    ) -> Register:
        """A register with left FUNCTION right."""
        to = Register()
        cost = im.COST_FLOAT if type_name.startswith("f") else im.COST_SCALAR
        number, kind = im.ALU_FUNCTIONS.index(function), im.TYPES.index(type_name)
        first = self.register(left)
        if isinstance(right, Constant):
            self.add(im.ALUI, to, first, right.bits, number, kind, cost=cost)
        else:
            second = first if right is None else right
            self.add(im.ALU, to, first, second, number, kind, cost=cost)
        return to

    def convert(self, value: Operand, source: str, target: str) -> Register:
        """A register with a number in another type."""
        to = Register()
        kinds = im.TYPES.index(source), im.TYPES.index(target)
        self.add(im.CONVERT, to, self.register(value), 0, *kinds)
        return to

    def branch(
        self, condition: Register, place: Place, *, when: bool = True, cost: int | None = None
    ) -> None:
        """Go to the place when the condition is nonzero (`when`) or zero; a cost holds for both."""
        taken, other = (-1, im.COST_BRANCH) if cost is None else (cost, cost)
        self.add(im.BRANCH, condition, place, int(not when), taken, cost=other)

    def free(self, register: Register) -> None:
        """What was last computed in a register costs nothing."""
        for place in range(len(self.rows) - 1, -1, -1):
            row = self.rows[place]
            if isinstance(row, Row) and row.written is register:
                self.rows[place] = replace(row, cost=0)
                return

    def jump(self, place: Place, cost: int = im.COST_BRANCH) -> None:
        """Go to the place."""
        self.add(im.JUMP, place, cost=cost)

    def without_spares(self) -> Code:
        """The code without rows whose result nobody reads and that may go."""
        rows = self.rows
        while True:
            used = {r for row in rows if isinstance(row, Row) for r in row.read}
            kept = [
                row
                for row in rows
                if isinstance(row, Place) or not row.spare or row.written in used
            ]
            if len(kept) == len(rows):
                return Code(kept)
            rows = kept

    def emit(self, program: ProgramBuilder, numbers: Mapping[Register, int]) -> None:
        """Append the rows to a program; copies of a register to itself are left out.

        A copy with a declared cost stays.
        """
        labels = {place: program.label() for place in self.rows if isinstance(place, Place)}

        def column(value: Column) -> int | Label:
            if isinstance(value, Place):
                return labels[value]
            return numbers[value] if isinstance(value, Register) else value

        for row in self.rows:
            if isinstance(row, Place):
                program.bind(labels[row])
                continue
            a, b, *rest = map(column, row.columns)
            if row.opcode == im.MOVE and a == b and row.cost < 0:
                continue
            others = [value for value in rest if isinstance(value, int)]
            program.emit(row.opcode, a, b, *others, cost=row.cost)
