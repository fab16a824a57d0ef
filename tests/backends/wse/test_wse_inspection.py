"""A run stops where it is told, shows what it looks like there, and goes on as if nothing had happened."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.backends.wse.machine import WSE2, WSE3, machine
from pyflame_rt.backends.wse.sim import conditions
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Assembler
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.backends.wse.sim.image import EAST, RAMP, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import ValidationError


def _pair(words: int = 40, takes: int = 40, wait: int = 60) -> Assembler:
    """PE 0 waits, then sends on colour 3; PE 1 takes by a microthread, then counts to five."""
    asm = Assembler(2)
    sender = asm.program("send")
    data = sender.array("data", words, values=np.arange(words))
    sender.task("main", active=True)
    sender.li(7, 1, cost=wait)
    sender.vector("mov32", sender.fabout(0, words), sender.mem1d(data))
    sender.end()
    receiver = asm.program("receive")
    data = receiver.array("data", takes)
    done = receiver.declare("done")
    receiver.task("main", active=True)
    into, dest = receiver.fabin(0, takes), receiver.mem1d(data)
    receiver.vector("fadds", dest, into, dest, microthread=2, activate=done)
    receiver.end()
    receiver.define(done)
    for _ in range(5):
        receiver.alui("add", 5, 5, 1)
    receiver.end()
    asm.place(sender, 0, 0, outputs={0: 3})
    asm.place(receiver, 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    return asm


def _start(asm: Assembler, **how: bool) -> Simulator:
    return Simulator(asm.image(), WSE2, jit=False, trace="ops", **how)


def _end(asm: Assembler) -> int:
    simulator = _start(asm)
    simulator.run()
    return simulator.cycle


def test_a_register_stops_a_run_in_the_first_cycle_in_which_it_has_the_value() -> None:
    """Five additions of a cycle each from the start of the completion task; stopping changes nothing."""
    simulator = _start(_pair())
    started = conditions.TaskStarts(1, 0, "done")
    assert not simulator.run(when=started)
    start = simulator.cycle - 1
    condition = conditions.register(1, 0, 5) >= 3
    assert str(condition) == "register 5 of PE (1, 0) >= 3"
    assert not simulator.run(when=condition)
    # The third addition is issued two cycles after the first, and seen in the cycle after.
    assert (simulator.register(5, 1, 0), simulator.cycle) == (3, start + 3)
    assert simulator.run()
    assert simulator.cycle == _end(_pair())


def test_memory_and_queues_stop_a_run() -> None:
    """The eleventh word in memory; a queue whose reader comes late filling up."""
    simulator = _start(_pair())
    assert not simulator.run(when=conditions.memory(1, 0, "data", 10).equals(10))
    assert np.array_equal(simulator.read("data", 1, 0)[9:12], [9, 10, 0])
    asm = _pair(words=20, takes=8)
    simulator = _start(asm)
    full = conditions.queue(1, 0, "input", 0) >= 6
    assert not simulator.run(when=full)
    state = simulator.inspect(1, 0)
    assert [len(queue.words) for queue in state.queues] == [6]
    # It holds already: the run does not move.
    cycle = simulator.cycle
    assert not simulator.run(when=full)
    assert simulator.cycle == cycle


def test_breakpoints_stop_before_an_instruction_and_after_a_dispatch() -> None:
    """The instruction has not been issued; the op has, and executed its first group."""
    simulator = _start(_pair())
    assert not simulator.run(when=conditions.Breakpoint(0, 0, 3))
    assert simulator.inspect(0, 0).instruction == 3
    assert not [event for event in simulator.events() if event.kind == "op" and event.x == 0]
    assert not simulator.run(when=conditions.OpStarts(0, 0, "mov32"))
    (op,) = simulator.inspect(0, 0).ops
    assert (op.function, op.thread, op.done, op.length) == ("mov32", 0, 1, 40)
    assert op.started == simulator.cycle - 1
    # It was dispatched before: no other op of this PE starts, the program ends.
    assert simulator.run(when=conditions.OpStarts(0, 0))


def test_a_run_with_a_condition_ends_where_others_do() -> None:
    """At the cycle given, at the program's end, at an error, with the same cycles."""
    never = conditions.register(0, 0, 63) > 5
    simulator = _start(_pair())
    assert not simulator.run(until=50, when=never)
    assert simulator.cycle == 50
    assert simulator.run(when=never)
    assert simulator.cycle == _end(_pair())
    with pytest.raises(SimulationError, match="deadlock"):
        _start(_pair(takes=41)).run(when=never)
    endless = Simulator(_pair().image(), machine("wse2", ["cycle_limit=40"]), jit=False)
    with pytest.raises(SimulationError, match="still runs after 40 cycles"):
        endless.run(when=never)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (conditions.register(5, 0, 1) > 0, "no program runs on PE (5, 0)"),
        (conditions.register(0, 0, 64) > 0, "there is no register 64"),
        (conditions.memory(0, 0, "dat") > 0, "the program has no array 'dat'"),
        (conditions.memory(0, 0, "data", 40) > 0, "array 'data' has no element 40"),
        (conditions.queue(0, 0, "input", 0) > 0, "PE (0, 0) has no input queue 0"),
        (conditions.queue(0, 0, "side", 0) > 0, "PE (0, 0) has no side queue 0"),
        (conditions.TaskStarts(1, 0, "don"), "PE (1, 0) has no task 'don'; has done, main"),
        (conditions.OpStarts(0, 0, "mov"), "there is no vector function 'mov'"),
        (conditions.Breakpoint(0, 0, 99), "PE (0, 0) has no instruction 99"),
    ],
)
def test_conditions_on_what_is_not_there(condition: conditions.Condition, text: str) -> None:
    """Each names what is missing before anything is run."""
    simulator = _start(_pair())
    with pytest.raises(ValidationError) as caught:
        simulator.run(when=condition)
    assert text in str(caught.value)
    assert simulator.cycle == 0


def test_an_unknown_comparison_is_refused() -> None:
    """`~` compares nothing."""
    with pytest.raises(ValidationError, match="'~' is no comparison"):
        conditions.register(0, 0, 1).compare("~", 1)


def test_the_state_of_an_element_reads_well() -> None:
    """In the middle of a stream: thread, task, queue, DSRs, route and memory, each on a line."""
    simulator = _start(_pair())
    simulator.run(when=conditions.memory(1, 0, "data", 10).equals(10))
    text = str(simulator.inspect(1, 0))
    lines = text.splitlines()
    assert lines[0] == f"PE (1, 0) in cycle {simulator.cycle}: program receive"
    assert "  main thread  idle (idle)" in lines
    started = next(event.cycle for event in simulator.events() if event.x and event.kind == "op")
    op = f"microthread 2: @fadds of instruction 3, 11 of 40 done since cycle {started}: working"
    assert f"  op           {op}" in lines
    assert "  task         done: started 0 times" in lines
    assert "  task         main: started 1 times" in lines
    assert any(line.startswith("  queue        input queue 0, colour 3: 2 of 8 ") for line in lines)
    assert "  DSR          dest 0: mem1d of 40 at 0+0, stride 4" in lines
    assert "  DSR          src0 0: fabin of 40 on queue 0" in lines
    route = next(line for line in lines if line.startswith("  route"))
    assert "colour 3: position 0, west -> ramp" in route
    assert "  memory       data: float32 [0. 1. 2. 3. 4. 5. 6. 7.] and 32 more" in lines
    sender = simulator.inspect(0, 0)
    assert (sender.state, sender.task, sender.registers[7]) == ("in a vector op", "main", 1)


def _report(asm: Assembler, kind: str) -> list[str]:
    with pytest.raises(SimulationError) as caught:
        _start(asm).run()
    assert caught.value.kind == kind
    assert "\n" not in str(caught.value)
    return caught.value.report.splitlines()


def test_a_deadlock_is_drawn_and_traced_to_its_source() -> None:
    """A map of the two PEs, who waits, and which PE's words do not come."""
    lines = _report(_pair(takes=41), "deadlock")
    assert "y=0 . ?" in lines
    assert "    ? an op waits for words" in lines
    assert "PE (1, 0): microthread 2 @fadds waits for a word of colour 3 (40 of 41 done)" in lines
    assert "    colour 3 comes from PE (0, 0), which is idle, its last task was 'main'" in lines


def test_two_that_wait_for_each_other() -> None:
    """Each wants the other's word before it sends its own: both are marked, each names the other."""
    asm = Assembler(4, 3)
    for x in (1, 2):
        program = asm.program(f"pe{x}")
        data = program.array("data", 4)
        program.task("main", active=True)
        program.vector("mov32", program.mem1d(data), program.fabin(0, 4))
        program.vector("mov32", program.fabout(0, 4), program.mem1d(data))
        program.end()
        asm.place(program, x, 1, inputs={0: 3 - x}, outputs={0: x})
        asm.route(x, 1, x, ([RAMP], [EAST if x == 1 else WEST]))
        asm.route(x, 1, 3 - x, ([WEST if x == 2 else EAST], [RAMP]))
    lines = _report(asm, "deadlock")
    assert "y=1 . ? ? ." in lines
    for x in (1, 2):
        text = f"colour {3 - x} comes from PE ({3 - x}, 1), which is in a vector op in task 'main'"
        assert f"    {text}" in lines


def test_other_ends_are_drawn_too() -> None:
    """Blocked tasks, words left behind, two words of a colour at once."""
    asm = Assembler(1)
    program = asm.program("blocked")
    program.task("main", active=True, blocked=True)
    program.end()
    asm.place(program, 0, 0)
    assert "y=0 b" in _report(asm, "deadlock")
    lines = _report(_pair(takes=35), "leftover")
    assert "y=0 . o" in lines
    assert "PE (1, 0): 5 of colour 3 in input queue 0" in lines
    asm = Assembler(3)
    for x in (0, 2):
        sender = asm.program("send")
        data = sender.array("data", 4)
        sender.task("main", active=True)
        sender.vector("mov32", sender.fabout(0, 4), sender.mem1d(data))
        sender.end()
        asm.place(sender, x, 0, outputs={0: 3})
        asm.route(x, 0, 3, ([RAMP], [EAST if x == 0 else WEST]))
    asm.route(1, 0, 3, ([WEST, EAST], [RAMP]))
    receiver = asm.program("receive")
    receiver.task("word", kind=im.DATA, queue=0)
    receiver.end()
    asm.place(receiver, 1, 0, inputs={0: 3})
    lines = _report(asm, "clash")
    assert "y=0 o x o" in lines
    assert {"words from east come from PE (2, 0)", "words from west come from PE (0, 0)"} <= set(
        lines
    )


def test_a_program_that_is_too_big_shows_its_arrays() -> None:
    """The error lists sizes, the biggest first."""
    asm = Assembler(1)
    program = asm.program("big")
    program.array("small", 16)
    program.array("large", 12_500)
    program.task("main", active=True)
    program.end()
    asm.place(program, 0, 0)
    with pytest.raises(ValidationError, match=r"needs 50064 bytes .* 49152: large 50000, small 64"):
        Simulator(asm.image(), WSE3, jit=False)
