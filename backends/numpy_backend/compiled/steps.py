"""Steps of a plan that are machine code: alone, or several in a row as one call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyflame_rt.backends.native.running import Program
from pyflame_rt.backends.native.steps import Step, address_of
from pyflame_rt.backends.numpy_backend.blocks import Bindable, Bound
from pyflame_rt.backends.numpy_backend.program import (
    Instruction,
    Invoke,
    New,
    Ref,
    Release,
    Reshape,
    Slot,
)
from pyflame_rt.backends.numpy_backend.team import teams
from pyflame_rt.backends.runtime import Array

Known = Array | None
Operand = Known | int
"""An array, nothing, or the place of the environment where a run puts one."""


class Compiled(Bindable):
    """A function of a call's operands by machine code, for operands that lie as was expected."""

    @property
    @abstractmethod
    def cpu(self) -> str:
        """The kind of code."""

    @abstractmethod
    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """The steps on these arrays, of which the late ones are contiguous; None if some lie so that
        there is no code for it."""

    def __call__(self, *arrays: Any) -> None:
        """Run on arrays that were not known before; what lies otherwise is copied."""
        given = [None if a is None else _contiguous(a) for a in arrays]
        steps = self.steps(given, range(len(given)))
        assert steps is not None
        NativeStep(self.cpu, steps, given, [])()
        for before, after in zip(arrays, given, strict=True):
            if after is not None and after is not before and before.flags.writeable:
                np.copyto(before, after)

    def on(self, *arrays: Any) -> Bound:
        """The call on these arrays."""
        steps = self.steps(arrays, ())
        if steps is None:
            return lambda: self(*arrays)
        return NativeStep(self.cpu, steps, arrays, [])

    def reading(self, env: list[Any], operands: Sequence[Operand]) -> Callable[[], object] | None:
        """The call on arrays, some of which a run puts into the environment."""
        late = [i for i, operand in enumerate(operands) if isinstance(operand, int)]
        arrays = [None if isinstance(operand, int) else operand for operand in operands]
        steps = self.steps(arrays, late)
        return None if steps is None else NativeStep(self.cpu, steps, operands, env)


class MachineCode:
    """A step that is machine code of a kind."""

    __slots__ = ("cpu",)

    def __init__(self, cpu: str) -> None:
        self.cpu = cpu


class NativeStep(MachineCode):
    """Steps of machine code on operands; those after it may be joined to it."""

    __slots__ = ("_run", "env", "operands", "steps")

    def __init__(
        self, cpu: str, steps: Sequence[Step], operands: Sequence[Operand], env: list[Any]
    ) -> None:
        super().__init__(cpu)
        self.steps, self.operands, self.env = tuple(steps), tuple(operands), env
        self._run: Bound | None = None

    def __call__(self) -> None:
        if self._run is None:
            self._run = joined([self]).run
        self._run()


@dataclass(frozen=True, eq=False)
class Joined:
    """Several steps as one call, on what stands at places of the environment."""

    run: Bound
    go: Bound
    """The same, when the program has its late operands."""
    program: Program
    places: tuple[int, ...]


def joined(parts: Sequence[NativeStep]) -> Joined:
    """Several steps as one call."""
    operands: list[Operand] = []
    numbers: dict[Any, int] = {}
    steps: list[Step] = []
    for part in parts:
        places: list[int] = []
        for operand in part.operands:
            key = operand if isinstance(operand, int) else ("array", id(operand))
            if key not in numbers:
                numbers[key] = len(operands)
                operands.append(operand)
            places.append(numbers[key])
        steps += [step.with_operands(places) for step in part.steps]
    late = [operand for operand in operands if isinstance(operand, int)]
    known = [None if isinstance(a, int) else address_of(a) for a in operands]
    program = Program(parts[0].cpu, steps, known)
    held = (program, tuple(parts))
    go = going(program, held)
    if not late:
        return Joined(go, go, program, ())
    env = next(part.env for part in parts if any(isinstance(a, int) for a in part.operands))
    return Joined(_on_late(program, late, env, go), go, program, tuple(late))


def going(program: Program, held: object) -> Bound:
    """The call of a program whose late operands are there, by as many threads as are worth it."""
    call, (alone, all_of_it, helping) = program.call, program.addresses
    if not program.helpers:

        def go(held: object = held) -> None:
            call(alone)

        return go
    team, helpers = teams().join(), program.helpers

    def help_out(held: object = held) -> None:
        call(helping)

    def together() -> None:
        # One call lets helpers in and ends when they have left, so that no interrupt comes between.
        # They do not come before it has begun: until then this thread holds the interpreter.
        team.ask(help_out, helpers)
        call(all_of_it)

    return together


def _on_late(program: Program, places: Sequence[int], env: list[Any], go: Bound) -> Bound:
    """A call on what a run has put into the environment."""
    late, refused = program.late, program.refused
    first, last = len(places), program.last
    numbered = tuple((first + index, place) for index, place in enumerate(places))

    def slowly() -> None:
        held = program.lay([env[place] for place in places])
        go()
        del held

    def run() -> None:
        for index, place in numbered:
            late[index] = id(env[place])
        go()
        if refused[last]:
            slowly()

    return run if program.layout is not None else slowly


def _contiguous(array: Array) -> Array:
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")


def code_of(call: object) -> str:
    """The kind of machine code that a step is; "" for what is none."""
    return call.cpu if isinstance(call, MachineCode) else ""


def kernels_of(calls: Sequence[Any]) -> list[Any]:
    """What the machine code of steps was made of; each once."""
    native = [call for call in calls if isinstance(call, NativeStep)]
    found = (c.kernel.kernel for call in native for step in call.steps for c in step.calls)
    return list(dict.fromkeys(found))


_AHEAD = (New, Reshape)
"""Instructions that may come before machine code that stands before them: it puts nothing into the
environment."""


def in_one_call(steps: Sequence[Any], instructions: Sequence[Instruction]) -> list[tuple[Any, int]]:
    """The steps, with machine code in a row as one of them, and the index of the first of each."""
    found: list[tuple[Any, int]] = []
    row: list[NativeStep] = []
    ahead: list[tuple[Any, int]] = []
    behind: list[tuple[Any, int]] = []

    def finish(end: int) -> None:
        found.extend(ahead)
        if row:
            found.append((joined(row), end))
        found.extend(behind)
        for held in (row, ahead, behind):
            held.clear()

    first = 0
    for index, (step, instruction) in enumerate(zip(steps, instructions, strict=True)):
        if isinstance(step, NativeStep):
            if not row:
                first = index
            row.append(step)
        elif row and isinstance(instruction, _AHEAD):
            ahead.append((step, index))
        elif row and isinstance(instruction, Release):
            behind.append((step, index))
        else:
            finish(first)
            found.append((step, index))
    finish(first)
    return found


def alone(
    steps: Sequence[Any],
    instructions: Sequence[Instruction],
    arguments: int,
    results: Sequence[Ref],
) -> Callable[[Sequence[Array]], list[Array]] | None:
    """The whole of a plan, of its inputs, if it is one call and makes its results; else None."""
    fresh = {i.slot.index: i.slot for i in instructions if isinstance(i, New)}
    calls = [step for step in steps if isinstance(step, Joined)]
    if len(calls) != 1 or not all(isinstance(i, New | Invoke | Release) for i in instructions):
        return None
    if len(steps) - 1 != sum(isinstance(i, New | Release) for i in instructions):
        return None
    (only,) = calls
    slots = [ref.index for ref in results if isinstance(ref, Slot)]
    if (
        len(set(slots)) != len(results)
        or not fresh.keys() >= set(slots)
        or len(fresh) != len(slots)
    ):
        return None
    if not all(place < arguments or place in fresh for place in only.places):
        return None
    program = only.program
    if program.layout is None or not only.places:
        return None
    go, late, refused = only.go, program.late, program.refused
    last, first, empty = program.last, len(only.places), np.empty
    made = [(fresh[slot].type.static_shape, fresh[slot].type.dtype) for slot in slots]
    given = [(first + i, place) for i, place in enumerate(only.places) if place < arguments]
    taken = [
        (first + i, slots.index(place)) for i, place in enumerate(only.places) if place >= arguments
    ]

    def run(inputs: Sequence[Array]) -> list[Array]:
        outputs = [empty(shape, dtype) for shape, dtype in made]
        for index, place in given:
            late[index] = id(inputs[place])
        for index, place in taken:
            late[index] = id(outputs[place])
        go()
        if refused[last]:
            of = {**dict(enumerate(inputs)), **dict(zip(slots, outputs, strict=True))}
            copies = program.lay([of[place] for place in only.places])
            go()
            del copies
        return outputs

    return run
