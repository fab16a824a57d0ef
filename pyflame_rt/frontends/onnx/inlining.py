"""Model-local functions: every call becomes the function's nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from onnx.onnx_ml_pb2 import AttributeProto

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx.model import Function, Graph, Model, Node, ValueInfo
from pyflame_rt.frontends.quoting import quoted

MAX_NODES = 250_000
"""Nodes after inlining; thirty functions that call each other twice make a billion."""
MAX_CALLS = 64
"""Calls inside each other."""
MAX_NAME = 512
"""Characters of a name made here; nested scopes would add up."""

Attributes = Mapping[str, AttributeProto]


def inline_functions(model: Model) -> Model:
    """The model without calls of its own functions: a function's operator is what its body says.

    Values of a body get the caller's name in front. Raises InvalidModelError for recursion, for
    calls that do not fit the function, and when the result would be huge.
    """
    if not model.functions:
        return model
    taken: dict[str, int] = {}
    _collect_names(model.graph, taken)
    graph = _Inliner(model, taken).graph(model.graph)
    return replace(model, graph=graph, functions={})


def _collect_names(graph: Graph, names: dict[str, int]) -> None:
    names.update((value.name, 1) for value in graph.inputs)
    names.update((name, 1) for name in graph.initializers)
    for node in graph.nodes:
        names.update((name, 1) for name in node.outputs)
        for inner in node.graphs.values():
            _collect_names(inner, names)


class _Inliner:
    def __init__(self, model: Model, taken: dict[str, int]):
        self._model = model
        self._taken = taken
        self._nodes = 0

    def graph(self, graph: Graph, calls: tuple[Function, ...] = ()) -> Graph:
        return replace(graph, nodes=self._expanded(graph.nodes, calls))

    def _expanded(self, nodes: Iterable[Node], calls: tuple[Function, ...]) -> tuple[Node, ...]:
        expanded: list[Node] = []
        for node in nodes:
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise InvalidModelError(
                    f"more than {MAX_NODES:,} nodes after inlining functions",
                    where=self._model.file,
                )
            function = self._model.functions.get((node.domain, node.op_type, node.overload))
            if function is not None:
                expanded += self._called(node, function, calls)
            elif node.graphs:
                graphs = {key: self.graph(graph, calls) for key, graph in node.graphs.items()}
                expanded.append(replace(node, graphs=graphs))
            else:
                expanded.append(node)
        return tuple(expanded)

    def _called(
        self, call: Node, function: Function, calls: tuple[Function, ...]
    ) -> tuple[Node, ...]:
        where = call.where(self._model.file)
        if any(function is caller for caller in calls):
            raise InvalidModelError(f"function {quoted(function.name)} calls itself", where=where)
        if len(calls) >= MAX_CALLS:
            raise InvalidModelError(f"more than {MAX_CALLS} calls inside each other", where=where)
        for what, given, formal in (
            ("inputs", call.inputs, function.inputs),
            ("outputs", call.outputs, function.outputs),
        ):
            if len(given) > len(formal):
                raise InvalidModelError(
                    f"{len(given)} {what}, but function {quoted(function.name)} has {len(formal)}",
                    where=where,
                )
        if unknown := sorted(call.attributes.keys() - function.attributes):
            raise InvalidModelError(
                f"function {quoted(function.name)} has no attribute {quoted(unknown[0])}",
                where=where,
            )
        body = _Body(call, function, self._taken)
        return self._expanded(body.nodes(), (*calls, function))


class _Body:
    """One copy of a function's body, with fresh names and the call's attributes."""

    def __init__(self, call: Node, function: Function, taken: dict[str, int]):
        self._call = call
        self._function = function
        self._taken = taken
        self._scope = f"{call.label}/"[-MAX_NAME:]
        self._attributes: Attributes = {**function.defaults, **call.attributes}

    def nodes(self) -> tuple[Node, ...]:
        call, function = self._call, self._function
        given = (*call.inputs, *[""] * (len(function.inputs) - len(call.inputs)))
        names = dict(zip(function.inputs, given, strict=True))
        copies: list[Node] = []
        for formal, actual in zip(function.outputs, call.outputs, strict=False):
            if not actual:
                continue
            if formal in names:
                copies.append(self._copy(names[formal], actual))
            else:
                names[formal] = actual
        return (*self._renamed_nodes(function.nodes, names), *copies)

    def _copy(self, source: str, target: str) -> Node:
        """The node for an output that is an input, or another output."""
        return replace(
            self._call,
            op_type="Identity",
            domain="",
            overload="",
            inputs=(source,),
            outputs=(target,),
            attributes={},
            graphs={},
            opset=1,
        )

    def _renamed_nodes(self, nodes: Sequence[Node], outer: Mapping[str, str]) -> tuple[Node, ...]:
        names = dict(outer)
        for node in nodes:
            for output in node.outputs:
                if output and output not in names:
                    names[output] = self._fresh(output)
        return tuple(self._renamed(node, names) for node in nodes)

    def _renamed(self, node: Node, names: Mapping[str, str]) -> Node:
        attributes: dict[str, AttributeProto] = {}
        graphs = {key: self._renamed_graph(graph, names) for key, graph in node.graphs.items()}
        for key, attribute in node.attributes.items():
            reference = attribute.ref_attr_name
            if not reference:
                attributes[key] = attribute
            elif reference in self._attributes:
                attributes[key] = self._attributes[reference]
                if reference in self._call.graphs:
                    graphs[key] = self._call.graphs[reference]
        return replace(
            node,
            # Where a reader of the file finds it: at the call, under both names.
            index=self._call.index,
            name=node.name or f"{node.op_type}_{node.index}",
            scope=self._scope,
            inputs=tuple(names.get(name, name) for name in node.inputs),
            outputs=tuple(names.get(name, name) for name in node.outputs),
            attributes=attributes,
            graphs=graphs,
        )

    def _renamed_graph(self, graph: Graph, outer: Mapping[str, str]) -> Graph:
        names = dict(outer)
        for name in (*(value.name for value in graph.inputs), *graph.initializers):
            names[name] = self._fresh(name)
        for node in graph.nodes:
            names.update({output: self._fresh(output) for output in node.outputs if output})

        def renamed(values: Iterable[ValueInfo]) -> tuple[ValueInfo, ...]:
            return tuple(replace(v, name=names.get(v.name, v.name)) for v in values)

        return replace(
            graph,
            inputs=renamed(graph.inputs),
            outputs=renamed(graph.outputs),
            initializers={names[name]: tensor for name, tensor in graph.initializers.items()},
            nodes=tuple(self._renamed(node, names) for node in graph.nodes),
        )

    def _fresh(self, name: str) -> str:
        candidate = wanted = f"{self._scope}{name}"[-MAX_NAME:]
        while candidate in self._taken:
            self._taken[wanted] = number = self._taken.get(wanted, 1) + 1
            candidate = f"{wanted}.{number}"
        self._taken[candidate] = 1
        return candidate
