"""The problem of placing the nodes of a graph on devices.

The load of a device is the time of its nodes on it, and the time that its link takes for each value
that comes in and each that goes out. A value crosses a device's link once in a direction, however
many nodes read it. What is minimised is the largest load: the time from one result to the next of
devices that all work at once.

In a pipeline devices stand in a row, a node's device never before those of what it reads. Otherwise
values may go back and forth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pyflame_rt.errors import ValidationError


@dataclass(frozen=True)
class Machine:
    """A device: how many times as fast it is as the one that costs are times of, its memory (None:
    no limit), and what its link takes for a value: `alpha + bytes * beta`."""

    speed: float = 1.0
    memory: int | None = None
    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True)
class Problem:
    """Nodes `0 … n-1` with costs and memory, edges between them, devices.

    `bytes` are those of each node's result. `together` are groups of nodes that share a device.
    """

    costs: tuple[float, ...]
    memory: tuple[int, ...]
    bytes: tuple[float, ...]
    edges: tuple[tuple[int, int], ...]
    machines: tuple[Machine, ...]
    is_pipeline: bool = True
    together: tuple[tuple[int, ...], ...] = ()

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        """The nodes that read each node's result."""
        rows: list[dict[int, None]] = [{} for _ in self.costs]
        for source, target in self.edges:
            rows[source][target] = None
        return tuple(tuple(row) for row in rows)

    @cached_property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """The nodes whose results each node reads."""
        rows: list[dict[int, None]] = [{} for _ in self.costs]
        for source, target in self.edges:
            rows[target][source] = None
        return tuple(tuple(row) for row in rows)

    @cached_property
    def is_uniform(self) -> bool:
        """Whether all devices are alike."""
        return len(set(self.machines)) <= 1

    def loads(self, places: Sequence[int]) -> list[float]:
        """The load of each device when node `v` is on device `places[v]`."""
        found = [0.0] * len(self.machines)
        for node, place in enumerate(places):
            machine = self.machines[place]
            found[place] += self.costs[node] / machine.speed
            away = {places[reader] for reader in self.readers[node]} - {place}
            if away:
                found[place] += machine.alpha + machine.beta * self.bytes[node]
            for other in away:
                found[other] += (
                    self.machines[other].alpha + self.machines[other].beta * self.bytes[node]
                )
        return found

    def bound(self) -> float:
        """A load that some device has at the least: all nodes shared out evenly, or the largest."""
        speeds = [machine.speed for machine in self.machines]
        evenly = sum(self.costs) / sum(speeds)
        return max(evenly, max(self.costs, default=0.0) / max(speeds))

    def why_not(self, places: Sequence[int]) -> str | None:
        """What is wrong with a placement; None if nothing is."""
        used = [0] * len(self.machines)
        for node, place in enumerate(places):
            used[place] += self.memory[node]
        for index, machine in enumerate(self.machines):
            if machine.memory is not None and used[index] > machine.memory:
                return f"device {index} needs {used[index]} bytes of {machine.memory}"
        for group in self.together:
            if len({places[node] for node in group}) > 1:
                return f"nodes {list(group)} are to be together"
        return None

    def require_sound(self) -> None:
        """Raise ValidationError for a graph with a circle, or that no device can hold."""
        if not self.machines:
            raise ValidationError("there is no device", where="devices")
        if len(self.order()) < len(self.costs):
            raise ValidationError("they form a circle", where="edges")
        limits = [machine.memory for machine in self.machines]
        if None in limits or not self.costs:
            return
        largest = max(limit for limit in limits if limit is not None)
        heaviest = max(range(len(self.memory)), key=self.memory.__getitem__)
        if self.memory[heaviest] > largest:
            raise ValidationError(
                f"needs {self.memory[heaviest]} bytes, and the largest device has {largest}",
                where=f"node {heaviest}",
            )
        total, room = sum(self.memory), sum(limit for limit in limits if limit is not None)
        if total > room:
            raise ValidationError(
                f"the nodes need {total} bytes, and the devices have {room}", where="memory"
            )

    def order(self, *, deep: bool = False) -> list[int]:
        """The nodes, each after what it reads; `deep` ones follow a path before they go to the next."""
        waiting = [len(row) for row in self.sources]
        ready = [node for node, count in enumerate(waiting) if not count]
        ready.reverse()
        found: list[int] = []
        while ready:
            node = ready.pop() if deep else ready.pop(0)
            found.append(node)
            for reader in self.readers[node]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready.append(reader)
        return found

    def late_order(self) -> list[int]:
        """The nodes, each as late as can be: what it reads comes right before it. Of a graph without
        circles."""
        found: list[int] = []
        seen = [False] * len(self.costs)
        for sink in (node for node, row in enumerate(self.readers) if not row):
            stack = [(sink, False)]
            while stack:
                node, is_done = stack.pop()
                if is_done:
                    found.append(node)
                elif not seen[node]:
                    seen[node] = True
                    stack.append((node, True))
                    stack.extend((source, False) for source in reversed(self.sources[node]))
        return found


@dataclass(frozen=True)
class Placement:
    """A solution: the device of each node, the largest load, and what none can be below.

    `method` says how it was found and `seconds` how long that took; `gap` is proven: no solution
    is better by a larger part.
    """

    places: tuple[int, ...]
    load: float
    bound: float
    method: str
    seconds: float
    loads: tuple[float, ...] = field(default=())

    @property
    def gap(self) -> float:
        """The part of the load by which a better solution could be better, at the most."""
        return max(0.0, 1.0 - self.bound / self.load) if self.load > 0 else 0.0
