"""Kernels of object detectors against ONNX Runtime, and where it is no judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels.detection import max_roi_pool, non_max_suppression

BOXES = np.array([[[0, 0, 2, 2], [0, 0, 2, 1], [3, 3, 4, 4]]], np.float32)
SCORES = np.array([[[0.5, 0.9, 0.1]]], np.float32)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    data=st.data(),
    images=st.integers(1, 2),
    classes=st.integers(1, 2),
    count=st.integers(0, 8),
    center=st.booleans(),
)
def test_suppression_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    images: int,
    classes: int,
    count: int,
    center: bool,
):
    """Equal scores and boxes, flipped corners, empty boxes, thresholds that are met exactly."""
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    boxes = (rng.integers(0, 9, (images, count, 4)) / 2).astype(np.float32)
    scores = (rng.integers(-4, 5, (images, classes, count)) / 4).astype(np.float32)
    most = np.array(data.draw(st.integers(-1, 5)))
    overlap = np.array([data.draw(st.sampled_from((0, 0.25, 1 / 3, 0.5, 1)))], np.float32)
    least = data.draw(st.sampled_from((None, -0.5, 0.25)))
    parameters = [most, overlap, None if least is None else np.array(least, np.float32)]
    want = onnxruntime_result(
        "NonMaxSuppression", [boxes, scores, *parameters], opset=11, center_point_box=int(center)
    )
    got = non_max_suppression(boxes, scores, *parameters, center_point_box=center)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, want)


def test_by_default_nothing_is_selected():
    assert non_max_suppression(BOXES, SCORES).shape == (0, 3)


def test_by_default_no_overlap_is_allowed():
    got = non_max_suppression(BOXES, SCORES, max_output_boxes_per_class=9)
    assert got.tolist() == [[0, 0, 1], [0, 0, 2]]
    got = non_max_suppression(BOXES, SCORES, max_output_boxes_per_class=9, iou_threshold=0.5)
    assert got.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 2]]


def test_scores_that_are_no_numbers_come_last():
    """And are not above any threshold."""
    scores = np.array([[[0.5, np.nan, 0.1]]], np.float32)
    how = {"max_output_boxes_per_class": 9, "iou_threshold": 1.0}
    assert non_max_suppression(BOXES, scores, **how)[:, 2].tolist() == [0, 2, 1]
    assert non_max_suppression(BOXES, scores, score_threshold=0.0, **how)[:, 2].tolist() == [0, 2]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_suppression_of_other_floats(dtype: Any):
    got = non_max_suppression(
        BOXES.astype(dtype), SCORES.astype(dtype), max_output_boxes_per_class=2
    )
    assert got.tolist() == [[0, 0, 1], [0, 0, 2]]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    data=st.data(),
    shape=st.tuples(*(st.integers(1, most) for most in (2, 2, 7, 7))),
    count=st.integers(0, 3),
    pooled=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    scale=st.sampled_from((0.3, 0.5, 1.0, 2.0)),
)
def test_max_roi_pool_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    count: int,
    pooled: tuple[int, int],
    scale: float,
):
    """Regions inside, across the border, outside, and of negative size."""
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    x = rng.normal(size=shape).astype(np.float32)
    images, corners = rng.integers(0, shape[0], (count, 1)), rng.integers(-6, 16, (count, 4)) / 2
    rois = np.concatenate([images, corners], axis=1).astype(np.float32)
    want = onnxruntime_result(
        "MaxRoiPool", [x, rois], opset=11, pooled_shape=list(pooled), spatial_scale=scale
    )
    got = max_roi_pool(x, rois, pooled_shape=pooled, spatial_scale=scale)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, want)


def test_regions_far_outside_hold_nothing():
    """Or all of the image, between them."""
    far = 3e38
    assert pool([[0, far, far, far, far]]).tolist() == [[[[0]]]]
    assert pool([[0, -far, -far, far, far]], (2, 1)).shape == (1, 1, 2, 1)


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda: non_max_suppression(BOXES, SCORES[..., :2]), "do not have scores"),
        (lambda: non_max_suppression(BOXES[..., :3], SCORES), "do not have scores"),
        (lambda: non_max_suppression(BOXES, SCORES, np.array([1, 2])), "one number is needed"),
        (lambda: non_max_suppression(BOXES, SCORES, iou_threshold=1.5), "between 0 and 1"),
        (lambda: pool([[0, 0, 0, 1]]), "rows of 5"),
        (lambda: pool([[2, 0, 0, 1, 1]]), "image is none of the 2"),
        (lambda: pool([[-1, 0, 0, 1, 1]]), "image is none of the 2"),
        (lambda: pool([[0, 0, np.nan, 1, 1]]), "not finite"),
        (lambda: pool([[0, 0, 0, 1, 1]], (1 << 25, 1 << 25)), "too large"),
    ],
)
def test_what_makes_no_sense_is_an_error(run: Callable[[], Any], text: str):
    with pytest.raises(ValueError, match=text):
        run()


def pool(rois: list[list[float]], pooled: tuple[int, int] = (1, 1)) -> np.ndarray:
    """Regions of two images."""
    return max_roi_pool(
        np.zeros((2, 1, 3, 3), np.float32), np.array(rois, np.float32), pooled_shape=pooled
    )
