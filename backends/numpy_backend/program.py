"""A plan as plain data: what frames are made from, without IR.

A value is a `Ref`. Constants and views of a frame's storage are known before a run (bound);
slots of the environment are filled during a run (late): function arguments, region arguments,
`plan.new` buffers and owned results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pyflame_rt.backends.runtime import Array, ArrayType, ValueType


@dataclass(frozen=True, eq=False)
class Constant:
    """A read-only array, shared by all frames."""

    array: Array


@dataclass(frozen=True)
class View:
    """A buffer at a byte offset of one of the frame's blocks of storage."""

    storage: int
    offset: int
    type: ArrayType


@dataclass(frozen=True)
class Slot:
    """A place in the environment that a run fills."""

    index: int
    type: ValueType


Ref: TypeAlias = Constant | View | Slot


@dataclass(frozen=True)
class New:
    """Puts a fresh buffer into a slot."""

    slot: Slot
    where: str


@dataclass(frozen=True)
class Reshape:
    """Puts a reshaped view of a late value into a slot."""

    source: Slot
    slot: Slot


@dataclass(frozen=True)
class Invoke:
    """A `plan.call`. `packs` holds what its algorithm derived from constants, for all frames."""

    callee: str
    inputs: tuple[Ref | None, ...]
    into: tuple[Ref, ...]
    scratch: tuple[Ref, ...]
    owned: tuple[Slot, ...]
    params: dict[str, Any]
    where: str
    packs: dict[str, Array] = field(default_factory=dict[str, Array], compare=False)

    def packed(self, key: str, make: Callable[[], Array]) -> Array:
        """The array that `make` derives from constants; made once, whatever the number of frames.

        Two frames prepared at the same time may both make it; they then share one of the two.
        """
        if key not in self.packs:
            self.packs.setdefault(key, make())
        return self.packs[key]


@dataclass(frozen=True)
class Branch:
    """A `plan.if`."""

    condition: Ref
    owned: tuple[Slot, ...]
    then: Body
    otherwise: Body
    where: str


@dataclass(frozen=True)
class Loop:
    """A `plan.loop`; `scans` are the types of one element of each scan output."""

    trip_count: Ref | None
    condition: Ref | None
    carried: tuple[Ref, ...]
    owned: tuple[Slot, ...]
    arguments: tuple[Slot, ...]
    scans: tuple[ArrayType, ...]
    body: Body
    where: str


@dataclass(frozen=True)
class Subroutine:
    """A `func.call`, with the callee's body in place: every call has memory of its own."""

    inputs: tuple[Ref, ...]
    arguments: tuple[Slot, ...]
    owned: tuple[Slot, ...]
    body: Body
    where: str


@dataclass(frozen=True)
class Release:
    """Forgets late values after their last use."""

    slots: tuple[int, ...]


Instruction: TypeAlias = New | Reshape | Invoke | Branch | Loop | Subroutine | Release


@dataclass(frozen=True)
class Body:
    """Instructions of a block, and what leaves it."""

    instructions: tuple[Instruction, ...]
    results: tuple[Ref, ...]


@dataclass(frozen=True)
class Program:
    """A decoded function: `storages` are sizes in bytes, `slots` the length of the environment."""

    arguments: tuple[Slot, ...]
    storages: tuple[int, ...]
    slots: int
    body: Body
