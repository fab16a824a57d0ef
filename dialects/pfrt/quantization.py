"""Quantization: reals as small numbers times a scale; `integer_products.py` computes with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType, Signedness, f32
from xdsl.ir import Attribute
from xdsl.irdl import (
    AnyAttr,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import (
    can_be_one,
    flag_property,
    int_property,
    require_axis,
    require_shape,
)
from pyflame_rt.dialects.pfrt.integer_products import (
    ConvIntegerOp,
    MatmulIntegerOp,
    QlinearConvOp,
    QlinearMatmulOp,
)
from pyflame_rt.dialects.pfrt.integer_sums import QlinearAddOp, QlinearConvAddOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    dtype_of,
    is_element_type,
    numpy_dtype,
    shape_of,
    tensor,
    type_of,
)
from pyflame_rt.kernels.quantization import QUANTIZED, REALS

_SCALES = (*REALS, "float8_e8m0fnu")
_UI8 = IntegerType(8, Signedness.UNSIGNED)


class ScaledOp(PfrtOp):
    """What quantizing and dequantizing share: how many scales there are, and along which axis."""

    x = operand_def(TensorConstraint)
    scale = operand_def(TensorConstraint)
    zero_point = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    axis = int_property(1)
    block_size = int_property(0)
    output_dtype = opt_prop_def(AnyAttr())

    assembly_format = (
        "$x `,` $scale (`,` $zero_point^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    def require_dtype(
        self, constraint: str, what: str, kind: Attribute, names: Sequence[str]
    ) -> None:
        """Require an element type whose NumPy name is among some."""
        known = is_element_type(kind) and numpy_dtype(kind).name in names
        self.require(constraint, known, f"{what} cannot be {kind}")

    def require_granularity(self, constraint: str) -> None:
        """Require one scale for all, one for each slice along the axis, or one for each block."""
        shape, axis = shape_of(self.x), self.axis.value.data
        block_size = self.block_size.value.data
        if shape is None or can_be_one(self.scale):
            return
        require_axis(self, constraint, axis, self.x)
        axis %= len(shape)
        size = shape[axis]
        if block_size == 0:
            require_shape(self, constraint, "the scale", self.scale, (size,))
            return
        blocks = DYNAMIC if size == DYNAMIC else -(-size // block_size)
        wanted = (*shape[:axis], blocks, *shape[axis + 1 :])
        require_shape(self, constraint, "the scale", self.scale, wanted)

    def require_zero_points(self, constraint: str) -> None:
        """Require as many zero points as scales."""
        scales = shape_of(self.scale)
        if self.zero_point is None or scales is None:
            return
        if not (math.prod(scales) == 1 and can_be_one(self.zero_point)):
            require_shape(self, constraint, "the zero point", self.zero_point, scales)

    def result_shape(self) -> Shape | None:
        return shape_of(self.x)

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(self.result_dtype(), self.result_shape())]


@irdl_op_definition
class QuantizeLinearOp(ScaledOp):
    """x / scale + zero point in a type of few bits.

    ```mlir
    %q = pfrt.quantize_linear %x, %s, %z : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xui8>) -> tensor<?x8xui8>
    ```
    The quotient is computed in the type `precision`, by default that of the scale (f64 for scales of
    i32 and f8E8M0FNU). For a result of integers it is rounded to even before the zero point is
    added, and saturates (NaN: the least integer); for one of floats the sum is cast, with `saturate`
    as in `pfrt.cast`. The result has the zero point's type, else `output_dtype`, else ui8.

    There is one scale for all of x, one for each slice along `axis`, or, with a `block_size`, one for
    each block of so many elements along `axis`; and as many zero points.

    C1: x holds f32, f16, bf16 or i32; the scale these or f8E8M0FNU.
    C2: the result has at most 16-bit integers, or floats of at most 8 bits that have a mantissa.
    C3: `output_dtype` is the zero point's type, where both are given.
    C4: `precision` is f16, bf16, f32 or f64.
    C5: `block_size` is not negative (0: there are no blocks).
    C6: the scale has one element, one for each slice along `axis`, or one for each block.
    C7: the zero point has the scale's shape.
    """

    name = "pfrt.quantize_linear"

    saturate = flag_property(True)
    precision = opt_prop_def(AnyAttr())

    def check(self) -> None:
        self.require_dtype("C1", "x", type_of(self.x).element_type, (*REALS, "int32"))
        self.require_dtype("C1", "the scale", type_of(self.scale).element_type, (*_SCALES, "int32"))
        self.require_dtype("C2", "the result", self.result_dtype(), QUANTIZED)
        self.require(
            "C3",
            self.output_dtype in (None, self.result_dtype()),
            f"output_dtype is {self.output_dtype}, the zero point's type {self.result_dtype()}",
        )
        if self.precision is not None:
            self.require_dtype("C4", "precision", self.precision, (*REALS, "float64"))
        size = self.block_size.value.data
        self.require("C5", size >= 0, f"block_size must not be negative, got {size}")
        self.require_granularity("C6")
        self.require_zero_points("C7")

    def result_dtype(self) -> Attribute:
        if self.zero_point is not None:
            return type_of(self.zero_point).element_type
        return _UI8 if self.output_dtype is None else self.output_dtype


@irdl_op_definition
class DequantizeLinearOp(ScaledOp):
    """(x - zero point) * scale, computed in f32 and rounded once.

    ```mlir
    %x = pfrt.dequantize_linear %q, %s {axis = 0 : i64, block_size = 4 : i64} : (tensor<8x?xi4>, tensor<2x?xf16>) -> tensor<8x?xf16>
    ```
    The result has the type `output_dtype`, by default the scale's. Scales and zero points are as
    many as `pfrt.quantize_linear` allows.

    C1: x holds integers of at most 16 bits, i32, or floats of at most 8 bits that have a mantissa.
    C2: the scale holds f32, f16, bf16 or f8E8M0FNU, the result f32, f16 or bf16.
    C3: the zero point has x's type.
    C4: `block_size` is not negative (0: there are no blocks).
    C5: the scale has one element, one for each slice along `axis`, or one for each block.
    C6: the zero point has the scale's shape.
    """

    name = "pfrt.dequantize_linear"

    def check(self) -> None:
        kind = type_of(self.x).element_type
        self.require_dtype("C1", "x", kind, (*QUANTIZED, "int32"))
        self.require_dtype("C2", "the scale", type_of(self.scale).element_type, _SCALES)
        self.require_dtype("C2", "the result", self.result_dtype(), REALS)
        self.require(
            "C3",
            self.zero_point is None or type_of(self.zero_point).element_type == kind,
            f"a zero point {None if self.zero_point is None else self.zero_point.type} for {kind}",
        )
        size = self.block_size.value.data
        self.require("C4", size >= 0, f"block_size must not be negative, got {size}")
        self.require_granularity("C5")
        self.require_zero_points("C6")

    def result_dtype(self) -> Attribute:
        return type_of(self.scale).element_type if self.output_dtype is None else self.output_dtype


@irdl_op_definition
class DynamicQuantizeLinearOp(PfrtOp):
    """x as ui8 with the scale (f32) and the zero point (ui8) that its own range asks for.

    ```mlir
    %q, %s, %z = pfrt.dynamic_quantize_linear %x : tensor<?x8xf32> -> tensor<?x8xui8>, tensor<f32>, tensor<ui8>
    ```
    The range reaches from the least to the greatest element, 0 included; NaN has no part in it, and
    becomes 0. Where it is empty the scale is 1.

    C1: x holds f32.
    """

    name = "pfrt.dynamic_quantize_linear"

    x = operand_def(TensorConstraint)
    y = result_def(TensorConstraint)
    scale = result_def(TensorConstraint)
    zero_point = result_def(TensorConstraint)

    assembly_format = (
        "$x custom<ValueNames>($names) attr-dict `:` type($x) `->` "
        "type($y) `,` type($scale) `,` type($zero_point)"
    )

    def check(self) -> None:
        self.require("C1", dtype_of(self.x).name == "float32", f"needs f32, got {self.x.type}")

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(_UI8, shape_of(self.x)), tensor(f32, ()), tensor(_UI8, ())]


OPS: tuple[type[PfrtOp], ...] = (
    ConvIntegerOp,
    ConvIntegerToFloatOp,
    DequantizeLinearOp,
    DynamicQuantizeLinearOp,
    MatmulIntegerOp,
    MatmulIntegerToFloatOp,
    QlinearAddOp,
    QlinearConvAddOp,
    QlinearConvOp,
    QlinearMatmulOp,
    QuantizeLinearOp,
)
