"""Type inference, folding and costs of ops on images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, f32
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.image import (
    DepthToSpaceOp,
    GridSampleOp,
    RoiAlignOp,
    SpaceToDepthOp,
)
from pyflame_rt.dialects.pfrt.resizing import ResizeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, tensor_of
from pyflame_rt.kernels.interpolation import ASPECT_POLICIES, COORDINATE_MODES


def ones(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """An array of ones."""
    return np.ones(shape, dtype)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    data=st.data(), policy=st.sampled_from(ASPECT_POLICIES), where=st.sampled_from(COORDINATE_MODES)
)
def test_resize_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, policy: str, where: str
):
    """By scales and sizes, for all axes and some."""
    rank = data.draw(st.integers(1, 4))
    axes = data.draw(st.sampled_from([None, (0,), (-1,), tuple(range(rank))]))
    count = rank if axes is None else len(axes)
    x = ones(*(data.draw(st.integers(1, 5)) for _ in range(rank)))
    how: dict[str, Any] = {
        "mode": data.draw(st.sampled_from(["nearest", "linear", "cubic"])),
        "coordinate_transformation_mode": where,
        "keep_aspect_ratio_policy": policy,
        "axes": axes,
    }
    if where == "tf_crop_and_resize":
        how["roi"] = np.array([0.25] * count + [0.5] * count, np.float32)
    if data.draw(st.booleans()):
        scales = [data.draw(st.sampled_from([0.3, 0.5, 1.0, 2.6])) for _ in range(count)]
        how["scales"] = np.array(scales, np.float32)
    else:
        how["sizes"] = tuple(data.draw(st.integers(0, 6)) for _ in range(count))
        if policy != "stretch":
            how["sizes"] = tuple(size + 1 for size in how["sizes"])
    check_inference(ResizeOp, [x, None, None, None], how)


def test_resize_infers_what_operands_tell():
    """Sizes that are known only at run time are `?`; those of other axes stay."""
    x = create_ssa_value(TensorType(f32, [2, DYNAMIC, 4, 5]))
    scales = create_ssa_value(tensor_of(ones(2)))
    op = ResizeOp.create_op([x, None, scales, None], {"axes": (2, 3)})
    assert op.result_shape() == (2, DYNAMIC, DYNAMIC, DYNAMIC)
    assert op.flops() is None
    known = ResizeOp.create_op([x, None, None, None], {"axes": (2, 3), "sizes": (7, 9)})
    assert known.result_shape() == (2, DYNAMIC, 7, 9)


def test_resize_scales_in_float32():
    """10 * 0.7 is 7 in float32, and less in float64."""
    x = create_ssa_value(TensorType(f32, [10, DYNAMIC]))
    scales = np.array([0.7, 1.5], np.float32)
    op = ResizeOp.create_op([x, None, None, None], {"scales": scales})
    assert op.result_shape() == (int(np.float32(10) * np.float32(0.7)), DYNAMIC)


def test_resize_flops_count_the_taps(check_inference: Callable[..., PfrtOp]):
    """Two a tap and element, one axis after another; more taps where they are averaged."""
    x = [ones(1, 2, 4, 4), None, None, None]
    sizes = {"sizes": (1, 2, 8, 8)}
    assert check_inference(ResizeOp, x, sizes).flops() == 0
    linear = check_inference(ResizeOp, x, {**sizes, "mode": "linear"})
    assert linear.flops() == 2 * 2 * (2 * 8 * 4 + 2 * 8 * 8)
    small = {"sizes": (1, 2, 4, 2), "mode": "cubic", "antialias": True}
    assert check_inference(ResizeOp, x, small).flops() == 2 * 8 * (2 * 4 * 2)


def test_resize_that_contradicts_is_refused():
    """Where the verifier would: an operand that became known."""
    x = create_ssa_value(TensorType(f32, [0, 4]))
    with pytest.raises(VerifyException, match=r"pfrt\.resize: C4: no elements cannot be resized"):
        ResizeOp.create_op([x, None, None, None], {"sizes": (2, 4)})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(count=st.integers(0, 3), height=st.integers(1, 3), width=st.integers(1, 3))
def test_roi_align_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], count: int, height: int, width: int
):
    """Regions give the first dimension, the properties the last two."""
    arrays = [ones(1, 2, 4, 5), ones(count, 4), np.zeros(count, np.int64)]
    how = {"output_height": height, "output_width": width, "sampling_ratio": 2}
    op = check_inference(RoiAlignOp, arrays, how)
    assert op.flops() == count * 2 * height * width * 8 * 4


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), rank=st.integers(1, 3), mode=st.sampled_from(["nearest", "linear", "cubic"]))
def test_grid_sample_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, rank: int, mode: str
):
    """1 to 3 spatial axes, and grids without points."""
    points = [data.draw(st.integers(0, 3)) for _ in range(rank)]
    batch = data.draw(st.integers(0, 2))
    arrays = [ones(batch, 2, *range(2, 2 + rank)), ones(batch, *points, rank)]
    op = check_inference(GridSampleOp, arrays, {"mode": mode})
    taps = {"nearest": 1, "linear": 2, "cubic": 4}[mode]
    assert op.flops() == batch * 2 * int(np.prod(points)) * 2 * taps**rank


@pytest.mark.parametrize("size", [1, 2])
def test_depth_and_space_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], size: int
):
    """Any element type, empty ones too."""
    for shape in ((2, 4, 6, 2), (0, 8, 2, 2), (1, 4, 0, 2)):
        x = [ones(*shape, dtype=np.int8)]
        assert check_inference(DepthToSpaceOp, x, {"blocksize": size}).flops() == 0
        assert check_inference(SpaceToDepthOp, x, {"blocksize": size}).flops() == 0
