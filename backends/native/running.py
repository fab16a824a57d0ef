"""Runs calls of kernels one after the other, as one function of machine code.

With helpers, whoever of the threads is free takes a share of the step; the next step begins when all
shares of the one before have ended. A run waits for no thread that has not begun: without helpers it
takes all shares itself. Helpers enter through a gate, which is open during a run; a run ends when all
of them have left.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp, i64
from xdsl.ir import SSAValue

from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.native.arrays import WELL, object_layout
from pyflame_rt.backends.native.steps import Records, Step, address_of
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over
from pyflame_rt.backends.runtime import Array

_RECORD = (
    "mode", "@steps", "count", "@patches", "patches_count", "@bases", "@objects", "objects_count",
    "data", "flags", "@gate", "@yields", "is_late",
)  # fmt: skip
_STEP = ("@shares", "count", "taken", "done")
_SHARE = ("@calls", "count")
_CALL = ("@kernel", "@record")
_PATCH = ("@target", "base", "offset")
_TAKEN, _DONE = (8 * _STEP.index(name) for name in ("taken", "done"))
_OPEN, _INSIDE, _GATE = 0, 64, 128
"""Bytes of the gate: whether it is open, how many helpers are inside."""

ALONE, TOGETHER, HELP = range(3)
"""Modes: a whole run by one thread, one with helpers, and a helper's part of that."""

_PATIENCE = 4000
"""Looks at what another thread is to change before the processor is left to it."""

_WORTH = 150_000
"""Nanoseconds of work for which helpers are asked: they take a while to come."""


@dataclass(frozen=True)
class RunKernel:
    """Code that writes addresses into records, and then makes calls in order.

    Addresses are those in `bases`, or are read from array objects (see `arrays.py`) into it. If one of
    these does not lie well, `is_late` is set, and nothing is called.
    """

    cpu: str
    threads: bool

    entry = "run"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        (record,) = b.arguments
        given = fields(b, record, _RECORD)
        if not self.threads:
            _begin(b, record, given, lambda: _alone(b, given))
            return ModuleOp([b.finish()])

        def mode(*bodies: Callable[[], None], first: int = 0) -> Values:
            if len(bodies) == 1:
                bodies[0]()
                return ()
            is_it = b.compare("eq", given["mode"], first)
            b.either(is_it, lambda: mode(bodies[0]), lambda: mode(*bodies[1:], first=first + 1))
            return ()

        together = _Together(b, given)
        mode(
            lambda: _begin(b, record, given, lambda: _alone(b, given)),
            lambda: _begin(b, record, given, together.run),
            together.help,
        )
        return ModuleOp([b.finish()])


def _begin(
    b: Builder, record: SSAValue, given: dict[str, SSAValue], then: Callable[[], None]
) -> None:
    """Write addresses into records."""

    def read(values: Pointers) -> Values:
        place, base, flags = values
        found = b.load(place, POINTER, 8)
        b.store_number(b.load(b.at(found, given["data"]), i64, 8), base)
        here = b.load(b.at(found, given["flags"]), i64, 8)
        return [b.at(place, 8), b.at(base, 8), b.bits_of_all(flags, here)]

    def patch(values: Pointers) -> None:
        here = fields(b, values[0], _PATCH)
        base = b.load(b.at(given["bases"], here["base"]), i64, 8)
        b.store_number(b.plus(base, here["offset"]), here["target"])

    def go_on() -> Values:
        over(b, given["patches_count"], [given["patches"]], [8 * len(_PATCH)], patch)
        then()
        return ()

    def refuse() -> Values:
        b.store_number(b.integer(1), b.at(record, 8 * _RECORD.index("is_late")))
        return ()

    start = [given["objects"], given["bases"], b.integer(WELL)]
    *_, flags = b.loop(given["objects_count"], start, read)
    b.either(b.compare("eq", flags, WELL), go_on, refuse)


def _share(b: Builder, share: SSAValue) -> None:
    """The calls of a share."""
    given = fields(b, share, _SHARE)

    def call(values: Pointers) -> None:
        here = fields(b, values[0], _CALL)
        b.call_address(here["kernel"], [here["record"]])

    over(b, given["count"], [given["calls"]], [8 * len(_CALL)], call)


def _alone(b: Builder, given: dict[str, SSAValue]) -> None:
    """All shares of all steps in order."""

    def step(values: Pointers) -> None:
        here = fields(b, values[0], _STEP)
        over(
            b, here["count"], [here["shares"]], [8 * len(_SHARE)], lambda found: _share(b, found[0])
        )

    over(b, given["count"], [given["steps"]], [8 * len(_STEP)], step)


class _Together:
    """A run with helpers."""

    def __init__(self, b: Builder, given: dict[str, SSAValue]) -> None:
        self._b, self._given = b, given

    def run(self) -> None:
        """Let helpers in, with nothing done yet; take shares, close the gate, and wait until helpers have
        left."""
        b, given = self._b, self._given
        gate = given["gate"]

        def clear(values: Pointers) -> None:
            for place in (_TAKEN, _DONE):
                b.store_number(b.integer(0), b.at(values[0], place))

        over(b, given["count"], [given["steps"]], [8 * len(_STEP)], clear)
        self._add(b.at(gate, _OPEN), 1)
        self._work()
        self._add(b.at(gate, _OPEN), -1)
        self._wait(b.at(gate, _INSIDE), lambda inside: b.compare("sgt", inside, 0))

    def help(self) -> None:
        """Take shares if the gate is open."""
        b, gate = self._b, self._given["gate"]
        self._add(b.at(gate, _INSIDE), 1)
        is_open = b.compare("ne", self._add(b.at(gate, _OPEN), 0), 0)

        def work() -> Values:
            self._work()
            return ()

        b.when(is_open, work, ())
        self._add(b.at(gate, _INSIDE), -1)

    def _work(self) -> None:
        b, given = self._b, self._given

        def step(values: Pointers) -> None:
            (place,) = values
            here = fields(b, place, _STEP)
            count = here["count"]

            def take(_: Pointers) -> tuple[SSAValue, Values]:
                index = self._add(b.at(place, _TAKEN), 1)
                is_one = b.compare("slt", index, count)

                def run() -> Values:
                    _share(b, b.at(here["shares"], b.times(index, 8 * len(_SHARE))))
                    self._add(b.at(place, _DONE), 1)
                    return ()

                b.when(is_one, run, ())
                return is_one, ()

            b.repeat_while((), take)
            self._wait(b.at(place, _DONE), lambda done: b.compare("slt", done, count))

        over(b, given["count"], [given["steps"]], [8 * len(_STEP)], step)

    def _wait(self, place: SSAValue, is_early: Callable[[SSAValue], SSAValue]) -> None:
        """Until a number is as it should be."""
        b, yields = self._b, self._given["yields"]

        def look(values: Pointers) -> tuple[SSAValue, Values]:
            (left,) = values
            b.assembly("pause", "~{memory}", (), None)
            impatient = b.compare("slt", left, 0)

            def leave() -> Values:
                b.call_address(yields, [])
                return [b.integer(_PATIENCE)]

            left = b.when(impatient, leave, [b.minus(left, 1)])[0]
            return is_early(b.load(place, i64, 8)), [left]

        def wait() -> Values:
            b.repeat_while([b.integer(_PATIENCE)], look)
            return ()

        b.when(is_early(b.load(place, i64, 8)), wait, ())

    def _add(self, place: SSAValue, number: int) -> SSAValue:
        """Add to a number that other threads may change; what it was before."""
        b = self._b
        given = (place, b.integer(number))
        return b.assembly("lock xaddq $0, ($1)", "=r,r,0,~{memory},~{flags}", given, i64)


@cache
def can_share() -> bool:
    """Whether there is code here by which threads wait for each other."""
    return platform.machine() in ("AMD64", "x86_64") and _yields() != 0


@cache
def _yields() -> int:
    """The address of the function that leaves the processor to another thread."""
    try:
        found = ctypes.CDLL(None).sched_yield
    except (OSError, AttributeError, TypeError):
        return 0
    return ctypes.cast(found, ctypes.c_void_p).value or 0


class Program:
    """Steps over operands, as memory that `RunKernel` reads.

    `known` are the addresses of operands; those that are None are given in each run, in order.
    """

    def __init__(self, cpu: str, steps: Sequence[Step], known: Sequence[int | None]) -> None:
        shares = [share for step in steps for share in step.shares]
        calls = [call for share in shares for call in share]
        self._records = records = Records.of(calls)
        numbers = [operand for operand, address in enumerate(known) if address is None]
        late = {operand: index for index, operand in enumerate(numbers)}
        records.fill([0 if address is None else address for address in known])
        memory = address_of(records.memory)
        patches = [
            (memory + 8 * index, 8 * late[place.operand], place.offset)
            for index, place in records.places
            if place.operand in late
        ]
        self._patches = np.array(patches, np.int64)
        self._calls = np.array(
            [
                (call.kernel.address, memory + 8 * start)
                for call, start in zip(calls, records.starts, strict=True)
            ],
            np.int64,
        )
        self._shares = _grouped(self._calls, [len(share) for share in shares])
        groups = _grouped(self._shares, [len(step.shares) for step in steps])
        self._steps = np.zeros((len(groups), len(_STEP)), np.int64)
        self._steps[:, :2] = groups
        self.layout = object_layout()
        self._late = np.zeros(2 * len(late) + 1, np.int64)
        self.late = _seen(self._late)
        """Addresses of late operands; where the layout of array objects is known, these after them."""
        self._gate = np.zeros(_GATE // 8, np.int64)
        self.helpers = _helpers(steps)
        """How many threads may help."""
        layout = (0, 0) if self.layout is None else (self.layout.data, self.layout.flags)
        record = [
            address_of(self._steps), len(self._steps),
            address_of(self._patches), len(patches),
            address_of(self._late), address_of(self._late) + 8 * len(late),
            0 if self.layout is None else len(late),
            *layout, address_of(self._gate), _yields() if self.helpers else 0, 0,
        ]  # fmt: skip
        self._modes = np.array([(mode, *record) for mode in range(3)], np.int64)
        modes, way = address_of(self._modes), self._modes.strides[0]
        self.addresses = tuple(modes + mode * way for mode in range(3))
        """Those of the records of the modes."""
        self.last = len(_RECORD) * (TOGETHER if self.helpers else ALONE) + len(_RECORD) - 1
        self.refused = _seen(self._modes.reshape(-1))
        """Whether a run was refused stands at `last`."""
        kernel = kernels.loaded(RunKernel(cpu, self.helpers > 0))
        self._held = (kernel, steps)
        self.call = kernel.call

    @property
    def is_open(self) -> bool:
        """Whether helpers may come in, or are inside."""
        return bool(self._gate.any())

    def lay(self, arrays: Sequence[Array]) -> list[Array]:
        """Take late operands, whatever way they lie; copies of them are to be kept for the run."""
        held, late = list[Array](), self.late
        # At first: where a copy cannot be made, the next run begins anew.
        self.refused[self.last] = 0
        for index, array in enumerate(arrays):
            if not (array.flags.c_contiguous and array.flags.aligned):
                # What comes into a plan may lie in any way; what it makes itself does not.
                array = np.array(array, order="C")
            held.append(array)
            late[index] = address_of(array)
            late[len(arrays) + index] = id(array)
        return held


def _seen(numbers: Array) -> Any:
    """The same memory as what Python writes a number to in the least time."""
    return (ctypes.c_int64 * numbers.size).from_buffer(cast(Any, numbers))


def _grouped(rows: Array, sizes: Sequence[int]) -> Array:
    """(address of the first row, how many) of groups of rows."""
    begin, width = address_of(rows), rows.strides[0] if len(rows) else 0
    found: list[tuple[int, int]] = []
    for size in sizes:
        found.append((begin, size))
        begin += size * width
    return np.array(found, np.int64).reshape(-1, 2)


def _helpers(steps: Sequence[Step]) -> int:
    """How many threads are worth to be asked."""
    most = max((len(step.shares) for step in steps), default=1)
    work = sum(step.work for step in steps if len(step.shares) > 1)
    return most - 1 if work > _WORTH and can_share() else 0
