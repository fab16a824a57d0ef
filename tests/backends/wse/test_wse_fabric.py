"""Routers, queues, switches, tasks and microthreads do what the machine's description says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pyflame_rt.backends.wse.machine import MACHINES, WSE2, WSE3, Machine, machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.backends.wse.sim.image import EAST, NORTH, RAMP, SOUTH, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import ValidationError


def _start(asm: Assembler, machine: Machine = WSE2, trace: str = "prints") -> Simulator:
    return Simulator(asm.image(), machine, jit=False, trace=trace)


def _send(asm: Assembler, values: np.ndarray, wait: int = 60, queue: int = 0) -> ProgramBuilder:
    program = asm.program("send")
    data = program.array("data", len(values), values=values)
    program.task("main", active=True)
    program.li(63, 0, cost=wait)
    program.vector("mov32", program.fabout(queue, len(values)), program.mem1d(data))
    return program


def _receive(asm: Assembler, words: int, wait: int = 0) -> ProgramBuilder:
    program = asm.program("receive")
    data = program.array("data", words)
    program.task("main", active=True)
    program.li(63, 0, cost=wait)
    program.vector("mov32", program.mem1d(data), program.fabin(0, words))
    program.end()
    return program


def _pair(values: np.ndarray, count: int, *, wait: int = 0) -> Assembler:
    """PE 0 sends values on colour 3 to PE 1, which takes `count` of them after `wait` cycles."""
    asm = Assembler(2)
    sender = _send(asm, values)
    sender.end()
    asm.place(sender, 0, 0, outputs={0: 3})
    asm.place(_receive(asm, count, wait), 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    return asm


@pytest.mark.parametrize("profile", sorted(MACHINES))
def test_a_slow_receiver_stops_its_sender(profile: str) -> None:
    """Back-pressure: nothing is lost, queues never hold more than they can, the sender waits."""
    values = np.arange(200, dtype=np.float32)
    simulator = _start(_pair(values, 200, wait=1000), MACHINES[profile])
    simulator.run()
    assert np.array_equal(simulator.read("data", 1, 0), values)
    first, second = simulator.statistics().elements
    assert first.cycles["output full"] > 500
    assert second.high_water["input", 0] == MACHINES[profile].input_depths[0] + (
        MACHINES[profile].ramp_up
    )
    assert all(sum(element.cycles.values()) == simulator.cycle for element in (first, second))


@pytest.mark.parametrize(("profile", "rate"), [("wse2", 8), ("wse3", 8), ("wse3-si", 9)])
def test_a_stream_takes_a_cycle_a_word(profile: str, rate: int) -> None:
    """Queues and pipeline registers sustain the link's rate: 9 cycles for 8 words on silicon."""
    ends: list[int] = []
    for count in (80, 480):
        asm = _pair(np.zeros(count, np.float32), count)
        simulator = _start(asm, dataclasses.replace(MACHINES[profile], percent_copy=100))
        simulator.run()
        ends.append(simulator.cycle)
    assert ends[1] - ends[0] == 400 * rate // 8


def test_a_shallow_router_queue_slows_a_long_hop() -> None:
    """Two words of router queue cannot cover a hop of two cycles."""
    ends: list[int] = []
    for count in (100, 400):
        asm = _pair(np.zeros(count, np.float32), count)
        simulator = _start(asm, machine("wse3", ["router_depth=2"]))
        simulator.run()
        ends.append(simulator.cycle)
    assert ends[1] - ends[0] > 1.3 * 300


def _multicast_square(asm: Assembler, size: int, words: int) -> None:
    """PE (0, 0) to all: along row 0, and from each of its PEs down the column."""
    receive = _receive(asm, words)
    for y in range(size):
        for x in range(size):
            down = [SOUTH] if y < size - 1 else []
            along = [EAST] if y == 0 and x < size - 1 else []
            if x == y == 0:
                asm.route(x, y, 3, ([RAMP], down + along))
                continue
            asm.route(x, y, 3, ([NORTH] if y else [WEST], [*down, *along, RAMP]))
            asm.place(receive, x, y, inputs={0: 3})


def _delayed_stream(toward: int, setting: str) -> int:
    """Cycles of forty words over four hops in a direction, to a receiver that begins late."""
    along = (5, 1) if toward in (EAST, WEST) else (1, 5)
    asm = Assembler(*along)
    places = [(n, 0) if along == (5, 1) else (0, n) for n in range(5)]
    if toward in (WEST, NORTH):
        places.reverse()
    send = asm.program("send")
    send.task("main", active=True)
    send.vector("mov32", send.fabout(0, 40), send.mem1d(send.array("data", 40)))
    send.end()
    take = asm.program("take")
    take.task("main", active=True)
    take.li(3, 0, cost=50)
    take.vector("mov32", take.mem1d(take.array("got", 40)), take.fabin(0, 40))
    take.end()
    asm.place(send, *places[0], outputs={0: 3})
    asm.place(take, *places[-1], inputs={0: 3})
    for n, place in enumerate(places):
        asm.route(*place, 3, ([(toward + 2) & 3 if n else RAMP], [toward if n < 4 else RAMP]))
    simulator = Simulator(asm.image(), machine("wse3", [setting]))
    simulator.run()
    return simulator.cycle


@pytest.mark.parametrize(("depth", "cycles"), [(1, 148), (2, 106), (4, 99)])
def test_no_direction_is_favoured(depth: int, cycles: int) -> None:
    """Room is that of the cycle's start: it does not matter which of two routers is visited first."""
    found = {_delayed_stream(toward, f"router_depth={depth}") for toward in range(4)}
    assert found == {cycles}


def test_a_multicast_waits_for_the_slowest() -> None:
    """A square broadcast arrives whole at everyone, in order, in B + M + N - 2 + 4 cycles."""
    asm = Assembler(5, 5)
    values = np.arange(50, dtype=np.float32)
    sender = _send(asm, values)
    sender.end()
    asm.place(sender, 0, 0, outputs={0: 3})
    _multicast_square(asm, 5, 50)
    simulator = _start(asm, trace="ops")
    simulator.run()
    start = next(e.cycle for e in simulator.events() if e.kind == "op" and (e.x, e.y) == (0, 0))
    end = max(event.cycle for event in simulator.events() if event.kind == "op end")
    assert end + 1 - start == 50 + 5 + 5 - 2 + 4
    received = simulator.memcpy_d2h("data", 1, 1, 4, 4)
    assert np.array_equal(received, np.broadcast_to(values, (4, 4, 50)))


def test_control_words_advance_the_switches_that_they_pass() -> None:
    """Ten words stop at PE 1; after a SWITCH_ADV that the CE ignores, ten pass on to PE 2."""
    asm = Assembler(3)
    sender = _send(asm, np.arange(10, dtype=np.float32))
    command = sender.array("command", 1, "i32", values=im.control_word(im.SWITCH_ADV, ignore=True))
    rest = sender.array("rest", 10, values=np.arange(10, 20))
    sender.vector("mov32", sender.fabout(0, 1, control=True), sender.mem1d(command))
    sender.vector("mov32", sender.fabout(0, 10), sender.mem1d(rest))
    sender.end()
    asm.place(sender, 0, 0, outputs={0: 3})
    for x in (1, 2):
        asm.place(_receive(asm, 10), x, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]), ([WEST], [EAST]))
    asm.route(2, 0, 3, ([WEST], [RAMP]))
    simulator = _start(asm)
    simulator.run()
    assert np.array_equal(simulator.read("data", 1, 0), np.arange(10))
    assert np.array_equal(simulator.read("data", 2, 0), np.arange(10, 20))


def test_a_sender_advances_its_own_switch() -> None:
    """With advance_switch PE 1's own ten words go first, then PE 0's pass through it."""
    asm = Assembler(3)
    first = _send(asm, np.arange(10, dtype=np.float32), wait=1)
    first.end()
    second = asm.program("second")
    data = second.array("data", 10, values=np.arange(10, 20))
    second.task("main", active=True)
    second.li(63, 0, cost=200)
    second.vector("mov32", second.fabout(0, 10, advance_switch=True), second.mem1d(data))
    second.end()
    asm.place(first, 0, 0, outputs={0: 3})
    asm.place(second, 1, 0, outputs={0: 3})
    asm.place(_receive(asm, 20), 2, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([RAMP], [EAST]), ([WEST], [EAST]))
    asm.route(2, 0, 3, ([WEST], [RAMP]))
    simulator = _start(asm, WSE3)
    simulator.run()
    assert np.array_equal(
        simulator.read("data", 2, 0), np.concatenate([np.arange(10, 20), np.arange(10)])
    )


def test_a_counter_filter_keeps_one_word_of_four() -> None:
    """Words that the filter drops never reach the ramp, and others go on."""
    asm = Assembler(2)
    sender = _send(asm, np.arange(40, dtype=np.float32))
    sender.end()
    asm.place(sender, 0, 0, outputs={0: 3})
    asm.place(_receive(asm, 10), 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]), filter=(im.FILTER_COUNTER, 3, 0, 0))
    simulator = _start(asm)
    simulator.run()
    assert np.array_equal(simulator.read("data", 1, 0), np.arange(0, 40, 4))


def test_a_colour_swap_turns_words_round() -> None:
    """Words that go north on colour 3 leave the top row southwards as colour 4."""
    asm = Assembler(1, 3)
    sender = _send(asm, np.arange(8, dtype=np.float32))
    data = sender.array("back", 8)
    sender.vector("mov32", sender.mem1d(data), sender.fabin(0, 8))
    sender.end()
    asm.place(sender, 0, 2, outputs={0: 3}, inputs={0: 4})
    asm.route(0, 2, 3, ([RAMP], [NORTH]))
    asm.route(0, 1, 3, ([SOUTH], [NORTH]))
    asm.route(0, 0, 3, ([SOUTH], [SOUTH]), swap_y=4)
    asm.route(0, 1, 4, ([NORTH], [SOUTH]))
    asm.route(0, 2, 4, ([NORTH], [RAMP]))
    simulator = _start(asm, machine("wse2", ["input_depths=8:8:8:8:8:8:8:8"]))
    simulator.run()
    assert np.array_equal(simulator.read("back", 0, 2), np.arange(8))


def test_data_and_control_tasks_take_words_in_order() -> None:
    """A data task sums words; the control task that a control word names stores the sum."""
    asm = Assembler(2)
    sender = _send(asm, np.arange(1, 9, dtype=np.float32))
    word = sender.array("word", 1, "i32", values=im.control_word(im.SWITCH_NOP, task=7))
    sender.vector("mov32", sender.fabout(0, 1, control=True), sender.mem1d(word))
    sender.end()
    program = asm.program("sum")
    total = program.array("total", 1)
    program.task("word", kind=im.DATA, queue=0)
    program.alu("add", 1, 1, 0, "f32")
    program.end()
    program.task("end", kind=im.CONTROL, id=7)
    program.store(1, total, "f32")
    program.end()
    asm.place(sender, 0, 0, outputs={0: 3})
    asm.place(program, 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    simulator = _start(asm)
    simulator.run()
    assert simulator.read("total", 1, 0)[0] == 36
    assert [task.runs for task in simulator.statistics().elements[1].tasks] == [8, 1]


@pytest.mark.parametrize("profile", ["wse2", "wse3"])
def test_microthreads_share_the_slot_and_order_nothing(profile: str) -> None:
    """Two streams arrive through microthreads while the main thread computes; both tasks run."""
    asm = Assembler(3)
    for x in (0, 2):
        sender = _send(asm, np.arange(30, dtype=np.float32) + 100 * x)
        sender.end()
        asm.place(sender, x, 0, outputs={0: x})
        asm.route(x, 0, x, ([RAMP], [EAST if x == 0 else WEST]))
        asm.route(1, 0, x, ([WEST if x == 0 else EAST], [RAMP]))
    program = asm.program("both")
    arrays = [program.array(name, 30) for name in ("left", "right")]
    work = program.array("work", 500, values=1.0)
    tasks = [program.declare(name) for name in ("a", "b")]
    program.task("main", active=True)
    for number in range(2):
        program.vector(
            "mov32", program.mem1d(arrays[number]), program.fabin(number, 30),
            microthread=number, activate=tasks[number], priority=2,
        )  # fmt: skip
    vector = program.mem1d(work)
    program.li(5, 2.0, "f32")
    program.vector("fmuls", vector, vector, scalar=5)
    program.end()
    for number in range(2):
        program.define(tasks[number])
        program.alui("add", 6, 6, 1)
        program.end()
    asm.place(program, 1, 0, inputs={0: 0, 1: 2})
    simulator = _start(asm, MACHINES[profile])
    simulator.run()
    assert np.array_equal(simulator.read("left", 1, 0), np.arange(30))
    assert np.array_equal(simulator.read("right", 1, 0), np.arange(30) + 200)
    assert np.all(simulator.read("work", 1, 0) == 2)
    assert simulator.register(6, 1, 0) == 2


def test_a_fifo_lets_two_threads_meet() -> None:
    """A microthread fills a fifo of four elements from the fabric, the main thread empties it."""
    asm = Assembler(2)
    sender = _send(asm, np.arange(50, dtype=np.float32))
    sender.end()
    program = asm.program("fifo")
    store = program.array("store", 4)
    data = program.array("data", 50)
    end = program.fifo(store, 50)
    program.task("main", active=True)
    program.vector("mov32", end, program.fabin(0, 50), microthread=3)
    program.vector("fnegs", program.mem1d(data), program.fifo_end(end, 50))
    program.end()
    asm.place(sender, 0, 0, outputs={0: 3})
    asm.place(program, 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    simulator = _start(asm)
    simulator.run()
    assert np.array_equal(simulator.read("data", 1, 0), -np.arange(50, dtype=np.float32))


def test_activation_waits_for_unblock() -> None:
    """A blocked task starts when it is both active and unblocked, however they come."""
    asm = Assembler(1)
    program = asm.program("tasks")
    compute, release = program.declare("compute"), program.declare("release")
    program.task("main", function=True)
    program.activate(compute)
    program.activate(release)
    program.end()
    program.define(release)
    program.li(9, 0, cost=50)
    program.unblock(compute)
    program.end()
    program.define(compute, blocked=True)
    program.print(asm.string("computing"), 8)
    program.block(compute)
    program.end()
    asm.place(program, 0, 0)
    simulator = _start(asm)
    assert simulator.run()
    simulator.launch("main")
    simulator.run()
    (event,) = simulator.events()
    assert (event.text, event.kind) == ("computing", "print")
    assert event.cycle >= 50


def test_a_run_stops_where_it_is_told_and_goes_back() -> None:
    """Stopping and going on, or going back to a snapshot, changes no cycle and no word."""
    asm = _pair(np.arange(60, dtype=np.float32), 60)
    whole = _start(asm)
    whole.run()
    parts = _start(asm)
    assert not parts.run(70)
    assert parts.cycle == 70
    snapshot = parts.snapshot()
    parts.run()
    parts.restore(snapshot)
    parts.run()
    assert parts.cycle == whole.cycle
    assert np.array_equal(parts.read("data", 1, 0), whole.read("data", 1, 0))


def _error(asm: Assembler, profile: Machine = WSE2) -> SimulationError:
    with pytest.raises(SimulationError) as caught:
        _start(asm, profile).run()
    return caught.value


def test_a_deadlock_says_who_waits_for_what() -> None:
    """The receiver wants more words than come."""
    error = _error(_pair(np.zeros(8, np.float32), 9))
    assert error.kind == "deadlock"
    assert "PE (1, 0): @mov32 waits for a word of colour 3 (8 of 9 done)" in str(error)


def test_words_left_at_the_end_are_listed() -> None:
    """The receiver wants fewer words than come."""
    error = _error(_pair(np.zeros(8, np.float32), 5))
    assert error.kind == "leftover"
    assert "PE (1, 0): 3 of colour 3 in input queue 0" in str(error)


def test_two_words_of_one_colour_in_one_cycle_are_fatal() -> None:
    """Legal routes on wse2 (two receive directions) that clash at run time; static on wse3."""
    asm = Assembler(3)
    for x in (0, 2):
        sender = _send(asm, np.zeros(4, np.float32))
        sender.end()
        asm.place(sender, x, 0, outputs={0: 3})
        asm.route(x, 0, 3, ([RAMP], [EAST if x == 0 else WEST]))
    asm.route(1, 0, 3, ([WEST, EAST], [RAMP]))
    asm.place(_receive(asm, 8), 1, 0, inputs={0: 3})
    error = _error(asm)
    assert error.kind == "clash"
    assert "two words of colour 3 arrive in one cycle, from two of east, west" in str(error)
    with pytest.raises(ValidationError, match="wse3 takes one receive direction"):
        _start(asm, WSE3)


def test_memory_is_bounded() -> None:
    """A vector op that runs off the program's arrays is an error at its element."""
    asm = Assembler(1)
    program = asm.program("off")
    data = program.array("data", 4)
    program.task("main", active=True)
    program.vector("fmovs", program.mem1d(data, 5), program.mem1d(data, 5))
    program.end()
    asm.place(program, 0, 0)
    error = _error(asm)
    assert error.kind == "memory"
    assert "4 bytes at address 16 are outside the program's memory" in str(error)
    with pytest.raises(ValidationError, match="needs 50000 bytes of the PE's 49152: big 49984"):
        program.array("big", 12496)
        _start(asm)


def test_a_word_that_nothing_receives() -> None:
    """A colour that is sent where the neighbour has no route for it."""
    asm = Assembler(2)
    sender = _send(asm, np.zeros(3, np.float32))
    sender.end()
    asm.place(sender, 0, 0, outputs={0: 5})
    asm.route(0, 0, 5, ([RAMP], [EAST]))
    error = _error(asm)
    assert error.kind == "route"
    assert "colour 5 is sent east, where nothing receives it" in str(error)


def test_an_endless_program_meets_the_limit() -> None:
    """The cycle limit ends what deadlock detection cannot."""
    asm = Assembler(1)
    program = asm.program("loop")
    program.task("main", active=True)
    program.jump(program.here())
    asm.place(program, 0, 0)
    error = _error(asm, machine("wse2", ["cycle_limit=1000"]))
    assert error.kind == "limit"
    assert "still runs after 1000 cycles" in str(error)
    free = Assembler(1)
    program = free.program("free")
    program.task("main", active=True)
    program.jump(program.here(), cost=0)
    free.place(program, 0, 0)
    assert "endless loop of instructions without cost" in str(_error(free))


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("hops=1", "'hops=1' does not set a constant of the machine"),
        ("hop=x", "'x' is not a value of the machine's hop"),
        ("hop=0", "'0' is out of range for the machine's hop"),
        (
            "hop=100001",
            "'100001' is out of range for the machine's hop; at least 1, at most 100000",
        ),
        ("input_depths=1:2", "queue depths are eight numbers"),
    ],
)
def test_wrong_constants_are_named(setting: str, text: str) -> None:
    """An override that sets nothing, or to nonsense, says what could be set."""
    with pytest.raises(ValidationError) as caught:
        machine("wse2", [setting])
    assert text in str(caught.value)
