"""Constants are set by name, and a table says which of them moves which benchmark, by how much."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pyflame_rt.backends.wse.machine import CONSTANTS, WSE2, WSE3, Machine
from pyflame_rt.backends.wse.reports.sensitivity import sensitivity, stepped
from pyflame_rt.backends.wse.sim.assembly import Assembler
from pyflame_rt.backends.wse.sim.image import EAST, RAMP, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import ValidationError


def _stream(hops: int, words: int, machine: Machine) -> int:
    """Cycles of a run in which PE 0 sends words to PE `hops`."""
    asm = Assembler(hops + 1)
    for x, name in ((0, "send"), (hops, "receive")):
        program = asm.program(name)
        data = program.mem1d(program.array("data", words, values=np.arange(words)))
        program.task("main", active=True)
        if x == 0:
            program.li(63, 0, cost=100)
            program.vector("mov32", program.fabout(0, words), data)
        else:
            program.vector("mov32", data, program.fabin(0, words))
        program.end()
        asm.place(program, x, 0, inputs={0: 3} if x else {}, outputs={} if x else {0: 3})
    for x in range(hops + 1):
        asm.route(x, 0, 3, ([WEST if x else RAMP], [EAST if x < hops else RAMP]))
    simulator = Simulator(asm.image(), machine, jit=False)
    simulator.run()
    return simulator.cycle


def test_constants_by_name() -> None:
    """Numbers and lists; the profile itself stays."""
    other = WSE2.with_constants({"hop": 3, "input_depths": [8] * 8, "several_receive": False})
    assert (other.hop, other.input_depths, other.several_receive) == (3, (8,) * 8, False)
    assert (other.name, WSE2.hop) == ("wse2", 1)
    assert set(CONSTANTS) == set(vars(WSE2)) - {"name"}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"hops": 2}, "the machine has no constant 'hops'; names: bank_bytes, bank_classes,"),
        ({"name": 2}, "the machine has no constant 'name'"),
        ({"hop": 0}, "'0' is out of range for the machine's hop; at least 1"),
        ({"hop": 1.5}, "'1.5' is not a value of the machine's hop"),
        ({"input_depths": [1, 2]}, "queue depths are eight numbers"),
    ],
)
def test_wrong_constants_by_name(values: dict[str, int], text: str) -> None:
    """An unknown name lists the names, a wrong value says what it may be."""
    with pytest.raises(ValidationError) as caught:
        WSE2.with_constants(values)
    assert text in str(caught.value)


def test_which_constant_moves_which_benchmark() -> None:
    """A cycle more a hop costs a stream over four hops four cycles, over one hop one; lanes cost nothing."""
    found = sensitivity(
        {"far": lambda machine: _stream(4, 10, machine), "near": lambda m: _stream(1, 10, m)},
        WSE3,
        ["hop", "ramp_up", "lanes_16", "link_eighths"],
    )
    assert found.cycles["far"] - found.cycles["near"] == 6
    moved = {
        name: [cycles - found.cycles[key] for key, cycles in row.items() if cycles is not None]
        for name, row in found.moved.items()
    }
    assert moved["hop"] == [4, 1]
    assert moved["ramp_up"] == [1, 1]
    assert moved["lanes_16"] == [0, 0]
    lines = found.lines()
    assert lines[0].split() == ["constant", "step", "far", "near"]
    assert lines[2].split() == ["hop", "2", "->", "3", "+4", "+1"]
    assert lines[-1] == "nothing moves with lanes_16"
    assert json.loads(json.dumps(found.as_json()))["constants"]["hop"]["to"] == 3


def test_a_benchmark_that_does_not_run_with_a_constant() -> None:
    """It says so in its place; the others' figures stay."""

    def picky(machine: Machine) -> int:
        if machine.hop > 1:
            raise ValidationError("too far")
        return 5

    found = sensitivity({"picky": picky, "any": lambda machine: machine.hop}, WSE2, ["hop"])
    assert found.lines()[2].split() == ["hop", "1", "->", "2", "error", "+1"]
    with pytest.raises(ValidationError, match="no constant 'hops'"):
        sensitivity({}, WSE2, ["hops"])


def test_every_constant_can_be_stepped() -> None:
    """Also lists, flags and percentages: the machine takes each new value."""
    for name in CONSTANTS:
        value = stepped(name, getattr(WSE2, name))
        if name != "cycle_limit":
            assert getattr(WSE2.with_constants({name: value}), name) == value != getattr(WSE2, name)
    assert stepped("output_depths", (2, -1)) == (3, -1)
    assert stepped("percent_copy", 100) == 110
    assert stepped("several_receive", True) is False
