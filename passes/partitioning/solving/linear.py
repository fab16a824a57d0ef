"""A dynamic programme: nodes in an order, cut into as many pieces as there are devices.

Best among the splits of that order; another order can be better.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.passes.partitioning.solving.problem import Machine, Problem

Array = npt.NDArray[Any]

_MOST = 1500
"""Nodes up to which every place of the order is a candidate for a cut."""


def best_split(problem: Problem) -> tuple[int, ...] | None:
    """A placement that keeps to memory and groups, the best of some orders; None when none has one."""
    best: tuple[float, tuple[int, ...]] | None = None
    for order in _orders(problem):
        pieces = _Pieces(problem, order)
        for row in _rows(problem.machines):
            found = pieces.split([problem.machines[index] for index in row])
            if found is None:
                continue
            load, stages = found
            if best is None or load < best[0]:
                places = [0] * len(order)
                for position, node in enumerate(order):
                    places[node] = row[stages[position]]
                best = load, tuple(places)
    return None if best is None else best[1]


def _orders(problem: Problem) -> Iterator[list[int]]:
    """Orders worth a try, without those that are there already."""
    seen: set[tuple[int, ...]] = set()
    given = list(range(len(problem.costs)))
    is_order = all(source < target for source, target in problem.edges)
    others = [problem.late_order(), problem.order(), problem.order(deep=True)]
    for order in ([given] if is_order else []) + others:
        if tuple(order) not in seen:
            seen.add(tuple(order))
            yield order


def _rows(machines: Sequence[Machine]) -> list[tuple[int, ...]]:
    """The rows that devices can stand in; alike ones are not exchanged."""
    count = len(machines)
    if len(set(machines)) == 1 or count > 5:
        return [tuple(range(count))]
    rows: dict[tuple[Machine, ...], tuple[int, ...]] = {}
    for row in itertools.permutations(range(count)):
        rows.setdefault(tuple(machines[index] for index in row), row)
    return list(rows.values())


class _Pieces:
    """What each run of consecutive nodes costs."""

    def __init__(self, problem: Problem, order: Sequence[int]):
        self._count = len(order)
        place = {node: index for index, node in enumerate(order)}
        readers = [sorted(place[r] for r in problem.readers[node]) for node in order]
        self._compute = np.concatenate([[0.0], np.cumsum([problem.costs[v] for v in order])])
        self._memory = np.concatenate([[0], np.cumsum([problem.memory[v] for v in order])])
        self._cuts = self._candidates(problem, order, place)
        sizes = np.array([problem.bytes[v] for v in order], dtype=np.float64)
        self._values = self._crossing(readers, np.ones_like(sizes))
        self._bytes = self._crossing(readers, sizes)

    def _candidates(self, problem: Problem, order: Sequence[int], place: dict[int, int]) -> Array:
        """Where the order may be cut: not within groups."""
        closed = np.zeros(self._count + 2, dtype=np.int64)
        for group in problem.together:
            positions = [place[node] for node in group]
            closed[min(positions) + 1] += 1
            closed[max(positions) + 1] -= 1
        found = np.flatnonzero(np.cumsum(closed)[: self._count + 1] == 0)
        if len(found) > _MOST:
            # Of many places those that cut the running time evenly.
            marks = np.arange(_MOST) * (float(self._compute[-1]) / (_MOST - 1))
            near: Array = np.searchsorted(self._compute[found], marks).clip(0, len(found) - 1)
            found = np.unique(np.concatenate([found[[0, -1]], found[near]]))
        return found

    def _crossing(self, readers: Sequence[Sequence[int]], weights: Array) -> Array:
        """Weight of the values that cross the borders of nodes `cuts[i]` to `cuts[j]`."""
        cuts, count = self._cuts, self._count
        last = np.array([row[-1] if row else -1 for row in readers], dtype=np.int64)
        table = np.zeros((len(cuts), len(cuts)))
        # What is made before an end and read at or after it.
        leaving = np.zeros(count + 2)
        for node, end in enumerate(last):
            if end > node:
                leaving[node + 1] += weights[node]
                leaving[end + 1] -= weights[node]
        alive = np.cumsum(leaving)[cuts]
        gone = np.zeros(count + 2)
        position = 0
        for row, start in enumerate(cuts):
            while position < start:
                if last[position] > position:
                    gone[position + 1] += weights[position]
                    gone[last[position] + 1] -= weights[position]
                position += 1
            entering = np.zeros(count + 2)
            for node in map(int, np.flatnonzero(last[:start] >= start)):
                line = readers[node]
                entering[line[_first(line, int(start))] + 1] += weights[node]
            table[row] = alive - np.cumsum(gone)[cuts] + np.cumsum(entering)[cuts]
        return table

    def split(self, machines: Sequence[Machine]) -> tuple[float, list[int]] | None:
        """The least largest load of so many pieces on these devices, in their order, and the device
        of each position; a device may have nothing to do."""
        cuts, steps = self._cuts, len(self._cuts)
        best = np.full(steps, np.inf)
        best[0] = 0.0
        choices: list[Array] = []
        for machine in machines:
            load = (self._compute[cuts][None, :] - self._compute[cuts][:, None]) / machine.speed
            load = load + machine.alpha * self._values + machine.beta * self._bytes
            if machine.memory is not None:
                used = self._memory[cuts][None, :] - self._memory[cuts][:, None]
                load[used > machine.memory] = np.inf
            load[np.tril_indices(steps, -1)] = np.inf
            load[np.diag_indices(steps)] = 0.0
            table = np.maximum(best[:, None], load)
            # Of equally good ones the last: earlier devices have more, and later ones may be free.
            choices.append(steps - 1 - np.argmin(table[::-1], axis=0))
            best = np.min(table, axis=0)
        if not np.isfinite(best[-1]):
            return None
        stages = [0] * self._count
        end = steps - 1
        for stage in reversed(range(len(machines))):
            start = int(choices[stage][end])
            for position in range(int(cuts[start]), int(cuts[end])):
                stages[position] = stage
            end = start
        return float(best[-1]), stages


def _first(line: Sequence[int], start: int) -> int:
    """The index of the first reader at or after a place; there is one."""
    return next(index for index, reader in enumerate(line) if reader >= start)
