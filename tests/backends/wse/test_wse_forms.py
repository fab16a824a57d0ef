"""Plain, compiled and with skip-ahead: the same cycles, the same words, the same errors."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable

import numpy as np
import pytest

from pyflame_rt.backends.wse.machine import MACHINES, Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import jit, layout, numbers
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder
from pyflame_rt.backends.wse.sim.image import EAST, RAMP, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import PyFlameRTError, ValidationError

_NEEDS_NUMBA = pytest.mark.skipif(not jit.available(), reason="needs numba")


class _Tile:
    """A PE of a random program: what its main task does, and its other tasks."""

    def __init__(self, asm: Assembler, x: int, y: int, rng: random.Random):
        self.program = asm.program(f"{x},{y}")
        self.inputs: dict[int, int] = {}
        self.outputs: dict[int, int] = {}
        self.rng = rng
        self.first: list[tuple[str, int, int]] = []
        self.sends: list[tuple[int, int, list[tuple[int, bool]]]] = []
        self.data_tasks: list[int] = []

    def receive(self, colour: int, words: int) -> None:
        queue = len(self.inputs)
        self.inputs[queue] = colour
        how = self.rng.choice(["mov32", "fadds", "task", "slow", "fmaxs"])
        self.first.append((how, queue, words))

    def send(self, colour: int, parts: list[tuple[int, bool]]) -> None:
        queue = len(self.outputs)
        self.outputs[queue] = colour
        self.sends.append((queue, colour, parts))

    def emit(self) -> None:
        program, rng = self.program, self.rng
        done = program.declare("done")
        program.task("main", active=True)
        program.li(3, rng.random(), "f32")
        data = program.array("data", 300, values=np.arange(300) * rng.random())
        late = []
        for thread, (how, queue, words) in enumerate(self.first):
            if how == "task":
                self.data_tasks.append(queue)
                continue
            into = program.fabin(queue, words)
            dest = program.mem1d(program.array(f"in{queue}", words, offset=rng.choice([0, 2])))
            if how == "slow":
                late.append((dest, into))
            elif how == "mov32":
                program.vector(
                    how, dest, into, microthread=thread, activate=done,
                    priority=rng.randrange(3),
                )  # fmt: skip
            else:
                program.vector(how, dest, into, program.mem1d(data), microthread=thread)
        for queue, _, parts in self.sends:
            self._work(data)
            self._send(queue, parts, data)
        for dest, into in late:
            self._work(data)
            program.vector("mov32", dest, into)
        program.end()
        program.define(done)
        program.alui("mul", 7, 7, 3)
        program.alui("add", 7, 7, 1)
        program.end()
        for queue in self.data_tasks:
            program.task(f"word{queue}", kind=im.DATA, queue=queue)
            program.alu("add", 8, 8, 0, "f32")
            for _ in range(rng.randrange(4)):
                program.alui(rng.choice(["add", "xor", "shl", "mul"]), 9, 9, rng.randrange(99))
            if rng.random() < 0.5:
                program.vector("fmacs", *(program.mem1d(data, 9),) * 3, scalar=8)
            program.end()

    def _work(self, data: im.Symbol) -> None:
        program, rng = self.program, self.rng
        if rng.random() < 0.5:
            vector = program.mem1d(data, rng.randrange(1, 60))
            other = program.mem1d(data, 60, offset=rng.randrange(100), stride=rng.choice([1, 2]))
            program.vector(rng.choice(["fmacs", "fadds", "fmuls"]), vector, vector, other, scalar=3)
        for _ in range(rng.randrange(6)):
            function = rng.choice(["add", "sub", "mul", "div", "min"])
            program.alu(function, 4, rng.choice([3, 4]), rng.choice([3, 4]), "f32")
        if rng.random() < 0.4:
            program.li(60, 0, cost=rng.randrange(200))

    def _send(self, queue: int, parts: list[tuple[int, bool]], data: im.Symbol) -> None:
        program = self.program
        for words, advance in parts:
            start = self.rng.randrange(200)
            program.vector(
                "mov32", program.fabout(queue, words), program.mem1d(data, words, offset=start)
            )
            if advance:
                word = program.array(
                    f"control{queue}", 1, "i32", values=im.control_word(im.SWITCH_ADV, ignore=True)
                )
                program.vector("mov32", program.fabout(queue, 1, control=True), program.mem1d(word))


def _random_image(seed: int) -> im.Image:
    """Streams along rows with multicast, switches, data tasks, microthreads and slow receivers."""
    rng = random.Random(seed)
    width, height = rng.randrange(3, 7), rng.randrange(1, 4)
    asm = Assembler(width, height)
    tiles = [[_Tile(asm, x, y, rng) for x in range(width)] for y in range(height)]
    for y in range(height):
        for colour in range(rng.randrange(1, 5)):
            _stream(asm, tiles[y], y, colour, rng)
    for y, row in enumerate(tiles):
        for x, tile in enumerate(row):
            tile.emit()
            asm.place(tile.program, x, y, inputs=tile.inputs, outputs=tile.outputs)
    return asm.image()


def _stream(asm: Assembler, row: list[_Tile], y: int, colour: int, rng: random.Random) -> None:
    start, end = sorted(rng.sample(range(len(row)), 2))
    away, back = (EAST, WEST)
    path = list(range(start, end + 1))
    if rng.random() < 0.5:
        path.reverse()
        away, back = back, away
    words = rng.randrange(20, 90)
    asm.route(path[0], y, colour, ([RAMP], [away]))
    if len(path) > 2 and rng.random() < 0.4:
        # The first words end at a PE on the way, the others pass it.
        stop = rng.choice(path[1:-1])
        for x in path[1:]:
            to = [RAMP] if x == path[-1] else [away]
            positions: list[tuple[Iterable[int], Iterable[int]]] = [([back], to)]
            asm.route(x, y, colour, *([([back], [RAMP])] if x == stop else []), *positions)
        row[path[0]].send(colour, [(words, True), (2 * words, False)])
        row[stop].receive(colour, words)
        row[path[-1]].receive(colour, 2 * words)
        return
    for x in path[1:]:
        taps = x == path[-1] or rng.random() < 0.5
        ports = ([RAMP] if taps else []) + ([away] if x != path[-1] else [])
        asm.route(x, y, colour, ([back], ports))
        if taps:
            row[x].receive(colour, words)
    row[path[0]].send(colour, [(words, False)])


def _outcome(image: im.Image, machine: Machine, **form: bool) -> tuple[str, int, np.ndarray]:
    """How a run ended, its last cycle, and all state but what only says how it was run."""
    simulator = Simulator(image, machine, trace="ops", **form)
    try:
        simulator.run()
        end = "done"
    except PyFlameRTError as error:
        end = str(error)
    buffer = simulator.snapshot().buffer
    return end, simulator.cycle, buffer[layout.HEADER :]


def _assert_same(seeds: Iterable[int], *forms: dict[str, bool]) -> None:
    finished = busy = 0
    seeds = list(seeds)
    for seed in seeds:
        machine = MACHINES[sorted(MACHINES)[seed % len(MACHINES)]]
        image = _random_image(seed)
        first = _outcome(image, machine, jit=False, skip_ahead=False)
        for form in forms:
            other = _outcome(image, machine, **form)
            assert other[:2] == first[:2], (seed, form)
            assert np.array_equal(other[2], first[2]), (seed, form)
        finished += first[0] == "done"
        simulator = Simulator(image, machine, jit=False)
        if first[0] == "done":
            simulator.run()
            busy += simulator.statistics().loads.sum() >= 100
    assert finished >= 0.8 * len(seeds)
    assert busy >= 0.8 * len(seeds)


def test_skipping_ahead_changes_nothing() -> None:
    """Idle cycles that are jumped over are the same as idle cycles that are walked through."""
    _assert_same(range(10), {"jit": False, "skip_ahead": True})


@_NEEDS_NUMBA
def test_compiled_is_the_same() -> None:
    """Random programs end in the same cycle with the same state in every form."""
    _assert_same(range(100, 112), {"jit": True, "skip_ahead": False}, {"jit": True})


@_NEEDS_NUMBA
@pytest.mark.slow
def test_many_compiled_are_the_same() -> None:
    """Five hundred of them."""
    _assert_same(range(1000, 1500), {"jit": True, "skip_ahead": False}, {"jit": True})


def _arithmetic(rng: np.random.Generator, kind: str) -> im.Image:
    """Every function of a type on random bits, scalar ones in registers, vector ones in memory."""
    asm = Assembler(1)
    program = asm.program("bits")
    words = rng.integers(-(2**31), 2**31, 200).astype(np.int32)
    a, b, c = (
        program.array(name, 40, "i32", values=words[40 * place : 40 * place + 40])
        for place, name in enumerate("abc")
    )
    program.task("main", active=True)
    program.load(3, b, "f32")
    for function in im.VECTOR_FUNCTIONS:
        if function == "dfilt":
            continue
        _vector(program, function, a, b, c)
    out = program.array("out", len(im.ALU_FUNCTIONS) * 40, "i32")
    place = 0
    for function in im.ALU_FUNCTIONS:
        for left in range(0, 40, 2):
            program.load(1, a.address + 4 * left, "i32" if kind == "u32" else kind)
            program.load(2, b.address + 4 * left, "i32" if kind == "u32" else kind)
            program.alu(function, 4, 1, 2, kind)
            program.store(4, out.address + 4 * place, "i32")
            program.emit(im.CONVERT, 5, 1, 0, im.TYPES.index(kind), left % 6)
            program.store(5, out.address + 4 * place + 4, "i32")
            place += 2
    program.end()
    asm.place(program, 0, 0)
    return asm.image()


def _vector(
    program: ProgramBuilder, function: str, a: im.Symbol, b: im.Symbol, c: im.Symbol
) -> None:
    result = program.array(f"of {function}", 40, "i32")
    unary = function[:4] in ("fneg", "fmov", "mov1", "mov3", "fs2h", "fh2s")
    scalar = 3 if function.startswith("fmac") else -1
    program.vector(
        function, program.mem1d(result), program.mem1d(a), None if unary else program.mem1d(b),
        scalar=scalar,
    )  # fmt: skip


@_NEEDS_NUMBA
@pytest.mark.parametrize("kind", im.TYPES)
def test_arithmetic_on_any_bits_is_the_same(kind: str) -> None:
    """Rounding, NaNs, infinities, wrapping and conversions agree bit by bit."""
    image = _arithmetic(np.random.default_rng(len(kind) + ord(kind[1])), kind)
    forms = [_outcome(image, MACHINES["wse2"], jit=compiled) for compiled in (False, True)]
    assert forms[0][:2] == forms[1][:2]
    assert forms[0][0] == "done"
    assert np.array_equal(forms[0][2], forms[1][2])


def test_f16_rounds_as_numpy_does() -> None:
    """All f16 values, the midpoints between them and their neighbours."""
    values = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    middle = (values[1:] + values[:-1]) / 2
    tried = np.concatenate([values, middle, middle * (1 + 1e-12), middle * (1 - 1e-12), -middle])
    tried = np.concatenate([tried[:: len(tried) // 40000], [65519.99, 65520.0, np.inf, -np.inf]])
    with np.errstate(over="ignore"):
        expected = tried.astype(np.float16).view(np.uint16)
    assert [numbers.half_bits(value) for value in tried.tolist()] == expected.tolist()


def _mutated(image: im.Image, rng: random.Random) -> im.Image:
    """One to three numbers of an image changed."""
    arrays = {name: getattr(image, name).copy() for name in ("routes", "placements", "queues")}
    programs = [
        {name: getattr(program, name).copy() for name in ("code", "tasks", "dsds")}
        for program in image.programs
    ]
    for _ in range(rng.randrange(1, 4)):
        victims = list(arrays.values()) + [a for group in programs for a in group.values()] * 2
        array = rng.choice([victim for victim in victims if victim.size])
        row, column = rng.randrange(array.shape[0]), rng.randrange(array.shape[1])
        array[row, column] = (
            rng.choice(
                [
                    -1,
                    0,
                    1,
                    array[row, column] + 1,
                    array[row, column] - 1,
                    rng.randrange(40),
                    2**31 - 1,
                ]
            )
            if array[row, column] < 2**31 - 1
            else 0
        )
    return dataclasses.replace(
        image,
        **arrays,
        programs=tuple(
            dataclasses.replace(program, **group)
            for program, group in zip(image.programs, programs, strict=True)
        ),
    )  # fmt: skip


def test_bad_programs_end_with_a_clear_error() -> None:
    """A hundred mutated images run to the end or raise one of our errors, and never hang."""
    rng = random.Random(9)
    machine = dataclasses.replace(MACHINES["wse2"], cycle_limit=3000)
    ends = {"done": 0, "error": 0}
    for seed in range(100):
        image = _mutated(_random_image(seed % 10), rng)
        try:
            Simulator(image, machine, jit=None if jit.available() else False).run()
            ends["done"] += 1
        except PyFlameRTError as error:
            assert "\n" not in str(error)
            ends["error"] += 1
    assert min(ends.values()) > 10


def test_numba_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for compilation without numba names the extra."""
    monkeypatch.setattr(jit, "available", lambda: False)
    with pytest.raises(ValidationError, match="numba is not installed"):
        jit.runner(True)
