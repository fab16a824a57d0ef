"""Graphs that were built by hand in ONNX's terms, and ONNX's models as such graphs.

Weights never go through protobuf's messages: a message only declares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy.typing as npt
import onnx
import onnx.defs
from onnx import helper, numpy_helper

from pyflame_rt import dtypes
from pyflame_rt.compiler import Dim, TensorSpec
from pyflame_rt.dialects.custom import registry
from pyflame_rt.dialects.pfrt.types import STRING
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph.node import AttributeValue, Node

Array: TypeAlias = npt.NDArray[Any]

OPSET = 21
"""The version of ai.onnx that hand-built graphs speak."""


def message(
    name: str,
    nodes: Sequence[Node],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    initializers: Mapping[str, Array],
    opsets: Mapping[str, int],
) -> onnx.ModelProto:
    """The model of a graph, whose initializers have type and shape but no data.

    `opsets` are the versions of domains, where they are not the newest that is registered.
    Raises ValidationError for attributes that cannot be said, and for names that are no UTF-8 text.
    """
    try:
        return _message(name, nodes, inputs, outputs, initializers, opsets)
    except UnicodeEncodeError as error:
        why = f"{error.object[:64]!a} is no text in UTF-8"
        raise ValidationError(why, where=f"{name[:64]!a}"[1:-1]) from error


def _message(
    name: str,
    nodes: Sequence[Node],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    initializers: Mapping[str, Array],
    opsets: Mapping[str, int],
) -> onnx.ModelProto:
    protos = [_node_message(node) for node in nodes]
    graph = helper.make_graph(
        protos,
        name,
        [_value_message(spec) for spec in inputs],
        [_value_message(spec) for spec in outputs],
    )
    for label, array in initializers.items():
        graph.initializer.add(name=label, data_type=_code(array), dims=array.shape)
    versions = {"": OPSET, **{proto.domain: 1 for proto in protos if proto.domain}}
    for schema in (definition.schema for definition in registry.definitions()):
        if schema.domain in versions and schema.domain:
            versions[schema.domain] = max(versions[schema.domain], schema.version)
    domains = {**versions, **opsets}
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(d, v) for d, v in domains.items()]
    )


def spec_of_message(value: onnx.ValueInfoProto) -> TensorSpec:
    """A tensor that a model declares. Raises ValidationError for what is none."""
    kind = value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type":
        raise ValidationError("is no tensor, which a Graph has only", where=f'"{value.name}"')
    is_text = kind.elem_type == onnx.TensorProto.STRING
    dtype = STRING if is_text else dtypes.by_onnx()[kind.elem_type].numpy
    dims = [_dim(dim) for dim in kind.shape.dim] if kind.HasField("shape") else None
    return TensorSpec(value.name, dtype, None if dims is None else tuple(dims))


def node_of_message(proto: onnx.NodeProto) -> Node:
    """A node of a model. Raises ValidationError for one with a subgraph."""
    op_type = f"{proto.domain}::{proto.op_type}" if proto.domain else proto.op_type
    attributes: dict[str, AttributeValue] = {}
    for attribute in proto.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise ValidationError(f"{op_type} has a subgraph, which a Graph cannot say")
        attributes[attribute.name] = _attribute_value(attribute)
    return Node(op_type, proto.name, tuple(proto.input), tuple(proto.output), attributes)


def _operator(op_type: str) -> tuple[str, str]:
    """Domain and name of an operator type: `custom::MyGELU`, or the name of a custom operator."""
    domain, separator, name = op_type.rpartition("::")
    if separator:
        return domain, name
    owners = [d.schema.domain for d in registry.definitions() if d.schema.name == op_type]
    is_custom = len(owners) == 1 and not onnx.defs.has(op_type)
    return (owners[0] if is_custom else ""), op_type


def _node_message(node: Node) -> onnx.NodeProto:
    domain, name = _operator(node.op_type)
    proto = helper.make_node(name, node.inputs, node.outputs, node.name, domain=domain)
    for name, value in node.attributes.items():
        try:
            proto.attribute.append(helper.make_attribute(name, value))
        except (TypeError, ValueError) as error:
            where = f'{node.op_type} "{node.name}", attribute "{name}"'
            raise ValidationError(str(error), where=where) from error
    return proto


def _value_message(spec: TensorSpec) -> onnx.ValueInfoProto:
    is_text = spec.dtype == STRING
    code = onnx.TensorProto.STRING if is_text else dtypes.by_numpy()[spec.dtype].onnx
    return helper.make_tensor_value_info(spec.name, code, spec.shape)


def _code(array: Array) -> int:
    row = dtypes.by_numpy().get(array.dtype)
    return onnx.TensorProto.STRING if row is None else row.onnx


def _dim(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    return dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None


def _attribute_value(attribute: onnx.AttributeProto) -> AttributeValue:
    value: Any = helper.get_attribute_value(attribute)
    match value:
        case bytes():
            return value.decode()
        case onnx.TensorProto():
            return numpy_helper.to_array(value)
        case int() | float():
            return value
        case _:
            items = [item.decode() if isinstance(item, bytes) else item for item in value]
            return cast(AttributeValue, items)
