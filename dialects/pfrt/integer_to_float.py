"""Matrix products of integers of 8 bits whose results are reals."""

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
    QuantizedProductOp,
    require_dtypes,
    require_one,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of


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
        require_dtypes(self, "C1", ("int8", "uint8"), self.a, self.b)
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
