"""Sequences and optionals, in small graphs whose inputs and outputs are tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper

from operator_cases.case import Case
from operator_cases.strategies import (
    Cases,
    Draw,
    draw_array,
    draw_axis,
    draw_dtype,
    draw_opset,
    draw_shape,
)


@dataclass(frozen=True)
class SequenceCase(Case):
    """A graph of several nodes that reads `i0`, `i1`… and makes `o0`, `o1`…."""

    nodes: tuple[NodeProto, ...] = ()

    def model(self) -> bytes:
        """The model of these nodes."""
        graph = helper.make_graph(
            list(self.nodes),
            "graph",
            [self._declared(name, array) for name, array in self.feed().items()],
            [helper.make_empty_tensor_value_info(f"o{k}") for k in range(self.outputs)],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def _node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> NodeProto:
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def _position(draw: Draw, low: int, high: int) -> np.ndarray:
    dtype = draw(st.sampled_from((np.int64, np.int32)))
    return np.array(draw(st.integers(low, high)), dtype)


@st.composite
def edits(draw: Draw, op: str) -> Case:
    """Three tensors in a sequence, one inserted, one erased, one taken; all of it concatenated."""
    opset = draw_opset(draw, op, 11)
    dtype = draw_dtype(draw, "f4 f8 i4 i8 u1 ?")
    rest = draw_shape(draw, 0, 2)
    sizes = [draw(st.integers(0, 3)) for _ in range(4)]
    arrays = [draw_array(draw, dtype, (size, *rest)) for size in sizes]
    insert, erase, take = (_position(draw, -3, 3) for _ in range(3))
    nodes = [_node("SequenceConstruct", ["i0", "i1", "i2"], ["s"])]
    at_end, last = draw(st.booleans()), draw(st.booleans())
    nodes.append(_node("SequenceInsert", ["s", "i3"] if at_end else ["s", "i3", "i4"], ["t"]))
    nodes.append(_node("SequenceErase", ["t"] if last else ["t", "i5"], ["u"]))
    nodes += [
        _node("SequenceAt", ["u", "i6"], ["o0"]),
        _node("SequenceLength", ["u"], ["o1"]),
        _node("ConcatFromSequence", ["u"], ["o2"], axis=0),
    ]
    # One is inserted and one erased: three are left.
    take = np.asarray(np.clip(take, -3, 2))
    feeds = (*arrays, insert, erase, take)
    return SequenceCase(op, opset, feeds, nodes=tuple(nodes), outputs=3)


@st.composite
def stacked(draw: Draw) -> Case:
    """Tensors of one shape, along an axis that is there or a new one."""
    opset = draw_opset(draw, "ConcatFromSequence", 11)
    dtype = draw_dtype(draw, "f4 f8 i4 i8")
    shape = draw_shape(draw, 1, 3, empty=False)
    new = draw(st.booleans())
    axis = draw_axis(draw, len(shape) + new)
    arrays = tuple(draw_array(draw, dtype, shape) for _ in range(draw(st.integers(1, 3))))
    nodes = (
        _node("SequenceConstruct", [f"i{k}" for k in range(len(arrays))], ["s"]),
        _node("ConcatFromSequence", ["s"], ["o0"], axis=axis, new_axis=int(new)),
    )
    return SequenceCase("ConcatFromSequence", opset, arrays, nodes=nodes)


@st.composite
def split(draw: Draw) -> Case:
    """In parts of one length, of given ones, or of length 1; the first and the number of parts."""
    opset = draw_opset(draw, "SplitToSequence", 11)
    dtype = draw_dtype(draw, "f4 f8 i4 i8")
    shape = draw_shape(draw, 1, 3, empty=False)
    axis = draw_axis(draw, len(shape))
    dim = shape[axis]
    way = draw(st.sampled_from(("none", "squeezed", "equal", "given")))
    feeds: list[np.ndarray] = [draw_array(draw, dtype, shape)]
    if way == "equal":
        feeds.append(np.array(draw(st.integers(1, dim + 1)), np.int64))
    if way == "given":
        first = draw(st.integers(0, dim))
        feeds.append(np.array([first, dim - first], draw(st.sampled_from((np.int32, np.int64)))))
    names = ["i0", "i1"][: len(feeds)]
    attributes = {"keepdims": 0} if way == "squeezed" else {}
    nodes = (
        _node("SplitToSequence", names, ["s"], axis=axis, **attributes),
        _node("Constant", [], ["zero"], value=helper.make_tensor("z", TensorProto.INT64, [], [0])),
        _node("SequenceAt", ["s", "zero"], ["o0"]),
        _node("SequenceLength", ["s"], ["o1"]),
    )
    return SequenceCase("SplitToSequence", opset, tuple(feeds), nodes=nodes, outputs=2)


@st.composite
def empty(draw: Draw) -> Case:
    """A sequence that begins with nothing."""
    opset = draw_opset(draw, "SequenceEmpty", 11)
    dtype = draw_dtype(draw, "f4 i8")
    code = TensorProto.FLOAT if dtype == np.float32 else TensorProto.INT64
    nodes = (
        _node("SequenceEmpty", [], ["s"], dtype=code),
        _node("SequenceLength", ["s"], ["o0"]),
        _node("SequenceInsert", ["s", "i0"], ["t"]),
        _node("SequenceLength", ["t"], ["o1"]),
        _node("ConcatFromSequence", ["t"], ["o2"], axis=0),
    )
    feeds = (draw_array(draw, dtype, draw_shape(draw, 1, 3, empty=False)),)
    return SequenceCase("SequenceEmpty", opset, feeds, nodes=nodes, outputs=3)


@st.composite
def optional(draw: Draw, op: str) -> Case:
    """An optional of a tensor or of a sequence, and what is in it."""
    opset = draw_opset(draw, op, 15)
    dtype = draw_dtype(draw, "f4 i8")
    feeds = (draw_array(draw, dtype, draw_shape(draw, 1, 3, empty=False)),)
    of_sequence = draw(st.booleans())
    nodes = [_node("SequenceConstruct", ["i0", "i0"], ["s"])] if of_sequence else []
    nodes += [
        _node("Optional", ["s" if of_sequence else "i0"], ["p"]),
        _node("OptionalHasElement", ["p"], ["o0"]),
    ]
    if of_sequence:
        nodes.append(_node("OptionalGetElement", ["p"], ["q"]))
        nodes.append(_node("ConcatFromSequence", ["q"], ["o1"], axis=0))
    else:
        nodes.append(_node("OptionalGetElement", ["p"], ["o1"]))
    return SequenceCase(op, opset, feeds, nodes=tuple(nodes), outputs=2)


_EDITS = ("SequenceAt", "SequenceConstruct", "SequenceErase", "SequenceInsert", "SequenceLength")
_OPTIONALS = ("Optional", "OptionalGetElement", "OptionalHasElement")

CASES: dict[str, Cases] = {
    "ConcatFromSequence": stacked(),
    "SequenceEmpty": empty(),
    "SplitToSequence": split(),
    **{op: edits(op) for op in _EDITS},
    **{op: optional(op) for op in _OPTIONALS},
}
"""The operators of this family."""
