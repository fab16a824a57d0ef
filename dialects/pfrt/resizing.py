"""Resizing of tensors by interpolation, an op of the image family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
)
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import Shape, TensorConstraint, constant_of
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    float_property,
    ints,
    optional_ints_property,
    string_property,
)
from pyflame_rt.dialects.pfrt.data import ConstantConstraint
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
    ConstantValue,
    constant_array,
    constant_attr,
    dtype_of,
    shape_of,
    to_property,
)
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.kernels.interpolation import (
    ASPECT_POLICIES,
    COORDINATE_MODES,
    NEAREST_MODES,
    resized,
)

_MODES = {
    "mode": ("nearest", "linear", "cubic"),
    "coordinate_transformation_mode": COORDINATE_MODES,
    "nearest_mode": NEAREST_MODES,
    "keep_aspect_ratio_policy": ASPECT_POLICIES,
}


@irdl_op_definition
class ResizeOp(ShapeChangingOp, HasFolderInterface):
    """x with other sizes of `axes` (by default all): interpolated, each axis by itself.

    ```mlir
    %y = pfrt.resize %x {axes = array<i64: 2, 3>, mode = "linear", scales = dense<2.0> : tensor<2xf32>} : tensor<?x3x8x8xf32> -> tensor<?x3x16x16xf32>
    ```
    An axis gets floor(size * scale) elements, or those that `sizes` says, within
    `keep_aspect_ratio_policy`. `coordinate_transformation_mode` says where they lie on x, `mode`
    how they are made from what is there, all as ONNX's Resize. Under "tf_crop_and_resize" they span
    the region `roi`, the starts and then the ends in parts of each axis, and are
    `extrapolation_value` outside x. The `nearest_mode` "simple", of Resize-10, is "ceil" for axes
    that shrink and "floor" for others. Interpolated integers stay within their type: they are
    rounded by "cubic" and with `antialias`, else truncated.

    C1: either `scales` or `sizes` is given, as a property or an operand; those that are operands
        are vectors, `sizes` of i64 or i32, `scales` and `roi` of floats.
    C2: the axes differ and exist; scales and sizes have one entry for each, `roi` has two.
    C3: mode, coordinate_transformation_mode, nearest_mode and keep_aspect_ratio_policy are ONNX's.
    C4: scales are positive and finite, sizes not negative, and nothing is made of no elements.
    C5: what is interpolated is numbers; only "nearest" takes any element.
    C6: "tf_crop_and_resize" has a `roi`.
    """

    name = "pfrt.resize"

    operand = operand_def(TensorConstraint)
    roi_value = opt_operand_def(TensorConstraint)
    scales_value = opt_operand_def(TensorConstraint)
    sizes_value = opt_operand_def(TensorConstraint)
    roi = opt_prop_def(ConstantConstraint)
    scales = opt_prop_def(ConstantConstraint)
    sizes = optional_ints_property()
    axes = optional_ints_property()
    mode = string_property("nearest")
    coordinate_transformation_mode = string_property("half_pixel")
    nearest_mode = string_property("round_prefer_floor")
    cubic_coeff_a = float_property(-0.75)
    exclude_outside = flag_property(False)
    extrapolation_value = float_property(0.0)
    antialias = flag_property(False)
    keep_aspect_ratio_policy = string_property("stretch")
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$operand (`roi` `(` $roi_value^ `:` type($roi_value) `)`)?"
        " (`scales` `(` $scales_value^ `:` type($scales_value) `)`)?"
        " (`sizes` `(` $sizes_value^ `:` type($sizes_value) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("roi", "scales", "sizes")

    def check(self) -> None:
        one = is_given(self, "scales") != is_given(self, "sizes")
        self.require("C1", one, "needs either scales or sizes")
        check_vector(self, "C1", "sizes", required=False)
        for name, value in (("roi", self.roi_value), ("scales", self.scales_value)):
            sound = value is None or (
                dtype_of(value).kind == "f" and len(shape_of(value) or (0,)) == 1
            )
            self.require("C1", sound, f"{name} must be a vector of floats")
        for name, known in _MODES.items():
            given = getattr(self, name).data
            self.require("C3", given in known, f'unknown {name} "{given}"')
        kind = dtype_of(self.operand).kind
        self.require(
            "C5",
            self.mode.data == "nearest" or kind not in "bcO",
            f"{self.mode.data} interpolation of {self.operand.type}",
        )
        cropped = self.coordinate_transformation_mode.data == "tf_crop_and_resize"
        self.require("C6", not cropped or is_given(self, "roi"), "needs a roi")
        self._check_lengths()
        self.result_shape()

    def _check_lengths(self) -> None:
        axes = self._axes() if self.axes is None else ints(self.axes)
        count = None if axes is None else len(axes)
        scales = self.known_scales()
        lengths = (None if scales is None else len(scales), known_length(self, "sizes"))
        for length in lengths:
            agrees = length is None or count in (None, length)
            self.require("C2", agrees, f"{length} scales or sizes for {count} axes")
        roi = _numbers(self, "roi")
        agrees = roi is None or count in (None, len(roi) / 2)
        self.require("C2", agrees, f"{len(roi or ())} numbers of roi for {count} axes")

    def known_scales(self) -> list[float] | None:
        """The scales, if they are known."""
        return _numbers(self, "scales")

    def _axes(self) -> Shape | None:
        """The axes that are resized; None when the rank is not known."""
        shape = shape_of(self.operand)
        if shape is None:
            return None
        if self.axes is None:
            return tuple(range(len(shape)))
        return find_axes(self, "C2", ints(self.axes), len(shape))

    def result_shape(self) -> Shape | None:
        shape, axes = shape_of(self.operand), self._axes()
        scales, sizes = self.known_scales(), known_ints(self, "sizes")
        try:
            if shape is None or axes is None:
                return self._shape_of_unranked(scales, sizes)
            found = self._sizes([shape[axis] for axis in axes], scales, sizes)
        except ValueError as error:
            self.require("C4", False, str(error))
            raise
        result = list(shape)
        for axis, size in zip(axes, found, strict=True):
            result[axis] = size
        return tuple(result)

    def _shape_of_unranked(
        self, scales: Sequence[float] | None, sizes: Sequence[int] | None
    ) -> Shape | None:
        """All axes have an entry in `scales` and `sizes` when `axes` is absent."""
        if self.axes is not None:
            return None
        if sizes is None:
            return None if scales is None else (DYNAMIC,) * len(scales)
        return tuple(self._sizes([DYNAMIC] * len(sizes), None, sizes))

    def _sizes(
        self, dims: Sequence[int], scales: Sequence[float] | None, sizes: Sequence[int] | None
    ) -> list[int]:
        if scales is None and sizes is None:
            return [DYNAMIC] * len(dims)
        policy = self.keep_aspect_ratio_policy.data
        if scales is None and policy != "stretch":
            if DYNAMIC in dims:
                return [DYNAMIC] * len(dims)
            return [size for size, _ in resized(dims, None, sizes, policy)]
        if scales is None:
            # A size that is wanted of an unknown one is made of at least one element.
            known = [1 if dim == DYNAMIC else dim for dim in dims]
            return [size for size, _ in resized(known, None, sizes)]
        found = resized([1 if dim == DYNAMIC else dim for dim in dims], scales, None)
        pairs = zip(dims, found, strict=True)
        return [DYNAMIC if dim == DYNAMIC else size for dim, (size, _) in pairs]

    def flops(self) -> int | None:
        """Two for each tap along each axis that changes, on the elements made by then."""
        shape, result = shape_of(self.operand), shape_of(self.result)
        if shape is None or result is None or DYNAMIC in (*shape, *result):
            return None
        if self.mode.data == "nearest":
            return 0
        total, reached = 0, list(shape)
        for axis, (before, after) in enumerate(zip(shape, result, strict=True)):
            if before == after:
                continue
            reached[axis] = after
            taps = 2 if self.mode.data == "linear" else 4
            if self.antialias.value.data and 0 < after < before:
                taps = -(-taps * before // after)
            total += 2 * taps * math.prod(reached)
        return total

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """resize(x) by scales of 1 -> x"""
        if self.coordinate_transformation_mode.data == "tf_crop_and_resize":
            return None
        scales, sizes = self.known_scales(), known_ints(self, "sizes")
        shape, axes = shape_of(self.operand), self._axes()
        same = scales is not None and set(scales) == {1.0}
        if sizes is not None and shape is not None and axes is not None:
            same = all(shape[axis] == size for axis, size in zip(axes, sizes, strict=True))
        return (self.operand,) if same and self.operand.type == self.result.type else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (ConstantResizeOperands(),)


def _numbers(op: ResizeOp, name: str) -> list[float] | None:
    """The values of `roi` or `scales`, as float32; None when absent or not known."""
    attr = cast("ConstantValue | None", getattr(op, name))
    value = cast("SSAValue | None", getattr(op, f"{name}_value"))
    if attr is not None:
        array = constant_array(attr)
    else:
        array = None if value is None else constant_of(value)
    if array is None:
        return None
    return [float(item) for item in array.astype(np.float32).reshape(-1)]


class ConstantResizeOperands(RewritePattern):
    """resize(x, scales = constant c) -> resize(x) {scales = c}, and so for roi and sizes."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ResizeOp):
            return
        known: dict[str, Attribute] = {}
        for name in ("roi", "scales"):
            numbers = _numbers(op, name)
            if getattr(op, f"{name}_value") is not None and numbers is not None:
                known[name] = constant_attr(np.array(numbers, np.float32))
        sizes = known_ints(op, "sizes")
        if op.sizes_value is not None and sizes is not None:
            known["sizes"] = to_property(sizes)
        if not known:
            return
        operands = (
            None if name in known else cast("SSAValue | None", getattr(op, f"{name}_value"))
            for name in op.DYNAMIC_PROPERTIES
        )
        properties = {n: a for n, a in op.properties.items() if not n.endswith("SegmentSizes")}
        new = ResizeOp.build(
            operands=[op.operand, *([] if value is None else value for value in operands)],
            properties={**properties, **known},
            result_types=[op.result.type],
        )
        replace(rewriter, op, new)
