"""Sums of quantized tensors."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import require_same_element, require_shape
from pyflame_rt.dialects.pfrt.integer_products import (
    QuantizedConvOp,
    require_dtypes,
    require_one,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, tensor, type_of

_BYTES = ("int8", "uint8")


@irdl_op_definition
class QlinearAddOp(PfrtOp):
    """The sum of two quantized tensors, quantized.

    ```mlir
    %y = pfrt.qlinear_add %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<1x4x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<1x4x6x6xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x4x6x6xui8>
    ```
    Both are dequantized, added in f32, and quantized, each as by the op of that: the same bits as
    `pfrt.dequantize_linear`, `pfrt.add` and `pfrt.quantize_linear` have.

    C1: a, b and the result hold i8 or ui8, each zero point the same; scales f32.
    C2: a and b have the same shape.
    C3: scales and zero points have one element.
    """

    name = "pfrt.qlinear_add"

    a = operand_def(TensorConstraint)
    a_scale = operand_def(TensorConstraint)
    a_zero_point = operand_def(TensorConstraint)
    b = operand_def(TensorConstraint)
    b_scale = operand_def(TensorConstraint)
    b_zero_point = operand_def(TensorConstraint)
    y_scale = operand_def(TensorConstraint)
    y_zero_point = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$a `,` $a_scale `,` $a_zero_point `,` $b `,` $b_scale `,` $b_zero_point `,` "
        "$y_scale `,` $y_zero_point custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    @property
    def parameters(self) -> tuple[SSAValue, ...]:
        """Scales and zero points."""
        return (
            self.a_scale, self.a_zero_point, self.b_scale, self.b_zero_point,
            self.y_scale, self.y_zero_point,
        )  # fmt: skip

    def check(self) -> None:
        require_dtypes(self, "C1", _BYTES, self.a, self.b, self.y_zero_point)
        require_same_element(self, "C1", self.a, self.a_zero_point)
        require_same_element(self, "C1", self.b, self.b_zero_point)
        require_dtypes(self, "C1", ("float32",), self.a_scale, self.b_scale, self.y_scale)
        a, b = shape_of(self.a), shape_of(self.b)
        if a is not None and b is not None:
            agree = len(a) == len(b) and all(
                DYNAMIC in pair or pair[0] == pair[1] for pair in zip(a, b, strict=True)
            )
            self.require("C2", agree, f"{self.a.type} and {self.b.type} differ")
        require_one(self, "C3", *self.parameters)

    def result_shape(self) -> Shape | None:
        a, b = shape_of(self.a), shape_of(self.b)
        if a is None or b is None:
            return a or b
        return tuple(n if m == DYNAMIC else m for m, n in zip(a, b, strict=True))

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(type_of(self.y_zero_point).element_type, self.result_shape())]

    def flops(self) -> int | None:
        """One for each element of the result."""
        return elements(self.results[0])


@irdl_op_definition
class QlinearConvAddOp(QuantizedConvOp):
    """The convolution of two quantized tensors, quantized, and the sum of that and a residual, quantized.

    ```mlir
    %y = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %st, %zt, %r, %sr, %zr, %sy, %zy, %b : (tensor<1x3x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<1x2x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x6x6xui8>
    ```
    The same bits as `pfrt.qlinear_conv` with the scale and zero point of t, and `pfrt.qlinear_add` of its
    result and r.

    C1: x has at least 3 dimensions.
    C2: w has as many dimensions as x; strides and dilations have one entry a spatial axis, pads two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: group is at least 1 and divides M; x has group times as many channels as w.
    C7: tensors hold i8 or ui8, each zero point the same; scales f32; the bias i32.
    C8: scales and zero points have one element, those of w one or one a feature.
    C9: the bias has M elements, the residual the result's shape.
    C10: `layout`, that of x, the residual and the result, is "nchw" or "nhwc".
    """

    name = "pfrt.qlinear_conv_add"

    x = operand_def(TensorConstraint)
    x_scale = operand_def(TensorConstraint)
    x_zero_point = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    w_scale = operand_def(TensorConstraint)
    w_zero_point = operand_def(TensorConstraint)
    t_scale = operand_def(TensorConstraint)
    t_zero_point = operand_def(TensorConstraint)
    r = operand_def(TensorConstraint)
    r_scale = operand_def(TensorConstraint)
    r_zero_point = operand_def(TensorConstraint)
    y_scale = operand_def(TensorConstraint)
    y_zero_point = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)

    assembly_format = (
        "$x `,` $x_scale `,` $x_zero_point `,` $w `,` $w_scale `,` $w_zero_point `,` "
        "$t_scale `,` $t_zero_point `,` $r `,` $r_scale `,` $r_zero_point `,` "
        "$y_scale `,` $y_zero_point (`,` $bias^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    def check(self) -> None:
        self.require_layout("C10")
        super().check()
        pairs = (
            (self.x, self.x_scale, self.x_zero_point),
            (self.w, self.w_scale, self.w_zero_point),
            (self.r, self.r_scale, self.r_zero_point),
        )
        for value, scale, zero_point in pairs:
            require_dtypes(self, "C7", _BYTES, value)
            require_same_element(self, "C7", value, zero_point)
            require_dtypes(self, "C7", ("float32",), scale)
        require_dtypes(self, "C7", _BYTES, self.t_zero_point, self.y_zero_point)
        require_dtypes(self, "C7", ("float32",), self.t_scale, self.y_scale)
        require_dtypes(self, "C7", ("int32",), self.bias)
        single = (*pairs[0][1:], *pairs[2][1:], self.t_scale, self.t_zero_point)
        require_one(self, "C8", *single, self.y_scale, self.y_zero_point)
        self.require_features("C8", self.w_scale, self.w_zero_point)
        require_shape(self, "C9", "the bias", self.bias, (self.features,))
        shape = self.result_shape()
        if shape is not None:
            require_shape(self, "C9", "the residual", self.r, shape)

    def result_dtype(self) -> Attribute:
        return type_of(self.y_zero_point).element_type
