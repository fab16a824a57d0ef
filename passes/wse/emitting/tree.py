"""Sums along a line by a binomial tree, for lines of 4, 8, 16 … places: few words, soon.

Place p takes the sums of p + 1, p + 2, p + 4 … as far as p is a multiple of twice that, and sends its own to the next
multiple below. Two colours do, by the parity of the ones in the sender's number: what a place receives comes on the
one that it does not send on. A router that passes later words on has a second position for that, which comes when
its place has sent, or received the last; the last two places put all back when they are done.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyflame_rt.dialects.wse.builder import ProgramBuilder


def fits(length: int) -> bool:
    """Whether a line can have a tree."""
    return length >= 4 and length & (length - 1) == 0


def tree_out(line: str, place: int, length: int) -> str:
    """The colour on which a place sends."""
    del length
    return f"{line}_tree_{['even', 'odd'][place.bit_count() % 2]}"


def tree_in(line: str, place: int, length: int) -> str:
    """The colour on which a place receives."""
    del length
    return f"{line}_tree_{['odd', 'even'][place.bit_count() % 2]}"


@dataclass(frozen=True)
class TreePlace:
    """What a place does."""

    place: int
    length: int

    @property
    def received(self) -> int:
        """Sums that it takes."""
        if self.place == 0:
            return self.length.bit_length() - 1
        return (self.place & -self.place).bit_length() - 1

    @property
    def target(self) -> int:
        """Where its own goes."""
        return self.place & (self.place - 1)

    @property
    def is_last(self) -> bool:
        """Whether it is the last one whose sum its target takes, and its target sends afterwards."""
        step = self.place - self.target
        return self.target > 0 and 2 * step == self.target & -self.target

    @property
    def passes_later(self) -> bool:
        """Whether its own router has to pass words on once it has sent."""
        return self.place < self.length - 2

    @property
    def puts_back(self) -> bool:
        """Whether it puts the switches of its colour back."""
        return self.place >= self.length - 2

    def routes(self) -> dict[str, list[tuple[str, str]]]:
        """By "even" and "odd", the positions: receive from and transmit to, "low" and "high" and "ramp"."""
        found: dict[str, list[tuple[str, str]]] = {}
        parity = self.place.bit_count() % 2
        for number, name in enumerate(("even", "odd")):
            lowest = 2 if name == "even" else 0
            top = self.length - 1
            top -= top.bit_count() % 2 != number
            positions: list[tuple[str, str]] = []
            if self.place > 0 and parity == number:
                positions.append(("ramp", "low"))
            elif self.received and parity != number:
                positions.append(("high", "ramp"))
            if lowest < self.place < top:
                positions.append(("high", "low"))
            if positions:
                found[name] = positions
        return found


def declare_tree(
    program: ProgramBuilder, line: str, length: int, start: int, across: slice,
    sides: tuple[str, str],
) -> None:  # fmt: skip
    """Route both colours of a line, whose first place is `start`; they are declared."""
    low, high = sides
    named = {"low": low, "high": high, "ramp": "ramp"}
    for place in range(length):
        at = place + start
        where = (at, across) if line == "row" else (across, at)
        for parity, positions in TreePlace(place, length).routes().items():
            ways = [(named[rx], named[tx]) for rx, tx in positions]
            program.route(f"{line}_tree_{parity}", where, *ways)
