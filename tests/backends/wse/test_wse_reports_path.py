"""The critical path is what a run waited for: known by hand for small programs, whole for all."""

from __future__ import annotations

import numpy as np
import pytest
from wse_random_programs import machine_of, random_image

from pyflame_rt.backends.wse.machine import MACHINES, WSE2, WSE3, Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import jit
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder
from pyflame_rt.backends.wse.sim.critical_path import CriticalPath
from pyflame_rt.backends.wse.sim.image import EAST, RAMP, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import PyFlameRTError, ValidationError


def _run(asm: Assembler, machine: Machine, compiled: bool = False) -> Simulator:
    simulator = Simulator(asm.image(), machine, jit=compiled, trace="path")
    assert simulator.run()
    return simulator


def _path(asm: Assembler, machine: Machine) -> CriticalPath:
    simulator = _run(asm, machine)
    path = simulator.critical_path()
    _assert_whole(path, simulator.cycle)
    return path


def _assert_whole(path: CriticalPath, cycles: int) -> None:
    """Segments follow each other from cycle 0 to the end of the run."""
    assert path.cycles == cycles
    assert [path.segments[0].start, path.segments[-1].end] == [0, cycles]
    ends = [segment.end for segment in path.segments[:-1]]
    assert ends == [segment.start for segment in path.segments[1:]]
    assert sum(segment.cycles for segment in path.segments) == cycles
    assert sum(path.by_kind().values()) == cycles
    assert all(segment.cycles > 0 for segment in path.segments)


def _brief(path: CriticalPath) -> list[tuple[str, int, int]]:
    return [(segment.kind, segment.x, segment.cycles) for segment in path.segments]


def _sender(asm: Assembler, words: int, wait: int = 100) -> ProgramBuilder:
    program = asm.program("send")
    data = program.array("data", words, values=np.arange(words))
    program.task("main", active=True)
    program.li(63, 0, cost=wait)
    dest = program.load_dsr(0, program.fabout(0, words))
    program.vector("mov32", dest, program.load_dsr(1, program.mem1d(data)))
    program.end()
    return program


def _receiver(asm: Assembler, words: int, wait: int = 0) -> ProgramBuilder:
    program = asm.program("receive")
    data = program.array("data", words)
    done = program.declare("done")
    program.task("main", active=True)
    program.li(63, 0, cost=wait)
    dest, source = program.mem1d(data), program.fabin(0, words)
    program.vector("mov32", dest, source, microthread=0, activate=done)
    program.end()
    program.define(done)
    program.end()
    return program


def _point_to_point(hops: int, words: int, wait: int = 0) -> Assembler:
    asm = Assembler(hops + 1)
    asm.place(_sender(asm, words), 0, 0, outputs={0: 3})
    asm.place(_receiver(asm, words, wait), hops, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    for x in range(1, hops):
        asm.route(x, 0, 3, ([WEST], [EAST]))
    asm.route(hops, 0, 3, ([WEST], [RAMP]))
    return asm


def test_point_to_point_on_wse2() -> None:
    """100 cycles of waiting, two loads of 9, one more until the DSR is there; the first word's way; the stream."""
    assert _brief(_path(_point_to_point(2, 8), WSE2)) == [
        ("scalar code", 0, 119),
        ("vector op", 0, 1),
        ("ramp down", 0, 1),
        ("hop", 0, 1),
        ("hop", 1, 1),
        ("ramp up", 2, 2),
        # Eight words, the last one executes for a cycle; then the completion task.
        ("vector op", 2, 8),
        ("scalar code", 2, 1),
    ]


def test_point_to_point_on_wse3() -> None:
    """The same with two loads of 1, an op 4 after the last, 3 from dispatch to execution, hops of 2."""
    path = _path(_point_to_point(2, 8), WSE3)
    assert _brief(path) == [
        ("scalar code", 0, 105),
        ("vector op", 0, 4),
        ("ramp down", 0, 3),
        ("hop", 0, 2),
        ("hop", 1, 2),
        ("ramp up", 2, 3),
        ("vector op", 2, 7),
        ("scalar code", 2, 1),
    ]
    texts = [segment.text for segment in path.segments]
    assert texts[:4] == ["main", "@mov32 in main", "colour 3", "colour 3 east"]
    assert texts[-2:] == ["@mov32 on microthread 0 in main", "done"]


def test_chain_reduce_of_three() -> None:
    """From the far end six cycles a stage (2 executing, 1 down, 1 hop, 2 up), then a cycle a word."""
    asm = Assembler(3)
    for x in range(3):
        program = asm.program(f"pe{x}")
        own = program.array("data", 8, values=np.arange(8))
        program.task("main", active=True)
        if x == 2:
            program.li(63, 0, cost=100)
        into, vector = program.fabin(0, 8), program.mem1d(own)
        if x == 2:
            program.vector("mov32", program.fabout(0, 8), vector)
        else:
            program.vector("fadds", program.fabout(0, 8) if x else vector, into, vector)
        program.end()
        out, receive = 1 - x % 2, x % 2
        asm.place(
            program, x, 0, outputs={0: out} if x else {}, inputs={0: receive} if x < 2 else {}
        )
        if x:
            asm.route(x, 0, out, ([RAMP], [WEST]))
        if x < 2:
            asm.route(x, 0, receive, ([EAST], [RAMP]))
    assert _brief(_path(asm, WSE2)) == [
        ("scalar code", 2, 119),
        ("vector op", 2, 1),
        ("ramp down", 2, 1),
        ("hop", 2, 1),
        ("ramp up", 1, 2),
        ("vector op", 1, 2),
        ("ramp down", 1, 1),
        ("hop", 1, 1),
        ("ramp up", 0, 2),
        ("vector op", 0, 8),
        ("scalar code", 0, 2),
    ]


def test_a_late_receiver_is_what_its_sender_waits_for() -> None:
    """The receiver arms its op after 1,000 cycles: that is the path, not the words that waited."""
    path = _path(_point_to_point(1, 40, wait=1000), WSE2)
    # Its two loads and the wait for the DSR are 19; of 40 words one executes each cycle, which keeps
    # the main thread from its end.
    assert _brief(path) == [
        ("scalar code", 1, 1019),
        ("vector op", 1, 39),
        ("slot taken", 1, 1),
        ("scalar code", 1, 1),
    ]


def test_a_shared_link_is_named() -> None:
    """Two streams of 200 words over one link: the path is the link, a word a cycle, for most of the run."""
    asm = Assembler(4)
    for x in range(2):
        asm.place(_sender(asm, 200), x, 0, outputs={0: x})
        asm.place(_receiver(asm, 200), 2 + x, 0, inputs={0: x})
        asm.route(x, 0, x, ([RAMP], [EAST]))
        for between in range(x + 1, 2 + x):
            asm.route(between, 0, x, ([WEST], [EAST]))
        asm.route(2 + x, 0, x, ([WEST], [RAMP]))
    path = _path(asm, WSE3)
    held = [segment for segment in path.segments if segment.kind == "link busy"]
    assert sum(segment.cycles for segment in held) > 0.9 * 400
    assert {segment.x for segment in held} <= {0, 1}


def test_a_closed_switch_is_named() -> None:
    """PE 1's router takes PE 0's words, from cycle 23 on, once PE 1 has sent a word of its own in cycle 241."""
    asm = Assembler(3)
    asm.place(_sender(asm, 10, wait=1), 0, 0, outputs={0: 3})
    program = asm.program("both")
    data = program.array("data", 10)
    program.task("main", active=True)
    program.vector("mov32", program.mem1d(data), program.fabin(0, 10), microthread=0)
    program.li(1, 0, cost=200)
    word = program.mem1d(program.array("word", 1))
    program.vector("mov32", program.fabout(0, 1, advance_switch=True), word)
    program.end()
    asm.place(program, 1, 0, inputs={0: 3}, outputs={0: 3})
    asm.place(_receiver(asm, 1), 2, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([RAMP], [EAST]), ([WEST], [RAMP]))
    asm.route(2, 0, 3, ([WEST], [RAMP]))
    simulator = _run(asm, WSE2)
    assert [colour.closed_switch for colour in simulator.statistics().colours] == [0, 242 - 23, 0]
    path = simulator.critical_path()
    _assert_whole(path, simulator.cycle)
    assert _brief(path) == [
        ("scalar code", 1, 239),
        ("vector op", 1, 1),
        ("ramp down", 1, 1),
        ("closed switch", 1, 1),
        ("ramp up", 1, 2),
        ("vector op", 1, 10),
    ]


def test_data_tasks_and_microthreads_are_on_it() -> None:
    """A task that each word starts: the path is those tasks; a second op waits for the microthread's first."""
    asm = Assembler(2)
    asm.place(_sender(asm, 20), 0, 0, outputs={0: 3})
    program = asm.program("task")
    program.task("word", kind=im.DATA, queue=0)
    program.alui("add", 1, 1, 1, cost=30)
    program.end()
    asm.place(program, 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    path = _path(asm, WSE2)
    # 20 tasks of 9 + 30, whose ends lie in the cycle after; the sender's 119 before.
    assert path.by_kind()["scalar code"] == 119 + 20 * 39 + 1
    asm = Assembler(2)
    asm.place(_sender(asm, 10), 0, 0, outputs={0: 3})
    twice = asm.program("twice")
    data = twice.array("data", 20)
    twice.task("main", active=True)
    dsrs = [twice.load_dsr(0, twice.mem1d(data, 5)), twice.load_dsr(1, twice.fabin(0, 5))]
    for _ in range(2):
        twice.vector("mov32", *dsrs, microthread=0)
    twice.vector("mov32", twice.mem1d(data, 5), twice.mem1d(data, 5), microthread=0)
    twice.end()
    asm.place(twice, 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    simulator = _run(asm, WSE2)
    _assert_whole(simulator.critical_path(), simulator.cycle)
    assert "microthread" in simulator.critical_path().by_kind()
    assert simulator.statistics().elements[1].waits["microthread"] > 80


def test_a_launch_continues_the_path() -> None:
    """The second launch of a function waits for the end of the first."""
    asm = Assembler(1)
    program = asm.program("twice")
    program.task("main", function=True)
    program.li(1, 0, cost=50)
    program.end()
    asm.place(program, 0, 0)
    simulator = Simulator(asm.image(), WSE2, jit=False, trace="path")
    for _ in range(2):
        simulator.launch("main")
        simulator.run()
    path = simulator.critical_path()
    _assert_whole(path, simulator.cycle)
    assert path.by_kind()["scalar code"] == simulator.cycle == 102


def _busy(seed: int) -> Assembler:
    """Three streams with different ends over shared links, slow receivers, and a data task."""
    rng = np.random.default_rng(seed)
    asm = Assembler(5)
    ends = [(0, 3), (1, 4), (0, 2)]
    programs = [asm.program(f"pe{x}") for x in range(5)]
    inputs: list[dict[int, int]] = [{} for _ in range(5)]
    outputs: list[dict[int, int]] = [{} for _ in range(5)]
    for x, program in enumerate(programs):
        program.array("data", 100, values=np.arange(100))
        program.task("main", active=True)
        program.li(1, 0, cost=int(rng.integers(1, 90)))
        program.vector("fadds", *(program.mem1d(program.symbol("data")),) * 3)
        for colour, (start, end) in enumerate(ends):
            data = program.mem1d(program.symbol("data"), 60)
            if x == start:
                outputs[x][len(outputs[x])] = colour
                queue = len(outputs[x]) - 1
                program.vector("mov32", program.fabout(queue, 60), data, microthread=queue)
            elif x == end:
                inputs[x][len(inputs[x])] = colour
                into = program.fabin(len(inputs[x]) - 1, 60)
                thread = int(rng.integers(-1, 2))
                program.vector("fadds", data, into, data, microthread=thread)
        program.end()
        asm.place(program, x, 0, inputs=inputs[x], outputs=outputs[x])
    for colour, (start, end) in enumerate(ends):
        asm.route(start, 0, colour, ([RAMP], [EAST]))
        for x in range(start + 1, end):
            asm.route(x, 0, colour, ([WEST], [EAST]))
        asm.route(end, 0, colour, ([WEST], [RAMP]))
    return asm


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_path_tiles_the_run(name: str) -> None:
    """For programs with contention, on every machine; recording changes no cycle."""
    for seed in range(4):
        asm = _busy(seed)
        simulator = _run(asm, MACHINES[name])
        _assert_whole(simulator.critical_path(), simulator.cycle)
        plain = Simulator(asm.image(), MACHINES[name], jit=False)
        plain.run()
        assert plain.cycle == simulator.cycle


@pytest.mark.skipif(not jit.available(), reason="needs numba")
def test_the_paths_of_random_programs_tile_their_runs() -> None:
    """With switches, fifos, data tasks and microthreads, deadlocks too; counters are those of a plain run."""
    for seed in range(30):
        image, machine = random_image(seed), machine_of(seed)
        runs = [Simulator(image, machine, jit=True, trace=trace) for trace in ("path", "prints")]
        for simulator in runs:
            try:
                simulator.run()
            except PyFlameRTError as error:
                assert "deadlock" in str(error)
        recorded, plain = runs
        _assert_whole(recorded.critical_path(), recorded.cycle)
        assert recorded.cycle == plain.cycle
        assert recorded.statistics().elements == plain.statistics().elements
        assert recorded.statistics().colours == plain.statistics().colours


@pytest.mark.skipif(not jit.available(), reason="needs numba")
def test_the_compiled_path_is_the_same() -> None:
    """Segment by segment."""
    asm = _busy(7)
    paths = [_run(asm, WSE3, compiled).critical_path() for compiled in (False, True)]
    assert paths[0] == paths[1]


def test_a_path_that_was_not_recorded_is_said_to_be() -> None:
    """Without the trace level, and with too few rows."""
    asm = _point_to_point(1, 8)
    simulator = Simulator(asm.image(), WSE2, jit=False, trace="ops")
    simulator.run()
    with pytest.raises(ValidationError, match='make the Simulator with trace="path"'):
        simulator.critical_path()
    simulator = Simulator(asm.image(), WSE2, jit=False, trace="path", trace_rows=10)
    simulator.run()
    with pytest.raises(ValidationError, match=r"recording of \d+ rows did not fit; .*trace_rows="):
        simulator.critical_path()
