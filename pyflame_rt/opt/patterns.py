"""Finding patterns of nodes in a Graph: which operators, which of whose outputs feeds which input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph, Node


@dataclass(frozen=True)
class PatternNode:
    """A place in a pattern: the operator that stands there (None: any), and a name for it."""

    op_type: str | None
    name: str

    @staticmethod
    def op(op_type: str, name: str) -> PatternNode:
        """A node of this operator type, such as `MatMul`."""
        return PatternNode(op_type, name)

    @staticmethod
    def any(name: str) -> PatternNode:
        """A node of any operator type."""
        return PatternNode(None, name)


@dataclass(frozen=True)
class PatternEdge:
    """Output `output` of one node is an input of another: number `input`, or any for None."""

    source: str
    target: str
    input: int | None = None
    output: int = 0

    @staticmethod
    def output_to_input(source: str, target: str, input: int | None = None) -> PatternEdge:
        """The first output of `source` is input number `input` of `target`."""
        return PatternEdge(source, target, input)


class Pattern:
    """Nodes and edges, and the root: the node whose output the whole computes."""

    def __init__(self) -> None:
        self.nodes: dict[str, PatternNode] = {}
        self.edges: list[PatternEdge] = []
        self.root: str | None = None

    def add_node(self, node: PatternNode) -> None:
        """Add a node. Raises ValidationError when there is one of its name."""
        if node.name in self.nodes:
            raise ValidationError(f'there is a node "{node.name}" already', where="Pattern")
        self.nodes[node.name] = node

    def add_edge(self, edge: PatternEdge) -> None:
        """Add an edge between nodes that were added. Raises ValidationError."""
        for name in (edge.source, edge.target):
            self._require(name)
        self.edges.append(edge)

    def set_root(self, name: str) -> None:
        """Say which node the others feed, in the end. Raises ValidationError."""
        self._require(name)
        self.root = name

    def ordered_edges(self) -> list[PatternEdge]:
        """The edges from the root backwards, each leading to a node already reached.

        Raises ValidationError when there is no root, or a node that it cannot be reached from.
        """
        if self.root is None:
            raise ValidationError("it has no root", where="Pattern", hint="call set_root")
        reached, ordered, pending = {self.root}, list[PatternEdge](), list(self.edges)
        while ready := [edge for edge in pending if edge.target in reached]:
            ordered += ready
            reached.update(edge.source for edge in ready)
            pending = [edge for edge in pending if edge.target not in reached]
        if lost := [name for name in self.nodes if name not in reached]:
            raise ValidationError(
                f'node "{lost[0]}" does not feed the root "{self.root}"', where="Pattern"
            )
        return ordered

    def _require(self, name: str) -> None:
        if name not in self.nodes:
            known = ", ".join(self.nodes) or "none"
            raise ValidationError(
                f'there is no node "{name}"', where="Pattern", hint=f"its nodes are {known}"
            )


@dataclass(frozen=True)
class Match:
    """Where a pattern occurs: a node of the graph for each of its nodes."""

    nodes: Mapping[str, Node]
    _uses: Mapping[str, int]

    def get_node(self, name: str) -> Node:
        """The graph's node for a node of the pattern. Raises ValidationError."""
        if name not in self.nodes:
            raise ValidationError(f'the pattern has no node "{name}"', where="Match")
        return self.nodes[name]

    def is_single_consumer(self, name: str) -> bool:
        """Whether what a node computes is used exactly once, and is no output of the graph: only
        then may another node take it in."""
        node = self.get_node(name)
        return sum(self._uses.get(output, 0) for output in node.outputs if output) == 1


class PatternMatcher:
    """Finds patterns in graphs."""

    def find_all(self, graph: Graph, pattern: Pattern) -> tuple[Match, ...]:
        """Every occurrence, in the order of the roots; occurrences may share nodes.

        Raises ValidationError for a pattern without a root or with loose nodes.
        """
        edges = pattern.ordered_edges()
        producers = {name: node for node in graph.nodes for name in node.outputs if name}
        uses = _uses(graph)
        found: list[Match] = []
        for node in graph.nodes:
            start = {str(pattern.root): node}
            if _fits(pattern.nodes[str(pattern.root)], node):
                found += [Match(m, uses) for m in _extended(start, edges, pattern, producers)]
        return tuple(found)


def _extended(
    bound: Mapping[str, Node],
    edges: Sequence[PatternEdge],
    pattern: Pattern,
    producers: Mapping[str, Node],
) -> list[Mapping[str, Node]]:
    """All ways to follow the edges from the nodes that are bound."""
    if not edges:
        return [bound]
    edge, rest = edges[0], edges[1:]
    target = bound[edge.target]
    indices = range(len(target.inputs)) if edge.input is None else (edge.input,)
    found: list[Mapping[str, Node]] = []
    for index in indices:
        value = target.inputs[index] if index < len(target.inputs) else ""
        source = producers.get(value)
        if source is None or not _fits(pattern.nodes[edge.source], source):
            continue
        is_output = len(source.outputs) > edge.output and source.outputs[edge.output] == value
        if is_output and bound.get(edge.source, source) is source:
            found += _extended({**bound, edge.source: source}, rest, pattern, producers)
    return found


def _fits(place: PatternNode, node: Node) -> bool:
    return place.op_type in (None, node.op_type)


def _uses(graph: Graph) -> dict[str, int]:
    """How often each value is used; being an output of the graph counts as two uses."""
    counts: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            counts[name] = counts.get(name, 0) + 1
    for spec in graph.outputs:
        counts[spec.name] = counts.get(spec.name, 0) + 2
    return counts
