"""Programs from text beside hand-assembled ones, for the tests of the loader."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt import ir_text
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.backends.wse.machine import WSE2, WSE3, Machine
from pyflame_rt.backends.wse.sim.assembly import Assembler
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.universe import make_context

MACHINES = pytest.mark.parametrize("machine", [WSE2, WSE3], ids=lambda machine: machine.name)


def loaded(text: str, machine: Machine, trace: str = "ops") -> Runtime:
    """The program of a text, which is printed and read again first."""
    module = ir_text.parse(text, make_context(), "test")
    again = ir_text.parse(ir_text.to_text(module), make_context(), "test")
    assert ir_text.to_text(again) == ir_text.to_text(module)
    return Runtime(again, machine, jit=False, trace=trace)


def timeline(simulator: Simulator) -> list[tuple[str, int, int, int, str]]:
    """What happened, in order: kind, cycle, PE, and what it is about."""
    return [(e.kind, e.cycle, e.x, e.y, e.text) for e in simulator.events()]


def same(text: str, asm: Assembler, machine: Machine, *, launch: str | None = None) -> Runtime:
    """Run both: the same events in the same cycles, the same memory."""
    runtime = loaded(text, machine)
    by_hand = Simulator(asm.image(), machine, jit=False, trace="ops")
    for each in (runtime, by_hand):
        if launch is not None:
            each.launch(launch)
        each.run()
    assert timeline(runtime.simulator) == timeline(by_hand)
    assert runtime.cycle == by_hand.cycle
    image, other = runtime.loaded.image, by_hand.image
    for pe, program in image.placements.tolist():
        x, y = pe % image.width, pe // image.width
        expected = other.program_of(pe)
        assert expected is not None
        for name in image.programs[program].symbols:
            found = runtime.simulator.read(name, x, y)
            assert np.array_equal(found, by_hand.read(name, x, y), equal_nan=True), name
            assert image.programs[program].symbols[name] == expected.symbols[name]
    return runtime


def dense(values: np.ndarray) -> str:
    """The values as they stand in a program's text."""
    return f"dense<{values.astype(float).tolist()}>"
