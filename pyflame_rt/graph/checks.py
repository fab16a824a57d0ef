"""What is wrong with how the nodes of a graph are connected, and the order they can run in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush

from pyflame_rt.errors import ValidationError
from pyflame_rt.graph.node import Node


def problems(
    inputs: Sequence[str],
    initializers: Iterable[str],
    nodes: Sequence[Node],
    outputs: Sequence[str],
) -> list[str]:
    """What is wrong, one sentence each: names defined twice or not at all, circles, no outputs."""
    owner: dict[str, str] = {}
    found: list[str] = []
    for name, what in _definitions(inputs, initializers, nodes):
        if name in owner:
            found.append(f'"{name}" is defined twice: by {owner[name]} and by {what}')
        owner.setdefault(name, what)
    for node in nodes:
        found += [
            f'{_label(node)} reads "{name}", which nothing defines'
            for name in dict.fromkeys(node.inputs)
            if name and name not in owner
        ]
    found += [f'output "{name}" is defined by nothing' for name in outputs if name not in owner]
    if not outputs:
        found.append("there are no outputs")
    try:
        ordered(nodes)
    except ValidationError as error:
        found.append(error.message)
    return found


def ordered(nodes: Sequence[Node]) -> list[Node]:
    """The nodes with each after those whose outputs it reads, else in the order they are in.

    Raises ValidationError when some feed each other in a circle.
    """
    producer = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    sources = [{producer[n] for n in node.inputs if n in producer} for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for index, before in enumerate(sources):
        for source in before:
            readers[source].append(index)
    waiting = [len(before) for before in sources]
    ready = [index for index, count in enumerate(waiting) if not count]
    heapify(ready)
    order: list[int] = []
    while ready:
        order.append(index := heappop(ready))
        for reader in readers[index]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, reader)
    if len(order) < len(nodes):
        stuck = [_label(node) for node, count in zip(nodes, waiting, strict=True) if count]
        raise ValidationError(f"a circle keeps {', '.join(stuck[:4])} from being computed")
    return [nodes[index] for index in order]


def _definitions(
    inputs: Sequence[str], initializers: Iterable[str], nodes: Sequence[Node]
) -> Iterator[tuple[str, str]]:
    """Every definition of a value: its name, and what defines it."""
    yield from ((name, "an input") for name in inputs)
    yield from ((name, "an initializer") for name in initializers)
    for node in nodes:
        yield from ((name, _label(node)) for name in node.outputs if name)


def _label(node: Node) -> str:
    return f'node "{node.name}" ({node.op_type})' if node.name else f"a node ({node.op_type})"
