"""Why a model does not load, in ONNX Runtime's words where it has some.

The model is looked at again, part by part in ONNX Runtime's order, when loading has failed; our own
error, which says more, becomes a note.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from pyflame_rt import dtypes
from pyflame_rt.errors import (
    InvalidModelError,
    ModelNotFoundError,
    PyFlameRTError,
    UnsupportedFormatError,
)
from pyflame_rt.frontends.onnx.loading import load
from pyflame_rt.frontends.onnx.model import Graph, Model, Node, ValueInfo
from pyflame_rt.frontends.onnx.ops import rule_for
from pyflame_rt.ort.errors import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    Status,
    with_status,
)

Finding: TypeAlias = tuple[type[Status], str]

_NO_MODEL = "not an ONNX model"
_NO_GRAPH = f"{_NO_MODEL}: there is no graph"
_STRING = 8


def load_error(source: object, error: PyFlameRTError) -> PyFlameRTError:
    """The error to raise when reading a model from `source` has failed with `error`."""
    if isinstance(source, str | os.PathLike):
        path = os.fspath(cast("str | os.PathLike[str]", source))
        status, text = _of_file(path, error)
        return with_status(error, status, text)
    if isinstance(source, bytes):
        status, text = _of_contents(source, error)
        if status is InvalidProtobuf:
            text = "Failed to load model because protobuf parsing failed."
        return with_status(error, status, text)
    return with_status(error)


def _of_file(path: str, error: PyFlameRTError) -> tuple[type[Status] | None, str | None]:
    if isinstance(error, ModelNotFoundError | UnsupportedFormatError) and not os.path.exists(path):
        return NoSuchFile, (
            f"Load model from {path} failed:Load model {path} failed. File doesn't exist"
        )
    if os.path.isdir(path):
        return InvalidProtobuf, f"Load model from {path} failed:Protobuf parsing failed."
    if Path(path).suffix.lower() != ".onnx":
        return None, None
    status, text = _of_contents(path, error)
    return status, None if text is None else f"Load model from {path} failed:{text}"


def _of_contents(
    source: str | bytes, error: PyFlameRTError
) -> tuple[type[Status] | None, str | None]:
    try:
        model = load(source).model
    except PyFlameRTError as found:
        if found.message.startswith(_NO_GRAPH):
            return InvalidArgument, "No graph was found in the protobuf."
        if found.message.startswith(_NO_MODEL):
            return InvalidProtobuf, "Protobuf parsing failed."
        return _status_of(error), None
    return next(_findings(model), (_status_of(error), None))


def _status_of(error: PyFlameRTError) -> type[Status] | None:
    return Fail if type(error) is InvalidModelError else None


def _findings(model: Model) -> Iterator[Finding]:
    """What ONNX Runtime would complain about, first things first."""
    if not model.opset_import:
        yield (
            Fail,
            "Missing opset in the model. All ModelProtos MUST have at least one entry that "
            "specifies which version of the ONNX OperatorSet is being imported.",
        )
    yield from _names(model.graph)
    types = _types(model)
    for node in model.graph.nodes:
        if (node.domain, node.op_type, node.overload) not in model.functions:
            yield from _of_node(node, types)


def _names(graph: Graph) -> Iterator[Finding]:
    known = {value.name for value in graph.inputs} | set(graph.initializers)
    for node in graph.nodes:
        for name in filter(None, node.outputs):
            if name in known:
                yield (
                    Fail,
                    f"This is an invalid model. Error: Duplicate definition of name ({name}).",
                )
            known.add(name)
    for output in graph.outputs:
        if output.name not in known:
            yield (
                Fail,
                f"This is an invalid model. Graph output ({output.name}) does not exist in the "
                "graph.",
            )
    for node in graph.nodes:
        for name in node.uses:
            if name not in known:
                yield (
                    InvalidArgument,
                    f"Invalid model. Node input '{name}' is not a graph input, initializer, or "
                    "output of a previous node.",
                )
    if _has_cycle(graph):
        yield Fail, "This is an invalid model. Error: the graph is not acyclic."


def _has_cycle(graph: Graph) -> bool:
    made = {value.name for value in graph.inputs} | set(graph.initializers)
    waiting = list(graph.nodes)
    while waiting:
        left = [node for node in waiting if not node.uses <= made]
        if len(left) == len(waiting):
            return True
        for node in waiting:
            if node.uses <= made:
                made.update(node.outputs)
        waiting = left
    return False


def _of_node(node: Node, types: Mapping[str, str]) -> Iterator[Finding]:
    rule, schema = rule_for(node), _schema(node)
    known = rule.build is not None or rule.constant is not None
    if schema is None and not known:
        if not node.opset:
            yield InvalidGraph, _in_node(node, types, f"No opset import for domain '{node.domain}'")
        elif node.domain:
            operator = f"{node.domain}:{node.op_type}(-1)"
            yield Fail, f"Fatal error: {operator} is not a registered function/op"
        else:
            why = f"No Op registered for {node.op_type} with domain_version of {node.opset}"
            yield InvalidGraph, _in_node(node, types, why)
    if schema is None:
        return
    for name in node.attributes:
        if name not in schema.attributes:
            why = f"Unrecognized attribute: {name} for operator {node.op_type}"
            yield InvalidGraph, _in_node(node, types, why)
    least, most = schema.min_input, schema.max_input
    if not least <= len(node.inputs) <= most:
        why = (
            f"Node({node.name}) with schema({node.domain}::{node.op_type}:{schema.since_version}) "
            f"has input size {len(node.inputs)} not in range [min={least}, max={most}]."
        )
        yield InvalidGraph, _in_node(node, types, why)
    for parameter, (first, second) in _conflicts(node, schema, types):
        yield (
            Fail,
            f"Type Error: Type parameter ({parameter}) of Optype ({node.op_type}) bound to "
            f"different types ({first} and {second} in node ({node.name}).",
        )


def _in_node(node: Node, types: Mapping[str, str], why: str) -> str:
    def shown(names: tuple[str, ...]) -> str:
        typed = (f'"{n}": {types[n]}' if n in types else f'"{n}"' for n in names)
        return "".join(f"{text}," for text in typed)

    return (
        f'This is an invalid model. In Node, ("{node.name}", {node.op_type}, "{node.domain}", -1) '
        f": ({shown(node.inputs)}) -> ({shown(node.outputs)}) , Error {why}"
    )


def _schema(node: Node) -> Any | None:
    from onnx import defs

    try:
        return defs.get_schema(node.op_type, node.opset, node.domain)
    except (defs.SchemaError, TypeError, ValueError):
        return None


def _parameters(node: Node, schema: Any) -> Iterator[tuple[str, str]]:
    """The type parameter, or type, of each input of a node."""
    formal = schema.inputs
    for index, name in enumerate(node.inputs):
        if formal and name:
            parameter = formal[min(index, len(formal) - 1)]
            if parameter.is_homogeneous:
                yield parameter.type_str, name


def _conflicts(
    node: Node, schema: Any, types: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    bound: dict[str, str] = {}
    for parameter, name in _parameters(node, schema):
        if "(" in parameter or name not in types:
            continue
        first = bound.setdefault(parameter, types[name])
        if first != types[name]:
            yield parameter, (first, types[name])


def _types(model: Model) -> dict[str, str]:
    """The types of values as far as they are declared, or follow from an operator's schema."""
    graph = model.graph
    types = {v.name: text for v in (*graph.inputs, *graph.outputs) if (text := _type_text(v))}
    for name, tensor in graph.initializers.items():
        types.setdefault(name, f"tensor({_element(getattr(tensor, 'data_type', 0))})")
    for node in graph.nodes:
        schema = _schema(node)
        if schema is None:
            continue
        bound = {p: types[n] for p, n in _parameters(node, schema) if n in types}
        for formal, name in zip(schema.outputs, node.outputs, strict=False):
            kind = formal.type_str if "(" in formal.type_str else bound.get(formal.type_str)
            if name and kind is not None:
                types.setdefault(name, kind)
    return types


def _type_text(value: ValueInfo) -> str:
    if value.kind == "tensor" and value.element:
        return f"tensor({_element(value.element)})"
    if value.kind in ("sequence", "optional") and value.item is not None:
        return f"{value.kind.replace('sequence', 'seq')}({_type_text(value.item)})"
    return ""


def _element(code: int) -> str:
    if code == _STRING:
        return "string"
    row = dtypes.by_onnx().get(code)
    return "undefined" if row is None else row.onnx_name
