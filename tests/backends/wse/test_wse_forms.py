"""Plain and compiled: the same arithmetic on any bits."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.backends.wse.machine import MACHINES, Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import jit, layout, numbers
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import PyFlameRTError, ValidationError

_NEEDS_NUMBA = pytest.mark.skipif(not jit.available(), reason="needs numba")


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
    plain = _outcome(image, MACHINES["wse2"], jit=False, skip_ahead=False)
    assert plain[0] == "done"
    for form in ({"jit": False}, {"jit": True}, {"jit": True, "skip_ahead": False}):
        other = _outcome(image, MACHINES["wse2"], **form)
        assert other[:2] == plain[:2]
        assert np.array_equal(other[2], plain[2])


def test_f16_rounds_as_numpy_does() -> None:
    """All f16 values, the midpoints between them and their neighbours."""
    values = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    middle = (values[1:] + values[:-1]) / 2
    tried = np.concatenate([values, middle, middle * (1 + 1e-12), middle * (1 - 1e-12), -middle])
    tried = np.concatenate([tried[:: len(tried) // 40000], [65519.99, 65520.0, np.inf, -np.inf]])
    with np.errstate(over="ignore"):
        expected = tried.astype(np.float16).view(np.uint16)
    assert [numbers.half_bits(value) for value in tried.tolist()] == expected.tolist()


def test_numba_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for compilation without numba names the extra."""
    monkeypatch.setattr(jit, "available", lambda: False)
    with pytest.raises(ValidationError, match="numba is not installed"):
        jit.runner(True)
