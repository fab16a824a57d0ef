"""Nodes in an order in which every value is defined before it is used."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx.model import Graph, Node
from pyflame_rt.frontends.quoting import quoted

_SHOWN = 5


def ordered(graph: Graph, file: str) -> Sequence[Node]:
    """The graph's nodes, in the file's order as far as it is an order.

    Names that the graph does not define are taken to come from outside.
    Raises InvalidModelError when two definitions share a name, or nodes form a cycle.
    """
    producers = _producers(graph, file)
    waiting = [0] * len(graph.nodes)
    users: list[list[int]] = [[] for _ in graph.nodes]
    for position, node in enumerate(graph.nodes):
        needed = {producers[name] for name in node.uses if name in producers}
        waiting[position] = len(needed)
        for producer in needed:
            users[producer].append(position)
    ready = [position for position, count in enumerate(waiting) if count == 0]
    order: list[Node] = []
    while ready:
        position = heapq.heappop(ready)
        order.append(graph.nodes[position])
        for user in users[position]:
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, user)
    if len(order) < len(graph.nodes):
        raise _cycle_error(graph.nodes, producers, waiting, file)
    return order


def _producers(graph: Graph, file: str) -> dict[str, int]:
    outside = {value.name for value in graph.inputs} | set(graph.initializers)
    producers: dict[str, int] = {}
    for position, node in enumerate(graph.nodes):
        for name in node.outputs:
            if not name:
                continue
            if name in outside or name in producers:
                raise InvalidModelError(
                    f"value {quoted(name)} is already defined", where=node.where(file)
                )
            producers[name] = position
    return producers


def _cycle_error(
    nodes: Sequence[Node], producers: Mapping[str, int], waiting: Sequence[int], file: str
) -> InvalidModelError:
    position = next(at for at, count in enumerate(waiting) if count)
    path: list[int] = []
    seen: dict[int, int] = {}
    # Every node left over waits for another one left over, so that walking on must come round.
    while position not in seen:
        seen[position] = len(path)
        path.append(position)
        needed = (producers[name] for name in nodes[position].uses if name in producers)
        position = min(at for at in needed if waiting[at])
    cycle = [quoted(nodes[at].label) for at in path[seen[position] :]]
    shown = ", ".join(cycle[:_SHOWN]) + (", …" if len(cycle) > _SHOWN else "")
    return InvalidModelError(f"{len(cycle)} nodes form a cycle: {shown}", where=file)
