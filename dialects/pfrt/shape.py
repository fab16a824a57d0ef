"""Ops that give a tensor another shape; those that take it apart are in `pieces.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, i64
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt import pieces
from pyflame_rt.dialects.pfrt.axes import NonNegativeAxis
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, broadcast
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    int_property,
    ints,
    optional_ints_property,
)
from pyflame_rt.dialects.pfrt.containers import ValueConstraint
from pyflame_rt.dialects.pfrt.cropping import CenterCropPadOp
from pyflame_rt.dialects.pfrt.parameters import (
    ShapeChangingOp,
    check_vector,
    find_axes,
    is_given,
    known_ints,
    known_length,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, static_shape_of
from pyflame_rt.dialects.rewriting import replace

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


@irdl_op_definition
class IdentityOp(ShapeChangingOp, HasFolderInterface):
    """x itself, of whatever type.

    ```mlir
    %0 = pfrt.identity %x : tensor<2x3xf32> -> tensor<2x3xf32>
    ```
    """

    name = "pfrt.identity"

    TAKES_CONTAINERS: ClassVar[bool] = True

    operand = operand_def(ValueConstraint)
    result = result_def(ValueConstraint)

    assembly_format = UNARY_FORMAT

    def infer_types(self) -> Sequence[Attribute]:
        return [self.operand.type]

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """identity(x) -> x"""
        return (self.operand,) if self.operand.type == self.result.type else None


def reshaped(given: Shape | None, wanted: Sequence[int], allowzero: bool) -> Shape:
    """The shape that `wanted` makes of `given`, with `DYNAMIC` for what is not known.

    Raises VerifyException when it cannot.
    """
    copied = [] if allowzero else [index for index, dim in enumerate(wanted) if dim == 0]
    result = list(wanted)
    for index in copied:
        if given is not None and index >= len(given):
            raise VerifyException(f"a 0 in {result} copies a dimension that is not there")
        result[index] = DYNAMIC if given is None else given[index]
    remain = [dim for index, dim in enumerate(given or ()) if index not in copied]
    others = [dim for index, dim in enumerate(wanted) if index not in copied and dim != -1]
    if given is None or DYNAMIC in remain:
        return tuple(DYNAMIC if dim == -1 else dim for dim in result)
    count, known = math.prod(remain), math.prod(others)
    # Dimensions that are copied cancel out, so this holds whatever they are, unless they are zero.
    if -1 in wanted:
        fits = known > 0 and count % known == 0
    else:
        fits = count == known or any(result[index] == 0 for index in copied)
    if not fits:
        raise VerifyException(f"{count} elements do not fill the shape {list(wanted)}")
    return tuple(count // known if dim == -1 else dim for dim in result)


@irdl_op_definition
class ReshapeOp(ShapeChangingOp, HasFolderInterface):
    """The same elements, in row-major order, under another shape.

    ```mlir
    %0 = pfrt.reshape %x {shape = array<i64: 0, -1>} : (tensor<?x3x4xf32>) -> tensor<?x12xf32>
    ```
    -1 stands for what remains, 0 for the operand's dimension at the same place unless `allowzero`.

    C1: `shape` is a property, or an operand that is a vector of i64 or i32.
    C2: its numbers are at least -1, at most one is -1, and with `allowzero` not beside a 0.
    C3: the number of elements stays the same, and every dimension to copy exists.
    """

    name = "pfrt.reshape"

    operand = operand_def(TensorConstraint)
    shape_value = opt_operand_def(TensorConstraint)
    shape = optional_ints_property()
    allowzero = flag_property(False)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $shape_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("shape",)

    def check(self) -> None:
        check_vector(self, "C1", "shape", required=True)
        wanted = known_ints(self, "shape")
        if wanted is None:
            return
        zero_beside = self._allowzero and 0 in wanted and -1 in wanted
        sound = min(wanted, default=0) >= -1 and wanted.count(-1) <= 1 and not zero_beside
        self.require("C2", sound, f"{list(wanted)} is not a shape")
        try:
            reshaped(shape_of(self.operand), wanted, self._allowzero)
        except VerifyException as error:
            self.require("C3", False, str(error))

    @property
    def _allowzero(self) -> bool:
        return bool(self.allowzero.value.data)

    def result_shape(self) -> Shape | None:
        if (wanted := known_ints(self, "shape")) is not None:
            return reshaped(shape_of(self.operand), wanted, self._allowzero)
        rank = known_length(self, "shape")
        return None if rank is None else (DYNAMIC,) * rank

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """reshape(x) -> x, if that leaves its static shape"""
        same = self.operand.type == self.result.type and static_shape_of(self.operand) is not None
        return (self.operand,) if same else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (ReshapeOfReshape(), *super().get_canonicalization_patterns())


class ReshapeOfReshape(RewritePattern):
    """reshape(reshape(x) {…}) {shape = s} -> reshape(x) {shape = s}

    Not if s copies a dimension of the inner result that is not known.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ReshapeOp) or not isinstance(op.operand.owner, ReshapeOp):
            return
        inner, shape, allowzero = op.operand.owner, op.shape, op.allowzero
        static = static_shape_of(op.result)
        if static is not None:
            shape = DenseArrayBase.from_list(i64, static)
            allowzero = op.allowzero if 0 not in static else IntegerAttr(1, 1)
        elif shape is None or 0 in ints(shape):
            return
        new = ReshapeOp.build(
            operands=[inner.operand, []],
            properties={"shape": shape, "allowzero": allowzero},
            result_types=[op.result.type],
        )
        replace(rewriter, op, new)


@irdl_op_definition
class FlattenOp(ShapeChangingOp):
    """A matrix: the dimensions before `axis` make its rows, the others its columns.

    ```mlir
    %0 = pfrt.flatten %x {axis = 2 : i64} : tensor<2x3x4x5xf32> -> tensor<6x20xf32>
    ```
    C1: `axis` lies between minus the rank and the rank.
    """

    name = "pfrt.flatten"

    operand = operand_def(TensorConstraint)
    axis = int_property(1)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        shape, axis = shape_of(self.operand), self.axis.value.data
        self.require(
            "C1",
            shape is None or -len(shape) <= axis <= len(shape),
            f"axis {axis} is outside the dimensions of {self.operand.type}",
        )

    def result_shape(self) -> Shape | None:
        shape, axis = shape_of(self.operand), self.axis.value.data
        if shape is None:
            return (DYNAMIC, DYNAMIC)
        return (_product(shape[:axis]), _product(shape[axis:]))

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


def _product(dims: Shape) -> int:
    return DYNAMIC if DYNAMIC in dims else math.prod(dims)


@irdl_op_definition
class SqueezeOp(ShapeChangingOp):
    """x without dimensions of size 1: those in `axes`, or all of them.

    ```mlir
    %0 = pfrt.squeeze %x {axes = array<i64: 0, -1>} : (tensor<1x?x1xf32>) -> tensor<?xf32>
    ```
    C1: `axes`, if given as an operand, is a vector of i64 or i32.
    C2: the axes differ and exist.
    C3: their dimensions are 1.
    """

    name = "pfrt.squeeze"

    operand = operand_def(TensorConstraint)
    axes_value = opt_operand_def(TensorConstraint)
    axes = optional_ints_property()
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $axes_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("axes",)

    def check(self) -> None:
        check_vector(self, "C1", "axes", required=False)
        axes, shape = known_ints(self, "axes"), shape_of(self.operand)
        if axes is None or shape is None:
            return
        for axis in find_axes(self, "C2", axes, len(shape)):
            self.require(
                "C3", shape[axis] in (1, DYNAMIC), f"dimension {axis} is {shape[axis]}, not 1"
            )

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        if shape is None:
            return None
        if not is_given(self, "axes"):
            return None if DYNAMIC in shape else tuple(dim for dim in shape if dim != 1)
        if (axes := known_ints(self, "axes")) is not None:
            dropped = find_axes(self, "C2", axes, len(shape))
            return tuple(dim for axis, dim in enumerate(shape) if axis not in dropped)
        count = known_length(self, "axes")
        return None if count is None else (DYNAMIC,) * (len(shape) - count)


@irdl_op_definition
class UnsqueezeOp(ShapeChangingOp):
    """x with dimensions of size 1 at the places `axes` of the result.

    ```mlir
    %0 = pfrt.unsqueeze %x {axes = array<i64: 0, -1>} : (tensor<?xf32>) -> tensor<1x?x1xf32>
    ```
    C1: `axes` is a property, or an operand that is a vector of i64 or i32.
    C2: the axes differ and exist in the result.
    """

    name = "pfrt.unsqueeze"

    operand = operand_def(TensorConstraint)
    axes_value = opt_operand_def(TensorConstraint)
    axes = optional_ints_property()
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $axes_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("axes",)

    def check(self) -> None:
        check_vector(self, "C1", "axes", required=True)
        axes, shape = known_ints(self, "axes"), shape_of(self.operand)
        if axes is not None and shape is not None:
            find_axes(self, "C2", axes, len(shape) + len(axes))

    def result_shape(self) -> Shape | None:
        shape, count = shape_of(self.operand), known_length(self, "axes")
        if shape is None or count is None:
            return None
        rank = len(shape) + count
        if (axes := known_ints(self, "axes")) is None:
            return (DYNAMIC,) * rank
        inserted, dims = find_axes(self, "C2", axes, rank), iter(shape)
        return tuple(1 if axis in inserted else next(dims) for axis in range(rank))


@irdl_op_definition
class TransposeOp(ShapeChangingOp, HasFolderInterface):
    """Dimension i of the result is dimension perm[i] of x; their reverse if `perm` is absent.

    ```mlir
    %0 = pfrt.transpose %x {perm = array<i64: 0, 2, 1>} : tensor<?x3x4xf32> -> tensor<?x4x3xf32>
    ```
    C1: `perm` permutes the dimensions of x.
    """

    name = "pfrt.transpose"

    operand = operand_def(TensorConstraint)
    perm = optional_ints_property()
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        if self.perm is None:
            return
        perm, shape = ints(self.perm), shape_of(self.operand)
        rank = len(perm) if shape is None else len(shape)
        self.require(
            "C1",
            sorted(perm) == list(range(rank)),
            f"perm {list(perm)} does not permute {rank} dimensions",
        )

    def permutation(self) -> Shape | None:
        """`perm`, made explicit; None when it is absent and the rank is unknown."""
        if self.perm is not None:
            return ints(self.perm)
        shape = shape_of(self.operand)
        return None if shape is None else tuple(reversed(range(len(shape))))

    def result_shape(self) -> Shape | None:
        shape, perm = shape_of(self.operand), self.permutation()
        if perm is None:
            return None
        return (DYNAMIC,) * len(perm) if shape is None else tuple(shape[axis] for axis in perm)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """transpose(x) {perm = 0, 1, …} -> x"""
        perm = self.permutation()
        stays = perm == tuple(range(len(perm or ()))) and self.operand.type == self.result.type
        return (self.operand,) if stays else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (TransposeOfTranspose(),)


class TransposeOfTranspose(RewritePattern):
    """transpose(transpose(x) {perm = p}) {perm = q} -> transpose(x) {perm = p[q]}"""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, TransposeOp) or not isinstance(op.operand.owner, TransposeOp):
            return
        inner = op.operand.owner
        first, second = inner.permutation(), op.permutation()
        if first is None or second is None:
            return
        perm = DenseArrayBase.from_list(i64, [first[axis] for axis in second])
        new = TransposeOp.build(
            operands=[inner.operand], properties={"perm": perm}, result_types=[op.result.type]
        )
        replace(rewriter, op, new)


@irdl_op_definition
class ExpandOp(ShapeChangingOp, HasFolderInterface):
    """x broadcast with `shape`: a dimension of 1 there keeps that of x.

    ```mlir
    %0 = pfrt.expand %x {shape = array<i64: 2, 1, 4>} : (tensor<3x1xf32>) -> tensor<2x3x4xf32>
    ```
    C1: `shape` is a property, or an operand that is a vector of i64 or i32.
    C2: no dimension is negative.
    C3: the shapes broadcast.
    """

    name = "pfrt.expand"

    operand = operand_def(TensorConstraint)
    shape_value = opt_operand_def(TensorConstraint)
    shape = optional_ints_property()
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $shape_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("shape",)

    def check(self) -> None:
        check_vector(self, "C1", "shape", required=True)
        wanted, shape = known_ints(self, "shape") or (), shape_of(self.operand)
        self.require("C2", min(wanted, default=0) >= 0, f"shape {list(wanted)} has a negative size")
        try:
            broadcast(shape or (), wanted)
        except VerifyException as error:
            self.require("C3", False, str(error))

    def result_shape(self) -> Shape | None:
        shape, wanted = shape_of(self.operand), known_ints(self, "shape")
        if wanted is None:
            rank = known_length(self, "shape")
            wanted = None if rank is None else (DYNAMIC,) * rank
        return None if shape is None or wanted is None else broadcast(shape, wanted)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """expand(x) -> x, if that leaves its static shape"""
        same = self.operand.type == self.result.type and static_shape_of(self.operand) is not None
        return (self.operand,) if same else None


OPS: tuple[type[PfrtOp], ...] = (
    CenterCropPadOp,
    IdentityOp,
    ReshapeOp,
    FlattenOp,
    SqueezeOp,
    UnsqueezeOp,
    TransposeOp,
    ExpandOp,
    *pieces.OPS,
)
