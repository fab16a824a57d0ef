"""What machine code computes: calls of kernels on records, put together in shares and steps.

A step is one operation of a plan. Its shares may run at the same time; in a share, one call comes after
the other. Results are the same for whatever number of threads: what is computed in which share, and in
which order, is fixed when a plan is prepared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.runtime import Array


@dataclass(frozen=True)
class Place:
    """An address that is so many bytes behind the beginning of an operand of the step."""

    operand: int
    offset: int = 0


Number = int | Place


@dataclass(frozen=True, eq=False)
class Call:
    """A kernel, and the record it gets."""

    kernel: Loaded
    numbers: tuple[Number, ...]
    held: tuple[Any, ...] = ()
    """What has addresses in the record."""

    def with_operands(self, numbers: Sequence[int]) -> Call:
        """The call whose operands have these numbers instead of 0, 1, …"""
        changed = (
            Place(numbers[n.operand], n.offset) if isinstance(n, Place) else n for n in self.numbers
        )
        return replace(self, numbers=tuple(changed))


Share = tuple[Call, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One operation on operands whose addresses may become known as late as in a run."""

    shares: tuple[Share, ...]
    work: float = 0
    """Nanoseconds that all shares take, as estimated."""

    @staticmethod
    def of(*calls: Call) -> Step:
        """A step of one share."""
        return Step((calls,))

    def with_operands(self, numbers: Sequence[int]) -> Step:
        """The step whose operands have these numbers instead of 0, 1, …"""
        return Step(
            tuple(tuple(call.with_operands(numbers) for call in share) for share in self.shares),
            self.work,
        )

    @property
    def calls(self) -> tuple[Call, ...]:
        """All of them."""
        return tuple(call for share in self.shares for call in share)


@dataclass(frozen=True, eq=False)
class Records:
    """The records of calls as memory, and where operands' addresses go."""

    memory: Array
    starts: tuple[int, ...]
    """Where each call's record begins, in numbers."""
    places: tuple[tuple[int, Place], ...]
    held: tuple[Any, ...]

    @staticmethod
    def of(calls: Sequence[Call]) -> Records:
        """Those of calls, with zeros for what is not known yet."""
        numbers: list[int] = []
        starts: list[int] = []
        places: list[tuple[int, Place]] = []
        for call in calls:
            starts.append(len(numbers))
            for number in call.numbers:
                if number.__class__ is Place:
                    places.append((len(numbers), cast(Place, number)))
                    number = 0
                numbers.append(cast(int, number))
        held = tuple((call.kernel, call.held) for call in calls)
        return Records(np.array(numbers, np.int64), tuple(starts), tuple(places), held)

    def fill(self, addresses: Sequence[int]) -> None:
        """Write the addresses of operands; an absent one (0) stays 0."""
        for index, place in self.places:
            if base := addresses[place.operand]:
                self.memory[index] = base + place.offset

    def address(self, call: int) -> int:
        """That of a call's record."""
        return address_of(self.memory) + 8 * self.starts[call]


def address_of(array: Array | None) -> int:
    """Where an array begins; 0 for none."""
    return 0 if array is None else array.__array_interface__["data"][0]
