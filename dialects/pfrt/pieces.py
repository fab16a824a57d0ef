"""Ops of the shape family that take tensors apart and put them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import ml_dtypes
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, i64
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    BaseAttr,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.axes import NonNegativeAxis
from pyflame_rt.dialects.pfrt.base import (
    OperandArg,
    PfrtOp,
    Shape,
    TensorConstraint,
    constant_of,
    normalize_axis,
)
from pyflame_rt.dialects.pfrt.constraints import (
    int_property,
    optional_ints_property,
    require_axis,
    require_same_element,
    string_property,
)
from pyflame_rt.dialects.pfrt.parameters import (
    ShapeChangingOp,
    check_vector,
    find_axes,
    is_given,
    known_ints,
    known_length,
)
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    Array,
    dtype_of,
    is_string,
    shape_of,
    tensor,
    type_of,
)
from pyflame_rt.kernels.shape import slice_range, split_sizes

_ENDLESS = 2**31 - 1
"""An `end` at or above this means: to the end of a dimension of any size."""


@irdl_op_definition
class ConcatOp(ShapeChangingOp, HasFolderInterface):
    """The operands one after another along `axis`.

    ```mlir
    %0 = pfrt.concat %a, %b {axis = 1 : i64} : (tensor<?x3xf32>, tensor<?x5xf32>) -> tensor<?x8xf32>
    ```
    C1: there is at least one operand, and all hold the same type.
    C2: `axis` is one of the dimensions.
    C3: the operands have the same rank and, but for `axis`, the same dimensions.
    """

    name = "pfrt.concat"

    inputs = var_operand_def(TensorConstraint)
    axis = int_property()
    result = result_def(TensorConstraint)

    assembly_format = (
        "$inputs custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        self.require("C1", len(self.operands) > 0, "needs at least one operand")
        require_same_element(self, "C1", *self.operands)
        shapes = self._shapes()
        for operand in self.operands:
            require_axis(self, "C2", self.axis.value.data, operand)
        self.require("C3", len({len(shape) for shape in shapes}) <= 1, "the operands' ranks differ")
        for axis, dims in enumerate(zip(*shapes, strict=True)):
            known = {dim for dim in dims if dim != DYNAMIC}
            self.require(
                "C3",
                len(known) <= 1 or axis == self.axis.value.data % len(shapes[0]),
                f"the operands' dimensions {axis} differ: {sorted(known)}",
            )

    def _shapes(self) -> list[Shape]:
        return [shape for operand in self.operands if (shape := shape_of(operand)) is not None]

    def result_shape(self) -> Shape | None:
        shapes = self._shapes()
        if not shapes:
            return None
        along = normalize_axis(self.axis.value.data, len(shapes[0]))
        result = [
            next((dim for dim in dims if dim != DYNAMIC), DYNAMIC)
            for dims in zip(*shapes, strict=True)
        ]
        parts = [shape[along] for shape in shapes]
        known = len(shapes) == len(self.operands) and DYNAMIC not in parts
        result[along] = sum(parts) if known else DYNAMIC
        return tuple(result)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """concat(x) -> x"""
        alone = len(self.operands) == 1 and self.operands[0].type == self.result.type
        return tuple(self.operands) if alone else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


@irdl_op_definition
class SplitOp(ShapeChangingOp, HasFolderInterface):
    """Consecutive parts of x along `axis`: of the sizes `split`, or `num_outputs` equal ones.

    ```mlir
    %0, %1 = pfrt.split %x {axis = 1 : i64, split = array<i64: 3, 5>} : (tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x5xf32>)
    ```
    If the parts cannot be equal, the last ones are smaller, or empty.

    C1: either `split` is given, as a property or an operand, or `num_outputs`.
    C2: `axis` is one of the dimensions.
    C3: there is a result for every part.
    C4: the parts are not negative and add up to the dimension.
    """

    name = "pfrt.split"

    operand = operand_def(TensorConstraint)
    split_value = opt_operand_def(TensorConstraint)
    split = optional_ints_property()
    num_outputs = opt_prop_def(IntegerAttr.constr(i64))
    axis = int_property(0)
    parts = var_result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $split_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("split",)

    @classmethod
    def _with_placeholders(
        cls,
        operands: Sequence[OperandArg],
        properties: Mapping[str, Attribute],
        placeholder: Attribute,
        names: Sequence[str] | None,
    ) -> Self:
        """As many results as names if these are given, else as `num_outputs` or the length of
        `split` says."""
        op = cls.build(operands=operands, properties=properties, result_types=[[]])
        count = len(names) if names is not None else op.part_count()
        op.drop_all_references()
        if count is None:
            raise VerifyException(f"{cls.name}: C3: the number of parts is not known")
        results = [[placeholder] * count]
        return cls.build(operands=operands, properties=properties, result_types=results)

    def part_count(self) -> int | None:
        """The number of parts as `num_outputs` or `split` say; None when not known."""
        if self.num_outputs is not None:
            return self.num_outputs.value.data
        return known_length(self, "split")

    def check(self) -> None:
        check_vector(self, "C1", "split", required=self.num_outputs is None)
        given = is_given(self, "split") and self.num_outputs is not None
        self.require("C1", not given, "split and num_outputs are both given")
        require_axis(self, "C2", self.axis.value.data, self.operand)
        count = len(self.results)
        self.require(
            "C3", count > 0 and self.part_count() in (None, count), f"{count} results do not suit"
        )
        dim = self._dimension()
        if (sizes := known_ints(self, "split")) is not None:
            fits = min(sizes) >= 0 and dim in (DYNAMIC, sum(sizes))
            self.require("C4", fits, f"the parts {list(sizes)} do not add up to the dimension")

    def _dimension(self) -> int:
        shape = shape_of(self.operand)
        return DYNAMIC if shape is None else shape[self.axis.value.data]

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        shape, element = shape_of(self.operand), type_of(self.operand).element_type
        if shape is None:
            return [tensor(element, None)] * len(self.results)
        along, dim = normalize_axis(self.axis.value.data, len(shape)), self._dimension()
        sizes: Sequence[int] | None = known_ints(self, "split")
        if sizes is None and self.num_outputs is not None and dim != DYNAMIC:
            sizes = split_sizes(dim, len(self.results))
        sizes = [DYNAMIC] * len(self.results) if sizes is None else sizes
        return [tensor(element, (*shape[:along], size, *shape[along + 1 :])) for size in sizes]

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """split(x) into one part -> x"""
        alone = len(self.results) == 1 and self.results[0].type == self.operand.type
        return (self.operand,) if alone else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(), *super().get_canonicalization_patterns())


@irdl_op_definition
class SliceOp(ShapeChangingOp, HasFolderInterface):
    """Along each of `axes` the elements from `starts` up to `ends` (excluded), by `steps`.

    ```mlir
    %0 = pfrt.slice %x {axes = array<i64: 1>, starts = array<i64: 1>, ends = array<i64: -1>} : tensor<2x8xf32> -> tensor<2x6xf32>
    ```
    Negative bounds count from the back; all are clamped to the dimension. `axes` default to the
    first dimensions, `steps` to 1. Each may be an operand: `pfrt.slice %x starts(%s : tensor<1xi64>) …`.

    C1: `starts` and `ends` are given; what is an operand is a vector of i64 or i32.
    C2: `starts`, `ends`, `axes` and `steps` have the same length.
    C3: the axes differ and exist.
    C4: no step is zero.
    """

    name = "pfrt.slice"

    operand = operand_def(TensorConstraint)
    starts_value = opt_operand_def(TensorConstraint)
    ends_value = opt_operand_def(TensorConstraint)
    axes_value = opt_operand_def(TensorConstraint)
    steps_value = opt_operand_def(TensorConstraint)
    starts = optional_ints_property()
    ends = optional_ints_property()
    axes = optional_ints_property()
    steps = optional_ints_property()
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$operand (`starts` `(` $starts_value^ `:` type($starts_value) `)`)?"
        " (`ends` `(` $ends_value^ `:` type($ends_value) `)`)?"
        " (`axes` `(` $axes_value^ `:` type($axes_value) `)`)?"
        " (`steps` `(` $steps_value^ `:` type($steps_value) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("starts", "ends", "axes", "steps")

    def check(self) -> None:
        for name in self.DYNAMIC_PROPERTIES:
            check_vector(self, "C1", name, required=name in ("starts", "ends"))
        lengths = {known_length(self, name) for name in self.DYNAMIC_PROPERTIES} - {None}
        self.require(
            "C2", len(lengths) <= 1, f"lengths differ: {sorted(cast('set[int]', lengths))}"
        )
        self._axes()
        steps = known_ints(self, "steps") or ()
        self.require("C4", 0 not in steps, f"steps {list(steps)} contain a zero")

    def _axes(self) -> Shape | None:
        """The axes that are sliced, None when not known."""
        shape, axes = shape_of(self.operand), known_ints(self, "axes")
        if not is_given(self, "axes"):
            counts = (known_length(self, name) for name in ("starts", "ends", "steps"))
            count = next((count for count in counts if count is not None), None)
            axes = None if count is None else tuple(range(count))
        if shape is None or axes is None:
            return None
        return find_axes(self, "C3", axes, len(shape))

    def _ranges(self) -> list[tuple[int, int, int, int]] | None:
        """(axis, start, end, step) of each axis; None when not all known."""
        starts, ends, axes = known_ints(self, "starts"), known_ints(self, "ends"), self._axes()
        steps = known_ints(self, "steps") if is_given(self, "steps") else (1,) * len(axes or ())
        if starts is None or ends is None or axes is None or steps is None:
            return None
        return list(zip(axes, starts, ends, steps, strict=True))

    def result_shape(self) -> Shape | None:
        shape, axes, ranges = shape_of(self.operand), self._axes(), self._ranges()
        if shape is None or axes is None:
            return None if shape is None else (DYNAMIC,) * len(shape)
        result = list(shape)
        for axis in axes:
            result[axis] = DYNAMIC
        for axis, start, end, step in ranges or ():
            if shape[axis] != DYNAMIC:
                result[axis] = len(slice_range(start, end, step, shape[axis]))
        return tuple(result)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """slice(x) -> x, if it takes everything in order"""
        shape, ranges = shape_of(self.operand), self._ranges()
        if shape is None or ranges is None or self.operand.type != self.result.type:
            return None
        for axis, start, end, step in ranges:
            dim = shape[axis]
            if dim == DYNAMIC and not (start == 0 and step == 1 and end >= _ENDLESS):
                return None
            if dim != DYNAMIC and slice_range(start, end, step, dim) != range(dim):
                return None
        return (self.operand,)


@irdl_op_definition
class PadOp(ShapeChangingOp, HasFolderInterface):
    """x with elements added around it, or removed where a pad is negative (which goes first).

    ```mlir
    %0 = pfrt.pad %x {pads = array<i64: 0, 1, 0, 1>} : tensor<2x3xf32> -> tensor<2x5xf32>
    ```
    `pads` are those before each of `axes` (by default all), then those after each. `mode` fills
    them: with `constant_value` ("constant", 0 or "" if absent), the mirror image without its border
    ("reflect"), the border ("edge"), or from the opposite side ("wrap").

    C1: `pads` is given; it and `axes`, if operands, are vectors of i64 or i32.
    C2: the axes differ and exist, and there are two pads for each.
    C3: `mode` is "constant", "reflect", "edge" or "wrap".
    C4: no more is removed than there is.
    C5: a `constant_value` operand is a scalar of x's element type; as a property it is a number.
    """

    name = "pfrt.pad"

    operand = operand_def(TensorConstraint)
    pads_value = opt_operand_def(TensorConstraint)
    constant_value_value = opt_operand_def(TensorConstraint)
    axes_value = opt_operand_def(TensorConstraint)
    pads = optional_ints_property()
    constant_value = opt_prop_def(BaseAttr(FloatAttr) | BaseAttr(IntegerAttr))
    axes = optional_ints_property()
    mode = string_property("constant")
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$operand (`pads` `(` $pads_value^ `:` type($pads_value) `)`)?"
        " (`value` `(` $constant_value_value^ `:` type($constant_value_value) `)`)?"
        " (`axes` `(` $axes_value^ `:` type($axes_value) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("pads", "axes")

    def check(self) -> None:
        check_vector(self, "C1", "pads", required=True)
        check_vector(self, "C1", "axes", required=False)
        shape, pads, axes = shape_of(self.operand), known_ints(self, "pads"), self._axes()
        if axes is not None:
            count = known_length(self, "pads")
            self.require("C2", count in (None, 2 * len(axes)), f"{count} pads for {len(axes)} axes")
        mode = self.mode.data
        known = mode in ("constant", "reflect", "edge", "wrap")
        self.require("C3", known, f'unknown mode "{mode}"')
        if shape is not None and axes is not None and pads is not None:
            for axis, (low, high) in self._amounts(axes, pads):
                fits = shape[axis] == DYNAMIC or shape[axis] + min(low, 0) + min(high, 0) >= 0
                self.require("C4", fits, f"removes more than the {shape[axis]} of axis {axis}")
        number = self.constant_value is not None and is_string(self.operand.type)
        self.require("C5", not number, f"constant_value of {self.operand.type} is an operand")
        fill = self.constant_value_value
        if fill is not None:
            same = dtype_of(fill) == dtype_of(self.operand)
            scalar = shape_of(fill) in (None, (), (1,), (DYNAMIC,))
            self.require("C5", same and scalar, f"constant_value cannot be {fill.type}")
            both = self.constant_value is not None
            self.require("C5", not both, "constant_value is both an operand and a property")

    def _axes(self) -> Shape | None:
        """The axes that are padded, None when not known."""
        shape, axes = shape_of(self.operand), known_ints(self, "axes")
        if shape is None:
            return None
        if not is_given(self, "axes"):
            return tuple(range(len(shape)))
        return None if axes is None else find_axes(self, "C2", axes, len(shape))

    @staticmethod
    def _amounts(axes: Shape, pads: Shape) -> list[tuple[int, tuple[int, int]]]:
        both = zip(pads[: len(axes)], pads[len(axes) :], strict=True)
        return list(zip(axes, both, strict=True))

    def result_shape(self) -> Shape | None:
        shape, axes, pads = shape_of(self.operand), self._axes(), known_ints(self, "pads")
        if shape is None or axes is None:
            return None if shape is None else (DYNAMIC,) * len(shape)
        result = list(shape)
        for axis in axes:
            result[axis] = DYNAMIC
        for axis, (low, high) in self._amounts(axes, pads) if pads is not None else ():
            if shape[axis] != DYNAMIC:
                result[axis] = shape[axis] + low + high
        return tuple(result)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """pad(x) by zeros -> x"""
        pads = known_ints(self, "pads")
        idle = pads is not None and not any(pads) and self.operand.type == self.result.type
        return (self.operand,) if idle else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (ConstantFill(), *super().get_canonicalization_patterns())


class ConstantFill(RewritePattern):
    """pad(x, value = constant c) -> pad(x) {constant_value = c}, in x's element type."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, PadOp) or op.constant_value_value is None:
            return
        array = constant_of(op.constant_value_value)
        attr = None if array is None else scalar_attr(array, type_of(op.operand).element_type)
        if attr is None:
            return
        properties = {n: a for n, a in op.properties.items() if not n.endswith("SegmentSizes")}
        new = PadOp.build(
            operands=[op.operand, op.pads_value, None, op.axes_value],
            properties={**properties, "constant_value": attr},
            result_types=[op.result.type],
        )
        rewriter.replace(op, new)


def scalar_attr(array: Array, element: Attribute) -> Attribute | None:
    """A one-element array as a number of that element type; None for types without such text."""
    item = array.reshape(-1)[0]
    if array.dtype.kind in "iub":
        return IntegerAttr(int(item), cast(Any, element))
    if array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16:
        return FloatAttr(float(item), cast(Any, element))
    return None


@irdl_op_definition
class GatherOp(ShapeChangingOp):
    """The entries of x's dimension `axis` at `indices`, whose shape takes the place of `axis`.

    ```mlir
    %0 = pfrt.gather %x, %i {axis = 1 : i64} : (tensor<2x8xf32>, tensor<3x4xi64>) -> tensor<2x3x4xf32>
    ```
    Negative indices count from the back.

    C1: the indices are i64 or i32.
    C2: `axis` is one of x's dimensions.
    """

    name = "pfrt.gather"

    operand = operand_def(TensorConstraint)
    indices = operand_def(TensorConstraint)
    axis = int_property(0)
    result = result_def(TensorConstraint)

    assembly_format = (
        "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        if dtype_of(self.indices).name not in ("int64", "int32"):
            self.require("C1", False, f"indices must be i64 or i32, got {self.indices.type}")
        require_axis(self, "C2", self.axis.value.data, self.operand)

    def result_shape(self) -> Shape | None:
        shape, indices = shape_of(self.operand), shape_of(self.indices)
        if shape is None or indices is None:
            return None
        along = normalize_axis(self.axis.value.data, len(shape))
        return (*shape[:along], *indices, *shape[along + 1 :])

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


@irdl_op_definition
class TileOp(ShapeChangingOp, HasFolderInterface):
    """x repeated along each of its dimensions.

    ```mlir
    %0 = pfrt.tile %x {repeats = array<i64: 1, 3>} : (tensor<?x2xf32>) -> tensor<?x6xf32>
    ```
    C1: `repeats` is a property, or an operand that is a vector of i64 or i32.
    C2: there is a number for each dimension, and none is negative.
    """

    name = "pfrt.tile"

    operand = operand_def(TensorConstraint)
    repeats_value = opt_operand_def(TensorConstraint)
    repeats = optional_ints_property()
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $repeats_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("repeats",)

    def check(self) -> None:
        check_vector(self, "C1", "repeats", required=True)
        shape, count = shape_of(self.operand), known_length(self, "repeats")
        if shape is not None and count is not None:
            self.require("C2", count == len(shape), f"{count} repeats for {len(shape)} dimensions")
        times = known_ints(self, "repeats") or ()
        self.require("C2", min(times, default=0) >= 0, f"repeats {list(times)} contain a negative")

    def result_shape(self) -> Shape | None:
        shape, times = shape_of(self.operand), known_ints(self, "repeats")
        rank = known_length(self, "repeats") if shape is None else len(shape)
        if shape is None or times is None:
            return None if rank is None else (DYNAMIC,) * rank
        return tuple(map(_times, shape, times))

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """tile(x) {repeats = 1, 1, …} -> x"""
        times = known_ints(self, "repeats")
        once = times is not None and set(times) <= {1} and self.operand.type == self.result.type
        return (self.operand,) if once else None


def _times(dim: int, count: int) -> int:
    if count == 0:
        return 0
    return DYNAMIC if dim == DYNAMIC else dim * count


OPS: tuple[type[PfrtOp], ...] = (
    ConcatOp,
    SplitOp,
    SliceOp,
    PadOp,
    GatherOp,
    TileOp,
)
