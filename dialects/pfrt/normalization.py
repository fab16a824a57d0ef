"""Normalizations: tensors brought to a common scale by their own or by given statistics."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar, cast

from xdsl.dialects.builtin import DenseArrayBase, i64
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, prop_def, result_def
from xdsl.pattern_rewriter import RewritePattern

from pyflame_rt.dialects.pfrt.axes import NonNegativeAxis
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    IntList,
    broadcasts_to,
    float_property,
    int_property,
    ints,
    require_axis,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.epilogue import ActivatedOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.parameters import find_axes
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, tensor, type_of

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
        """The shape of a statistic a channel; a vector has one channel.

        In the layout "nc4hw4" the operand does not say how many there are.
        """
        if not isinstance(self, LayoutOp):
            shape = shape_of(self.operand)
        elif self.data_layout == "nc4hw4":
            return (DYNAMIC,)
        else:
            shape = self.nchw_shape(self.operand)
        return None if shape is None else shape[1:2] or (1,)


class BatchOp(NormalizationOp, ABC):
    """Has a scale, a bias and statistics for each channel."""

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

    def check(self) -> None:
        super().check()
        require_rank(self, "C2", self.operand, 1)
        if (shape := self.channels()) is None:
            return
        for name in ("scale", "bias", "mean", "var"):
            require_shape(self, "C3", name, getattr(self, name), shape)


@irdl_op_definition
class BatchNormalizationOp(ActivatedOp, LayoutOp, BatchOp):
    """(x - mean) / sqrt(var + epsilon) * scale + bias, with given statistics for each channel.

    ```mlir
    %y = pfrt.batch_normalization %x, %scale, %bias, %mean, %var : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
    ```
    C1: all operands hold floats.
    C2: x has at least one dimension.
    C3: scale, bias, mean and var have one element a channel (dimension 1 of x).
    C4: the activation is an elementwise op of one operand.
    C5: `layout` is "nchw", "nhwc" or "nc4hw4", and x suits it.
    """

    name = "pfrt.batch_normalization"

    FLOPS_PER_ELEMENT: ClassVar[int] = 2

    def check(self) -> None:
        self.check_layout("C5", self.operand)
        super().check()
        self.check_activation("C4")


@irdl_op_definition
class BatchNormalizationTrainingOp(BatchOp):
    """Each channel to mean 0 and variance 1, then scaled and shifted; the statistics so far, moved
    towards those of this batch: statistic * momentum + that of the batch * (1 - momentum).

    ```mlir
    %y, %m, %v = pfrt.batch_normalization_training %x, %scale, %bias, %mean, %var : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>)
    ```
    The variance is that of the population. Statistics are computed in f32 at least.

    C1: all operands hold floats.
    C2: x has at least one dimension.
    C3: scale, bias, mean and var have one element a channel (dimension 1 of x).
    """

    name = "pfrt.batch_normalization_training"

    momentum = float_property(0.9)
    result = result_def(TensorConstraint)
    new_mean = result_def(TensorConstraint)
    new_var = result_def(TensorConstraint)

    FLOPS_PER_ELEMENT: ClassVar[int] = 7

    def infer_types(self) -> Sequence[Attribute]:
        channels = self.channels() or (DYNAMIC,)
        return [
            tensor(type_of(self.operand).element_type, shape_of(self.operand)),
            tensor(type_of(self.mean).element_type, channels),
            tensor(type_of(self.var).element_type, channels),
        ]


@irdl_op_definition
class InstanceNormalizationOp(LayoutOp, NormalizationOp):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the spatial axes of each channel.

    ```mlir
    %y = pfrt.instance_normalization %x, %scale, %bias : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
    ```
    C1: all operands hold floats of one type.
    C2: x has at least 3 dimensions.
    C3: scale and bias have one element a channel (dimension 1 of x).
    C4: `layout` is "nchw", "nhwc" or "nc4hw4", and x suits it.
    """

    name = "pfrt.instance_normalization"

    operand = operand_def(TensorConstraint)
    scale = operand_def(TensorConstraint)
    bias = operand_def(TensorConstraint)
    epsilon = float_property(1e-5)

    assembly_format = PARAMETRIC_FORMAT

    FLOPS_PER_ELEMENT: ClassVar[int] = 7

    def check(self) -> None:
        self.check_layout("C4", self.operand)
        super().check()
        require_same_element(self, "C1", *self.operands)
        require_rank(self, "C2", self.operand, 3)
        if (shape := self.channels()) is None:
            return
        for name in ("scale", "bias"):
            require_shape(self, "C3", name, getattr(self, name), shape)


@irdl_op_definition
class GroupNormalizationOp(LayoutOp, NormalizationOp):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over each of `num_groups` groups of
    channels and their spatial axes.

    ```mlir
    %y = pfrt.group_normalization %x, %scale, %bias {num_groups = 2 : i64} : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
    ```
    Statistics are computed in f32 at least, and the result is rounded once.

    C1: all operands hold floats of one type.
    C2: x has at least 2 dimensions.
    C3: scale and bias have one element a channel (dimension 1 of x).
    C4: num_groups is at least 1 and divides the channels.
    C5: `layout` is "nchw", "nhwc" or "nc4hw4", and x suits it.
    """

    name = "pfrt.group_normalization"

    operand = operand_def(TensorConstraint)
    scale = operand_def(TensorConstraint)
    bias = operand_def(TensorConstraint)
    num_groups = int_property()
    epsilon = float_property(1e-5)

    assembly_format = PARAMETRIC_FORMAT

    FLOPS_PER_ELEMENT: ClassVar[int] = 7

    def check(self) -> None:
        self.check_layout("C5", self.operand)
        super().check()
        require_same_element(self, "C1", *self.operands)
        require_rank(self, "C2", self.operand, 2)
        groups, shape = self.num_groups.value.data, self.channels()
        self.require("C4", groups >= 1, f"num_groups must be at least 1, got {groups}")
        if shape is None:
            return
        for name in ("scale", "bias"):
            require_shape(self, "C3", name, getattr(self, name), shape)
        divides = shape[0] == DYNAMIC or shape[0] % groups == 0
        self.require("C4", divides, f"{shape[0]} channels do not make {groups} groups")


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


@irdl_op_definition
class RmsNormalizationOp(NormalizationOp):
    """x / sqrt(mean of squares + epsilon) * scale over the axes from `axis` on.

    The mean is computed in f32 at least, and the result, of the scale's type, is rounded once.

    ```mlir
    %y = pfrt.rms_normalization %x, %scale : (tensor<?x16x32xf32>, tensor<32xf32>) -> tensor<?x16x32xf32>
    ```
    C1: the operands hold floats.
    C2: `axis` is an axis of x.
    C3: the scale broadcasts to x.
    """

    name = "pfrt.rms_normalization"

    operand = operand_def(TensorConstraint)
    scale = operand_def(TensorConstraint)
    axis = int_property(-1)
    epsilon = float_property(1e-5)

    assembly_format = (
        "$operand `,` $scale custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    FLOPS_PER_ELEMENT: ClassVar[int] = 4

    def check(self) -> None:
        super().check()
        require_axis(self, "C2", self.axis.value.data, self.operand)
        self.require(
            "C3",
            broadcasts_to(self.scale, shape_of(self.operand)),
            f"{self.scale.type} does not broadcast to {self.operand.type}",
        )

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(type_of(self.scale).element_type, shape_of(self.operand))]

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), NonNegativeAxis())


@irdl_op_definition
class MeanVarianceNormalizationOp(NormalizationOp):
    """(x - mean) / (standard deviation + 1e-9) over `axes`, by default all but the channels of a
    batch of images.

    ```mlir
    %y = pfrt.mean_variance_normalization %x {axes = array<i64: 0, 2>} : tensor<?x3x8xf32> -> tensor<?x3x8xf32>
    ```
    C1: the operand holds floats.
    C2: `axes` are different axes of x.
    """

    name = "pfrt.mean_variance_normalization"

    axes = cast(
        IntList,
        prop_def(
            DenseArrayBase.constr(i64), default_value=DenseArrayBase.from_list(i64, [0, 2, 3])
        ),
    )

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    FLOPS_PER_ELEMENT: ClassVar[int] = 5

    def check(self) -> None:
        super().check()
        if (shape := shape_of(self.operand)) is not None:
            find_axes(self, "C2", ints(self.axes), len(shape))


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
class HardmaxOp(SoftmaxLikeOp):
    """1 for the first of the largest elements along one axis, 0 for the others.

    ```mlir
    %y = pfrt.hardmax %x {axis = 1 : i64} : tensor<?x10xf32> -> tensor<?x10xf32>
    ```
    NaN is the largest.

    C1: the operand holds floats.
    C2: `axis` is an axis of the operand.
    """

    name = "pfrt.hardmax"

    FLOPS_PER_ELEMENT: ClassVar[int] = 1


@irdl_op_definition
class LpNormalizationOp(SoftmaxLikeOp):
    """x over its norm along one axis: the sum of magnitudes, or the root of the sum of squares.

    ```mlir
    %y = pfrt.lp_normalization %x {axis = 1 : i64, p = 1 : i64} : tensor<?x10xf32> -> tensor<?x10xf32>
    ```
    Where the norm is 0, so is the result.

    C1: the operand holds floats.
    C2: `axis` is an axis of the operand.
    C3: p is 1 or 2.
    """

    name = "pfrt.lp_normalization"

    p = int_property(2)

    FLOPS_PER_ELEMENT: ClassVar[int] = 3

    def check(self) -> None:
        super().check()
        p = self.p.value.data
        self.require("C3", p in (1, 2), f"p must be 1 or 2, got {p}")


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
    BatchNormalizationTrainingOp,
    GroupNormalizationOp,
    HardmaxOp,
    InstanceNormalizationOp,
    LayerNormalizationOp,
    LogSoftmaxOp,
    LpNormalizationOp,
    LrnOp,
    MeanVarianceNormalizationOp,
    RmsNormalizationOp,
    SoftmaxOp,
)
