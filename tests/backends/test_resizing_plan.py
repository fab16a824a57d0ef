"""Resizing that repeats elements, as the plan prepares it, and everything else by the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, kernels


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_nearest_elements(data: st.DataObject) -> None:
    """Whole factors along any axes, in all conventions of coordinates; and factors that are not whole."""
    draw = data.draw
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    factor = st.sampled_from([1.0, 2.0, 3.0, 1.5, 0.5])
    scales = np.array(draw(st.lists(factor, min_size=len(shape), max_size=len(shape))), np.float32)
    names = ["half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners"]
    params: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": draw(st.sampled_from(names)),
        "nearest_mode": draw(st.sampled_from(["floor", "ceil", "round_prefer_floor"])),
    }
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "scales"], ["y"], **params)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(scales, "scales")],
    )
    opsets = [helper.make_opsetid("", 19)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    expected = kernels.table()["resize"](x, scales=scales, **params)
    (result,) = InferenceSession(model).run(None, {"x": x})
    np.testing.assert_array_equal(result, expected)
