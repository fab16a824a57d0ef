"""Normalizations: tensors brought to a common scale by their own or by given statistics."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def
from xdsl.pattern_rewriter import RewritePattern

from pyflame_rt.dialects.pfrt.axes import NonNegativeAxis
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    broadcasts_to,
    float_property,
    int_property,
    require_axis,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.types import shape_of

PARAMETRIC_FORMAT = (
    "$operand `,` $scale `,` $bias custom<ValueNames>($names) attr-dict `:` "
    "functional-type(operands, results)"
)


class NormalizationOp(PfrtOp, ABC):
    """Keeps the type of its first operand.

    An op that has more operands declares the first one again: a subclass's own come before those
    it inherits.
    """

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    FLOPS_PER_ELEMENT: ClassVar[int] = 1

    def check(self) -> None:
        require_floats(self, "C1", *self.operands)

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)

    def flops(self) -> int | None:
        """A fixed number for each element."""
        count = elements(self.operand)
        return None if count is None else count * self.FLOPS_PER_ELEMENT

    def channels(self) -> Shape | None:
        """The shape of a statistic a channel; a vector has one channel."""
        shape = shape_of(self.operand)
        return None if shape is None else shape[1:2] or (1,)


@irdl_op_definition
class BatchNormalizationOp(NormalizationOp):
    """(x - mean) / sqrt(var + epsilon) * scale + bias, with given statistics for each channel.

    ```mlir
    %y = pfrt.batch_normalization %x, %scale, %bias, %mean, %var : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
    ```
    C1: all operands hold floats.
    C2: x has at least one dimension.
    C3: scale, bias, mean and var have one element a channel (dimension 1 of x).
    """

    name = "pfrt.batch_normalization"

    operand = operand_def(TensorConstraint)
    scale = operand_def(TensorConstraint)
    bias = operand_def(TensorConstraint)
    mean = operand_def(TensorConstraint)
    var = operand_def(TensorConstraint)
    epsilon = float_property(1e-5)

    assembly_format = (
        "$operand `,` $scale `,` $bias `,` $mean `,` $var custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    FLOPS_PER_ELEMENT: ClassVar[int] = 2

    def check(self) -> None:
        super().check()
        require_rank(self, "C2", self.operand, 1)
        if (shape := self.channels()) is None:
            return
        for name in ("scale", "bias", "mean", "var"):
            require_shape(self, "C3", name, getattr(self, name), shape)


@irdl_op_definition
class InstanceNormalizationOp(NormalizationOp):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the spatial axes of each channel.

    ```mlir
    %y = pfrt.instance_normalization %x, %scale, %bias : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
    ```
    C1: all operands hold floats of one type.
    C2: x has at least 3 dimensions.
    C3: scale and bias have one element a channel (dimension 1 of x).
    """

    name = "pfrt.instance_normalization"

    operand = operand_def(TensorConstraint)
    scale = operand_def(TensorConstraint)
    bias = operand_def(TensorConstraint)
    epsilon = float_property(1e-5)

    assembly_format = PARAMETRIC_FORMAT

    FLOPS_PER_ELEMENT: ClassVar[int] = 7

    def check(self) -> None:
        super().check()
        require_same_element(self, "C1", *self.operands)
        require_rank(self, "C2", self.operand, 3)
        if (shape := self.channels()) is None:
            return
        for name in ("scale", "bias"):
            require_shape(self, "C3", name, getattr(self, name), shape)


@irdl_op_definition
class LayerNormalizationOp(NormalizationOp):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the axes from `axis` on.

    Statistics are computed in f32 at least, and the result is rounded once.

    ```mlir
    %y = pfrt.layer_normalization %x, %scale, %bias : (tensor<?x16x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x16x32xf32>
    ```
    C1: all operands hold floats of one type.
    C2: `axis` is an axis of x.
    C3: scale and bias broadcast to x.
    """

    name = "pfrt.layer_normalization"

    operand = operand_def(TensorConstraint)
    scale = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    axis = int_property(-1)
    epsilon = float_property(1e-5)

    assembly_format = (
        "$operand `,` $scale (`,` $bias^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    FLOPS_PER_ELEMENT: ClassVar[int] = 7

    def check(self) -> None:
        super().check()
        require_same_element(self, "C1", *self.operands)
        require_axis(self, "C2", self.axis.value.data, self.operand)
        for value in (self.scale, self.bias):
            self.require(
                "C3",
                broadcasts_to(value, shape_of(self.operand)),
                f"{None if value is None else value.type} does not broadcast to {self.operand.type}",
            )

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), NonNegativeAxis())


class SoftmaxLikeOp(NormalizationOp, ABC):
    """Normalises along one axis."""

    axis = int_property(-1)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    FLOPS_PER_ELEMENT: ClassVar[int] = 5

    def check(self) -> None:
        super().check()
        require_axis(self, "C2", self.axis.value.data, self.operand)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), NonNegativeAxis())


@irdl_op_definition
class SoftmaxOp(SoftmaxLikeOp):
    """exp(x) over its sum along one axis.

    ```mlir
    %y = pfrt.softmax %x {axis = 1 : i64} : tensor<?x10xf32> -> tensor<?x10xf32>
    ```
    C1: the operand holds floats.
    C2: `axis` is an axis of the operand.
    """

    name = "pfrt.softmax"


@irdl_op_definition
class LogSoftmaxOp(SoftmaxLikeOp):
    """x minus the logarithm of the sum of exp(x) along one axis.

    ```mlir
    %y = pfrt.log_softmax %x {axis = 1 : i64} : tensor<?x10xf32> -> tensor<?x10xf32>
    ```
    C1: the operand holds floats.
    C2: `axis` is an axis of the operand.
    """

    name = "pfrt.log_softmax"


@irdl_op_definition
class LrnOp(NormalizationOp):
    """x / (bias + alpha / size * sum of squares)^beta, summed over `size` channels around each.

    ```mlir
    %y = pfrt.lrn %x {size = 5 : i64} : tensor<?x8x4x4xf32> -> tensor<?x8x4x4xf32>
    ```
    C1: the operand holds floats.
    C2: x has at least 2 dimensions.
    C3: size is at least 1.
    """

    name = "pfrt.lrn"

    size = int_property()
    alpha = float_property(1e-4)
    beta = float_property(0.75)
    bias = float_property(1.0)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def check(self) -> None:
        super().check()
        require_rank(self, "C2", self.operand, 2)
        size = self.size.value.data
        self.require("C3", size >= 1, f"size must be at least 1, got {size}")

    def flops(self) -> int | None:
        """Two for each of the squares summed, four for each element."""
        count = elements(self.operand)
        return None if count is None else count * (2 * self.size.value.data + 4)


OPS: tuple[type[PfrtOp], ...] = (
    BatchNormalizationOp,
    InstanceNormalizationOp,
    LayerNormalizationOp,
    LogSoftmaxOp,
    LrnOp,
    SoftmaxOp,
)
