"""Matrix products and convolutions of integers of 8 bits whose results are reals."""

from __future__ import annotations

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import require_rank, require_same_element, require_shape
from pyflame_rt.dialects.pfrt.epilogue import EpilogueOp
from pyflame_rt.dialects.pfrt.integer_products import (
    QuantizedConvOp,
    QuantizedProductOp,
    require_dtypes,
    require_one,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of

_BYTES = ("int8", "uint8")


@irdl_op_definition
class MatmulIntegerToFloatOp(EpilogueOp, QuantizedProductOp):
    """The matrix product of two quantized tensors, as reals: onnxruntime's MatMulIntegerToFloat.

    ```mlir
    %y = pfrt.matmul_integer_to_float %a, %b, %sa, %sb a_zero_point(%z : tensor<ui8>) bias(%c : tensor<32xf32>) : (tensor<?x16xui8>, tensor<16x32xi8>, tensor<f32>, tensor<32xf32>) -> tensor<?x32xf32>
    ```
    The sums of (a - zero point) (b - zero point), in i32, which wraps, become f32. These times (scale
    of a * scale of b), plus the bias, plus the residual, and the activation of that, are the result,
    each step rounded as it would be by itself.

    C1: the matrices hold i8 or ui8, each zero point the same; scales, bias and residual f32.
    C2: neither operand is a scalar, the contracted dimensions are equal, b has columns.
    C3: scales and zero points have one element, or for b one for each of its columns.
    C4: the bias is a vector with an element for each column of b.
    C5: the residual, which is added to the sum, has the result's type.
    C6: the activation is an elementwise op of one operand.
    """

    name = "pfrt.matmul_integer_to_float"

    a = operand_def(TensorConstraint)
    b = operand_def(TensorConstraint)
    a_scale = operand_def(TensorConstraint)
    b_scale = operand_def(TensorConstraint)
    a_zero_point = opt_operand_def(TensorConstraint)
    b_zero_point = opt_operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    residual = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$a `,` $b `,` $a_scale `,` $b_scale"
        " (`a_zero_point` `(` $a_zero_point^ `:` type($a_zero_point) `)`)?"
        " (`b_zero_point` `(` $b_zero_point^ `:` type($b_zero_point) `)`)?"
        " (`bias` `(` $bias^ `:` type($bias) `)`)?"
        " (`plus` `(` $residual^ `:` type($residual) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` `(` type($a) `,` type($b) `,` type($a_scale)"
        " `,` type($b_scale) `)` `->` type($result)"
    )

    @property
    def factors(self) -> tuple[SSAValue, SSAValue]:
        return self.a, self.b

    def check(self) -> None:
        require_dtypes(self, "C1", _BYTES, self.a, self.b)
        require_same_element(self, "C1", self.a, self.a_zero_point)
        require_same_element(self, "C1", self.b, self.b_zero_point)
        reals = (self.a_scale, self.b_scale, self.bias, self.residual)
        require_dtypes(self, "C1", ("float32",), *reals)
        self.check_matrices()
        require_rank(self, "C2", self.b, 2)
        require_one(self, "C3", self.a_scale, self.a_zero_point)
        self.check_parameters([], [self.b_scale, self.b_zero_point])
        if self.bias is not None:
            columns = (shape_of(self.b) or (DYNAMIC,))[-1]
            require_shape(self, "C4", "the bias", self.bias, (columns,))
        self.check_residual("C5")
        self.check_activation("C6")

    def result_dtype(self) -> Attribute:
        return f32

    def flops(self) -> int | None:
        """Two for each element of the result and of the contracted dimension, and what follows."""
        found = super().flops()
        return None if found is None else found + self.extra_flops()


@irdl_op_definition
class ConvIntegerToFloatOp(EpilogueOp, QuantizedConvOp):
    """The convolution of two quantized tensors, as reals.

    ```mlir
    %y = pfrt.conv_integer_to_float %x, %w, %sx, %sw x_zero_point(%z : tensor<ui8>) bias(%c : tensor<16xf32>) {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x3x8x8xui8>, tensor<16x3x3x3xi8>, tensor<f32>, tensor<16xf32>) -> tensor<?x16x8x8xf32>
    ```
    The sums of (x - zero point) (w - zero point), in i32, which wraps, become f32. These times (scale
    of x * scale of w), plus the bias, plus the residual, and the activation of that, are the result,
    each step rounded as it would be by itself. What is padded are zero points, absent ones are 0.

    C1: x has at least 3 dimensions.
    C2: w has as many dimensions as x; strides and dilations have one entry a spatial axis, pads two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: group is at least 1 and divides M; x has group times as many channels as w.
    C7: x and w hold i8 or ui8, each zero point the same; scales, bias and residual f32.
    C8: scales and zero points have one element, those of w one or one a feature.
    C9: the bias has M elements.
    C10: the residual, which is added to the sum, has the result's type.
    C11: the activation is an elementwise op of one operand.
    C12: `layout`, that of x, the result and the residual, is "nchw" or "nhwc".
    """

    name = "pfrt.conv_integer_to_float"

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    x_scale = operand_def(TensorConstraint)
    w_scale = operand_def(TensorConstraint)
    x_zero_point = opt_operand_def(TensorConstraint)
    w_zero_point = opt_operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    residual = opt_operand_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$x `,` $w `,` $x_scale `,` $w_scale"
        " (`x_zero_point` `(` $x_zero_point^ `:` type($x_zero_point) `)`)?"
        " (`w_zero_point` `(` $w_zero_point^ `:` type($w_zero_point) `)`)?"
        " (`bias` `(` $bias^ `:` type($bias) `)`)?"
        " (`plus` `(` $residual^ `:` type($residual) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` `(` type($x) `,` type($w) `,` type($x_scale)"
        " `,` type($w_scale) `)` `->` type($result)"
    )

    def check(self) -> None:
        self.require_layout("C12")
        super().check()
        require_dtypes(self, "C7", _BYTES, self.x, self.w)
        require_same_element(self, "C7", self.x, self.x_zero_point)
        require_same_element(self, "C7", self.w, self.w_zero_point)
        reals = (self.x_scale, self.w_scale, self.bias, self.residual)
        require_dtypes(self, "C7", ("float32",), *reals)
        require_one(self, "C8", self.x_scale, self.x_zero_point)
        self.require_features("C8", self.w_scale, self.w_zero_point)
        require_shape(self, "C9", "the bias", self.bias, (self.features,))
        self.check_residual("C10")
        self.check_activation("C11")

    def result_dtype(self) -> Attribute:
        return f32

    def flops(self) -> int | None:
        """Two for each element of the result and of w's part for one feature, and what follows."""
        found = super().flops()
        return None if found is None else found + self.extra_flops()
