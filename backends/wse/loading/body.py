"""The body of a task or function: its ops in order, as the code of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from pyflame_rt.backends.wse.loading import arithmetic, control, memory
from pyflame_rt.backends.wse.loading.arithmetic import Unsupported
from pyflame_rt.backends.wse.loading.code import Code, Operand, Place, Register, Row
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.dialects.rewriting import location_text
from pyflame_rt.dialects.wse.attributes import CostAttr
from pyflame_rt.dialects.wse.base import COST
from pyflame_rt.errors import ValidationError

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.loading.tile import Tile


def fail(op: Operation, where: str, what: str, hint: str | None = None) -> NoReturn:
    """Raise ValidationError for an op: what, where in the program and in the text."""
    place = location_text(op)
    where = f"{op.name} in {where}" + (f" ({place})" if place else "")
    raise ValidationError(what, where=where, hint=hint)


class Body:
    """What the ops of a task become; values are registers or constants."""

    def __init__(self, tile: Tile, where: str):
        self.tile = tile
        self.where = where
        self.code = Code()
        # Calls and maps that are open.
        self.calls = 0
        self.maps = 0
        self._values: dict[SSAValue, Operand] = {}

    def value(self, value: SSAValue) -> Operand:
        """What holds a value. Raises Unsupported for one that no register holds."""
        found = self._values.get(value)
        if found is None:
            raise Unsupported(f"a value of type {value.type} is not in a register")
        return found

    def register(self, value: SSAValue) -> Register:
        """The register of a value."""
        return self.code.register(self.value(value))

    def define(self, values: Sequence[SSAValue], operands: Sequence[Operand]) -> None:
        """Say what holds values."""
        self._values.update(zip(values, operands, strict=True))

    def block(self, block: Block) -> None:
        """Append the code of a block's ops."""
        for op in block.ops:
            self._op(op)

    def _op(self, op: Operation) -> None:
        start = len(self.code.rows)
        try:
            self._lower(op)
        except Unsupported as error:
            fail(op, self.where, str(error))
        cost = op.attributes.get(COST)
        if isinstance(cost, CostAttr) and not isinstance(op, scf.IfOp):
            self._declare(op, cost, start)

    def _lower(self, op: Operation) -> None:
        found = arithmetic.select(op, self.code, self.value)
        if found is not None:
            self.define(op.results, (found,))
            return
        if control.lower(op, self) or memory.lower(op, self) or self.tile.lower(op, self):
            return
        raise Unsupported("the machine has no instructions for this op")

    def declared(self, op: Operation) -> int | None:
        """What an op declares to cost; None when it declares nothing."""
        cost = op.attributes.get(COST)
        if not isinstance(cost, CostAttr):
            return None
        self.tile.declare_cost(cost.label.data, cost.cycles.data)
        return cost.cycles.data

    def _declare(self, op: Operation, cost: CostAttr, start: int) -> None:
        """Let the rows of an op take what it declares, all of it in the first one."""
        rows = self.code.rows
        if op.regions or any(isinstance(row, Place) for row in rows[start:]):
            fail(op, self.where, "an op of several paths cannot declare a cost")
        cycles = cost.cycles.data
        self.tile.declare_cost(cost.label.data, cycles)
        vectors = [n for n in range(start, len(rows)) if _opcode(rows[n]) == im.VECTOR]
        if vectors and op.properties.get("thread") is None:
            fail(op, self.where, "takes what its elements take", "declare a cost beside it")
        if vectors:
            # The loads of its operands are charged beside it.
            start = vectors[0]
        if all(isinstance(row, Row) and row.spare for row in rows[start:]) and cycles:
            self.code.add(im.LI, Register(), 0)
        for place in range(start, len(rows)):
            row = rows[place]
            if isinstance(row, Row) and not row.spare:
                rows[place] = replace(row, cost=cycles)
                cycles = 0


def _opcode(row: Row | Place) -> int:
    return row.opcode if isinstance(row, Row) else -1
