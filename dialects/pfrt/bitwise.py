"""Bits of integers: elementwise ops of the elementwise family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import StringAttr
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, prop_def

from pyflame_rt.dialects.pfrt.activation import UnaryOp
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.broadcasting import FLOATS, NUMBERS, BinaryOp
from pyflame_rt.dialects.pfrt.types import dtype_of

INTEGERS = NUMBERS - FLOATS


@irdl_op_definition
class BitwiseAndOp(BinaryOp):
    """The bits that are set in both.

    ```mlir
    %0 = pfrt.bitwise_and %a, %b : (tensor<2x8xi32>, tensor<8xi32>) -> tensor<2x8xi32>
    ```
    C1: both operands hold the same type: i8 to i64 or ui8 to ui64.
    C2: the shapes broadcast.
    """

    name = "pfrt.bitwise_and"

    ALLOWED: ClassVar[frozenset[str]] = INTEGERS


@irdl_op_definition
class BitwiseOrOp(BinaryOp):
    """The bits that are set in either.

    ```mlir
    %0 = pfrt.bitwise_or %a, %b : (tensor<2x8xi32>, tensor<8xi32>) -> tensor<2x8xi32>
    ```
    C1: both operands hold the same type: i8 to i64 or ui8 to ui64.
    C2: the shapes broadcast.
    """

    name = "pfrt.bitwise_or"

    ALLOWED: ClassVar[frozenset[str]] = INTEGERS


@irdl_op_definition
class BitwiseXorOp(BinaryOp):
    """The bits that are set in exactly one.

    ```mlir
    %0 = pfrt.bitwise_xor %a, %b : (tensor<2x8xi32>, tensor<8xi32>) -> tensor<2x8xi32>
    ```
    C1: both operands hold the same type: i8 to i64 or ui8 to ui64.
    C2: the shapes broadcast.
    """

    name = "pfrt.bitwise_xor"

    ALLOWED: ClassVar[frozenset[str]] = INTEGERS


@irdl_op_definition
class BitwiseNotOp(UnaryOp, HasFolderInterface):
    """Every bit turned over.

    ```mlir
    %y = pfrt.bitwise_not %x : tensor<1x8xi32> -> tensor<1x8xi32>
    ```
    C1: the operand holds i8 to i64 or ui8 to ui64.
    """

    name = "pfrt.bitwise_not"

    ALLOWED: ClassVar[frozenset[str]] = INTEGERS

    def check(self) -> None:
        kind = self.operand.type
        self.require("C1", dtype_of(self.operand).name in self.ALLOWED, f"is not defined on {kind}")

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """f(f(x)) -> x"""
        inner = self.operand.owner
        if isinstance(inner, BitwiseNotOp) and inner.operand.type == self.result.type:
            return (inner.operand,)
        return None


@irdl_op_definition
class BitShiftOp(BinaryOp):
    """The bits of a, b places to the `direction`; to the right the sign bit follows.

    ```mlir
    %0 = pfrt.bit_shift %a, %b {direction = "LEFT"} : (tensor<2x8xui8>, tensor<8xui8>) -> tensor<2x8xui8>
    ```
    A negative b, and one of all bits or more, leaves nothing but that sign.

    C1: both operands hold the same type: i8 to i64 or ui8 to ui64.
    C2: the shapes broadcast.
    C3: `direction` is "LEFT" or "RIGHT".
    """

    name = "pfrt.bit_shift"

    direction = prop_def(StringAttr)

    ALLOWED: ClassVar[frozenset[str]] = INTEGERS

    def check(self) -> None:
        super().check()
        direction = self.direction.data
        self.require("C3", direction in ("LEFT", "RIGHT"), f'unknown direction "{direction}"')


OPS: tuple[type[PfrtOp], ...] = (
    BitwiseAndOp,
    BitwiseOrOp,
    BitwiseXorOp,
    BitwiseNotOp,
    BitShiftOp,
)
