"""Scans over tensors and maps over sequences, with values of the graph around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from onnx import GraphProto, helper

from operator_cases.case import Array, Case
from operator_cases.sequence import SequenceCase
from operator_cases.strategies import (
    FLAG,
    Cases,
    Draw,
    draw_array,
    draw_axis,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
)
from pyflame_rt import dtypes


def _out(name: str):
    return helper.make_empty_tensor_value_info(name)


def _body(states: int, inputs: int, outputs: int, outer: str) -> GraphProto:
    """state_k' = state_k + in_0 (all of one shape); out_k = in_k * outer, or the new state."""
    nodes = [helper.make_node("Add", [f"s{k}", "x0"], [f"t{k}"]) for k in range(states)]
    for k in range(outputs):
        if k < inputs:
            nodes.append(helper.make_node("Mul", [f"x{k}", outer], [f"y{k}"]))
        else:
            nodes.append(helper.make_node("Neg", ["t0" if states else "x0"], [f"y{k}"]))
    ins = [f"s{k}" for k in range(states)] + [f"x{k}" for k in range(inputs)]
    outs = [f"t{k}" for k in range(states)] + [f"y{k}" for k in range(outputs)]
    return helper.make_graph(nodes, "body", [_out(n) for n in ins], [_out(n) for n in outs])


@st.composite
def scan(draw: Draw) -> Case:
    """States and inputs of one slice shape, in every direction and along any axis."""
    opset = draw_opset(draw, "Scan", 9)
    dtype = draw_dtype(draw, "f4 f8")
    # ONNX Runtime divides by the size of a slice: nothing is empty.
    shape, length = draw_shape(draw, 0, 3, empty=False), draw(st.integers(1, 4))
    states, inputs = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    outputs = draw(st.integers(0 if states else 1, 3))
    count, rank = [inputs, outputs], len(shape) + 1
    attributes: dict[str, object] = {"num_scan_inputs": inputs}
    axes = [0] * inputs
    if draw(st.booleans()):
        axes = [draw_axis(draw, rank) for _ in range(inputs)]
        attributes["scan_input_axes"] = axes
    if outputs and draw(st.booleans()):
        attributes["scan_output_axes"] = [draw_axis(draw, rank) for _ in range(outputs)]
    for name, number in zip(
        ("scan_input_directions", "scan_output_directions"), count, strict=True
    ):
        if number:
            ways = st.lists(FLAG, min_size=number, max_size=number)
            attributes |= draw_some(draw, **{name: ways})
    arrays: list[Array | None] = [draw_array(draw, dtype, shape) for _ in range(states)]
    for axis in axes:
        whole = list(shape)
        whole.insert(axis % rank, length)
        arrays.append(draw_array(draw, dtype, tuple(whole)))
    arrays.append(draw_array(draw, dtype, ()))
    body = _body(states, inputs, outputs, f"i{len(arrays) - 1}")
    case = draw_case(
        draw,
        "Scan",
        opset,
        arrays,
        {**attributes, "body": body},
        outputs=states + outputs,
        captured=1,
    )
    return _ranked(case)


def _ranked(case: Case) -> Case:
    """ONNX Runtime wants to know the rank of a slice."""
    return replace(case, shapes="static") if case.shapes == "unranked" else case


@st.composite
def scan_8(draw: Draw) -> Case:
    """The first form, over a batch of sequences, which may have lengths of their own."""
    dtype = draw_dtype(draw, "f4 f8")
    shape = draw_shape(draw, 0, 2, empty=False)
    batch, length = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    states, inputs = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    lens = None
    if draw(st.booleans()):
        lens = np.array([draw(st.integers(1, length)) for _ in range(batch)], np.int64)
    arrays: list[Array | None] = [
        lens,
        *(draw_array(draw, dtype, (batch, *shape)) for _ in range(states)),
        *(draw_array(draw, dtype, (batch, length, *shape)) for _ in range(inputs)),
        draw_array(draw, dtype, ()),
    ]
    outputs = draw(st.integers(1, 2))
    body = _body(states, inputs, outputs, f"i{len(arrays) - 1}")
    attributes = {"num_scan_inputs": inputs, "body": body}
    case = draw_case(draw, "Scan", 8, arrays, attributes, outputs=states + outputs, captured=1)
    return _ranked(case)


@st.composite
def sequence_map(draw: Draw) -> Case:
    """Over one or two sequences made of the rows of a tensor, with a tensor beside them."""
    opset = draw_opset(draw, "SequenceMap")
    dtype = draw_dtype(draw, "f4 f8")
    shape = (draw(st.integers(1, 4)), *draw_shape(draw, 0, 2, empty=False))
    two, beside = draw(st.booleans()), draw(st.booleans())
    inputs = ["x", "z"] if two else ["x"]
    nodes = [helper.make_node("Neg", ["x"], ["n"])]
    last = "n"
    if two:
        nodes.append(helper.make_node("Add", [last, "z"], ["a"]))
        last = "a"
    if beside:
        inputs.append("c")
        nodes.append(helper.make_node("Mul", [last, "c"], ["m"]))
        last = "m"
    nodes.append(helper.make_node("Identity", [last], ["p"]))
    element = dtypes.by_numpy()[dtype].onnx
    body = helper.make_graph(
        nodes,
        "body",
        [helper.make_tensor_value_info(name, element, None) for name in inputs],
        [helper.make_tensor_value_info(name, element, None) for name in ("p", "n")],
    )
    feeds = [draw_array(draw, dtype, shape), draw_array(draw, dtype, ())]
    sequences = ["s", "t"] if two else ["s"]
    graph = [
        helper.make_node("SplitToSequence", ["i0"], ["s"], axis=0),
        helper.make_node("SequenceInsert", ["s", "i0"], ["s2"]),
        helper.make_node("SequenceErase", ["s2"], ["t"]),
        helper.make_node(
            "SequenceMap", [*sequences, *(["i1"] if beside else [])], ["r", "q"], body=body
        ),
        helper.make_node("ConcatFromSequence", ["r"], ["o0"], axis=0),
        helper.make_node("ConcatFromSequence", ["q"], ["o1"], axis=0, new_axis=1),
    ]
    return SequenceCase("SequenceMap", opset, tuple(feeds), nodes=tuple(graph), outputs=2)


CASES: dict[str, Cases] = {"Scan": scan() | scan_8(), "SequenceMap": sequence_map()}
"""The operators of this family."""
