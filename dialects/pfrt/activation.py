"""Activations: elementwise functions of one tensor."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Operation
from xdsl.irdl import (
    AttrSizedOperandSegments,
    BaseAttr,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
)
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.broadcasting import NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    broadcasts_to,
    float_property,
    is_float,
    require_floats,
    require_numbers,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.heads import known
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


class UnaryOp(PfrtOp, ABC):
    """Elementwise on one operand; the result has its type."""

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    ELEMENTWISE: ClassVar[bool] = True
    FLOPS_PER_ELEMENT: ClassVar[int] = 1

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)

    def flops(self) -> int | None:
        count = elements(self.result)
        return None if count is None else count * self.FLOPS_PER_ELEMENT


class FloatUnaryOp(UnaryOp, ABC):
    """Elementwise on one floating-point operand."""

    def check(self) -> None:
        require_floats(self, "C1", self.operand)


class ReluOfRelu(RewritePattern):
    """relu(relu(x)) -> relu(x)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ReluOp) or not isinstance(inner := op.operand.owner, ReluOp):
            return
        op.operands[0] = inner.operand
        rewriter.notify_op_modified(op)


@irdl_op_definition
class ReluOp(UnaryOp):
    """max(x, 0).

    ```mlir
    %y = pfrt.relu %x : tensor<1x8xf32> -> tensor<1x8xf32>
    ```
    C1: the operand holds numbers: integers of 8 bits or more, or floats of 16 or more.
    """

    name = "pfrt.relu"

    def check(self) -> None:
        if dtype_of(self.operand).name not in NUMBERS:
            self.require("C1", False, f"is not defined on {self.operand.type}")

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), ReluOfRelu())


@irdl_op_definition
class LeakyReluOp(FloatUnaryOp):
    """x for x >= 0, alpha * x otherwise.

    ```mlir
    %y = pfrt.leaky_relu %x {alpha = 1.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.leaky_relu"

    alpha = float_property(0.01)


@irdl_op_definition
class SigmoidOp(FloatUnaryOp):
    """1 / (1 + exp(-x)).

    ```mlir
    %y = pfrt.sigmoid %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.sigmoid"


@irdl_op_definition
class TanhOp(FloatUnaryOp):
    """The hyperbolic tangent.

    ```mlir
    %y = pfrt.tanh %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.tanh"


@irdl_op_definition
class EluOp(FloatUnaryOp):
    """alpha * (exp(x) - 1) for x < 0, x otherwise.

    ```mlir
    %y = pfrt.elu %x {alpha = 5.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.elu"

    alpha = float_property(1.0)


@irdl_op_definition
class SeluOp(FloatUnaryOp):
    """gamma * alpha * (exp(x) - 1) for x <= 0, gamma * x otherwise.

    ```mlir
    %y = pfrt.selu %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.selu"

    alpha = float_property(1.67326319217681884765625)
    gamma = float_property(1.05070102214813232421875)


@irdl_op_definition
class CeluOp(FloatUnaryOp):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)).

    ```mlir
    %y = pfrt.celu %x {alpha = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.celu"

    alpha = float_property(1.0)


@irdl_op_definition
class HardSigmoidOp(FloatUnaryOp):
    """max(0, min(1, alpha * x + beta)).

    ```mlir
    %y = pfrt.hard_sigmoid %x {beta = 6.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.hard_sigmoid"

    alpha = float_property(0.2)
    beta = float_property(0.5)


@irdl_op_definition
class HardSwishOp(FloatUnaryOp):
    """x * max(0, min(1, x / 6 + 1 / 2)).

    ```mlir
    %y = pfrt.hard_swish %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.hard_swish"


@irdl_op_definition
class SoftplusOp(FloatUnaryOp):
    """log(exp(x) + 1).

    ```mlir
    %y = pfrt.softplus %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.softplus"


@irdl_op_definition
class SoftsignOp(FloatUnaryOp):
    """x / (1 + |x|).

    ```mlir
    %y = pfrt.softsign %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.softsign"


@irdl_op_definition
class ThresholdedReluOp(FloatUnaryOp):
    """x for x > alpha, 0 otherwise.

    ```mlir
    %y = pfrt.thresholded_relu %x {alpha = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.thresholded_relu"

    alpha = float_property(1.0)


@irdl_op_definition
class GeluOp(FloatUnaryOp):
    """x / 2 * (1 + erf(x / sqrt 2)), or its approximation by tanh.

    ```mlir
    %y = pfrt.gelu %x {approximate = "tanh"} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    C2: `approximate` is "none" or "tanh".
    """

    name = "pfrt.gelu"

    approximate = string_property("none")

    def check(self) -> None:
        super().check()
        kind = self.approximate.data
        self.require(
            "C2", kind in ("none", "tanh"), f'approximate is "none" or "tanh", not "{kind}"'
        )


@irdl_op_definition
class MishOp(FloatUnaryOp):
    """x * tanh(log(exp(x) + 1)).

    ```mlir
    %y = pfrt.mish %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.mish"


@irdl_op_definition
class SwishOp(FloatUnaryOp):
    """x / (1 + exp(-alpha * x)); with alpha 1 also called SiLU.

    ```mlir
    %y = pfrt.swish %x {alpha = 1.702000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.swish"

    alpha = float_property(1.0)


@irdl_op_definition
class SwigluOp(PfrtOp):
    """swish(gate) * x: elements times their gates, of which `alpha` is a factor in the sigmoid.

    ```mlir
    %y = pfrt.swiglu %gate, %x {alpha = 1.702000e+00 : f32} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
    C1: both operands hold floats of one type.
    C2: they have one shape.
    """

    name = "pfrt.swiglu"

    gate = operand_def(TensorConstraint)
    x = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    alpha = float_property(1.0)

    assembly_format = (
        "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        require_floats(self, "C1", self.gate, self.x)
        require_same_element(self, "C1", self.gate, self.x)
        if (shape := shape_of(self.gate)) is not None:
            require_shape(self, "C2", "x", self.x, shape)

    def result_shape(self) -> Shape | None:
        gate, x = shape_of(self.gate), shape_of(self.x)
        if gate is None or x is None:
            return x if gate is None else gate
        return tuple(map(known, zip(gate, x, strict=False)))

    def flops(self) -> int | None:
        """Five an element: the sigmoid counts as three."""
        count = elements(self.result)
        return None if count is None else 5 * count


@irdl_op_definition
class ErfOp(FloatUnaryOp):
    """The error function.

    ```mlir
    %y = pfrt.erf %x : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: the operand holds floats.
    """

    name = "pfrt.erf"


@irdl_op_definition
class PreluOp(PfrtOp):
    """slope * x for x < 0, x otherwise.

    ```mlir
    %y = pfrt.prelu %x, %slope : tensor<1x8x4xf32>, tensor<8x1xf32> -> tensor<1x8x4xf32>
    ```
    C1: operand and slope hold numbers of one type.
    C2: the slope broadcasts to the operand.
    """

    name = "pfrt.prelu"

    ELEMENTWISE: ClassVar[bool] = True

    operand = operand_def(TensorConstraint)
    slope = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand `,` $slope custom<ValueNames>($names) attr-dict `:` "
        "type($operand) `,` type($slope) `->` type($result)"
    )

    def check(self) -> None:
        require_numbers(self, "C1", self.operand, self.slope)
        require_same_element(self, "C1", self.operand, self.slope)
        self.require(
            "C2",
            broadcasts_to(self.slope, shape_of(self.operand)),
            f"a slope {self.slope.type} does not broadcast to {self.operand.type}",
        )

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)


class ClipWithoutBounds(RewritePattern):
    """clip(x) -> x, where nothing bounds it."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ClipOp) or op.operand.type != op.result.type:
            return
        if all(bound is None for bound in (op.min, op.max, op.min_value, op.max_value)):
            rewriter.replace(op, [], [op.operand])


@irdl_op_definition
class ClipOp(PfrtOp):
    """min(max(x, lower bound), upper bound).

    A bound is a property, or an operand where it is known only at run time; one that is not given
    does not bind. If the lower exceeds the upper, every element becomes the upper.

    ```mlir
    %y = pfrt.clip %x max(%m : tensor<f32>) {min = 0.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    C1: a bound's operand is a scalar of the operand's element type.
    C2: a bound's property is a float for floats, an integer for integers.
    """

    name = "pfrt.clip"

    ELEMENTWISE: ClassVar[bool] = True

    operand = operand_def(TensorConstraint)
    min_value = opt_operand_def(TensorConstraint)
    max_value = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    min = opt_prop_def(BaseAttr(FloatAttr) | BaseAttr(IntegerAttr))
    max = opt_prop_def(BaseAttr(FloatAttr) | BaseAttr(IntegerAttr))

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$operand (`min` `(` $min_value^ `:` type($min_value) `)`)? "
        "(`max` `(` $max_value^ `:` type($max_value) `)`)? "
        "custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("min", "max")

    def check(self) -> None:
        require_same_element(self, "C1", self.operand, self.min_value, self.max_value)
        for name, bound in (("min", self.min_value), ("max", self.max_value)):
            require_shape(self, "C1", name, bound, ())
        for bound in (self.min, self.max):
            if bound is not None and isinstance(bound, FloatAttr) != is_float(self.operand):
                self.require("C2", False, f"{bound} cannot bound {self.operand.type}")

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), ClipWithoutBounds())


@irdl_op_definition
class ShrinkOp(UnaryOp):
    """x + bias for x < -lambd, x - bias for x > lambd, 0 between them.

    ```mlir
    %y = pfrt.shrink %x {bias = 1.500000e+00 : f32, lambd = 1.500000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
    ```
    Of integers, what is not one is cast like `pfrt.cast` does.

    C1: the operand holds numbers: integers of 8 bits or more, or floats of 16 or more.
    """

    name = "pfrt.shrink"

    bias = float_property(0.0)
    lambd = float_property(0.5)

    FLOPS_PER_ELEMENT: ClassVar[int] = 2

    def check(self) -> None:
        takes = dtype_of(self.operand).name in NUMBERS
        self.require("C1", takes, f"is not defined on {self.operand.type}")


OPS: tuple[type[PfrtOp], ...] = (
    CeluOp,
    ClipOp,
    EluOp,
    ErfOp,
    GeluOp,
    HardSigmoidOp,
    HardSwishOp,
    LeakyReluOp,
    MishOp,
    PreluOp,
    ReluOp,
    SeluOp,
    ShrinkOp,
    SigmoidOp,
    SoftplusOp,
    SoftsignOp,
    SwigluOp,
    SwishOp,
    TanhOp,
    ThresholdedReluOp,
)
