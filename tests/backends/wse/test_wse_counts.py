"""Hand-assembled programs take the cycles that others measured, and compute what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.backends.wse.machine import WSE2, WSE3, Machine
from pyflame_rt.backends.wse.sim.assembly import Assembler, Dsd, ProgramBuilder
from pyflame_rt.backends.wse.sim.image import EAST, RAMP, WEST, Image
from pyflame_rt.backends.wse.sim.simulator import Simulator, TraceEvent


def _run(image: Image, machine: Machine) -> Simulator:
    simulator = Simulator(image, machine, jit=False, trace="ops")
    assert simulator.run()
    return simulator


def _cycle(simulator: Simulator, kind: str, x: int = 0, text: str | None = None) -> int:
    """The cycle of the first such event."""
    return _events(simulator, kind, x, text)[0].cycle


def _events(
    simulator: Simulator, kind: str, x: int = 0, text: str | None = None
) -> list[TraceEvent]:
    return [
        event
        for event in simulator.events()
        if (event.kind, event.x) == (kind, x) and text in (None, event.text)
    ]


def _idle(program: ProgramBuilder, count: int = 100) -> None:
    """Let receivers be armed before anything is sent."""
    program.li(63, 0, cost=count)


def _receiver(asm: Assembler, words: int, queue: int = 0) -> ProgramBuilder:
    program = asm.program(f"receive{queue}")
    data = program.array("data", words)
    done = program.declare("done")
    program.task("main", active=True)
    program.vector(
        "mov32", program.mem1d(data), program.fabin(queue, words), microthread=0, activate=done
    )
    program.end()
    program.define(done)
    program.end()
    return program


def _sender(asm: Assembler, words: int, queue: int = 0) -> ProgramBuilder:
    program = asm.program("send")
    data = program.array("data", words, values=np.arange(words))
    program.task("main", active=True)
    _idle(program)
    dest = program.load_dsr(0, program.fabout(queue, words))
    program.vector("mov32", dest, program.load_dsr(1, program.mem1d(data)))
    program.end()
    return program


@pytest.mark.parametrize("hops", [1, 2, 7])
@pytest.mark.parametrize("words", [1, 8, 64])
@pytest.mark.parametrize("machine", [WSE2, WSE3], ids=lambda machine: machine.name)
def test_point_to_point_is_exact(machine: Machine, hops: int, words: int) -> None:
    """B1: from the dispatch of the send to the start of the receiver's completion task."""
    asm = Assembler(hops + 1)
    asm.place(_sender(asm, words), 0, 0, outputs={0: 3})
    asm.place(_receiver(asm, words), hops, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    for x in range(1, hops):
        asm.route(x, 0, 3, ([WEST], [EAST]))
    asm.route(hops, 0, 3, ([WEST], [RAMP]))
    simulator = _run(asm.image(), machine)
    expected = words + hops + 4 if machine is WSE2 else 10 + 2 * hops + words - 1
    took = _cycle(simulator, "task", hops, "done") - _cycle(simulator, "op")
    assert took == expected
    assert np.array_equal(simulator.read("data", hops, 0), np.arange(words))


@pytest.mark.parametrize(("stages", "words"), [(1, 64), (4, 64), (8, 64), (2, 512)])
def test_store_and_forward(stages: int, words: int) -> None:
    """B2: each PE waits for its whole message, and its completion task sends it on."""
    asm = Assembler(stages + 1)
    first = asm.program("first")
    data = first.array("data", words, values=np.arange(words))
    first.task("main", active=True)
    _idle(first)
    first.timestamp(1)
    first.vector("mov32", first.fabout(0, words), first.mem1d(data))
    first.end()
    middle, last = asm.program("middle"), asm.program("last")
    for program in (middle, last):
        data = program.array("data", words)
        done = program.declare("done")
        program.task("main", active=True)
        program.vector(
            "mov32", program.mem1d(data), program.fabin(0, words), microthread=0, activate=done
        )
        program.end()
        program.define(done)
        if program is middle:
            program.vector("mov32", program.fabout(0, words), program.mem1d(data))
        else:
            program.timestamp(1)
        program.end()
    for x in range(stages + 1):
        program = first if x == 0 else last if x == stages else middle
        out, into = x % 2, 1 - x % 2
        asm.place(program, x, 0, outputs={0: out}, inputs={0: into} if x else {})
        asm.route(x, 0, out, ([RAMP], [EAST]))
        if x:
            asm.route(x, 0, into, ([WEST], [RAMP]))
    simulator = _run(asm.image(), WSE3)
    took = simulator.register(1, stages, 0) - simulator.register(1, 0, 0)
    assert took == pytest.approx(1.001 * stages * words + 16.1 * stages + 16.5, rel=0.04)
    assert np.array_equal(simulator.read("data", stages, 0), np.arange(words))


@pytest.mark.parametrize(("width", "words"), [(2, 32), (8, 64), (33, 100)])
def test_chain_reduce_streams(width: int, words: int) -> None:
    """B4: every PE adds its own vector to what it receives and passes it on: B + 6(P - 1) - 1."""
    asm = Assembler(width)
    rng = np.random.default_rng(width)
    data = rng.integers(-99, 99, (width, words)).astype(np.float32)
    for x in range(width):
        program = asm.program(f"pe{x}")
        own = program.array("data", words, values=data[x])
        program.task("main", active=True)
        if x == width - 1:
            _idle(program)
        into, vector = program.fabin(0, words), program.mem1d(own)
        if x == width - 1:
            program.vector("mov32", program.fabout(0, words), vector)
        else:
            dest = program.fabout(0, words) if x else program.mem1d(own)
            program.vector("fadds", dest, into, vector)
        program.end()
        out, receive = 1 - x % 2, x % 2
        asm.place(
            program,
            x,
            0,
            outputs={0: out} if x else {},
            inputs={0: receive} if x < width - 1 else {},
        )
        if x:
            asm.route(x, 0, out, ([RAMP], [WEST]))
        if x < width - 1:
            asm.route(x, 0, receive, ([EAST], [RAMP]))
    simulator = _run(asm.image(), WSE2)
    took = _cycle(simulator, "op end") + 1 - _cycle(simulator, "op", width - 1)
    assert took == words + 6 * (width - 1) - 1
    assert np.array_equal(simulator.read("data", 0, 0), data.sum(0))


@pytest.mark.parametrize(("width", "words"), [(2, 16), (16, 64), (40, 100)])
def test_line_broadcast_is_a_multicast(width: int, words: int) -> None:
    """B7: B + (P - 1) + 4 from the dispatch of the send to the last PE's end; transmitting to two is free."""
    asm = Assembler(width)
    asm.place(_sender(asm, words), 0, 0, outputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    program = _receiver(asm, words)
    for x in range(1, width):
        asm.place(program, x, 0, inputs={0: 3})
        asm.route(x, 0, 3, ([WEST], [RAMP, EAST] if x < width - 1 else [RAMP]))
    simulator = _run(asm.image(), WSE2)
    took = _cycle(simulator, "task", width - 1, "done") - _cycle(simulator, "op")
    assert took == words + width - 1 + 4
    for x in range(1, width):
        assert np.array_equal(simulator.read("data", x, 0), np.arange(words))


def test_two_senders_share_a_link() -> None:
    """B12: two streams over one link take as long as the sum of their lengths."""
    words = (1000, 1500)
    asm = Assembler(4)
    for x in range(2):
        asm.place(_sender(asm, words[x]), x, 0, outputs={0: x})
        asm.place(_receiver(asm, words[x]), 2 + x, 0, inputs={0: x})
    for colour in range(2):
        asm.route(colour, 0, colour, ([RAMP], [EAST]))
        for x in range(colour + 1, 2 + colour):
            asm.route(x, 0, colour, ([WEST], [EAST]))
        asm.route(2 + colour, 0, colour, ([WEST], [RAMP]))
    simulator = _run(asm.image(), WSE3)
    ends = [_cycle(simulator, "task", 2 + x, "done") for x in range(2)]
    assert max(ends) - _cycle(simulator, "op") == pytest.approx(sum(words), rel=0.013)
    assert simulator.statistics().loads[0, 1, EAST] == sum(words)


@pytest.mark.parametrize(
    ("offset", "load", "expected"), [(4, False, 5130), (0, False, 10254), (4, True, 5158)]
)
def test_fmacs(offset: int, load: bool, expected: int) -> None:
    """B9: n + 6 for operands in different banks, 2n + 6 in the same, 28 more for loading DSDs."""
    n = 5124
    asm = Assembler(1)
    program = asm.program("fmacs")
    a = program.array("a", n, align=8, values=np.linspace(0, 1, n))
    b = program.array("b", n, align=8, offset=offset, values=np.linspace(-3, 5, n))
    program.task("main", active=True)
    program.li(2, 1.5, "f32")
    operands = [program.mem1d(a), program.mem1d(a), program.mem1d(b)]
    if not load:
        operands = [program.load_dsr(file, dsd) for file, dsd in enumerate(operands)]
        _idle(program)
    program.timestamp(0)
    program.vector("fmacs", *operands, scalar=2)
    program.timestamp(1)
    program.end()
    asm.place(program, 0, 0)
    simulator = _run(asm.image(), WSE2)
    assert simulator.register(1, 0, 0) - simulator.register(0, 0, 0) == expected
    x, y = (np.linspace(*ends, n).astype(np.float32) for ends in ((0, 1), (-3, 5)))
    assert np.allclose(simulator.read("a", 0, 0), x + y * np.float32(1.5), rtol=1e-6)
    assert simulator.statistics().elements[0].conflicts == int(offset == 0)


def _tiled(program: ProgramBuilder, mode: str, operands: list[Dsd], tile: int) -> None:
    count = 4096 // tile
    if mode == "one":
        program.vector("fmach", *operands, scalar=2)
        return
    if mode == "while":
        program.li(3, 0, cost=0)
        loop = program.here()
        program.vector("fmach", *operands, scalar=2)
        program.alui("add", 3, 3, 1)
        program.alui("lt", 4, 3, count)
        program.branch(4, loop)
        return
    scalars = program.array("scalars", count, "f16", values=1.0)
    vector = program.load_dsr(1, program.mem1d(scalars), 3)
    end = program.label()
    program.emit(25, vector.number, end, cost=-7)
    loop = program.here()
    program.emit(26, vector.number, 0, 2, 0, 4, cost=0)
    program.vector("fmach", *operands, scalar=2)
    program.emit(27, vector.number, loop, cost=-8)
    program.bind(end)


@pytest.mark.parametrize(
    ("mode", "expected", "tolerance"),
    [("one", 1040, 0.02), ("while", 4617, 0.05), ("map", 2840, 0.05)],
)
def test_fmach(mode: str, expected: int, tolerance: float) -> None:
    """B10: 4,096 f16 multiply-adds as one op, in a loop over tiles of 16, and with @map."""
    asm = Assembler(1)
    program = asm.program(mode)
    n = 4096 if mode == "one" else 16
    a = program.array("a", n, "f16", align=8)
    b = program.array("b", n, "f16", align=8, offset=4, values=1.0)
    program.task("main", active=True)
    program.li(2, 1.0, "f16")
    program.timestamp(0)
    _tiled(program, mode, [program.mem1d(a), program.mem1d(a), program.mem1d(b)], 16)
    program.timestamp(1)
    program.end()
    asm.place(program, 0, 0)
    simulator = _run(asm.image(), WSE3)
    took = simulator.register(1, 0, 0) - simulator.register(0, 0, 0)
    assert took == pytest.approx(expected, rel=tolerance)
    assert np.all(simulator.read("a", 0, 0) == (1 if mode == "one" else 256))


@pytest.mark.parametrize(("n", "expected"), [(8, 11), (16, 13), (64, 25)])
def test_f16_op_of_two_sources(n: int, expected: int) -> None:
    """B11: from the dispatch of the first DSR load to the last group's execution, both counted."""
    asm = Assembler(1)
    program = asm.program("add")
    a = program.array("a", n, "f16", align=8, values=np.arange(n))
    b = program.array("b", n, "f16", align=8, offset=4, values=0.5)
    program.task("main", active=True)
    program.vector("faddh", program.mem1d(a), program.mem1d(a), program.mem1d(b))
    program.end()
    asm.place(program, 0, 0)
    simulator = _run(asm.image(), WSE3)
    last = _cycle(simulator, "op end") + WSE3.memory_dispatch
    assert last - _cycle(simulator, "task") + 1 == expected
    assert np.array_equal(simulator.read("a", 0, 0), np.arange(n, dtype=np.float16) + 0.5)


def test_scalar_code_waits_for_a_synchronous_op() -> None:
    """B11, second part: 2,048 i16 additions, then 256 steps of two scalar instructions: no overlap."""
    asm = Assembler(1)
    program = asm.program("add")
    a = program.array("a", 2048, "i16", align=8, values=np.arange(2048))
    b = program.array("b", 2048, "i16", align=8, offset=4, values=3)
    program.task("main", active=True)
    program.vector("add16", program.mem1d(a), program.mem1d(a), program.mem1d(b))
    for _ in range(256):
        program.alui("add", 1, 1, 1, "i16")
        program.alu("xor", 1, 1, 2, "i16")
    program.end()
    asm.place(program, 0, 0)
    simulator = _run(asm.image(), WSE3)
    # The last instruction executes two cycles after it is issued.
    last = _cycle(simulator, "task end") - 1 + 2
    assert abs(last - _cycle(simulator, "op") + 1 - 1027) <= 1
    assert np.array_equal(simulator.read("a", 0, 0), np.arange(2048) + 3)


def test_single_tile_gemv() -> None:
    """B14: y += A x by @map over x of one @fmacs on DSRs, A by columns of 28: 780 within 3 %."""
    rows, columns = 28, 25
    rng = np.random.default_rng(14)
    matrix = rng.standard_normal((columns, rows)).astype(np.float32)
    x = rng.standard_normal(columns).astype(np.float32)
    asm = Assembler(1)
    program = asm.program("gemv")
    a = program.array("a", rows * columns, align=16, offset=4, values=matrix.ravel())
    y = program.array("y", rows, align=16, values=0.0)
    vector = program.array("x", columns, values=x)
    program.task("main", active=True)
    scalars = program.load_dsr(1, program.mem1d(vector), 3)
    program.timestamp(0)
    operands = [
        program.load_dsr(0, program.mem1d(y)),
        program.load_dsr(1, program.mem1d(y)),
        program.load_dsr(2, program.mem1d(a, rows, save_address=True)),
    ]
    end = program.label()
    program.emit(25, scalars.number, end, cost=-7)
    loop = program.here()
    program.emit(26, scalars.number, 0, 2, 0, 5, cost=0)
    program.vector("fmacs", *operands, scalar=2)
    program.emit(27, scalars.number, loop, cost=-8)
    program.bind(end)
    program.timestamp(1)
    program.end()
    asm.place(program, 0, 0)
    simulator = _run(asm.image(), WSE3)
    took = simulator.register(1, 0, 0) - simulator.register(0, 0, 0)
    assert took == pytest.approx(780, rel=0.03)
    assert np.allclose(simulator.read("y", 0, 0), x @ matrix, rtol=1e-5, atol=1e-6)


def test_a_data_task_costs_what_was_fitted() -> None:
    """B13: 31 cycles a word with eleven scalar instructions."""
    words = 40
    asm = Assembler(2)
    asm.place(_sender(asm, words), 0, 0, outputs={0: 3})
    program = asm.program("task")
    program.array("data", 1)
    program.task("word", kind=1, queue=0)
    for _ in range(10):
        program.alui("add", 1, 1, 1)
    program.alu("max", 2, 2, 0)
    program.end()
    asm.place(program, 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    simulator = _run(asm.image(), WSE3)
    starts = [event.cycle for event in _events(simulator, "task", 1)]
    assert len(starts) == words
    assert set(np.diff(starts)) == {31}
    assert simulator.register(1, 1, 0) == 10 * words
