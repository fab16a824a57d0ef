"""Elementwise arithmetic; more of the family is in `comparison.py`, `bitwise.py` and
`trigonometry.py`."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import i1
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, result_def, var_operand_def

from pyflame_rt.dialects.pfrt import bitwise, comparison, trigonometry
from pyflame_rt.dialects.pfrt.activation import UnaryOp
from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint
from pyflame_rt.dialects.pfrt.broadcasting import (
    BOOLS,
    BROADCAST_FORMAT,
    FLOATS,
    FLOATS8,
    NUMBERS,
    POWERS,
    SIGNED,
    BinaryOp,
    ElementwiseOp,
)
from pyflame_rt.dialects.pfrt.constraints import flag_property
from pyflame_rt.dialects.pfrt.types import dtype_of


class ElementUnaryOp(UnaryOp, ABC):
    """Elementwise on one operand of a type that is allowed."""

    ALLOWED: ClassVar[frozenset[str]] = FLOATS

    def check(self) -> None:
        if dtype_of(self.operand).name not in self.ALLOWED:
            self.require("C1", False, f"is not defined on {self.operand.type}")


class InvolutionOp(ElementUnaryOp, HasFolderInterface, ABC):
    """A function that undoes itself."""

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """f(f(x)) -> x"""
        inner = self.operand.owner
        if isinstance(inner, type(self)) and inner.operand.type == self.result.type:
            return (inner.operand,)
        return None


class VariadicOp(ElementwiseOp, HasFolderInterface, ABC):
    """Elementwise on one or more operands of one element type, which the result has too."""

    inputs = var_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = BROADCAST_FORMAT

    ALLOWED: ClassVar[frozenset[str]] = FLOATS

    def check(self) -> None:
        self.require("C1", len(self.operands) > 0, "needs at least one operand")
        self.require_elements("C2", self.operands, self.ALLOWED)
        self.require_broadcast("C3")

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """op(x) -> x"""
        alone = len(self.operands) == 1 and self.operands[0].type == self.result.type
        return tuple(self.operands) if alone else None

    def flops(self) -> int | None:
        each = super().flops()
        return None if each is None else each * max(len(self.operands) - 1, 1)


@irdl_op_definition
class AbsOp(ElementUnaryOp):
    """|x|; the least integer of a type stays what it is.

    ```mlir
    %y = pfrt.abs %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    """

    name = "pfrt.abs"

    ALLOWED: ClassVar[frozenset[str]] = NUMBERS


@irdl_op_definition
class NegOp(InvolutionOp):
    """-x; the least integer of a type stays what it is.

    ```mlir
    %y = pfrt.neg %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds i8 to i64, f16, bf16, f32 or f64.
    """

    name = "pfrt.neg"

    ALLOWED: ClassVar[frozenset[str]] = SIGNED


@irdl_op_definition
class SqrtOp(ElementUnaryOp):
    """The square root; NaN below zero.

    ```mlir
    %y = pfrt.sqrt %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.sqrt"


@irdl_op_definition
class ExpOp(ElementUnaryOp):
    """e to the power x.

    ```mlir
    %y = pfrt.exp %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.exp"


@irdl_op_definition
class LogOp(ElementUnaryOp):
    """The natural logarithm; -inf at zero, NaN below.

    ```mlir
    %y = pfrt.log %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.log"


@irdl_op_definition
class FloorOp(ElementUnaryOp):
    """The largest integer not above x.

    ```mlir
    %y = pfrt.floor %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.floor"


@irdl_op_definition
class CeilOp(ElementUnaryOp):
    """The smallest integer not below x.

    ```mlir
    %y = pfrt.ceil %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.ceil"


@irdl_op_definition
class RoundOp(ElementUnaryOp):
    """The nearest integer, the even one of two.

    ```mlir
    %y = pfrt.round %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.round"


@irdl_op_definition
class ReciprocalOp(ElementUnaryOp):
    """1 / x; infinite at zero.

    ```mlir
    %y = pfrt.reciprocal %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.reciprocal"


@irdl_op_definition
class SignOp(ElementUnaryOp):
    """-1, 0 or 1; NaN of NaN.

    ```mlir
    %y = pfrt.sign %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    """

    name = "pfrt.sign"

    ALLOWED: ClassVar[frozenset[str]] = NUMBERS


@irdl_op_definition
class SinOp(ElementUnaryOp):
    """The sine of an angle in radians.

    ```mlir
    %y = pfrt.sin %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.sin"


@irdl_op_definition
class CosOp(ElementUnaryOp):
    """The cosine of an angle in radians.

    ```mlir
    %y = pfrt.cos %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.cos"


@irdl_op_definition
class NotOp(InvolutionOp):
    """Logical negation.

    ```mlir
    %y = pfrt.not %x : tensor<1x8xi1> -> tensor<1x8xi1>
    ```
    C1: the operand holds i1.
    """

    name = "pfrt.not"

    ALLOWED: ClassVar[frozenset[str]] = BOOLS


@irdl_op_definition
class IsNanOp(ElementUnaryOp):
    """Whether x is NaN.

    ```mlir
    %y = pfrt.is_nan %x : tensor<1x8xf32> -> tensor<1x8xi1>
    ```
    C1: the operand holds f16, bf16, f32, f64 or a float8 but f8E8M0FNU.
    """

    name = "pfrt.is_nan"

    ALLOWED: ClassVar[frozenset[str]] = FLOATS | FLOATS8

    def result_dtype(self) -> Attribute:
        return i1


@irdl_op_definition
class IsInfOp(ElementUnaryOp):
    """Whether x is an infinity, of the signs that the properties ask for.

    ```mlir
    %y = pfrt.is_inf %x {detect_negative = false} : tensor<1x8xf32> -> tensor<1x8xi1>
    ```
    C1: the operand holds f16, bf16, f32, f64 or a float8 but f8E8M0FNU.
    """

    name = "pfrt.is_inf"

    detect_negative = flag_property(True)
    detect_positive = flag_property(True)

    ALLOWED: ClassVar[frozenset[str]] = FLOATS | FLOATS8

    def result_dtype(self) -> Attribute:
        return i1


@irdl_op_definition
class AddOp(BinaryOp):
    """a + b; integers wrap.

    ```mlir
    %0 = pfrt.add %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.add"


@irdl_op_definition
class SubOp(BinaryOp):
    """a - b; integers wrap.

    ```mlir
    %0 = pfrt.sub %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.sub"


@irdl_op_definition
class MulOp(BinaryOp):
    """a * b; integers wrap.

    ```mlir
    %0 = pfrt.mul %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.mul"


@irdl_op_definition
class DivOp(BinaryOp):
    """a / b; integers truncate toward zero, n / 0 is 0, and the least integer / -1 wraps.

    ```mlir
    %0 = pfrt.div %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.div"


@irdl_op_definition
class ModOp(BinaryOp):
    """a modulo b, of b's sign; with `fmod` the remainder of truncated division, of a's sign.

    ```mlir
    %0 = pfrt.mod %a, %b {fmod = true} : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    By zero it is NaN for floats and 0 for integers.

    C1: both operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C2: the shapes broadcast.
    """

    name = "pfrt.mod"

    fmod = flag_property(False)


@irdl_op_definition
class PowOp(BinaryOp):
    """a to the power b, in the element type of a.

    ```mlir
    %0 = pfrt.pow %a, %b : (tensor<8xf32>, tensor<i64>) -> tensor<8xf32>
    ```
    Integers to integer powers wrap; their negative powers, and integers to powers of floats,
    truncate toward zero.

    C1: a holds i32, i64, f16, bf16, f32 or f64; b holds any number.
    C2: the shapes broadcast.
    """

    name = "pfrt.pow"

    def check(self) -> None:
        self.require_elements("C1", (self.lhs,), POWERS)
        self.require_elements("C1", (self.rhs,), NUMBERS)
        self.require_broadcast("C2")


@irdl_op_definition
class MinOp(VariadicOp):
    """The least of the operands; NaN if any is.

    ```mlir
    %0 = pfrt.min %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: there is at least one operand.
    C2: all operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C3: the shapes broadcast.
    """

    name = "pfrt.min"

    ALLOWED: ClassVar[frozenset[str]] = NUMBERS


@irdl_op_definition
class MaxOp(VariadicOp):
    """The greatest of the operands; NaN if any is.

    ```mlir
    %0 = pfrt.max %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: there is at least one operand.
    C2: all operands hold the same type: i8 to i64, ui8 to ui64, f16, bf16, f32 or f64.
    C3: the shapes broadcast.
    """

    name = "pfrt.max"

    ALLOWED: ClassVar[frozenset[str]] = NUMBERS


@irdl_op_definition
class SumOp(VariadicOp):
    """The sum of the operands, from left to right.

    ```mlir
    %0 = pfrt.sum %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: there is at least one operand.
    C2: all operands hold the same type: f16, bf16, f32 or f64.
    C3: the shapes broadcast.
    """

    name = "pfrt.sum"


@irdl_op_definition
class MeanOp(VariadicOp):
    """The sum of the operands divided by their number.

    ```mlir
    %0 = pfrt.mean %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    ```
    C1: there is at least one operand.
    C2: all operands hold the same type: f16, bf16, f32 or f64.
    C3: the shapes broadcast.
    """

    name = "pfrt.mean"


OPS: tuple[type[PfrtOp], ...] = (
    AbsOp,
    NegOp,
    SqrtOp,
    ExpOp,
    LogOp,
    FloorOp,
    CeilOp,
    RoundOp,
    ReciprocalOp,
    SignOp,
    SinOp,
    CosOp,
    NotOp,
    IsNanOp,
    IsInfOp,
    AddOp,
    SubOp,
    MulOp,
    DivOp,
    ModOp,
    PowOp,
    MinOp,
    MaxOp,
    SumOp,
    MeanOp,
    *comparison.OPS,
    *bitwise.OPS,
    *trigonometry.OPS,
)
