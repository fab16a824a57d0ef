"""A case written for another version of its operator, where that can say the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx.checker
import onnx.shape_inference
from cases import Case
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)
from versions import schemas, version_at

IR_VERSION = 10


UNINFERRED = ("MeanVarianceNormalization",)
"""Operators in whose function body onnx finds no types."""


class CannotSay(Exception):
    """The version has no way to say what the case does; the message is why."""


@dataclass(frozen=True)
class Moved:
    """What was an attribute before opset `until`, and an input since: at `index`, called `name`."""

    until: int
    index: int
    name: str
    read: Callable[[Any], Any]


def _ints(value: Any) -> list[int]:
    return [int(item) for item in np.asarray(value).reshape(-1)]


def _int(value: Any) -> int:
    return int(np.asarray(value).reshape(()))


def _float(value: Any) -> float:
    return float(np.asarray(value).reshape(()))


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
_AXES_OF_18 = (Moved(18, 1, "axes", _ints),)

MOVED: Mapping[str, tuple[Moved, ...]] = {
    "Clip": (Moved(11, 1, "min", _float), Moved(11, 2, "max", _float)),
    "DFT": (Moved(20, 2, "axis", _int),),
    "Dropout": (Moved(12, 1, "ratio", _float),),
    "Pad": (Moved(11, 1, "pads", _ints), Moved(11, 2, "value", _float)),
    "ReduceSum": (Moved(13, 1, "axes", _ints),),
    "Slice": (
        Moved(10, 1, "starts", _ints),
        Moved(10, 2, "ends", _ints),
        Moved(10, 3, "axes", _ints),
    ),
    "Split": (Moved(13, 1, "split", _ints),),
    "Squeeze": (Moved(13, 1, "axes", _ints),),
    "TopK": (Moved(10, 1, "k", _int),),
    "Unsqueeze": (Moved(13, 1, "axes", _ints),),
    **{f"Reduce{name}": _AXES_OF_18 for name in _REDUCTIONS},
}

RENAMED: Mapping[tuple[str, str], tuple[int, Mapping[bytes, bytes]]] = {
    ("GridSample", "mode"): (20, {b"linear": b"bilinear", b"cubic": b"bicubic"}),
}
"""Words of an attribute before an opset."""


def stamped(case: Case, opset: int) -> Case:
    """The case for an opset. Raises CannotSay, with the reason."""
    model = copy.deepcopy(case.model)
    node, feed = model.graph.node[0], dict(case.feed)
    schema = schemas()[node.op_type][version_at(node.op_type, opset)]
    _move_inputs(model.graph, node, feed, opset)
    _fill_inputs(model.graph, node, opset)
    _drop_attributes(node, schema, case.opset)
    _rename(node, opset)
    _drop_outputs(model.graph, node, schema.max_output)
    if len(node.input) > schema.max_input:
        raise CannotSay(f"it has {schema.max_input} inputs")
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", opset))
    model.ir_version = IR_VERSION
    for value in model.graph.output:
        # Sizes are those of the version.
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    _check(model, opset)
    used = {*node.input, *_captured(node)}
    return replace(case, model=model, feed={k: v for k, v in feed.items() if k in used})


def _move_inputs(graph: GraphProto, node: NodeProto, feed: dict[str, Any], opset: int) -> None:
    moved = [
        m for m in MOVED.get(node.op_type, ()) if opset < m.until and m.index < len(node.input)
    ]
    for entry in moved:
        if name := node.input[entry.index]:
            known = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
            value = feed.pop(name) if name in feed else known.get(name)
            if value is None:
                raise CannotSay(f"{entry.name} is computed")
            node.attribute.append(
                helper.make_attribute(entry.name, entry.read(value), **_typed(entry))
            )
            node.input[entry.index] = ""
    if node.op_type == "Slice" and opset < 10 and len(node.input) > 4 and node.input[4]:
        if set(_ints(feed.pop(node.input[4]))) - {1}:
            raise CannotSay("there are no steps")
        node.input[4] = ""
    if node.op_type == "Dropout" and opset < 12 and len(node.input) > 2 and node.input[2]:
        if np.any(feed.pop(node.input[2])):
            raise CannotSay("there is no training mode")
        node.input[2] = ""
    while node.input and not node.input[-1]:
        node.input.pop()
    kept = [value for value in graph.input if value.name in {*node.input, *_captured(node)}]
    del graph.input[:]
    graph.input.extend(kept)


def _typed(entry: Moved) -> dict[str, int]:
    return {"attr_type": AttributeProto.INTS} if entry.read is _ints else {}


def _fill_inputs(graph: GraphProto, node: NodeProto, opset: int) -> None:
    """Resize had to have a region and scales before opset 13, if only empty ones."""
    if node.op_type != "Resize" or not 11 <= opset < 13:
        return
    node.input.extend([""] * (3 - len(node.input)))
    for index in (1, 2):
        if not node.input[index]:
            node.input[index] = f"empty_{index}"
            graph.initializer.append(
                helper.make_tensor(node.input[index], TensorProto.FLOAT, [0], [])
            )


def _drop_attributes(node: NodeProto, schema: Any, opset: int) -> None:
    """Leave out attributes that the version lacks and that say nothing."""
    newer = schemas()[node.op_type][version_at(node.op_type, opset)].attributes
    for attribute in list(node.attribute):
        if attribute.name in schema.attributes:
            continue
        default = newer[attribute.name].default_value if attribute.name in newer else None
        if default is None or _value(default) != _value(attribute):
            raise CannotSay(f"there is no {attribute.name}")
        node.attribute.remove(attribute)


def _value(attribute: AttributeProto) -> Any:
    # A default that is none has type UNDEFINED.
    return helper.get_attribute_value(attribute) if attribute.type else None


def _rename(node: NodeProto, opset: int) -> None:
    for attribute in node.attribute:
        until, words = RENAMED.get((node.op_type, attribute.name), (0, {}))
        if opset < until:
            attribute.s = words.get(attribute.s, attribute.s)


def _drop_outputs(graph: GraphProto, node: NodeProto, most: int) -> None:
    del node.output[most:]
    kept = [value for value in graph.output if value.name in node.output]
    del graph.output[:]
    graph.output.extend(kept)


def _captured(node: NodeProto) -> set[str]:
    """Names that the subgraphs of a node may see."""
    graphs = [a.g for a in node.attribute if a.type == AttributeProto.GRAPH]
    return {name for g in graphs for inner in g.node for name in {*inner.input, *_captured(inner)}}


def _check(model: ModelProto, opset: int) -> None:
    context = onnx.checker.C.CheckerContext()
    context.ir_version, context.opset_imports = IR_VERSION, {"": opset}
    node = model.graph.node[0]
    try:
        onnx.checker.check_node(node, context)
        if node.op_type not in UNINFERRED:
            onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise CannotSay(" ".join(str(error).split())[:200]) from error
