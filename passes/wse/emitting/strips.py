"""Strips of columns: a network that is a pipeline as one network for each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.interface import Network, Step, Transfer, Value
from pyflame_rt.passes.wse.emitting.transfer import Crossing


@dataclass(frozen=True)
class Strip:
    """Some steps on columns of their own, from column `left` of the program on.

    `network` has the strip's columns, values and steps alone, and no transfers.
    """

    network: Network
    left: int
    received: Crossing | None = None
    sent: Crossing | None = None

    @property
    def looped(self) -> bool:
        """Whether the steps are taken for several images."""
        return self.network.images > 1


def strips_of(network: Network) -> list[Strip]:
    """The strips, from the west; one when the network is no pipeline. Raises PassFailed."""
    edge = edge_of(network)
    if not network.strips:
        return [Strip(network, edge)]
    parts = _split(network.steps)
    if len(parts) != len(network.strips) or sum(network.strips) > network.columns:
        raise PassFailed(
            f"{len(parts)} parts of a pipeline have strips of {network.strips} columns",
            where=f"network {network.name!r}",
        )
    crossings = [
        Crossing(step.name, number, network.value(step.input), network.value(step.output))
        for number, step in enumerate(s for s in network.steps if isinstance(s, Transfer))
    ]
    found: list[Strip] = []
    left = edge
    known = {value.name: value for value in network.values}
    for number, (steps, width) in enumerate(zip(parts, network.strips, strict=True)):
        received = crossings[number - 1] if number else None
        sent = crossings[number] if number < len(crossings) else None
        names = _names(steps)
        if received is not None:
            names.add(received.target.name)
        if sent is not None:
            names.add(sent.source.name)
        own: tuple[Value, ...] = tuple(v for name, v in known.items() if name in names)
        made = {name for step in steps for name in names_of(step)[1]}
        here = replace(
            network, columns=width, values=own, steps=tuple(steps), strips=(), leaders=False,
            inputs=tuple(name for name in network.inputs if name in names),
            outputs=tuple(n for n in network.outputs if n in made or (n in network.inputs and n in names)),
        )  # fmt: skip
        found.append(Strip(here, left, received, sent))
        left += width
    for crossing in crossings:
        crossing.check()
    return found


def edge_of(network: Network) -> int:
    """Columns in front of the network's own."""
    return 1 if network.streamed else 0


def _split(steps: tuple[Step, ...]) -> list[list[Step]]:
    found: list[list[Step]] = [[]]
    for step in steps:
        if isinstance(step, Transfer):
            found.append([])
        else:
            found[-1].append(step)
    return found


def _names(steps: list[Step]) -> set[str]:
    return {name for step in steps for names in names_of(step) for name in names}


def names_of(step: Step) -> tuple[set[str], set[str]]:
    """The values that a step reads and writes."""
    from dataclasses import fields

    reads: set[str] = set()
    writes: set[str] = set()
    for entry in fields(step):
        value = getattr(step, entry.name)
        if entry.name in READ and value:
            reads.add(value)
        elif entry.name == "inputs":
            reads |= set(value)
        elif entry.name in ("output", "new_cell"):
            writes.add(value)
    return reads, writes


READ = ("input", "residual", "query", "key", "value", "gates", "cell")
"""Fields of steps that name one value which is read."""
