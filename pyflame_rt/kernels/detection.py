"""Kernels of object detectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once, widened
from pyflame_rt.kernels.sizes import check_size, optional_number

Array = npt.NDArray[Any]

__all__ = ["max_roi_pool", "non_max_suppression"]

_FAR = 1 << 31


def non_max_suppression(
    boxes: Array,
    scores: Array,
    max_output_boxes_per_class_value: Array | None = None,
    iou_threshold_value: Array | None = None,
    score_threshold_value: Array | None = None,
    *,
    max_output_boxes_per_class: int | None = None,
    iou_threshold: float | None = None,
    score_threshold: float | None = None,
    center_point_box: bool = False,
) -> Array:
    """Rows (image, class, box): of each class the best box first, then the best of those left that
    overlap none before it by more than the threshold. Equal scores come in the boxes' order.
    """
    images, count = boxes.shape[:2]
    if boxes.shape[2:] != (4,) or scores.shape != (images, scores.shape[1], count):
        raise ValueError(
            f"boxes of shape {list(boxes.shape)} do not have scores of {list(scores.shape)}"
        )
    most = optional_number(max_output_boxes_per_class, max_output_boxes_per_class_value)
    overlap = optional_number(iou_threshold, iou_threshold_value) or 0.0
    least = optional_number(score_threshold, score_threshold_value)
    if not 0 <= overlap <= 1:
        raise ValueError(f"iou_threshold must be between 0 and 1, got {overlap}")
    rows: list[tuple[int, int, int]] = []
    if most is None or most <= 0:
        return np.empty((0, 3), np.int64)
    with np.errstate(all="ignore"):
        corners = _corners(widened(boxes), center_point_box)
        for image, kind in np.ndindex(scores.shape[:2]):
            of_class = scores[image, kind].astype(np.float64)
            order = np.argsort(-of_class, kind="stable")
            if least is not None:
                order = order[of_class[order] > least]
            kept = _suppressed(corners[image], order, most, overlap)
            rows += [(image, kind, box) for box in kept]
    return np.array(rows, np.int64).reshape(-1, 3)


def _corners(boxes: Array, center_point_box: bool) -> Array:
    """(images, 4, boxes): the least and the greatest of one coordinate, then of the other."""
    a, b, c, d = np.moveaxis(boxes, -1, 0)
    if center_point_box:
        half = boxes.dtype.type(2)
        return np.stack([a - c / half, a + c / half, b - d / half, b + d / half], axis=1)
    return np.stack(
        [np.minimum(b, d), np.maximum(b, d), np.minimum(a, c), np.maximum(a, c)], axis=1
    )


def _suppressed(corners: Array, order: Array, most: float, overlap: float) -> list[int]:
    """Boxes of an order that overlap none before them that was kept, at most so many."""
    kept: list[int] = []
    limit = corners.dtype.type(overlap)
    while order.size and len(kept) < most:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[~(_shared(corners[:, best, None], corners[:, order]) > limit)]
    return kept


def _shared(one: Array, others: Array) -> Array:
    """The area that a box shares with others, in parts of what they cover; 0 if that is nothing."""
    wide = np.minimum(one[1], others[1]) - np.maximum(one[0], others[0])
    tall = np.minimum(one[3], others[3]) - np.maximum(one[2], others[2])
    both = wide * tall
    area, areas = ((box[1] - box[0]) * (box[3] - box[2]) for box in (one, others))
    union = area + areas - both
    overlaps = (wide > 0) & (tall > 0) & (area > 0) & (areas > 0) & (union > 0)
    return np.where(overlaps, both / np.where(overlaps, union, 1), 0)


@rounding_once
def max_roi_pool(
    x: Array, rois: Array, *, pooled_shape: tuple[int, int], spatial_scale: float = 1.0
) -> Array:
    """The maximum of each bin of each region (image, left, top, right, bottom); 0 without pixels."""
    if x.ndim != 4 or rois.ndim != 2 or rois.shape[1] != 5:
        raise ValueError(
            f"regions are rows of 5 in images, got the shapes {list(rois.shape)} and"
            f" {list(x.shape)}"
        )
    if not np.isfinite(rois).all():
        raise ValueError("a region's corner is not finite")
    images = rois[:, 0]
    if len(rois) and (images.min() < 0 or images.max() >= len(x)):
        raise ValueError(f"a region's image is none of the {len(x)}")
    shape = (len(rois), x.shape[1], *pooled_shape)
    check_size(shape, x.dtype)
    y = np.zeros(shape, x.dtype)
    scale = np.float32(spatial_scale)
    for region, (image, *corners) in enumerate(rois):
        left, top, right, bottom = (_rounded(float(corner * scale)) for corner in corners)
        rows = _bins(top, bottom, pooled_shape[0], x.shape[2])
        columns = _bins(left, right, pooled_shape[1], x.shape[3])
        pixels = x[int(image)]
        for i, down in enumerate(rows):
            for j, across in enumerate(columns):
                inside = pixels[:, down.start : down.stop, across.start : across.stop]
                if inside.size:
                    y[region, :, i, j] = inside.max(axis=(1, 2))
    return y


def _rounded(number: float) -> int:
    """The nearest integer, the one away from zero of two; far outside of any image, some integer."""
    return int(math.copysign(math.floor(min(abs(number), _FAR) + 0.5), number))


def _bins(start: int, end: int, count: int, size: int) -> list[range]:
    """The pixels from `start` to `end`, both included, in bins that share those on a border."""
    step = np.float32(max(end - start + 1, 1)) / np.float32(count)
    bounds = (
        (math.floor(np.float32(k) * step), math.ceil(np.float32(k + 1) * step))
        for k in range(count)
    )
    return [
        range(_clipped(low + start, size), _clipped(high + start, size)) for low, high in bounds
    ]


def _clipped(at: int, size: int) -> int:
    return min(max(at, 0), size)
