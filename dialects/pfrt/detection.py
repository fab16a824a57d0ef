"""Ops of object detectors: boxes that overlap, and regions of interest; RoiAlign is in `image.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from xdsl.dialects.builtin import FloatAttr, f32, i64
from xdsl.ir import Attribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, constant_of, elements
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    float_property,
    ints,
    require_floats,
    require_same_element,
    require_shape,
    required_ints_property,
)
from pyflame_rt.dialects.pfrt.heads import known
from pyflame_rt.dialects.pfrt.scalars import INDICES, ScalarParameterOp, optional_int_property
from pyflame_rt.dialects.pfrt.types import DYNAMIC, Array, shape_of, tensor, type_of

_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
_THRESHOLDS = ("iou_threshold", "score_threshold")


def _optional_float() -> FloatAttr[Any] | None:
    return cast("FloatAttr[Any] | None", opt_prop_def(FloatAttr.constr(f32)))


@irdl_op_definition
class NonMaxSuppressionOp(ScalarParameterOp):
    """The boxes of the best scores that overlap no better box of their class too much.

    ```mlir
    %0 = pfrt.non_max_suppression %b, %s {iou_threshold = 5.000000e-01 : f32, max_output_boxes_per_class = 3 : i64} : (tensor<1x6x4xf32>, tensor<1x2x6xf32>) -> tensor<?x3xi64>
    ```
    A row of the result is (image, class, box), the best of each class first. Overlap is the area
    that two boxes share, in parts of what they cover together; more than `iou_threshold` (by
    default 0) is too much. A box is two opposite corners (y, x), or with `center_point_box` the
    center and the size, x before y. Only scores above `score_threshold` count, if it is given. By
    default `max_output_boxes_per_class` is 0.

    C1: boxes and scores hold floats of one type.
    C2: boxes are (images, boxes, 4), scores (images, classes, boxes).
    C3: max_output_boxes_per_class, iou_threshold and score_threshold are properties, or operands
        that are one number: i64 or i32 the first, floats the others.
    C4: iou_threshold is between 0 and 1.
    """

    name = "pfrt.non_max_suppression"

    boxes = operand_def(TensorConstraint)
    scores = operand_def(TensorConstraint)
    max_output_boxes_per_class_value = opt_operand_def(TensorConstraint)
    iou_threshold_value = opt_operand_def(TensorConstraint)
    score_threshold_value = opt_operand_def(TensorConstraint)
    max_output_boxes_per_class = optional_int_property()
    iou_threshold = _optional_float()
    score_threshold = _optional_float()
    center_point_box = flag_property(False)
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$boxes `,` $scores"
        " (`most` `(` $max_output_boxes_per_class_value^ `:`"
        " type($max_output_boxes_per_class_value) `)`)?"
        " (`iou` `(` $iou_threshold_value^ `:` type($iou_threshold_value) `)`)?"
        " (`score` `(` $score_threshold_value^ `:` type($score_threshold_value) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` `(` type($boxes) `,` type($scores) `)` `->`"
        " type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("max_output_boxes_per_class", *_THRESHOLDS)

    @classmethod
    def constant_property(cls, name: str, array: Array) -> Attribute | None:
        """A threshold is f32, if that holds it exactly."""
        if name not in _THRESHOLDS:
            return super().constant_property(name, array)
        number = float(array.reshape(-1)[0]) if array.size == 1 else float("nan")
        attr = FloatAttr(number, f32)
        return attr if attr.value.data == number else None

    def check(self) -> None:
        require_floats(self, "C1", self.boxes, self.scores)
        require_same_element(self, "C1", self.boxes, self.scores)
        images, boxes, _ = self._extents()
        require_shape(self, "C2", "the boxes", self.boxes, (images, boxes, 4))
        require_shape(self, "C2", "the scores", self.scores, (images, DYNAMIC, boxes))
        self.check_number("C3", "max_output_boxes_per_class", INDICES, required=False)
        for name in _THRESHOLDS:
            self.check_number("C3", name, _FLOATS, required=False)
        overlap = self._overlap()
        within = overlap is None or 0 <= overlap <= 1
        self.require("C4", within, f"iou_threshold must be between 0 and 1, got {overlap}")

    def _overlap(self) -> float | None:
        if self.iou_threshold is not None:
            return self.iou_threshold.value.data
        value = self.iou_threshold_value
        array = None if value is None else constant_of(value)
        return None if array is None or array.size != 1 else float(array.reshape(-1)[0])

    def _extents(self) -> tuple[int, int, int]:
        """Images, boxes and classes, as far as they are known."""
        shapes = (shape_of(self.boxes), shape_of(self.scores))
        unknown = (DYNAMIC,) * 3
        boxes, scores = (s if s is not None and len(s) == 3 else unknown for s in shapes)
        return known((boxes[0], scores[0])), known((boxes[1], scores[2])), scores[1]

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(i64, (DYNAMIC, 3))]

    def flops(self) -> int | None:
        """Sixteen for each pair of boxes that is compared, at most, in each class of each image."""
        images, boxes, classes = self._extents()
        return None if DYNAMIC in (images, boxes, classes) else images * classes * boxes**2 * 16


@irdl_op_definition
class MaxRoiPoolOp(PfrtOp):
    """The maximum of the pixels in each bin of each region of an image.

    ```mlir
    %0 = pfrt.max_roi_pool %x, %r {pooled_shape = array<i64: 2, 2>} : (tensor<1x3x8x8xf32>, tensor<?x5xf32>) -> tensor<?x3x2x2xf32>
    ```
    Regions are rows (image, left, top, right, bottom) in units of 1 / `spatial_scale` pixels, which
    are rounded; right and bottom are inside. A bin without pixels is 0.

    C1: x and the regions hold floats of one type.
    C2: x has 4 dimensions, the regions are rows of 5.
    C3: `pooled_shape` is the number of bins down and across, both at least 1.
    """

    name = "pfrt.max_roi_pool"

    x = operand_def(TensorConstraint)
    rois = operand_def(TensorConstraint)
    pooled_shape = required_ints_property()
    spatial_scale = float_property(1.0)
    result = result_def(TensorConstraint)

    assembly_format = (
        "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        require_floats(self, "C1", self.x)
        require_same_element(self, "C1", self.x, self.rois)
        require_shape(self, "C2", "x", self.x, (DYNAMIC,) * 4)
        require_shape(self, "C2", "the regions", self.rois, (DYNAMIC, 5))
        bins = ints(self.pooled_shape)
        sound = len(bins) == 2 and min(bins) >= 1
        self.require("C3", sound, f"pooled_shape cannot be {list(bins)}")

    def infer_types(self) -> Sequence[Attribute]:
        x, rois = shape_of(self.x), shape_of(self.rois)
        count: Shape = (DYNAMIC,) if rois is None else rois[:1]
        channels = DYNAMIC if x is None else x[1]
        return [tensor(type_of(self.x).element_type, (*count, channels, *ints(self.pooled_shape)))]

    def flops(self) -> int | None:
        """One for each pixel of each region, if a region is all of the image."""
        x, count = shape_of(self.x), elements(self.rois)
        if x is None or count is None or DYNAMIC in x[1:]:
            return None
        return count // 5 * x[1] * x[2] * x[3]


OPS: tuple[type[PfrtOp], ...] = (MaxRoiPoolOp, NonMaxSuppressionOp)
