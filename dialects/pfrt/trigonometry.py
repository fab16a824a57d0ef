"""Trigonometric and hyperbolic functions: elementwise ops of the elementwise family on floats."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from pyflame_rt.dialects.pfrt.activation import FloatUnaryOp
from pyflame_rt.dialects.pfrt.base import PfrtOp


@irdl_op_definition
class TanOp(FloatUnaryOp):
    """The tangent of an angle in radians.

    ```mlir
    %y = pfrt.tan %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.tan"


@irdl_op_definition
class AsinOp(FloatUnaryOp):
    """The angle in radians whose sine is x; NaN outside -1..1.

    ```mlir
    %y = pfrt.asin %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.asin"


@irdl_op_definition
class AcosOp(FloatUnaryOp):
    """The angle in radians whose cosine is x; NaN outside -1..1.

    ```mlir
    %y = pfrt.acos %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.acos"


@irdl_op_definition
class AtanOp(FloatUnaryOp):
    """The angle in radians whose tangent is x.

    ```mlir
    %y = pfrt.atan %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.atan"


@irdl_op_definition
class SinhOp(FloatUnaryOp):
    """The hyperbolic sine.

    ```mlir
    %y = pfrt.sinh %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.sinh"


@irdl_op_definition
class CoshOp(FloatUnaryOp):
    """The hyperbolic cosine.

    ```mlir
    %y = pfrt.cosh %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.cosh"


@irdl_op_definition
class AsinhOp(FloatUnaryOp):
    """The number whose hyperbolic sine is x.

    ```mlir
    %y = pfrt.asinh %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.asinh"


@irdl_op_definition
class AcoshOp(FloatUnaryOp):
    """The number whose hyperbolic cosine is x; NaN below 1.

    ```mlir
    %y = pfrt.acosh %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.acosh"


@irdl_op_definition
class AtanhOp(FloatUnaryOp):
    """The number whose hyperbolic tangent is x; infinite at -1 and 1, NaN outside.

    ```mlir
    %y = pfrt.atanh %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds f16, bf16, f32 or f64.
    """

    name = "pfrt.atanh"


OPS: tuple[type[PfrtOp], ...] = (
    TanOp,
    AsinOp,
    AcosOp,
    AtanOp,
    SinhOp,
    CoshOp,
    AsinhOp,
    AcoshOp,
    AtanhOp,
)
