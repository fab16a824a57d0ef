"""Colours and routes: on every line of PEs one multicast, and a chain of additions that may be a ring.

A line is a row of the grid (places count from the west) or a column (from the north).

*Multicast*: one colour. Every router has up to three switch positions: the sender is before me, it is me, it
is behind me. Place 0 is the first sender. After its words a sender sends a control word of two commands
SWITCH_ADV: its own router goes on to "behind me", the next one to "it is me" (the one before is at its last
position and stays); the last sender sends SWITCH_RST, which puts every router back. With a single sender nothing
is switched. Each PE of the line gets the words.

*Chain*: words go from place to place towards place 0 on two colours that alternate, so that no router turns. A
third colour passes from place 0 over all others to the last place: with it the chain is a ring.

*Tree*: for few words, see `tree.py`.

*Leaders*: every `group_size`-th place is one; each sends to the next one towards place 0, on two more colours which
alternate and pass the places between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.passes.wse.emitting.tree import declare_tree

Line: TypeAlias = Literal["row", "column"]
_SIDES = {"row": ("west", "east"), "column": ("north", "south")}


@dataclass(frozen=True)
class Used:
    """What of a line's colours a program uses."""

    multicast: bool = False
    # A single sender needs no switches.
    turns: bool = False
    chain: bool = False
    ring: bool = False
    leaders: bool = False
    tree: bool = False


def group_size(length: int) -> int:
    """Places from one leader to the next."""
    return max(2, round(math.sqrt(length)))


def color_out(line: Line, place: int, length: int) -> str:
    """The colour on which a place of a chain sends."""
    return f"{line}_back" if place == 0 and length > 1 else f"{line}_{['even', 'odd'][place % 2]}"


def color_in(line: Line, place: int, length: int) -> str:
    """The colour on which a place of a chain receives."""
    if place == length - 1:
        return f"{line}_back"
    return f"{line}_{['even', 'odd'][(place + 1) % 2]}"


def leader_out(line: Line, place: int, length: int) -> str:
    """The colour on which a leader sends."""
    return f"{line}_leaders_{['even', 'odd'][place // group_size(length) % 2]}"


def leader_in(line: Line, place: int, length: int) -> str:
    """The colour on which a leader receives."""
    return f"{line}_leaders_{['odd', 'even'][place // group_size(length) % 2]}"


def declare(
    program: ProgramBuilder, used: dict[Line, Used], area: tuple[int, int, int], declared: set[str]
) -> None:
    """Declare the colours that are used, unless they are `declared`, and route them.

    The area is the first column, columns and rows.
    """
    left, width, height = area
    for line, use in used.items():
        length = width if line == "row" else height
        across = slice(0, height) if line == "row" else slice(left, left + width)
        if length < 2:
            continue
        router = _Router(program, line, length, across, left if line == "row" else 0, declared)
        if use.multicast:
            router.multicast(turns=use.turns)
        if use.chain or use.ring:
            router.chain(ring=use.ring)
        if use.leaders:
            router.leaders()
        if use.tree:
            router.tree()


@dataclass(frozen=True)
class _Router:
    """Routes of the lines in one direction, all of which are alike."""

    program: ProgramBuilder
    line: Line
    length: int
    across: slice
    # The first place; the colours that there are.
    start: int
    declared: set[str]

    def _color(self, name: str) -> None:
        if name not in self.declared:
            self.declared.add(name)
            self.program.color(name)

    def _route(self, color: str, places: int | slice, *positions: tuple[object, object]) -> None:
        if isinstance(places, slice):
            places = slice(places.start + self.start, places.stop + self.start, places.step)
        else:
            places += self.start
        where = (places, self.across) if self.line == "row" else (self.across, places)
        several = {"pop_mode": "pop_on_advance"} if len(positions) > 1 else {}
        self.program.route(color, where, *positions, **several)  # pyright: ignore[reportArgumentType]

    def multicast(self, *, turns: bool) -> None:
        """One colour, with a position for each place of the sender."""
        low, high = _SIDES[self.line]
        color, last = f"{self.line}_multicast", self.length - 1
        self._color(color)
        me, behind = ("ramp", [low, high]), (high, ["ramp", low])
        if not turns:
            self._route(color, 0, ("ramp", high))
            self._route(color, last, (low, "ramp"))
            if last > 1:
                self._route(color, slice(1, last), (low, ["ramp", high]))
            return
        self._route(color, 0, ("ramp", high), (high, "ramp"))
        self._route(color, last, (low, "ramp"), ("ramp", low))
        if last > 1:
            self._route(color, slice(1, last), (low, ["ramp", high]), me, behind)

    def chain(self, *, ring: bool) -> None:
        """Two colours towards place 0, a third one back."""
        low, high = _SIDES[self.line]
        last = self.length - 1
        for parity, name in enumerate(("even", "odd")):
            color = f"{self.line}_{name}"
            # Place 0 sends to no neighbour.
            senders = range(parity or 2, self.length, 2)
            if not senders:
                continue
            self._color(color)
            self._route(color, slice(senders[0], self.length, 2), ("ramp", low))
            self._route(color, slice(senders[0] - 1, last, 2), (high, "ramp"))
        if ring:
            color = f"{self.line}_back"
            self._color(color)
            self._route(color, 0, ("ramp", high))
            self._route(color, last, (low, "ramp"))
            if last > 1:
                self._route(color, slice(1, last), (low, high))

    def tree(self) -> None:
        """Two colours that switch from one level to the next."""
        for parity in ("even", "odd"):
            self._color(f"{self.line}_tree_{parity}")
        declare_tree(
            self.program, self.line, self.length, self.start, self.across, _SIDES[self.line]
        )

    def leaders(self) -> None:
        """Two colours from leader to leader."""
        low, high = _SIDES[self.line]
        size = group_size(self.length)
        for place in range(size, self.length, size):
            color = leader_out(self.line, place, self.length)
            self._color(color)
            self._route(color, place, ("ramp", low))
            self._route(color, place - size, (high, "ramp"))
            self._route(color, slice(place - size + 1, place), (high, low))
