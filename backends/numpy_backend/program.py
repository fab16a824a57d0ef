"""A plan as plain data: what frames are made from, without IR.

A value is a `Ref`. Constants and views of a frame's storage are known before a run (bound);
slots of the environment are filled during a run (late): function arguments, region arguments,
`plan.new` buffers and owned results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from pyflame_rt.backends.numpy_backend.packing import Packs
from pyflame_rt.backends.runtime import Array, ArrayType, ValueType
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.dialects.plan.schedules import Schedule


def no_packs() -> Packs:
    """The forms of a constant that no plan has packed yet."""
    return WeakValueDictionary[Hashable, Array]()


@dataclass(frozen=True, eq=False)
class Constant:
    """A read-only array, shared by all frames; `packs` has the forms that plans made of it.

    It may be a view: `index` of `whole`, whose forms may be of use.
    """

    array: Array
    packs: Packs = field(default_factory=no_packs, repr=False)
    whole: Constant | None = None
    index: tuple[slice, ...] = ()


@dataclass(frozen=True)
class View:
    """A buffer at a byte offset of one of the frame's blocks of storage; `index` of it, if given."""

    storage: int
    offset: int
    type: ArrayType
    index: tuple[slice, ...] | None = None
    whole: tuple[int, ...] = ()
    """The shape that `index` is of."""


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
    packs: dict[Hashable, Array] = field(default_factory=dict[Hashable, Array], compare=False)
    schedule: Schedule | IntegerSchedule | None = None
    """How it is compiled, if it is to be."""
    shares: int = 1
    """Between how many threads it may divide its work."""

    def packed(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """The array that `make` derives from constants; made once, whatever the number of frames.

        Two frames prepared at the same time may both make it; they then share one of the two.
        """
        if key not in self.packs:
            self.packs.setdefault(key, make())
        return self.packs[key]


@dataclass(frozen=True)
class Part:
    """Puts a part of a late value into a slot."""

    source: Slot
    slot: Slot
    index: tuple[slice, ...]


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
class External:
    """A `func.call` of what another backend has compiled."""

    inputs: tuple[Ref, ...]
    owned: tuple[Slot, ...]
    run: Callable[[Sequence[Array]], Sequence[Array]]
    where: str


@dataclass(frozen=True)
class Parallel:
    """A `plan.parallel`."""

    lanes: tuple[Body, ...]


@dataclass(frozen=True)
class Release:
    """Forgets late values after their last use."""

    slots: tuple[int, ...]


Instruction: TypeAlias = (
    New | Reshape | Part | Invoke | Branch | Loop | Subroutine | External | Parallel | Release
)


@dataclass(frozen=True)
class Body:
    """Instructions of a block, and what leaves it."""

    instructions: tuple[Instruction, ...]
    results: tuple[Ref, ...]


@dataclass(frozen=True)
class Program:
    """A decoded function: `storages` are sizes in bytes, `slots` the length of the environment.

    `blas_threads` is how many threads BLAS may use during a run; 0 for as many as it likes.
    """

    arguments: tuple[Slot, ...]
    storages: tuple[int, ...]
    slots: int
    body: Body
    blas_threads: int = 0

    @property
    def memory(self) -> int:
        """Bytes that a run takes for buffers of static shape: storage, and results made anew."""
        fresh = (i.slot.type for i in self.body.instructions if isinstance(i, New))
        sizes = [math.prod(t.static_shape) * t.dtype.itemsize for t in fresh if t.is_static]
        return sum(self.storages) + sum(sizes)

    @property
    def threads(self) -> int:
        """How many threads a run may use at once, beside those of BLAS."""
        return _threads(self.body)


def _threads(body: Body) -> int:
    most = 1
    for instruction in body.instructions:
        match instruction:
            case Parallel(lanes):
                most = max(most, sum(_threads(lane) for lane in lanes))
            case Branch(_, _, then, otherwise):
                most = max(most, _threads(then), _threads(otherwise))
            case Loop() | Subroutine():
                most = max(most, _threads(instruction.body))
            case Invoke():
                most = max(most, instruction.shares)
            case _:
                pass
    return most
