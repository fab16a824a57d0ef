"""What follows a reduction on the PE that keeps a slot: bias, residual, activation."""

from __future__ import annotations

from dataclasses import dataclass

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.functions import apply, apply_cycles
from pyflame_rt.passes.wse.emitting.interface import Activation
from pyflame_rt.passes.wse.emitting.machine import Constants


@dataclass(frozen=True)
class Epilogue:
    """Works on `features` x `rows` elements of a buffer, in place."""

    buffer: str
    features: int
    rows: int
    bias: str | None = None
    residual: str | None = None
    activation: Activation = "none"
    limits: tuple[float, float] = (0.0, 0.0)

    @property
    def works(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.bias or self.residual) or self.activation != "none"

    def emit(self, code: Code) -> None:
        """Bias, then residual, then activation."""
        whole = code.mem(self.buffer)
        if self.bias:
            by_feature(code, "add", self.buffer, self.bias, self.features, self.rows)
        if self.residual:
            code.op("add", whole, whole, code.mem(self.residual))
        if self.activation != "none":
            apply(code, self.activation, self.buffer, limits=self.limits)

    def predicted(self, machine: Constants, lanes: int) -> float:
        """Cycles of all of it."""
        elements = self.features * self.rows
        total = 0.0
        if self.bias:
            total += by_feature_cycles(machine, lanes, self.features, self.rows)
        if self.residual:
            total += machine.pair(elements, lanes, clash=True) + machine.loads(3)
        if self.activation != "none":
            total += apply_cycles(self.activation, elements, machine, lanes)
        return total


def by_feature(
    code: Code, op: str, buffer: str, constants: str, features: int, rows: int, *,
    source: str | None = None,
) -> None:  # fmt: skip
    """buffer[f, :] <- source[f, :] op constants[f]; the source is the buffer by default."""
    given = buffer if source is None else source
    if rows == 1:
        code.op(op, code.mem(buffer, features), code.mem(given, features), code.mem(constants))
        return
    dest, first = code.dsr("dest"), code.dsr("src0")
    code.tile.load_dsr(dest, code.mem(buffer, rows), save_address=True)
    code.tile.load_dsr(first, code.mem(given, rows), save_address=True)
    with code.map(code.mem(constants, features)) as element:
        code.op(op, dest, first, scalar=element)


def by_feature_cycles(m: Constants, lanes: int, features: int, rows: int) -> float:
    """Cycles of `by_feature`."""
    loads = m.loads(3)
    if rows == 1:
        return m.pair(features, lanes, clash=True) + loads
    return loads + m.map_begin + features * (-(-rows // lanes) + m.vector_issue + m.map_next)
