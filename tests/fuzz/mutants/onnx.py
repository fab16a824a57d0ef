"""ONNX models changed field by field, through what protobuf says of its messages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp

from mutants.base import TEXTS, Format, changed_bytes, changed_number, how_many
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.ops import rules

REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, 1e38, float("inf"), float("-inf"), float("nan"))
MOST = 4000


def _value(name: str, shape: list[Any] | None = None) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def sample() -> ModelProto:
    """Something of everything: tensors, attributes, a subgraph, a function."""
    node = helper.make_node
    branches = {
        key: helper.make_graph([node(op, ["g"], ["r"])], op, [], [_value("r")])
        for key, op in (("then_branch", "Neg"), ("else_branch", "Abs"))
    }
    nodes = [
        node("Conv", ["x", "w"], ["c"], "conv", kernel_shape=[2, 2], pads=[1, 1, 0, 0], group=1),
        node("MaxPool", ["c"], ["p", "pi"], kernel_shape=[2, 2], strides=[2, 2], auto_pad="VALID"),
        node("Clip", ["p", "low"], ["k"]),
        node("Slice", ["k", "start", "end"], ["s"]),
        node("Split", ["s"], ["s1", "s2"], axis=1),
        node("Concat", ["s1", "s2"], ["cc"], axis=1),
        node("ReduceMean", ["cc"], ["m"], axes=[2, 3], keepdims=0),
        node("Gemm", ["m", "gw"], ["g"], transB=1),
        node("If", ["yes"], ["i"], **branches),
        node("Softmax", ["i"], ["sm"], axis=0),
        node("Shape", ["sm"], ["sh"]),
        node("Constant", [], ["one"], value=helper.make_tensor("t", TensorProto.INT64, [1], [1])),
        node("Gather", ["sh", "one"], ["ga"], axis=0),
        node("ConstantOfShape", ["ga"], ["y"], value=helper.make_tensor("t", 1, [1], [2.0])),
        node("F", ["y"], ["z"], domain="f", axis=0),
    ]
    arrays = {
        "w": np.ones((2, 2, 2, 2), np.float32),
        "low": np.float32(0),
        "start": np.array([0, 0]),
        "end": np.array([9, 9]),
        "yes": np.array(True),
    }
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    outputs = [_value("z"), helper.make_empty_tensor_value_info("pi")]
    graph = helper.make_graph(nodes, "g", [_value("x", ["N", 2, 4, 4])], outputs, tensors)
    held = numpy_helper.from_array(np.ones(3, np.float32), "gw")
    places = numpy_helper.from_array(np.array([0, 3, 4]))
    graph.sparse_initializer.append(helper.make_sparse_tensor(held, places, [3, 2]))
    body = node("Softmax", ["a"], ["b"])
    body.attribute.append(AttributeProto(name="axis", ref_attr_name="axis", type=2))
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid("f", 1)]
    function = helper.make_function("f", "F", ["a"], ["b"], [body], opsets, ["axis"])
    return helper.make_model(graph, functions=[function], opset_imports=opsets, ir_version=10)


def seeds() -> Iterator[bytes]:
    """The model above, often, and the small ones of onnx's own suite: every operator is there."""
    from onnx.backend.test.case.node import collect_testcases

    yield from [sample().SerializeToString()] * 300
    for case in collect_testcases(None):
        data = case.model.SerializeToString()
        if len(data) <= MOST:
            yield data


def read(data: bytes) -> ModuleOp:
    """The verified module of a model."""
    module = import_onnx(data)
    module.verify()
    return module


def changed(data: bytes, draw: random.Random) -> bytes:
    """A model with a few of its fields changed, or a few of its bytes."""
    kind = draw.random()
    if kind < 0.1:
        return changed_bytes(data, draw)
    model = ModelProto.FromString(data)
    for _ in range(how_many(draw)):
        _change(model, draw)
    try:
        result = model.SerializeToString()
    except ValueError:
        return changed_bytes(data, draw)
    # A field that comes twice: the second one counts, or is added to the first.
    return result + data[: draw.randrange(len(data))] if kind < 0.12 else result


def _change(model: ModelProto, draw: random.Random) -> None:
    places = [
        (message, field) for message in _messages(model) for field in message.DESCRIPTOR.fields
    ]
    used = [
        (m, f) for m, f in places if (getattr(m, f.name) if f.is_repeated else m.HasField(f.name))
    ]
    message, field = draw.choice(used if used and draw.random() < 0.85 else places)
    try:
        if field.is_repeated:
            _change_list(getattr(message, field.name), field, model, draw)
        elif field.message_type is not None:
            _change_message(message, field, model, draw)
        elif draw.random() < 0.1:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, _scalar(field, getattr(message, field.name), model, draw))
    except (ValueError, TypeError):
        # A number that the field has no room for.
        message.ClearField(field.name)


def _change_list(
    items: Any, field: FieldDescriptor, model: ModelProto, draw: random.Random
) -> None:
    at = draw.randrange(len(items) or 1)
    is_message = field.message_type is not None
    match draw.randrange(4):
        case 0 if items:
            del items[at]
        case 1 if items:
            items.append(items[at])
        case 2 if len(items) > 1:
            other = draw.randrange(len(items))
            rows = list(items)
            rows[at], rows[other] = rows[other], rows[at]
            del items[:]
            items.extend(rows)
        case _ if is_message:
            same = [m for m in _messages(model) if m.DESCRIPTOR is field.message_type]
            if same and draw.random() < 0.8:
                # A copy: appending a message to a list within itself would not end.
                chosen = draw.choice(same)
                items.add().MergeFromString(chosen.SerializeToString())
            else:
                items.add()
        case _ if items:
            items[at] = _scalar(field, items[at], model, draw)
        case _:
            items.append(_scalar(field, field.default_value or _zero(field), model, draw))


def _change_message(
    message: Any, field: FieldDescriptor, model: ModelProto, draw: random.Random
) -> None:
    same = [m for m in _messages(model) if m.DESCRIPTOR is field.message_type]
    if not same or draw.random() < 0.3:
        message.ClearField(field.name)
        return
    data = draw.choice(same).SerializeToString()
    target = getattr(message, field.name)
    target.SetInParent()
    if draw.random() < 0.5:
        target.Clear()
    target.MergeFromString(data)


def _zero(field: FieldDescriptor) -> Any:
    kinds = {
        FieldDescriptor.CPPTYPE_STRING: b"" if field.type == FieldDescriptor.TYPE_BYTES else ""
    }
    return kinds.get(field.cpp_type, 0)


def _scalar(field: FieldDescriptor, old: Any, model: ModelProto, draw: random.Random) -> Any:
    """Another value for a field: an extreme one, or one that stands elsewhere in the model."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return draw.choice(REALS)
        case FieldDescriptor.CPPTYPE_ENUM:
            return draw.choice(field.enum_type.values).number
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return changed_bytes(old, draw) if draw.random() < 0.8 else draw.choice(TEXTS).encode()
        case FieldDescriptor.CPPTYPE_STRING if field.name == "op_type":
            return draw.choice(_operators())
        case FieldDescriptor.CPPTYPE_STRING:
            return draw.choice((*_texts(model), *TEXTS))
        case FieldDescriptor.CPPTYPE_INT32:
            return draw.choice((*range(30), 2**31 - 1, -1))
        case _:
            return draw.choice((changed_number(old, draw), draw.randrange(-5, 30)))


@cache
def _operators() -> tuple[str, ...]:
    return tuple(sorted({op for _, op in rules()}))


def _texts(model: ModelProto) -> list[str]:
    return [
        text
        for node in model.graph.node
        for text in (*node.input, *node.output, node.domain, *(a.name for a in node.attribute))
    ]


def _messages(message: Any) -> list[Any]:
    """A message and all that are in it."""
    found, waiting = [], [message]
    while waiting:
        here = waiting.pop()
        found.append(here)
        for field, value in here.ListFields():
            if field.message_type is not None:
                waiting += list(value) if field.is_repeated else [value]
    return found


ONNX = Format("onnx", seeds, changed, read, 180)
