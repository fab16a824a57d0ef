"""Reductions: one value of all those along some axes."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar, cast

from xdsl.dialects.builtin import DenseArrayBase, i64
from xdsl.ir import Attribute, Operation
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.axes import NonNegativeAxis
from pyflame_rt.dialects.pfrt.base import (
    PfrtOp,
    Shape,
    TensorConstraint,
    constant_of,
    elements,
    normalize_axis,
)
from pyflame_rt.dialects.pfrt.broadcasting import BOOLS, NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    int_property,
    ints,
    is_float,
    optional_ints_property,
    require_axis,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, type_of
from pyflame_rt.kernels.reduction import reduced_axes

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


class ReduceOp(PfrtOp, ABC):
    """Reduces the dimensions `axes`: a property, or an operand where known only at run time.

    Without axes, or with an empty list, it reduces all dimensions, or none if
    `noop_with_empty_axes`. `keepdims` leaves a 1 where a dimension was.
    """

    operand = operand_def(TensorConstraint)
    axes_value = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    axes = optional_ints_property()
    keepdims = flag_property(True)
    noop_with_empty_axes = flag_property(False)

    assembly_format = (
        "$operand (`axes` $axes_value^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("axes",)
    IDENTITY_ON_NOTHING: ClassVar[bool] = True
    """Whether reducing no dimension at all gives the operand back."""

    def takes(self) -> bool:
        """Whether the op is defined on the operand's element type."""
        return dtype_of(self.operand).name in NUMBERS

    def check(self) -> None:
        if not self.takes():
            self.require("C1", False, f"is not defined on {self.operand.type}")
        shape, axes = shape_of(self.operand), self.known_axes()
        if shape is not None and axes is not None:
            try:
                reduced_axes(len(shape), axes, bool(self.noop_with_empty_axes))
            except ValueError as error:
                self.require("C2", False, str(error))
        value = self.axes_value
        listed = None if value is None else shape_of(value)
        self.require(
            "C3",
            value is None
            or (type_of(value).element_type == i64 and (listed is None or len(listed) == 1)),
            f"axes must be a vector of i64, got {None if value is None else value.type}",
        )

    def known_axes(self) -> Shape | None:
        """The axes as given, where the operand form is a constant too; None: not known."""
        if self.axes is not None:
            return ints(self.axes)
        if self.axes_value is None:
            return ()
        array = constant_of(self.axes_value)
        return None if array is None else tuple(int(axis) for axis in array.reshape(-1))

    def result_shape(self) -> Shape | None:
        shape, axes = cast(Shape, shape_of(self.operand)), self.known_axes()
        if axes is None:
            return self._shape_of_unknown_axes(shape)
        reduced = reduced_axes(len(shape), axes, bool(self.noop_with_empty_axes))
        if self.keepdims:
            return tuple(1 if i in reduced else d for i, d in enumerate(shape))
        return tuple(d for i, d in enumerate(shape) if i not in reduced)

    def _shape_of_unknown_axes(self, shape: Shape) -> Shape | None:
        if self.keepdims:
            return tuple(1 if d == 1 else DYNAMIC for d in shape)
        (count,) = (self.axes_value and shape_of(self.axes_value)) or (DYNAMIC,)
        if count in (0, DYNAMIC):
            return None
        return (DYNAMIC,) * (len(shape) - count)

    def flops(self) -> int | None:
        """One for each element of the operand."""
        return elements(self.operand)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), SortedAxes(), ReduceNothing())


class FloatReduceOp(ReduceOp, ABC):
    """A reduction that is defined on floats only."""

    def takes(self) -> bool:
        return is_float(self.operand)


class SortedAxes(RewritePattern):
    """reduce(x) {axes = [-1, 0]} -> reduce(x) {axes = [0, rank - 1]}."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ReduceOp) or op.axes is None:
            return
        shape, axes = shape_of(op.operand), ints(op.axes)
        if shape is None or not axes:
            return
        canonical = reduced_axes(len(shape), axes, False)
        if canonical != axes:
            op.axes = DenseArrayBase.from_list(i64, canonical)
            rewriter.notify_op_modified(op)


class ReduceNothing(RewritePattern):
    """reduce_sum(x) {axes = [], noop_with_empty_axes} -> x; so for mean, max, min and prod."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ReduceOp) or not op.IDENTITY_ON_NOTHING:
            return
        if op.noop_with_empty_axes and op.known_axes() == () and op.operand.type == op.result.type:
            rewriter.replace(op, [], [op.operand])


@irdl_op_definition
class ReduceSumOp(ReduceOp):
    """Sum along axes; 0 of nothing.

    ```mlir
    %y = pfrt.reduce_sum %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds integers of 8 bits or more, or floats of 16 or more.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_sum"


@irdl_op_definition
class ReduceMeanOp(ReduceOp):
    """Arithmetic mean along axes, of integers truncated towards zero.

    ```mlir
    %y = pfrt.reduce_mean %x {axes = array<i64: 2, 3>, keepdims = false} : (tensor<?x8x4x4xf32>) -> tensor<?x8xf32>
    ```
    C1: the operand holds integers of 8 bits or more, or floats of 16 or more.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_mean"


@irdl_op_definition
class ReduceMaxOp(ReduceOp):
    """Maximum along axes; of nothing the lowest value of the type.

    ```mlir
    %y = pfrt.reduce_max %x axes %a : (tensor<4x8xf32>, tensor<1xi64>) -> tensor<?x?xf32>
    ```
    C1: the operand holds ordered values.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_max"

    def takes(self) -> bool:
        return dtype_of(self.operand).name in NUMBERS | BOOLS


@irdl_op_definition
class ReduceMinOp(ReduceOp):
    """Minimum along axes; of nothing the highest value of the type.

    ```mlir
    %y = pfrt.reduce_min %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds ordered values.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_min"

    def takes(self) -> bool:
        return dtype_of(self.operand).name in NUMBERS | BOOLS


@irdl_op_definition
class ReduceProdOp(ReduceOp):
    """Product along axes; 1 of nothing.

    ```mlir
    %y = pfrt.reduce_prod %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds integers of 8 bits or more, or floats of 16 or more.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_prod"


@irdl_op_definition
class ReduceL1Op(ReduceOp):
    """Sum of magnitudes along axes.

    ```mlir
    %y = pfrt.reduce_l1 %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds integers of 8 bits or more, or floats of 16 or more.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_l1"

    IDENTITY_ON_NOTHING: ClassVar[bool] = False


@irdl_op_definition
class ReduceL2Op(ReduceOp):
    """Square root of the sum of squares along axes, of integers truncated.

    ```mlir
    %y = pfrt.reduce_l2 %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds integers of 8 bits or more, or floats of 16 or more.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_l2"

    IDENTITY_ON_NOTHING: ClassVar[bool] = False


@irdl_op_definition
class ReduceSumSquareOp(ReduceOp):
    """Sum of squares along axes.

    ```mlir
    %y = pfrt.reduce_sum_square %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds integers of 8 bits or more, or floats of 16 or more.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_sum_square"

    IDENTITY_ON_NOTHING: ClassVar[bool] = False


@irdl_op_definition
class ReduceLogSumOp(FloatReduceOp):
    """Logarithm of the sum along axes; -inf of nothing.

    ```mlir
    %y = pfrt.reduce_log_sum %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds floats.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_log_sum"

    IDENTITY_ON_NOTHING: ClassVar[bool] = False


@irdl_op_definition
class ReduceLogSumExpOp(FloatReduceOp):
    """Logarithm of the sum of exp(x) along axes; -inf of nothing.

    ```mlir
    %y = pfrt.reduce_log_sum_exp %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
    C1: the operand holds floats.
    C2: the axes are distinct axes of the operand.
    C3: axes known only at run time are a vector of i64.
    """

    name = "pfrt.reduce_log_sum_exp"

    IDENTITY_ON_NOTHING: ClassVar[bool] = False


class ArgOp(PfrtOp, ABC):
    """Where along an axis an extreme value stands."""

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    axis = int_property(0)
    keepdims = flag_property(True)
    select_last_index = flag_property(False)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        takes = dtype_of(self.operand).name in NUMBERS
        self.require("C1", takes, f"cannot order {self.operand.type}")
        axis, shape = self.axis.value.data, shape_of(self.operand)
        require_axis(self, "C2", axis, self.operand)
        self.require(
            "C3", shape is None or shape[axis] != 0, f"axis {axis} of {self.operand.type} is empty"
        )

    def result_dtype(self) -> Attribute:
        return i64

    def result_shape(self) -> Shape | None:
        shape = cast(Shape, shape_of(self.operand))
        axis = normalize_axis(self.axis.value.data, len(shape))
        return (*shape[:axis], *((1,) if self.keepdims else ()), *shape[axis + 1 :])

    def flops(self) -> int | None:
        """One for each element of the operand."""
        return elements(self.operand)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), NonNegativeAxis())


@irdl_op_definition
class ArgMaxOp(ArgOp):
    """Index of the maximum along an axis: of equal ones the first, or the last.

    ```mlir
    %i = pfrt.arg_max %x {axis = 1 : i64, keepdims = false} : tensor<?x10xf32> -> tensor<?xi64>
    ```
    C1: the operand holds ordered numbers.
    C2: `axis` is an axis of the operand.
    C3: that axis is not empty.
    """

    name = "pfrt.arg_max"


@irdl_op_definition
class ArgMinOp(ArgOp):
    """Index of the minimum along an axis: of equal ones the first, or the last.

    ```mlir
    %i = pfrt.arg_min %x {axis = 1 : i64, keepdims = false} : tensor<?x10xf32> -> tensor<?xi64>
    ```
    C1: the operand holds ordered numbers.
    C2: `axis` is an axis of the operand.
    C3: that axis is not empty.
    """

    name = "pfrt.arg_min"


OPS: tuple[type[PfrtOp], ...] = (
    ArgMaxOp,
    ArgMinOp,
    ReduceL1Op,
    ReduceL2Op,
    ReduceLogSumExpOp,
    ReduceLogSumOp,
    ReduceMaxOp,
    ReduceMeanOp,
    ReduceMinOp,
    ReduceProdOp,
    ReduceSumOp,
    ReduceSumSquareOp,
)
