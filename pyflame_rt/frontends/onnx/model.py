"""An ONNX model as plain data: what the importer works on, every name checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from onnx.onnx_ml_pb2 import AttributeProto, SparseTensorProto, TensorProto

from pyflame_rt.frontends.quoting import quoted

Initializer: TypeAlias = TensorProto | SparseTensorProto
Dim: TypeAlias = int | str | None
"""A size, a symbolic name, or nothing known."""


@dataclass(frozen=True)
class ValueInfo:
    """A graph's input or output as declared.

    `kind` is "tensor", "sequence", "optional" or "map", "" for no type at all, or what there is
    nothing like. `element` is the code of `TensorProto.DataType` (of a map's keys), `shape` None
    when the rank is not declared, `item` what a container holds.
    """

    name: str
    kind: str
    element: int = 0
    shape: tuple[Dim, ...] | None = None
    item: ValueInfo | None = None


@dataclass(frozen=True)
class Node:
    """A node; `index` counts from 1 in the graph of the file that holds it.

    `opset` is the imported version of the node's domain, 0 when it is not imported. The default
    domain is "". Absent optional inputs and outputs are "". `scope` are the calls of model-local
    functions it was inlined through.
    """

    index: int
    op_type: str
    domain: str
    overload: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeProto]
    graphs: Mapping[str, Graph]
    opset: int
    scope: str = ""

    @property
    def label(self) -> str:
        """The node's name, or its type and position where it has none."""
        return self.scope + (self.name or f"{self.op_type}_{self.index}")

    @property
    def operator(self) -> str:
        """The operator with its domain, as error messages show it."""
        return f"{self.domain}::{self.op_type}" if self.domain else self.op_type

    def where(self, file: str) -> str:
        """The node's place for an error message."""
        return f"{file}: node {quoted(self.label)} ({quoted(self.operator)[1:-1]})"

    @cached_property
    def uses(self) -> frozenset[str]:
        """Every value it needs from the graph around it, also through its subgraphs."""
        names = set(self.inputs)
        for graph in self.graphs.values():
            names |= graph.free
        names.discard("")
        return frozenset(names)


@dataclass(frozen=True)
class Graph:
    """A graph: initializers by name, nodes in the file's order."""

    name: str
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    initializers: Mapping[str, Initializer]
    nodes: tuple[Node, ...]
    description: str = ""

    @cached_property
    def free(self) -> frozenset[str]:
        """Names that it uses and does not define."""
        defined = {value.name for value in self.inputs} | set(self.initializers)
        used = {value.name for value in self.outputs}
        for node in self.nodes:
            defined.update(node.outputs)
            used |= node.uses
        return frozenset(used - defined)

    def walk(self) -> Iterator[Node]:
        """Every node, also those of subgraphs."""
        for node in self.nodes:
            yield node
            for graph in node.graphs.values():
                yield from graph.walk()


@dataclass(frozen=True)
class Function:
    """A model-local function; `defaults` are its attributes' default values."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: frozenset[str]
    defaults: Mapping[str, AttributeProto]
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Model:
    """A model: its graph, with model-local functions by (domain, name, overload)."""

    file: str
    graph: Graph
    functions: Mapping[tuple[str, str, str], Function]
    opset_import: Mapping[str, int]
    ir_version: int
    producer_name: str = ""
    producer_version: str = ""
    domain: str = ""
    version: int = 0
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
