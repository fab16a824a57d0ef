"""Elements by their indices; ops that know positions or order are in `positions.py`."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import i64
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, result_def
from xdsl.pattern_rewriter import RewritePattern

from pyflame_rt.dialects.pfrt import positions
from pyflame_rt.dialects.pfrt.axes import NonNegativeAxis
from pyflame_rt.dialects.pfrt.base import (
    PfrtOp,
    Shape,
    TensorConstraint,
    elements,
    normalize_axis,
)
from pyflame_rt.dialects.pfrt.broadcasting import BOOLS, NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    int_property,
    require_axis,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.parameters import ShapeChangingOp
from pyflame_rt.dialects.pfrt.scalars import INDICES, optional_int_property
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor, type_of

OPERANDS_FORMAT = (
    "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
)
UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"

_REDUCED = NUMBERS | BOOLS
_REDUCTIONS = {
    "add": _REDUCED | {"complex64", "complex128"},
    "max": _REDUCED,
    "min": _REDUCED,
    "mul": _REDUCED | {"complex64", "complex128"},
}
"""The element types that each reduction is defined on."""


@irdl_op_definition
class NonZeroOp(ShapeChangingOp):
    """The indices of the elements that are not zero: a row a dimension, in row-major order.

    ```mlir
    %0 = pfrt.non_zero %x : tensor<?x4xf32> -> tensor<2x?xi64>
    ```
    """

    name = "pfrt.non_zero"

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def result_dtype(self) -> Attribute:
        return i64

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        return (DYNAMIC if shape is None else len(shape), DYNAMIC)


def _suits(shape: Shape | None, indices: Shape | None, axis: int) -> bool:
    """Whether there is an element for each index, which points along an axis of the shape."""
    if shape is None or indices is None:
        return True
    return len(shape) == len(indices) and all(
        count <= dim or DYNAMIC in (count, dim) or k == axis % len(shape)
        for k, (count, dim) in enumerate(zip(indices, shape, strict=True))
    )


@irdl_op_definition
class GatherElementsOp(ShapeChangingOp):
    """The elements at the places of `indices`, which say where along `axis`.

    ```mlir
    %0 = pfrt.gather_elements %x, %i {axis = 1 : i64} : (tensor<2x8xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
    ```
    Negative indices count from the back.

    C1: the indices are i64 or i32.
    C2: `axis` is one of x's dimensions.
    C3: the indices have x's rank and, but for `axis`, no larger dimensions.
    """

    name = "pfrt.gather_elements"

    operand = operand_def(TensorConstraint)
    indices = operand_def(TensorConstraint)
    axis = int_property(0)
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    def check(self) -> None:
        kind = self.indices.type
        integers = dtype_of(self.indices).name in INDICES
        self.require("C1", integers, f"indices must be i64 or i32, got {kind}")
        axis = self.axis.value.data
        require_axis(self, "C2", axis, self.operand)
        suits = _suits(shape_of(self.operand), shape_of(self.indices), axis)
        self.require("C3", suits, f"{kind} does not suit {self.operand.type}")

    def result_shape(self) -> Shape | None:
        shape, indices = shape_of(self.operand), shape_of(self.indices)
        return (DYNAMIC,) * len(shape) if indices is None and shape is not None else indices

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


@irdl_op_definition
class GatherNdOp(ShapeChangingOp):
    """The elements, or slices, of x at the index tuples that the last dimension of `indices` holds.

    ```mlir
    %0 = pfrt.gather_nd %x, %i {batch_dims = 1 : i64} : (tensor<2x8x3xf32>, tensor<2x5x1xi64>) -> tensor<2x5x3xf32>
    ```
    The first `batch_dims` dimensions of both go together. Negative indices count from the back.

    C1: the indices are i64 or i32.
    C2: both have more than `batch_dims` dimensions, of which those agree.
    C3: a tuple is not longer than x's other dimensions are many.
    """

    name = "pfrt.gather_nd"

    operand = operand_def(TensorConstraint)
    indices = operand_def(TensorConstraint)
    batch_dims = int_property(0)
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    def check(self) -> None:
        kind = self.indices.type
        integers = dtype_of(self.indices).name in INDICES
        self.require("C1", integers, f"indices must be i64 or i32, got {kind}")
        shape, indices = shape_of(self.operand), shape_of(self.indices)
        batch = self.batch_dims.value.data
        for known in (shape, indices):
            enough = batch >= 0 and (known is None or batch < len(known))
            self.require("C2", enough, f"batch_dims {batch} is too much or negative")
        if shape is None or indices is None:
            return
        for one, other in zip(shape[:batch], indices[:batch], strict=True):
            agree = one == other or DYNAMIC in (one, other)
            self.require("C2", agree, f"batch dimensions {one} and {other} differ")
        width, most = indices[-1], len(shape) - batch
        self.require("C3", width <= most, f"index tuples of {width} for {most} dimensions")

    def result_shape(self) -> Shape | None:
        shape, indices = shape_of(self.operand), shape_of(self.indices)
        if shape is None or indices is None or indices[-1] == DYNAMIC:
            return None
        batch = self.batch_dims.value.data
        shared = (
            one if other == DYNAMIC else other
            for one, other in zip(shape[:batch], indices[:batch], strict=True)
        )
        return (*shared, *indices[batch:-1], *shape[batch + indices[-1] :])


class ScatterOp(ShapeChangingOp, ABC):
    """x with updates written at indices, or combined with what is there."""

    operand = operand_def(TensorConstraint)
    indices = operand_def(TensorConstraint)
    updates = operand_def(TensorConstraint)
    reduction = string_property("none")
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    def check(self) -> None:
        integers = dtype_of(self.indices).name in INDICES
        self.require("C1", integers, f"indices must be i64 or i32, got {self.indices.type}")
        require_same_element(self, "C2", self.operand, self.updates)
        mode = self.reduction.data
        self.require("C3", mode in ("none", *_REDUCTIONS), f'unknown reduction "{mode}"')
        defined = mode == "none" or dtype_of(self.operand).name in _REDUCTIONS[mode]
        self.require("C3", defined, f'"{mode}" is not defined on {self.operand.type}')

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)

    def flops(self) -> int | None:
        """One for each update that is combined."""
        return 0 if self.reduction.data == "none" else elements(self.updates)


@irdl_op_definition
class ScatterElementsOp(ScatterOp):
    """x with the updates written at the places of `indices`, which say where along `axis`.

    ```mlir
    %0 = pfrt.scatter_elements %x, %i, %u {axis = 1 : i64, reduction = "add"} : (tensor<2x8xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x8xf32>
    ```
    `reduction` combines them with what is there ("add", "mul", "max", "min"); with "none" the last
    of several for one place stays. Negative indices count from the back.

    C1: the indices are i64 or i32.
    C2: the updates hold the type of x.
    C3: `reduction` is "none", "add", "mul", "max" or "min", and defined on that type.
    C4: `axis` is one of x's dimensions.
    C5: there is an update for each index; they have x's rank and, but for `axis`, no larger
        dimensions.
    """

    name = "pfrt.scatter_elements"

    axis = int_property(0)

    def check(self) -> None:
        super().check()
        axis = self.axis.value.data
        require_axis(self, "C4", axis, self.operand)
        for places in (self.indices, self.updates):
            suits = _suits(shape_of(self.operand), shape_of(places), axis)
            self.require("C5", suits, f"{places.type} does not suit {self.operand.type}")
        if (shape := shape_of(self.indices)) is not None:
            require_shape(self, "C5", "updates", self.updates, shape)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


@irdl_op_definition
class ScatterNdOp(ScatterOp):
    """x with the updates, elements or slices, written at the index tuples that the last dimension of
    `indices` holds.

    ```mlir
    %0 = pfrt.scatter_nd %x, %i, %u : (tensor<8x3xf32>, tensor<5x1xi64>, tensor<5x3xf32>) -> tensor<8x3xf32>
    ```
    `reduction` combines them with what is there ("add", "mul", "max", "min"); with "none" the last
    of several for one place stays. Negative indices count from the back.

    C1: the indices are i64 or i32.
    C2: the updates hold the type of x.
    C3: `reduction` is "none", "add", "mul", "max" or "min", and defined on that type.
    C4: there is a dimension of indices, and a tuple is not longer than x's dimensions are many.
    C5: there is an update for each tuple, of the shape of what it points to.
    """

    name = "pfrt.scatter_nd"

    def check(self) -> None:
        super().check()
        shape, indices = shape_of(self.operand), shape_of(self.indices)
        self.require("C4", indices != (), "indices must not be a scalar")
        if shape is None or indices is None:
            return
        width = indices[-1]
        self.require(
            "C4", width <= len(shape), f"index tuples of {width} for {len(shape)} dimensions"
        )
        if width != DYNAMIC:
            wanted = (*indices[:-1], *shape[width:])
            require_shape(self, "C5", "updates", self.updates, wanted)


@irdl_op_definition
class CompressOp(ShapeChangingOp):
    """The entries along `axis` whose condition holds; without an axis, the elements.

    ```mlir
    %0 = pfrt.compress %x, %c {axis = 1 : i64} : (tensor<2x8xf32>, tensor<8xi1>) -> tensor<2x?xf32>
    ```
    A condition that is shorter does not hold for the rest.

    C1: the condition is a vector of i1.
    C2: `axis` is one of x's dimensions.
    """

    name = "pfrt.compress"

    operand = operand_def(TensorConstraint)
    condition = operand_def(TensorConstraint)
    axis = optional_int_property()
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    def check(self) -> None:
        shape, kind = shape_of(self.condition), type_of(self.condition)
        is_vector = shape is None or len(shape) == 1
        truths = is_vector and dtype_of(self.condition).name in BOOLS
        self.require("C1", truths, f"the condition must be a vector of i1, got {kind}")
        if self.axis is not None:
            require_axis(self, "C2", self.axis.value.data, self.operand)

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        if self.axis is None:
            return (DYNAMIC,)
        if shape is None:
            return None
        along = normalize_axis(self.axis.value.data, len(shape))
        return (*shape[:along], DYNAMIC, *shape[along + 1 :])

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


@irdl_op_definition
class ReverseSequenceOp(ShapeChangingOp):
    """x with the beginning of each sequence, of the length given for it, turned around.

    ```mlir
    %0 = pfrt.reverse_sequence %x, %n : (tensor<8x?x3xf32>, tensor<?xi64>) -> tensor<8x?x3xf32>
    ```
    Along `batch_axis` are the sequences, along `time_axis` their entries.

    C1: the lengths are i64 or i32.
    C2: of `batch_axis` and `time_axis` one is 0 and the other 1, which x has.
    C3: there is a length for each sequence.
    """

    name = "pfrt.reverse_sequence"

    operand = operand_def(TensorConstraint)
    sequence_lens = operand_def(TensorConstraint)
    batch_axis = int_property(1)
    time_axis = int_property(0)
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    AXES: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1), (1, 0))

    def check(self) -> None:
        kind, lengths = self.operand.type, type_of(self.sequence_lens)
        integers = dtype_of(self.sequence_lens).name in INDICES
        self.require("C1", integers, f"lengths must be i64 or i32, got {lengths}")
        axes = (self.batch_axis.value.data, self.time_axis.value.data)
        shape = shape_of(self.operand)
        enough = axes in self.AXES and (shape is None or len(shape) > 1)
        self.require("C2", enough, f"cannot be the axes {axes[0]} and {axes[1]} of {kind}")
        wanted = tensor(lengths.element_type, (DYNAMIC if shape is None else shape[axes[0]],))
        self.require("C3", compatible(lengths, wanted), f"lengths must be {wanted}, got {lengths}")

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)


OPS: tuple[type[PfrtOp], ...] = (
    NonZeroOp,
    GatherElementsOp,
    GatherNdOp,
    ScatterElementsOp,
    ScatterNdOp,
    CompressOp,
    ReverseSequenceOp,
    *positions.OPS,
)
