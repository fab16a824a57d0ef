"""Branches and loops, with values of the graph around them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from operator_cases.case import Case
from operator_cases.strategies import (
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
)
from pyflame_rt import dtypes


def _out(name: str):
    return helper.make_empty_tensor_value_info(name)


@st.composite
def if_(draw: Draw) -> Case:
    """Branches of one type, whose shapes may differ."""
    opset = draw_opset(draw, "If")
    dtype = draw_dtype(draw, "f4 f8 i4 i8")
    shape = draw_shape(draw, 1)
    x = draw_array(draw, dtype, shape)
    ways = {
        "same": [helper.make_node("Neg", ["i1"], ["r"])],
        "twice": [helper.make_node("Concat", ["i1", "i1"], ["r"], axis=0)],
        "itself": [helper.make_node("Identity", ["i1"], ["r"])],
        "known": [
            helper.make_node("Constant", [], ["r"], value=numpy_helper.from_array(x[..., :1]))
        ],
    }
    # Names are unique in a model, its subgraphs included.
    branches = {
        branch: helper.make_graph(
            [
                helper.make_node(
                    way.op_type,
                    list(way.input),
                    [f"{branch}_r"],
                    **{a.name: helper.get_attribute_value(a) for a in way.attribute},
                )
                for way in ways[draw(st.sampled_from(sorted(ways)))]
            ],
            branch,
            [],
            [_out(f"{branch}_r")],
        )
        for branch in ("then_branch", "else_branch")
    }
    condition = draw_array(draw, bool, draw(st.sampled_from(((), (1,)))))
    return draw_case(draw, "If", opset, [condition, x], branches, parameters=(0,), captured=1)


@st.composite
def loop(draw: Draw) -> Case:
    """A trip count or a condition or both; one value carried, one scanned."""
    opset = draw_opset(draw, "Loop", 11)
    dtype = draw_dtype(draw, "f4 f8 i4 i8")
    element = dtypes.by_numpy()[dtype].onnx
    shape = draw_shape(draw, 0, 3)
    grows = bool(shape) and draw(st.booleans())
    trips = draw(st.integers(0, 4))
    stop = draw(st.integers(0, 4))
    counted = draw(st.booleans())
    conditioned = not counted or draw(st.booleans())
    step = (
        helper.make_node("Concat", ["carried", "i3"], ["next"], axis=0)
        if grows
        else helper.make_node("Add", ["carried", "i3"], ["next"])
    )
    body = helper.make_graph(
        [
            step,
            helper.make_node("Constant", [], ["stop"], value_int=stop)
            if opset >= 12
            else helper.make_node(
                "Constant", [], ["stop"], value=numpy_helper.from_array(np.array(stop))
            ),
            helper.make_node("Less", ["number", "stop"], ["proceed"])
            if conditioned
            else helper.make_node("Identity", ["before"], ["proceed"]),
            helper.make_node("Neg", ["i3"], ["scanned"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("before", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", element, None),
        ],
        [_out("proceed"), _out("next"), _out("scanned")],
    )
    x = draw_array(draw, dtype, shape)
    inputs = [
        np.array(trips) if counted else None,
        np.array(draw(st.booleans())) if not counted or draw(st.booleans()) else None,
        x,
        draw_array(draw, dtype, shape),
    ]
    return draw_case(
        draw, "Loop", opset, inputs, {"body": body}, parameters=(0, 1), outputs=2, captured=1
    )


CASES: dict[str, Cases] = {"If": if_(), "Loop": loop()}
"""The operators of this family."""
