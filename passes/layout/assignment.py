"""The cheapest forms for values that ops read and write in one of two ways.

Each step (an op) makes one of its choices: in which form it reads and writes values, at what cost.
A value that was written in one form and is read in the other is converted, once, at its own cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

SOURCE, TARGET = 1, 2
"""The two forms, as bits: a value may be there in both."""

WIDTH = 64
"""States kept from one step to the next."""

Trace: TypeAlias = "tuple[int, Trace] | None"
States: TypeAlias = dict[int, tuple[float, Trace]]


@dataclass(frozen=True)
class Choice:
    """One way to compute a step; values by their number, each with its form."""

    cost: float
    reads: tuple[tuple[int, int], ...]
    writes: tuple[tuple[int, int], ...]
    is_target: bool = False
    """Whether this is the step's target form."""


@dataclass(frozen=True)
class Conversions:
    """What it costs to make a value's target form of its source form, and back."""

    to_target: float
    to_source: float

    def to(self, form: int) -> float:
        """The cost of making a form."""
        return self.to_target if form == TARGET else self.to_source


def assign(
    steps: Sequence[Sequence[Choice]], values: Sequence[Conversions]
) -> tuple[float, list[int]]:
    """The least cost found, and for each step the index of its choice; the first of equals.

    A value that no step writes is given in its source form. Goes through the steps in order with
    the forms of the values that are still needed as state, and of each state only the cheapest
    way to reach it. A state is dropped if the best one costs no more after it has converted what
    it lacks. That is exact while no more than `WIDTH` states are left: always, in networks that a
    few values at a time connect. Time and memory grow with the number of steps.
    """
    slots = _Slots(steps)
    states: States = {0: (0.0, None)}
    for position, choices in enumerate(steps):
        arriving, leaving = slots.enter(position), slots.leave(position)
        following: States = {}
        for given, (paid, trace) in states.items():
            for index, choice in enumerate(choices):
                state, cost = given | arriving, paid + choice.cost
                for value, form in choice.reads:
                    bit = form << slots.shift[value]
                    if not state & bit:
                        state |= bit
                        cost += values[value].to(form)
                for value, form in choice.writes:
                    state |= form << slots.shift[value]
                state &= ~leaving
                known = following.get(state)
                if known is None or cost < known[0]:
                    following[state] = (cost, (index, trace))
        states = _pruned(following, slots, values)
        slots.release(position)
    cost, trace = min(states.values(), key=lambda entry: entry[0])
    chosen: list[int] = []
    while trace is not None:
        index, trace = trace
        chosen.append(index)
    return cost, chosen[::-1]


def _pruned(states: States, slots: _Slots, values: Sequence[Conversions]) -> States:
    if len(states) == 1:
        return states
    best = min(states, key=lambda state: states[state][0])
    least = states[best][0]
    kept = {
        state: entry
        for state, entry in states.items()
        if state == best or least + slots.price(state & ~best, values) > entry[0]
    }
    if len(kept) <= WIDTH:
        return kept
    return dict(sorted(kept.items(), key=lambda item: item[1][0])[:WIDTH])


class _Slots:
    """Which bits of a state stand for which value: those of values no longer needed are reused."""

    def __init__(self, steps: Sequence[Sequence[Choice]]) -> None:
        self.shift: dict[int, int] = {}
        self._values: dict[int, int] = {}
        self._free: list[int] = []
        self._first: dict[int, list[int]] = {}
        self._last: dict[int, list[int]] = {}
        self._given: set[int] = set()
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        written: set[int] = set()
        for position, choices in enumerate(steps):
            for choice in choices:
                written.update(value for value, _ in choice.writes)
                for value, _ in (*choice.reads, *choice.writes):
                    first.setdefault(value, position)
                    last[value] = position
        self._given = first.keys() - written
        for value, position in first.items():
            self._first.setdefault(position, []).append(value)
        for value, position in last.items():
            self._last.setdefault(position, []).append(value)

    def enter(self, position: int) -> int:
        """Give places to the values first seen at a step; the bits of those given from outside."""
        bits = 0
        for value in self._first.get(position, ()):
            shift = self._free.pop() if self._free else 2 * len(self._values)
            self.shift[value] = shift
            self._values[shift] = value
            if value in self._given:
                bits |= SOURCE << shift
        return bits

    def leave(self, position: int) -> int:
        """The bits of the values last seen at a step."""
        return sum((SOURCE | TARGET) << self.shift[v] for v in self._last.get(position, ()))

    def release(self, position: int) -> None:
        """Free the places of the values last seen at a step."""
        self._free += [self.shift[value] for value in self._last.get(position, ())]

    def price(self, missing: int, values: Sequence[Conversions]) -> float:
        """What it costs to make all forms among the bits."""
        total, shift = 0.0, 0
        while missing >> shift:
            if forms := (missing >> shift) & (SOURCE | TARGET):
                total += values[self._values[shift]].to(forms)
            shift += 2
        return total
