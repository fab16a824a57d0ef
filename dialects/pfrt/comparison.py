"""Comparison, logic and choice: elementwise ops of the elementwise family that make or take i1."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import i1
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint
from pyflame_rt.dialects.pfrt.broadcasting import (
    BOOLS,
    BROADCAST_FORMAT,
    NUMBERS,
    STRINGS,
    BinaryOp,
    ElementwiseOp,
)
from pyflame_rt.dialects.pfrt.types import dtype_of, type_of


class ComparisonOp(BinaryOp, ABC):
    """A truth about two operands of one element type."""

    def result_dtype(self) -> Attribute:
        return i1


@irdl_op_definition
class EqualOp(ComparisonOp):
    """Whether a == b; false of NaN.

    ```mlir
    %0 = pfrt.equal %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i1, i8 to i64, ui8 to ui64, f16, bf16, f32, f64 or strings.
    C2: the shapes broadcast.
    """

    name = "pfrt.equal"

    ALLOWED: ClassVar[frozenset[str]] = NUMBERS | BOOLS | STRINGS


@irdl_op_definition
class LessOp(ComparisonOp):
    """Whether a < b; false of NaN.

    ```mlir
    %0 = pfrt.less %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.less"


@irdl_op_definition
class LessOrEqualOp(ComparisonOp):
    """Whether a <= b; false of NaN.

    ```mlir
    %0 = pfrt.less_or_equal %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.less_or_equal"


@irdl_op_definition
class GreaterOp(ComparisonOp):
    """Whether a > b; false of NaN.

    ```mlir
    %0 = pfrt.greater %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.greater"


@irdl_op_definition
class GreaterOrEqualOp(ComparisonOp):
    """Whether a >= b; false of NaN.

    ```mlir
    %0 = pfrt.greater_or_equal %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.greater_or_equal"


@irdl_op_definition
class AndOp(BinaryOp):
    """Whether both are true.

    ```mlir
    %0 = pfrt.and %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i1.
    C2: the shapes broadcast.
    """

    name = "pfrt.and"

    ALLOWED: ClassVar[frozenset[str]] = BOOLS


@irdl_op_definition
class OrOp(BinaryOp):
    """Whether either is true.

    ```mlir
    %0 = pfrt.or %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i1.
    C2: the shapes broadcast.
    """

    name = "pfrt.or"

    ALLOWED: ClassVar[frozenset[str]] = BOOLS


@irdl_op_definition
class XorOp(BinaryOp):
    """Whether exactly one is true.

    ```mlir
    %0 = pfrt.xor %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
    ```
    C1: both operands hold the same type: i1.
    C2: the shapes broadcast.
    """

    name = "pfrt.xor"

    ALLOWED: ClassVar[frozenset[str]] = BOOLS


@irdl_op_definition
class WhereOp(ElementwiseOp):
    """x where the condition holds, y elsewhere.

    ```mlir
    %0 = pfrt.where %c, %x, %y : (tensor<2x1xi1>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
    ```
    C1: the condition holds i1.
    C2: x and y hold the same type.
    C3: the shapes broadcast.
    """

    name = "pfrt.where"

    condition = operand_def(TensorConstraint)
    x = operand_def(TensorConstraint)
    y = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = BROADCAST_FORMAT

    def check(self) -> None:
        self.require_elements("C1", (self.condition,), BOOLS)
        self.require_elements("C2", (self.x, self.y), frozenset({dtype_of(self.x).name}))
        self.require_broadcast("C3")

    def result_dtype(self) -> Attribute:
        return type_of(self.x).element_type


OPS: tuple[type[PfrtOp], ...] = (
    EqualOp,
    LessOp,
    LessOrEqualOp,
    GreaterOp,
    GreaterOrEqualOp,
    AndOp,
    OrOp,
    XorOp,
    WhereOp,
)
