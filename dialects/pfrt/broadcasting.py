"""What elementwise ops have in common: the types they are defined on, and broadcasting."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.ir import SSAValue
from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, broadcast
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of, type_of

BOOLS = frozenset({"bool"})
FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
FLOATS8 = frozenset({"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"})
SIGNED = FLOATS | {"int8", "int16", "int32", "int64"}
NUMBERS = SIGNED | {"uint8", "uint16", "uint32", "uint64"}
STRINGS = frozenset({"object"})
POWERS = FLOATS | {"int32", "int64"}

BROADCAST_FORMAT = (
    "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
)


class ElementwiseOp(PfrtOp, ABC):
    """A function of corresponding elements of operands that broadcast."""

    ELEMENTWISE: ClassVar[bool] = True

    def require_elements(
        self, constraint: str, values: Sequence[SSAValue], allowed: frozenset[str]
    ) -> None:
        """Require that the values have one element type, whose NumPy name is allowed."""
        first = type_of(values[0]).element_type
        for value in values:
            if type_of(value).element_type != first:
                self.require(constraint, False, f"mixes {first} and {value.type}")
        if dtype_of(values[0]).name not in allowed:
            self.require(constraint, False, f"is not defined on {first}")

    def require_broadcast(self, constraint: str) -> None:
        """Require that the shapes of all operands broadcast."""
        try:
            broadcast((), *(shape_of(value) or () for value in self.operands))
        except VerifyException as error:
            self.require(constraint, False, str(error))

    def result_shape(self) -> Shape | None:
        return broadcast(*(shape_of(value) or () for value in self.operands))


class BinaryOp(ElementwiseOp, ABC):
    """Elementwise on two operands of one element type, which the result has too."""

    lhs = operand_def(TensorConstraint)
    rhs = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = BROADCAST_FORMAT

    ALLOWED: ClassVar[frozenset[str]] = NUMBERS

    def check(self) -> None:
        self.require_elements("C1", (self.lhs, self.rhs), self.ALLOWED)
        self.require_broadcast("C2")
