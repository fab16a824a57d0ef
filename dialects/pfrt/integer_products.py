"""Matrix products and convolutions of quantized tensors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import i32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, broadcast, elements
from pyflame_rt.dialects.pfrt.constraints import (
    broadcasts_to,
    can_be_one,
    int_property,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor, type_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.kernels.quantization import FLOATS, REALS

_BYTES = ("int8", "uint8")
_FLOATS8 = tuple(name for name in FLOATS if name.startswith("float8"))


def require_dtypes(
    op: PfrtOp, constraint: str, names: Sequence[str], *values: SSAValue | None
) -> None:
    """Require that every given value holds elements of a type whose NumPy name is among some."""
    for value in values:
        op.require(
            constraint,
            value is None or dtype_of(value).name in names,
            f"needs {' or '.join(names)}, got {None if value is None else value.type}",
        )


def require_one(op: PfrtOp, constraint: str, *values: SSAValue | None) -> None:
    """Require that every given value has one element, as a scalar or a vector."""
    for value in values:
        if value is not None:
            op.require(constraint, can_be_one(value, 1), f"needs one element, got {value.type}")


class QuantizedProductOp(PfrtOp, ABC):
    """What products of quantized matrices share.

    C2: neither operand is a scalar, and the contracted dimensions are equal.
    C3: scales and zero points have one element, or one for each row of a and column of b.
    """

    @property
    @abstractmethod
    def factors(self) -> tuple[SSAValue, SSAValue]:
        """The matrices, or vectors, that are multiplied."""

    def check_matrices(self) -> None:
        """C2."""
        a, b = self.factors
        require_rank(self, "C2", a, 1)
        require_rank(self, "C2", b, 1)
        left, right = shape_of(a), shape_of(b)
        if left and right:
            inner = right[-2:][0]
            agree = left[-1] == inner or DYNAMIC in (left[-1], inner)
            self.require("C2", agree, f"contracts {left[-1]} with {inner} elements")

    def check_parameters(
        self, rows: Sequence[SSAValue | None], columns: Sequence[SSAValue | None]
    ) -> None:
        """C3."""
        a, b = self.factors
        left, right = shape_of(a), shape_of(b)
        row_target = None if left is None else (*left[:-1], 1)
        column_target = None if right is None else (*right[:-2], 1, *right[1:][-1:])
        for value in rows:
            shape = None if value is None else shape_of(value)
            # A vector has one element for each row, as a column would.
            target = (
                row_target[:-1][-1:] if row_target and shape and len(shape) == 1 else row_target
            )
            self._require_parameter(value, target)
        for value in columns:
            self._require_parameter(value, column_target)

    def _require_parameter(self, value: SSAValue | None, target: Shape | None) -> None:
        shape = None if value is None else shape_of(value)
        if value is None or shape is None or math.prod(shape) == 1:
            return
        self.require("C3", broadcasts_to(value, target), f"{value.type} does not fit the matrix")

    def result_shape(self) -> Shape | None:
        a, b = self.factors
        left, right = shape_of(a), shape_of(b)
        if not left or not right:
            return None
        columns = right[-1:] if len(right) > 1 else ()
        return (*broadcast(left[:-2], right[:-2]), *left[-2:-1], *columns)

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(self.result_dtype(), self.result_shape())]

    def flops(self) -> int | None:
        """Two for each element of the result and of the contracted dimension."""
        count, left = elements(self.results[0]), shape_of(self.factors[0])
        return None if count is None or not left or left[-1] == DYNAMIC else 2 * count * left[-1]


@irdl_op_definition
class MatmulIntegerOp(QuantizedProductOp):
    """The matrix product of (a - zero point) and (b - zero point) in i32, which wraps.

    ```mlir
    %y = pfrt.matmul_integer %a, %b b_zero_point(%z : tensor<32xi8>) : tensor<?x16xui8>, tensor<16x32xi8> -> tensor<?x32xi32>
    ```
    Vectors and batches are those of `pfrt.matmul`. Absent zero points are 0.

    C1: the matrices hold i8 or ui8, each zero point the same.
    C2: neither operand is a scalar, and the contracted dimensions are equal.
    C3: a zero point has one element, or one for each row of a or column of b.
    """

    name = "pfrt.matmul_integer"

    a = operand_def(TensorConstraint)
    b = operand_def(TensorConstraint)
    a_zero_point = opt_operand_def(TensorConstraint)
    b_zero_point = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$a `,` $b (`a_zero_point` `(` $a_zero_point^ `:` type($a_zero_point) `)`)?"
        " (`b_zero_point` `(` $b_zero_point^ `:` type($b_zero_point) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($a) `,` type($b) `->` type($result)"
    )

    @property
    def factors(self) -> tuple[SSAValue, SSAValue]:
        return self.a, self.b

    def check(self) -> None:
        require_dtypes(self, "C1", _BYTES, self.a, self.b)
        require_same_element(self, "C1", self.a, self.a_zero_point)
        require_same_element(self, "C1", self.b, self.b_zero_point)
        self.check_matrices()
        self.check_parameters([self.a_zero_point], [self.b_zero_point])

    def result_dtype(self) -> Attribute:
        return i32


@irdl_op_definition
class QlinearMatmulOp(QuantizedProductOp):
    """The matrix product of two quantized tensors, quantized.

    ```mlir
    %y = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x4xui8>, tensor<f32>, tensor<ui8>, tensor<4x3xi8>, tensor<3xf32>, tensor<3xi8>, tensor<f32>, tensor<ui8>) -> tensor<2x3xui8>
    ```
    Integers are accumulated in i32, which wraps, floats in f32. The sums, and the bias, which is in
    their scale, times (scale of a * scale of b / scale of y), in f32, are quantized as by
    `pfrt.quantize_linear`. ONNX's operator has no bias.

    C1: the matrices hold i8, ui8 or 8-bit floats, each zero point the same as its matrix.
    C2: neither operand is a scalar, and the contracted dimensions are equal.
    C3: scales and zero points have one element, or one for each row of a or column of b.
    C4: the scales hold f32, f16 or bf16; the result i8, ui8 or 8-bit floats.
    C5: the result's scale and zero point have one element.
    C6: the bias holds i32, one element a column; the matrices it is added to hold integers.
    """

    name = "pfrt.qlinear_matmul"

    a = operand_def(TensorConstraint)
    a_scale = operand_def(TensorConstraint)
    a_zero_point = operand_def(TensorConstraint)
    b = operand_def(TensorConstraint)
    b_scale = operand_def(TensorConstraint)
    b_zero_point = operand_def(TensorConstraint)
    y_scale = operand_def(TensorConstraint)
    y_zero_point = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$a `,` $a_scale `,` $a_zero_point `,` $b `,` $b_scale `,` $b_zero_point `,` "
        "$y_scale `,` $y_zero_point (`,` $bias^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    @property
    def factors(self) -> tuple[SSAValue, SSAValue]:
        return self.a, self.b

    def check(self) -> None:
        require_dtypes(self, "C1", (*_BYTES, *_FLOATS8), self.a, self.b)
        require_same_element(self, "C1", self.a, self.a_zero_point)
        require_same_element(self, "C1", self.b, self.b_zero_point)
        self.check_matrices()
        self.check_parameters([self.a_scale, self.a_zero_point], [self.b_scale, self.b_zero_point])
        require_dtypes(self, "C4", REALS, self.a_scale, self.b_scale, self.y_scale)
        require_dtypes(self, "C4", (*_BYTES, *_FLOATS8), self.y_zero_point)
        require_one(self, "C5", self.y_scale, self.y_zero_point)
        if self.bias is not None:
            require_dtypes(self, "C6", _BYTES, self.a, self.b)
            require_dtypes(self, "C6", ("int32",), self.bias)
            columns = (shape_of(self.b) or (DYNAMIC, DYNAMIC))[1:][-1:]
            require_shape(self, "C6", "the bias", self.bias, columns)

    def result_dtype(self) -> Attribute:
        return type_of(self.y_zero_point).element_type


class QuantizedConvOp(WindowedOp, ABC):
    """What convolutions of quantized tensors share: x and w, and how their shapes agree.

    C6: group is at least 1 and divides M; x has group times as many channels as w.
    """

    LAYOUTS: ClassVar[Sequence[str]] = ("nchw", "nhwc")

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    group = int_property(1)

    @property
    def data(self) -> SSAValue:
        return self.x

    @property
    def window(self) -> Shape | None:
        weights = shape_of(self.w)
        return None if weights is None else weights[2:]

    @property
    def features(self) -> int:
        """M, the features of the result."""
        weights = shape_of(self.w)
        return DYNAMIC if weights is None else weights[0]

    def check(self) -> None:
        require_rank(self, "C2", self.w, 3)
        super().check()
        group = self.group.value.data
        self.require("C6", group >= 1, f"group must be at least 1, got {group}")
        x, w = self.data_shape, shape_of(self.w)
        if w is None:
            return
        features, channels = w[:2]
        self.require(
            "C6",
            features == DYNAMIC or features % group == 0,
            f"{group} groups do not divide {features} features",
        )
        self.require(
            "C6",
            x is None or DYNAMIC in (x[1], channels) or x[1] == channels * group,
            f"{group} groups of {channels} channels, got {self.x.type}",
        )

    def require_layout(self, constraint: str) -> None:
        """Require a layout that has the dimensions of "nchw", in whatever order."""
        why = f'layout is {" or ".join(self.LAYOUTS)}, not "{self.data_layout}"'
        self.require(constraint, self.data_layout in self.LAYOUTS, why)

    def require_features(self, constraint: str, *values: SSAValue | None) -> None:
        """Require one element for all features, or one for each."""
        for value in values:
            shape = None if value is None else shape_of(value)
            if shape is not None and math.prod(shape) != 1:
                require_shape(self, constraint, "what goes with w", value, (self.features,))

    def result_shape(self) -> Shape | None:
        x, w, sizes = self.data_shape, shape_of(self.w), self.output_sizes()
        if x is None or w is None or sizes is None:
            return None
        return self.in_layout((x[0], w[0], *sizes))

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(self.result_dtype(), self.result_shape())]

    def flops(self) -> int | None:
        """Two for each element of the result and of w's part for one feature."""
        count, w = elements(self.results[0]), shape_of(self.w)
        if count is None or w is None or DYNAMIC in w[1:]:
            return None
        return count * 2 * math.prod(w[1:])


@irdl_op_definition
class ConvIntegerOp(QuantizedConvOp):
    """The convolution of (x - zero point) with (w - zero point) in i32, which wraps.

    ```mlir
    %y = pfrt.conv_integer %x, %w x_zero_point(%z : tensor<ui8>) {pads = array<i64: 1, 1, 1, 1>} : tensor<?x3x8x8xui8>, tensor<16x3x3x3xi8> -> tensor<?x16x8x8xi32>
    ```
    What is padded are zero points. Absent zero points are 0.

    C1: x has at least 3 dimensions.
    C2: w has as many dimensions as x; strides and dilations have one entry a spatial axis, pads two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: group is at least 1 and divides M; x has group times as many channels as w.
    C7: x and w hold i8 or ui8, each zero point the same.
    C8: x's zero point has one element, w's one or one a feature.
    C9: `layout`, that of x and the result, is "nchw" or "nhwc".
    """

    name = "pfrt.conv_integer"

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    x_zero_point = opt_operand_def(TensorConstraint)
    w_zero_point = opt_operand_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$x `,` $w (`x_zero_point` `(` $x_zero_point^ `:` type($x_zero_point) `)`)?"
        " (`w_zero_point` `(` $w_zero_point^ `:` type($w_zero_point) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($x) `,` type($w) `->` type($result)"
    )

    def check(self) -> None:
        self.require_layout("C9")
        super().check()
        require_dtypes(self, "C7", _BYTES, self.x, self.w)
        require_same_element(self, "C7", self.x, self.x_zero_point)
        require_same_element(self, "C7", self.w, self.w_zero_point)
        require_one(self, "C8", self.x_zero_point)
        self.require_features("C8", self.w_zero_point)

    def result_dtype(self) -> Attribute:
        return i32


@irdl_op_definition
class QlinearConvOp(QuantizedConvOp):
    """The convolution of two quantized tensors, quantized.

    ```mlir
    %y = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x3x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x6x6xui8>
    ```
    The sums, in i32, and the bias, which is in their scale, are multiplied in f32 by (scale of x *
    scale of w / scale of y) and quantized as by `pfrt.quantize_linear`.

    C1: x has at least 3 dimensions.
    C2: w has as many dimensions as x; strides and dilations have one entry a spatial axis, pads two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: group is at least 1 and divides M; x has group times as many channels as w.
    C7: x, w and the result hold i8 or ui8, each zero point the same; scales f32; the bias i32.
    C8: scales and zero points have one element, those of w one or one a feature.
    C9: the bias has M elements.
    C10: `layout`, that of x and the result, is "nchw" or "nhwc".
    """

    name = "pfrt.qlinear_conv"

    x = operand_def(TensorConstraint)
    x_scale = operand_def(TensorConstraint)
    x_zero_point = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    w_scale = operand_def(TensorConstraint)
    w_zero_point = operand_def(TensorConstraint)
    y_scale = operand_def(TensorConstraint)
    y_zero_point = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)

    assembly_format = (
        "$x `,` $x_scale `,` $x_zero_point `,` $w `,` $w_scale `,` $w_zero_point `,` "
        "$y_scale `,` $y_zero_point (`,` $bias^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    def check(self) -> None:
        self.require_layout("C10")
        super().check()
        require_dtypes(self, "C7", _BYTES, self.x, self.w, self.y_zero_point)
        require_same_element(self, "C7", self.x, self.x_zero_point)
        require_same_element(self, "C7", self.w, self.w_zero_point)
        require_dtypes(self, "C7", ("float32",), self.x_scale, self.w_scale, self.y_scale)
        require_dtypes(self, "C7", ("int32",), self.bias)
        require_one(self, "C8", self.x_scale, self.x_zero_point, self.y_scale, self.y_zero_point)
        self.require_features("C8", self.w_scale, self.w_zero_point)
        require_shape(self, "C9", "the bias", self.bias, (self.features,))

    def result_dtype(self) -> Attribute:
        return type_of(self.y_zero_point).element_type
