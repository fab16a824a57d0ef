"""Compiled products of bytes against the kernels, bit for bit, for every kind of code that runs here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import kernels
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.finish import Ending
from pyflame_rt.backends.native.integers.gemm import IntegerGemmKernel
from pyflame_rt.backends.native.integers.products import (
    Epilogue,
    IntegerProduct,
    Weights,
    Windows,
    floor_of,
    limits_of,
)
from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES, IntegerSchedule
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE, SCHEDULES, Schedule
from pyflame_rt.errors import BackendError

KINDS = processors.supported()
BYTES = (np.dtype(np.uint8), np.dtype(np.int8))
TABLE = kernels.table()
ONE = np.ones((), np.float32)
ROOM = 7
"""Elements between rows, which a kernel must neither read into sums nor write."""


def schedule_of(kind: str) -> IntegerSchedule:
    return INTEGER_SCHEDULES[kind]


def drawn(r: np.random.Generator, dtype: np.dtype, *shape: int) -> np.ndarray:
    """All values of a type, the least and greatest often."""
    limits = np.iinfo(dtype)
    values = r.integers(limits.min, limits.max + 1, shape)
    ends = r.choice([limits.min, limits.max], shape)
    return np.where(r.random(shape) < 0.3, ends, values).astype(dtype)


def roomy(rows: int, columns: int, dtype: np.dtype, fill: int) -> np.ndarray:
    return np.full((rows, columns + ROOM), fill, dtype)


@dataclass(frozen=True)
class Case:
    """Operands of a product."""

    kind: str
    x: np.ndarray
    """With room between rows."""
    w: np.ndarray
    x_zero: np.ndarray
    w_zero: np.ndarray

    @staticmethod
    def of(
        kind: str, rows: int, depth: int, columns: int, a: np.dtype, b: np.dtype, each: bool,
        seed: int,
    ) -> Case:  # fmt: skip
        r = np.random.default_rng(seed)
        x = roomy(rows, depth, a, 77)
        x[:, :depth] = drawn(r, a, rows, depth)
        w_zero = drawn(r, b, columns) if each else drawn(r, b)
        return Case(kind, x, drawn(r, b, depth, columns), drawn(r, a), w_zero)

    @property
    def inside(self) -> np.ndarray:
        return self.x[:, : len(self.w)]

    def run(self, epilogue: Epilogue, dtype: np.dtype, **more: np.ndarray) -> np.ndarray:
        """y, after a look at what lies around it."""
        (depth, columns), rows, schedule = self.w.shape, len(self.x), schedule_of(self.kind)
        y = roomy(rows, columns, dtype, 5)
        residual = more.get("residual")
        way = 0 if residual is None else residual.strides[0]
        layout = Windows(rows, columns, depth, self.x.strides[0], y.strides[0], way)
        weights = Weights.of(schedule.columns, self.w, self.w_zero)
        signed = self.x.dtype == np.int8
        product = IntegerProduct.of(schedule, layout, weights, epilogue, signed=signed)
        product.on(self.x, y, self.x_zero, **more)()
        assert (y[:, columns:] == 5).all()
        return y[:, :columns]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 90), st.integers(1, 140)),
    a=st.sampled_from(BYTES),
    b=st.sampled_from(BYTES),
    each=st.booleans(),
    seed=st.integers(0, 99),
)
def test_sums(
    kind: str, sizes: tuple[int, int, int], a: np.dtype, b: np.dtype, each: bool, seed: int
) -> None:
    """matmul_integer of all types and zero points, those that leave no bytes of weights among them."""
    case = Case.of(kind, *sizes, a, b, each, seed)
    found = case.run(Epilogue(), np.dtype(np.int32))
    expected = TABLE["matmul_integer"](case.inside, case.w, case.x_zero, case.w_zero)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 70), st.integers(1, 70)),
    types=st.tuples(st.sampled_from(BYTES), st.sampled_from(BYTES), st.sampled_from(BYTES)),
    scales=st.tuples(*(st.floats(2.0**-14, 8.0, width=32),) * 2),
    seed=st.integers(0, 99),
)
def test_requantized(
    kind: str,
    sizes: tuple[int, int, int],
    types: tuple[np.dtype, np.dtype, np.dtype],
    scales: tuple[float, float],
    seed: int,
) -> None:
    """qlinear_matmul: the factor's f32, rounding to even, saturation at both ends, biases that wrap."""
    a, b, out = types
    case, r = Case.of(kind, *sizes, a, b, True, seed), np.random.default_rng(seed)
    columns = sizes[2]
    x_scale, y_scale = (np.float32(s).reshape(()) for s in scales)
    w_scale = (r.random(columns) * 1e-2).astype(np.float32)
    bias = r.integers(-(2**31), 2**31, columns).astype(np.int32)
    bias = np.where(r.random(columns) < 0.8, bias >> 18, bias).astype(np.int32)
    y_zero, limits = drawn(r, out), np.iinfo(out)
    epilogue = Epilogue(
        "bytes", bias, x_scale * w_scale / y_scale,
        limits=limits_of(limits.min, limits.max, int(y_zero)),
    )  # fmt: skip
    found = case.run(epilogue, out)
    expected = TABLE["qlinear_matmul"](
        case.inside, x_scale, case.x_zero, case.w, w_scale, case.w_zero, y_scale, y_zero, bias
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_ties(kind: str) -> None:
    """Halves go to the even neighbour, whatever the zero point; infinite factors are not taken."""
    schedule, x = schedule_of(kind), np.ones((1, 1), np.int8)
    w = np.arange(-60, 60, dtype=np.int8)[None]
    factors = np.full(120, 0.5, np.float32)
    for zero in (0, 3):
        y, one = np.zeros((1, 120), np.int8), np.zeros((), np.int8)
        epilogue = Epilogue("bytes", factors=factors, limits=limits_of(-128, 127, zero))
        layout, weights = Windows(1, 120, 1, 1, 120), Weights.of(schedule.columns, w)
        IntegerProduct.of(schedule, layout, weights, epilogue, signed=True).on(x, y)()
        shift = np.full((), zero, np.int8)
        expected = TABLE["qlinear_matmul"](x, ONE, one, w, factors, one, ONE, shift)
        np.testing.assert_array_equal(y, expected)
    with pytest.raises(BackendError, match="finite factors only"):
        Epilogue("bytes", factors=np.array([1, np.inf], np.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", BYTES)
def test_floats(kind: str, dtype: np.dtype) -> None:
    """What is quantized in a run: sums times scales, plus a bias, a residual, and relu; zero point and
    scale are read when it runs."""
    rows, depth, columns = 14, 35, 45
    case = Case.of(kind, rows, depth, columns, dtype, np.dtype(np.int8), False, 3)
    r = np.random.default_rng(1)
    factors, addends = r.random((2, columns), np.float32)
    residual = r.standard_normal((rows, columns)).astype(np.float32) * 1000
    scale = np.float32(0.3).reshape(1)
    for given_residual in (None, residual):
        for floor in (0.0, -np.inf):
            limits = floor_of(0.0) if floor == 0 else None
            epilogue = Epilogue("float32", None, factors, addends, limits)
            more = {} if given_residual is None else {"residual": residual}
            found = case.run(epilogue, np.dtype(np.float32), scale=scale, **more)
            sums = TABLE["matmul_integer"](case.inside, case.w, case.x_zero, case.w_zero)
            expected = sums.astype(np.float32) * (scale * factors) + addends
            expected = expected if given_residual is None else expected + residual
            np.testing.assert_array_equal(found, np.maximum(expected, np.float32(floor)))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_saturates(kind: str) -> None:
    """Sums of the largest products, which 16 bits do not hold, in both directions."""
    schedule = schedule_of(kind)
    x = np.full((2, 512), 255, np.uint8)
    w = np.full((512, 3), 127, np.int8)
    w[:, 1] = -128
    y = np.zeros((2, 3), np.int32)
    layout, weights = Windows(2, 3, 512, 512, 12), Weights.of(schedule.columns, w)
    IntegerProduct.of(schedule, layout, weights, Epilogue(), signed=False).on(x, y)()
    np.testing.assert_array_equal(y, x.astype(np.int64) @ w)


@pytest.mark.parametrize(("rows", "columns"), [(3, 200), (60, 33), (1, 500)])
def test_shares(rows: int, columns: int) -> None:
    """Shares of the work, by columns or by rows, have the same results together."""
    kind, depth = KINDS[0], 40
    schedule = replace(schedule_of(kind), shares=3)
    case = Case.of(kind, rows, depth, columns, BYTES[0], BYTES[1], True, 8)
    y = np.zeros((rows, columns), np.int32)
    layout = Windows(rows, columns, depth, case.x.strides[0], y.strides[0])
    weights = Weights.of(schedule.columns, case.w, case.w_zero)
    product = IntegerProduct.of(schedule, layout, weights, Epilogue(), signed=False)
    assert len(product.jobs) == 3
    product.on(case.x, y, case.x_zero)()
    expected = TABLE["matmul_integer"](case.inside, case.w, case.x_zero, case.w_zero)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dot", ["pairs", "single"])
def test_without_byte_instructions(dot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other machines multiply numbers of 16 bits, or of 32, with the same results."""
    monkeypatch.setattr(processors, "dot_of", lambda cpu: dot)
    case = Case.of(KINDS[0], 7, 21, 40, BYTES[1], BYTES[0], True, 4)
    found = case.run(Epilogue(), np.dtype(np.int32))
    expected = TABLE["matmul_integer"](case.inside, case.w, case.x_zero, case.w_zero)
    np.testing.assert_array_equal(found, expected)


def test_weights_take_their_bytes() -> None:
    """Packed weights are as large as weights, up to whole panels."""
    packed = Weights.of(32, np.ones((768, 3072), np.int8)).packed
    assert packed.nbytes == 768 * 3072
    assert packed.shape == (96, 1, 192, 32, 4)
    assert packed.ctypes.data % 64 == 0


def test_module_is_sound() -> None:
    """The IR verifies, and reads back from its text."""
    from pyflame_rt.module_files import parse
    from pyflame_rt.universe import make_context

    for result in ("int32", "bytes", "float32"):
        ending = Ending(result, signed=True, has_shifts=True)
        module = IntegerGemmKernel(schedule_of("generic"), "pairs", (2,), 1, ending).emit()
        module.verify()
        assert str(parse(str(module), make_context(), "gemm")) == str(module)


@pytest.mark.parametrize("kind", INTEGER_SCHEDULES)
def test_schedules_read_back(kind: str) -> None:
    """A schedule in the IR is the one that was written; another, or one without sense, is none."""
    call = CallOp("qlinear_matmul", [])
    call.attributes[SCHEDULE] = INTEGER_SCHEDULES[kind].to_attribute()
    assert IntegerSchedule.of(call) == INTEGER_SCHEDULES[kind]
    assert Schedule.of(call) is None
    for damage in ({"rows": 99}, {"lanes": 2}, {"cpu": "z80"}, {"unroll": 3}):
        call.attributes[SCHEDULE] = replace(INTEGER_SCHEDULES[kind], **damage).to_attribute()
        assert IntegerSchedule.of(call) is None
    call.attributes[SCHEDULE] = SCHEDULES["generic"].to_attribute()
    assert IntegerSchedule.of(call) is None


def test_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYFLAME_RT_JIT=0 compiles nothing."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    schedule = schedule_of("generic")
    weights = Weights.of(schedule.columns, np.ones((1, 1), np.int8))
    with pytest.raises(BackendError, match="does not run here"):
        IntegerProduct.of(schedule, Windows(1, 1, 1, 1, 4), weights, Epilogue(), signed=True)
    assert not processors.wanted()


def test_kept_on_disk(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled once is read."""
    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path))
    ending = Ending("int32", signed=False, has_shifts=False)
    kernel = IntegerGemmKernel(schedule_of("generic"), "single", (1,), 1, ending)
    code = processors.machine_code(kernel)

    def never(kernel: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(IntegerGemmKernel, "emit", never)
    assert processors.machine_code(kernel) == code
    with pytest.raises(BackendError, match="no code of kind 'z80'"):
        processors.machine_code(replace(kernel, schedule=replace(kernel.schedule, cpu="z80")))
