"""Calls of machine code in a row that make their results, as one call for shapes that stay the same.

In a step of a decoding loop only attention meets shapes that it has not seen. The others run together,
with what only they need in memory of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pyflame_rt.backends.native.running import Program
from pyflame_rt.backends.native.steps import Step, address_of
from pyflame_rt.backends.numpy_backend.compiled.owned import OwnedStep, Prepared
from pyflame_rt.backends.numpy_backend.compiled.steps import going
from pyflame_rt.backends.numpy_backend.environment import release
from pyflame_rt.backends.numpy_backend.packing import on_lines
from pyflame_rt.backends.numpy_backend.program import Instruction, Release
from pyflame_rt.backends.runtime import Array, ArrayType, failure

Bound = Callable[[], object]

_SETTLED = 3
"""Runs after which it is known whose shapes change."""
_PATIENCE = 8
"""Shapes that a row is put together for, until it is left alone."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A call, and the places of values that nobody needs after it."""

    step: OwnedStep
    where: str
    released: tuple[int, ...] = ()

    def __call__(self) -> None:
        """Run it alone. Raises BackendError naming it."""
        try:
            self.step()
        except Exception as error:
            raise failure(self.where, error) from error
        release(self.step.env, self.released)


def in_rows(
    steps: Sequence[tuple[Any, int]], instructions: Sequence[Instruction], slots: int
) -> list[tuple[Any, int]]:
    """The steps, calls that make their results put together; `slots` places of the environment are
    filled in a run."""
    found: list[tuple[Any, int]] = []
    row: list[Entry] = []
    first = 0

    def finish() -> None:
        if row:
            found.append((OwnedRow(row, slots) if len(row) > 1 else row[0], first))
            row.clear()

    for step, index in steps:
        instruction = instructions[index]
        if isinstance(step, OwnedStep):
            first = first if row else index
            row.append(Entry(step, step.where))
        elif row and isinstance(instruction, Release) and isinstance(step, partial):
            before = row[-1]
            row[-1] = replace(before, released=(*before.released, *instruction.slots))
        else:
            finish()
            found.append((step, index))
    finish()
    return found


class OwnedRow:
    """Calls in a row: one by one at first, then those together whose shapes have stayed the same."""

    __slots__ = ("_entries", "_parts", "_runs", "_slots")

    def __init__(self, entries: Sequence[Entry], slots: int) -> None:
        self._entries, self._slots = tuple(entries), slots
        self._runs = 0
        self._parts: list[Bound] | None = None

    def __call__(self) -> None:
        if self._parts is None:
            self._runs += 1
            if self._runs <= _SETTLED:
                for entry in self._entries:
                    entry()
                return
            self._parts = self._apart()
        for part in self._parts:
            part()

    def _apart(self) -> list[Bound]:
        found: list[Bound] = []
        row: list[Entry] = []

        def finish() -> None:
            if row:
                found.append(_Together(tuple(row), self._slots) if len(row) > 1 else row[0])
                row.clear()

        for entry in self._entries:
            if entry.step.met == 1 and entry.step.last is not None:
                row.append(entry)
            else:
                finish()
                found.append(entry)
        finish()
        return found


class _Together:
    """Calls in a row as one, as long as what comes in has the shapes it had before."""

    __slots__ = (
        "_entries",
        "_left",
        "_released",
        "_results",
        "_run",
        "_shapes",
        "_slots",
        "_values",
    )

    def __init__(self, entries: tuple[Entry, ...], slots: int) -> None:
        self._entries, self._slots = entries, slots
        made = [slot for entry in entries for slot in entry.step.slots]
        self._released = tuple(slot for entry in entries for slot in entry.released)
        read = (index for entry in entries for index in entry.step.operands)
        late = dict.fromkeys(index for index in read if index < slots)
        self._values = tuple(index for index in late if index not in made)
        """The places of what comes in."""
        self._results = tuple(slot for slot in made if slot not in self._released)
        """The places of what others need."""
        self._shapes: list[Any] | None = None
        self._run: Callable[[Sequence[Any]], bool] | None = None
        self._left = _PATIENCE

    def __call__(self) -> None:
        env = self._entries[0].step.env
        values = [env[index] for index in self._values]
        shapes = [None if value is None else value.shape for value in values]
        if self._run is not None and shapes == self._shapes and self._run(values):
            for index in self._released:
                env[index] = None
            return
        for entry in self._entries:
            entry()
        if shapes != self._shapes and self._left:
            self._left -= 1
            self._shapes, self._run = shapes, self._joined()

    def _joined(self) -> Callable[[Sequence[Any]], bool] | None:
        """All calls as their last run was; None where NumPy has computed one of them."""
        last = [entry.step.last for entry in self._entries]
        prepared = [found for found in last if found is not None]
        if len(prepared) < len(last):
            return None
        spare = self._entries[0].step.rooms.spare
        joining = _Joining(self._values, self._results, self._slots, spare)
        for entry, found in zip(self._entries, prepared, strict=True):
            joining.add(entry.step, found)
            joining.release(entry.released)
        return joining.finish(self._entries[0].step)


class _Joining:
    """Puts steps of several calls together. Operands are numbered: what comes in, results, and then
    what has an address."""

    def __init__(
        self, values: tuple[int, ...], results: tuple[int, ...], slots: int, spare: list[Array]
    ) -> None:
        self._numbers = {place: number for number, place in enumerate((*values, *results))}
        self._late = len(self._numbers)
        self._results, self._slots = results, slots
        self._addresses: list[int | None] = [None] * self._late
        self._steps: list[Step] = []
        self._made: dict[int, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self._held: list[Any] = []
        self._is_well = True
        self._spare, self._taken = spare, dict[int, Array]()
        """Memory for results that only these calls need, and that of those that are still needed."""

    def release(self, slots: Sequence[int]) -> None:
        """What follows may lie where these results do."""
        self._spare += [self._taken.pop(slot) for slot in slots if slot in self._taken]

    def _room(self, slot: int, kind: ArrayType) -> Array:
        """Memory for a result that only these calls need: the least that is spare, or new."""
        size = math.prod(kind.static_shape) * kind.dtype.itemsize
        fitting = [index for index, room in enumerate(self._spare) if room.nbytes >= size]
        if fitting:
            found = self._spare.pop(min(fitting, key=lambda index: self._spare[index].nbytes))
        else:
            found = on_lines(np.empty(size, np.uint8))
        self._taken[slot] = found
        return found[:size].view(kind.dtype).reshape(kind.static_shape)

    def add(self, step: OwnedStep, prepared: Prepared) -> None:
        """The steps of a call."""
        for slot, kind in zip(step.slots, prepared.into, strict=True):
            if slot in self._results:
                self._made[slot] = kind.static_shape, kind.dtype
            else:
                self._numbers[slot] = self._known(self._room(slot, kind))
        places = (*step.operands, *step.slots)
        late = iter(prepared.found.late)
        numbers = [
            self._number(step, places[next(late)]) if address is None else self._add(address)
            for address in prepared.found.addresses
        ]
        self._held.append(prepared)
        self._steps += [part.with_operands(numbers) for part in prepared.found.steps]

    def _number(self, step: OwnedStep, place: int) -> int:
        if place not in self._numbers:
            # A constant.
            array = step.env[place]
            self._is_well &= array.flags.c_contiguous and array.flags.aligned
            self._numbers[place] = self._known(array)
        return self._numbers[place]

    def _known(self, array: Array) -> int:
        self._held.append(array)
        return self._add(address_of(array))

    def _add(self, address: int) -> int:
        self._addresses.append(address)
        return len(self._addresses) - 1

    def finish(self, step: OwnedStep) -> Callable[[Sequence[Any]], bool] | None:
        """What runs all of it on what comes in, and says whether that lay well."""
        self.release(tuple(self._taken))
        program = Program(step.cpu, self._steps, self._addresses)
        if program.layout is None or not self._is_well:
            return None
        go = going(program, (program, self._held))
        env, late, refused, last = step.env, program.late, program.refused, program.last
        made, empty, first = (
            [(slot, *self._made[slot]) for slot in self._results],
            np.empty,
            self._late,
        )

        def run(values: Sequence[Any]) -> bool:
            results = [(slot, empty(shape, dtype)) for slot, shape, dtype in made]
            for index, value in enumerate(values, first):
                late[index] = id(value)
            for index, (_, result) in enumerate(results, first + len(values)):
                late[index] = id(result)
            go()
            if refused[last]:
                # Something lies in another way: its call copies it.
                refused[last] = 0
                return False
            for slot, result in results:
                env[slot] = result
            return True

        return run
