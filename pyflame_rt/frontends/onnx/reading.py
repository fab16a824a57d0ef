"""ModelProto to `Model`: every string, count and reference between parts is checked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from onnx.onnx_ml_pb2 import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TypeProto,
    ValueInfoProto,
)

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx.model import (
    Dim,
    Function,
    Graph,
    Initializer,
    Model,
    Node,
    ValueInfo,
)
from pyflame_rt.frontends.onnx.tensors import MAX_RANK
from pyflame_rt.frontends.onnx.text import name as checked_name
from pyflame_rt.frontends.onnx.text import text
from pyflame_rt.frontends.quoting import quoted

_MAX_DIM = 2**63


def read(proto: ModelProto, file: str) -> Model:
    """The model in a parsed message; raises InvalidModelError naming what is wrong."""
    if not proto.HasField("graph"):
        raise InvalidModelError(
            "not an ONNX model: there is no graph in it",
            where=file,
            hint="the file may be damaged, incomplete or of another format",
        )
    if proto.ir_version < 1:
        raise InvalidModelError("the model has no IR version", where=file)
    opsets = _opsets(proto.opset_import, file)
    if "" not in opsets and proto.ir_version < 3:
        opsets[""] = 1
    metadata = {
        text(entry.key, "a metadata key", file): text(entry.value, "a metadata value", file)
        for entry in proto.metadata_props
    }
    functions: dict[tuple[str, str, str], Function] = {}
    for function in proto.functions:
        key, value = _function(function, opsets, file)
        if key in functions:
            raise InvalidModelError(f"function {quoted(value.name)} is defined twice", where=file)
        functions[key] = value
    return Model(
        file=file,
        graph=_Reader(file, opsets).graph(proto.graph),
        functions=functions,
        opset_import=opsets,
        ir_version=proto.ir_version,
        producer_name=text(proto.producer_name, "the producer's name", file),
        producer_version=text(proto.producer_version, "the producer's version", file),
        domain=text(proto.domain, "the model's domain", file),
        version=proto.model_version,
        description=text(proto.doc_string, "the model's description", file),
        metadata=metadata,
    )


def _opsets(entries: Iterable[OperatorSetIdProto], file: str) -> dict[str, int]:
    opsets: dict[str, int] = {}
    for entry in entries:
        domain = _domain(entry.domain, file)
        if opsets.setdefault(domain, entry.version) != entry.version:
            raise InvalidModelError(
                f"two versions of operator set {quoted(domain or 'ai.onnx')} are imported",
                where=file,
            )
    return opsets


def _domain(value: object, file: str) -> str:
    domain = checked_name(value, "a domain", file)
    return "" if domain == "ai.onnx" else domain


def _function(
    proto: FunctionProto, model_opsets: Mapping[str, int], file: str
) -> tuple[tuple[str, str, str], Function]:
    function = checked_name(proto.name, "a function's name", file)
    where = f"{file}: function {quoted(function)}"
    opsets = {**model_opsets, **_opsets(proto.opset_import, where)}
    reader = _Reader(where, opsets)
    defaults = reader.attributes(proto.attribute_proto, where)
    required = [checked_name(a, "an attribute's name", where) for a in proto.attribute]
    key = (
        _domain(proto.domain, where),
        function,
        checked_name(proto.overload, "an overload", where),
    )
    return key, Function(
        name=function,
        inputs=tuple(checked_name(i, "an input's name", where) for i in proto.input),
        outputs=tuple(checked_name(o, "an output's name", where) for o in proto.output),
        attributes=frozenset(required) | frozenset(defaults),
        defaults=defaults,
        nodes=reader.nodes(proto.node),
    )


@dataclass(frozen=True)
class _Reader:
    """Reads graphs whose nodes belong to the given operator sets."""

    where: str
    opsets: Mapping[str, int]

    def graph(self, proto: GraphProto) -> Graph:
        return Graph(
            name=checked_name(proto.name, "the graph's name", self.where),
            inputs=self._values(proto.input, "input"),
            outputs=self._values(proto.output, "output"),
            initializers=self._initializers(proto),
            nodes=self.nodes(proto.node),
            description=text(proto.doc_string, "the graph's description", self.where),
        )

    def nodes(self, protos: Iterable[NodeProto]) -> tuple[Node, ...]:
        return tuple(self._node(index, proto) for index, proto in enumerate(protos, start=1))

    def _node(self, index: int, proto: NodeProto) -> Node:
        where = f"{self.where}: node {index}"
        op_type = checked_name(proto.op_type, "the operator", where)
        if not op_type:
            raise InvalidModelError("has no operator", where=where)
        attributes = self.attributes(proto.attribute, where)
        domain = _domain(proto.domain, where)
        return Node(
            index=index,
            op_type=op_type,
            domain=domain,
            overload=checked_name(proto.overload, "the overload", where),
            name=checked_name(proto.name, "the node's name", where),
            inputs=tuple(checked_name(i, "an input's name", where) for i in proto.input),
            outputs=tuple(checked_name(o, "an output's name", where) for o in proto.output),
            attributes=attributes,
            graphs={
                label: self.graph(attribute.g)
                for label, attribute in attributes.items()
                if attribute.type == AttributeProto.GRAPH and not attribute.ref_attr_name
            },
            opset=max(0, self.opsets.get(domain, 0)),
        )

    def attributes(self, protos: Iterable[AttributeProto], where: str) -> dict[str, AttributeProto]:
        attributes: dict[str, AttributeProto] = {}
        for proto in protos:
            label = checked_name(proto.name, "an attribute's name", where)
            checked_name(proto.ref_attr_name, "an attribute's reference", where)
            if label in attributes:
                raise InvalidModelError(f"attribute {quoted(label)} is given twice", where=where)
            attributes[label] = proto
        return attributes

    def _initializers(self, proto: GraphProto) -> dict[str, Initializer]:
        initializers: dict[str, Initializer] = {}
        named: list[tuple[object, Initializer]] = [(t.name, t) for t in proto.initializer]
        named += [(t.values.name, t) for t in proto.sparse_initializer]
        for raw_name, tensor in named:
            label = checked_name(raw_name, "an initializer's name", self.where)
            if not label:
                raise InvalidModelError("an initializer has no name", where=self.where)
            if label in initializers:
                raise InvalidModelError(
                    f"initializer {quoted(label)} is defined twice", where=self.where
                )
            initializers[label] = tensor
        return initializers

    def _values(self, protos: Iterable[ValueInfoProto], what: str) -> tuple[ValueInfo, ...]:
        values: dict[str, ValueInfo] = {}
        for proto in protos:
            label = checked_name(proto.name, f"an {what}'s name", self.where)
            if not label:
                raise InvalidModelError(f"an {what} has no name", where=self.where)
            if label in values:
                raise InvalidModelError(
                    f"{what} {quoted(label)} is declared twice", where=self.where
                )
            values[label] = value_info(label, proto.type, self.where)
        return tuple(values.values())


def value_info(label: str, proto: TypeProto, where: str) -> ValueInfo:
    """The declaration of a value in a type's message, which may be nested."""
    kind = proto.WhichOneof("value")
    match kind:
        case "tensor_type":
            return _tensor_info(label, proto, where)
        case "sequence_type":
            return ValueInfo(
                label, "sequence", item=value_info(label, proto.sequence_type.elem_type, where)
            )
        case "optional_type":
            return ValueInfo(
                label, "optional", item=value_info(label, proto.optional_type.elem_type, where)
            )
        case "map_type":
            item = value_info(label, proto.map_type.value_type, where)
            return ValueInfo(label, "map", proto.map_type.key_type, item=item)
        case _:
            return ValueInfo(label, "" if kind is None else kind.removesuffix("_type"))


def _tensor_info(label: str, proto: TypeProto, file: str) -> ValueInfo:
    tensor = proto.tensor_type
    if not tensor.HasField("shape"):
        return ValueInfo(label, "tensor", tensor.elem_type)
    where = f"{file}: value {quoted(label)}"
    dims = cast("list[Any]", tensor.shape.dim)
    if len(dims) > MAX_RANK:
        raise InvalidModelError(f"has {len(dims)} dimensions, at most {MAX_RANK}", where=where)
    return ValueInfo(label, "tensor", tensor.elem_type, tuple(_dim(dim, where) for dim in dims))


def _dim(proto: Any, where: str) -> Dim:
    match proto.WhichOneof("value"):
        case "dim_value":
            size = int(proto.dim_value)
            # Exporters write -1 for what they do not know.
            if not -1 <= size < _MAX_DIM:
                raise InvalidModelError(f"has a dimension of {size}", where=where)
            return None if size == -1 else size
        case "dim_param":
            return checked_name(proto.dim_param, "a dimension's name", where) or None
        case _:
            return None
