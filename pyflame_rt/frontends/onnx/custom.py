"""The rule for nodes of custom operators, which is their schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.custom.operation import to_attribute
from pyflame_rt.dialects.custom.registry import Definition, lookup
from pyflame_rt.dialects.custom.schema import AttributeKind, AttributeSpec
from pyflame_rt.dialects.pfrt.base import OperandArg
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.model import Node
from pyflame_rt.frontends.onnx.rules import Rule


def custom_rule(node: Node) -> Rule | None:
    """The rule of a node whose domain and operator type are registered, else None."""
    definition = lookup(node.domain, node.op_type)
    if definition is None:
        return None
    schema = definition.schema
    # A model need not import the version of a domain that only its author knows.
    if node.opset and node.opset < schema.version:
        why = f"version {schema.version} is registered, which is newer"
        return Rule(node.op_type, 0, why=why, domain=node.domain)
    return Rule(node.op_type, schema.version, lambda b: _build(b, definition), domain=node.domain)


def _build(b: NodeBuilder, definition: Definition) -> Sequence[SSAValue]:
    schema = definition.schema
    operands: list[OperandArg] = []
    for index, spec in enumerate(schema.inputs):
        if spec.variadic:
            operands.append([b.operand(at) for at in range(index, len(b.node.inputs))])
        else:
            operands.append(b.optional(index) if spec.optional else b.operand(index))
    if not (schema.inputs and schema.inputs[-1].variadic):
        b.limit_inputs(len(schema.inputs))
    properties: dict[str, Attribute | None] = {}
    for name, spec in zip(definition.op.ATTRIBUTES, schema.attributes, strict=True):
        value = _READERS[spec.kind](b, spec.name)
        if value is None and spec.must_be_given:
            raise b.missing(spec.name)
        properties[name] = None if value is None else _attribute(b, spec, value)
    with b.verifying():
        op = definition.op.create_op(operands, properties, location=b.location)
    return b.append(op)


def _attribute(b: NodeBuilder, spec: AttributeSpec, value: object) -> Attribute:
    try:
        return to_attribute(spec, value)
    except ValueError as error:
        raise b.error(str(error)) from error


_READERS: dict[AttributeKind, Any] = {
    AttributeKind.INT: NodeBuilder.integer,
    AttributeKind.FLOAT: NodeBuilder.number,
    AttributeKind.STRING: NodeBuilder.text,
    AttributeKind.INTS: NodeBuilder.integers,
    AttributeKind.FLOATS: NodeBuilder.numbers,
    AttributeKind.STRINGS: NodeBuilder.texts,
}
