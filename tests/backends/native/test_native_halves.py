"""Products of f16 and bf16 by machine code, and casts, for every kind of code that this machine runs."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt.backends.native import processors
from pyflame_rt.backends.native.floats.casting import CastKernel, cast_call
from pyflame_rt.backends.native.floats.products import (
    Finish,
    Layout,
    Product,
    pack,
    pack_bias,
    runs,
)
from pyflame_rt.backends.native.integers.products import bound
from pyflame_rt.backends.native.steps import Place, Step
from pyflame_rt.dialects.plan.schedules import ELEMENTS, SCHEDULES, Schedule

BF16 = np.dtype(ml_dtypes.bfloat16)
TYPES = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": BF16, "bf16_pairs": BF16}
NARROW = ("f16", "bf16")

CODE = [
    schedule
    for kind in processors.supported()
    for elements in ELEMENTS
    if runs(schedule := replace(SCHEDULES[kind], elements=elements)) and elements != "f32"
]


def name(schedule: Schedule) -> str:
    return f"{schedule.cpu}-{schedule.elements}"


def bits(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint16) if array.itemsize == 2 else array


def multiplied(
    schedule: Schedule, x: np.ndarray, w: np.ndarray, room: int = 0, residual: np.ndarray | None = None,
    bias: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """x @ w + bias + residual, of x whose rows lie apart, with NaN between them."""
    rows, depth, columns = *x.shape, w.shape[1]
    x = x.astype(BF16 if schedule.elements == "bf16_pairs" else np.float32)
    apart = np.full((rows, depth + room), np.nan, x.dtype)
    apart[:, :depth] = x
    y = np.full((rows, columns + room), 7, np.float32)
    way = 0 if residual is None else residual.strides[0]
    layout = Layout(rows, columns, depth, apart.strides[0], y.strides[0], way)
    packed = pack(
        schedule.columns,
        bits(w.astype(TYPES[schedule.elements])),
        ELEMENTS[schedule.elements].group,
    )
    held = None if bias is None else pack_bias(schedule.columns, bias)
    Product.of(schedule, layout, packed, held, Finish()).on(bits(apart), y, residual)()
    assert (y[:, columns:] == 7).all()
    return y[:, :columns]


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers that bf16 and f16 hold."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return values.astype(BF16).astype(np.float16).astype(np.float32).astype(BF16).astype(np.float32)


@pytest.mark.parametrize("schedule", CODE, ids=name)
@pytest.mark.parametrize(
    ("rows", "depth", "columns"), [(1, 1, 1), (3, 5, 130), (49, 71, 33), (1, 129, 96), (25, 50, 31)]
)
def test_sizes(schedule: Schedule, rows: int, depth: int, columns: int) -> None:
    """Odd depths, several parts of the depth, edges of rows and columns; nothing behind a row counts."""
    x, w = drawn((rows, depth), 1), drawn((depth, columns), 2)
    more, bias = drawn((rows, columns), 3), drawn((columns,), 4)
    found = multiplied(replace(schedule, depth=24), x, w, 5, more, bias)
    exact = x.astype(np.float64) @ w + more + bias
    scale = np.abs(x).astype(np.float64) @ np.abs(w) + 4
    assert (np.abs(found - exact) <= 1e-6 * scale).all()


@pytest.mark.parametrize("schedule", CODE, ids=name)
def test_bits_of_widened(schedule: Schedule) -> None:
    """Weights that are widened in registers give the bits that f32 weights give."""
    if schedule.elements == "bf16_pairs":
        pytest.skip("pairs are rounded in another order")
    x, w = drawn((13, 70), 1) * 1e-3, np.random.default_rng(2).standard_normal((70, 40))
    w = (w * 1e-5).astype(TYPES[schedule.elements]).astype(np.float32)
    w[3, :6] = np.inf, -np.inf, np.nan, 0.0, -0.0, 32768.0
    found, expected = (
        multiplied(schedule, x, w),
        multiplied(replace(schedule, elements="f32"), x, w),
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("schedule", CODE, ids=name)
def test_special_numbers(schedule: Schedule) -> None:
    """NaN and infinities go through; what is less than normal is itself, or 0 in pairs."""
    x, w = np.ones((2, 3), np.float32), np.ones((3, 35), np.float32)
    x[0, 1] = np.nan
    w[2, 4], w[2, 5], w[1, 6] = np.inf, -np.inf, np.nan
    found = multiplied(schedule, x, w)
    assert np.isnan(found[0]).all()
    assert found[1, 4] == np.inf
    assert found[1, 5] == -np.inf
    assert np.isnan(found[1, 6])
    assert (found[1, 7:] == 3).all()
    small = np.float32(2.0**-20 if schedule.elements == "f16" else 2.0**-130)
    x, w = np.full((1, 2), 4, np.float32), np.full((2, 3), small, np.float32)
    kept = 0 if schedule.elements == "bf16_pairs" else 8 * small
    assert (multiplied(schedule, x, w) == kept).all()


def test_odd_runs() -> None:
    """Rows of several stretches of odd depth, each with something else behind it."""
    found = [s for s in CODE if s.elements == "bf16_pairs"]
    if not found:
        pytest.skip("this processor does not multiply pairs")
    schedule = replace(found[0], depth=16)
    image, w = drawn((6, 5, 3), 1), drawn((3, 9, 37), 2)
    narrow = image.astype(BF16)
    y = np.zeros((4, 3, 37), np.float32)
    line, step = narrow.strides[:2]
    layout = Layout(
        3, 37, 9, step, y.strides[1], repeats=4, a_repeat=line, c_repeat=y.strides[0], runs=3,
        a_run=line,
    )  # fmt: skip
    packed = pack(schedule.columns, bits(w.reshape(27, 37).astype(BF16)), 2, runs=3)
    Product.of(schedule, layout, packed, None, Finish()).on(bits(narrow), y, None)()
    exact = np.zeros(y.shape)
    for i in range(3):
        for j in range(3):
            taps = w[i, 3 * j : 3 * j + 3].astype(np.float64)
            exact += image[i : i + 4, j : j + 3] @ taps
    np.testing.assert_allclose(y, exact, atol=1e-4)


def converted(kind: str, source: str, target: str, values: np.ndarray) -> np.ndarray:
    kernel = CastKernel.of(kind, SCHEDULES[kind].lanes, source, target)
    found = np.full(values.size + 3, 7, TYPES[target])
    step = Step.of(cast_call(kernel, Place(0), Place(1), values.size, []))
    bound(step, (bits(values), bits(found)))()
    assert (found[values.size :] == 7).all()
    return found[: values.size]


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """The same bits, but for those of NaN."""
    is_nan = np.isnan(expected.astype(np.float32))
    np.testing.assert_array_equal(np.isnan(found.astype(np.float32)), is_nan)
    kind = np.uint16 if found.itemsize == 2 else np.uint32
    np.testing.assert_array_equal(found.view(kind)[~is_nan], expected.view(kind)[~is_nan])


@pytest.mark.parametrize("kind", processors.supported())
@pytest.mark.parametrize("narrow", NARROW)
def test_casts(kind: str, narrow: str) -> None:
    """All numbers of 16 bits; those of 32 at them, between them, and close to where rounding changes."""
    every = np.arange(1 << 16, dtype=np.uint16).view(TYPES[narrow])
    wide = every.astype(np.float32)
    same(converted(kind, narrow, "f32", every[: (1 << 16) - 3]), wide[: (1 << 16) - 3])
    half = 0x1000 if narrow == "f16" else 0x8000
    at = wide.view(np.uint32)
    limits = np.array([0x33000000, 0x33000001, 0x387FFFFF, 0x477FEFFF, 0x477FF000], np.uint32)
    near = np.concatenate([at, at + half - 1, at + half, at + half + 1, limits]).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        same(converted(kind, "f32", narrow, near), near.astype(TYPES[narrow]))


@pytest.mark.parametrize("kind", processors.supported())
def test_casts_of_rows(kind: str) -> None:
    """Rows along two axes with something between them, and zeros without a source."""
    values = drawn((3, 4, 37), 1)
    found = np.full((3, 5, 41), 7, BF16)
    ways = [(3, values.strides[0], found.strides[0]), (4, values.strides[1], found.strides[1])]
    kernel = CastKernel.of(kind, SCHEDULES[kind].lanes, "f32", "bf16")
    step = Step.of(cast_call(kernel, Place(0), Place(1), 37, ways))
    bound(step, (values, bits(found)))()
    np.testing.assert_array_equal(found[:, :4, :37].astype(np.float32), values)
    assert (found[:, 4] == 7).all()
    assert (found[:, :, 37:] == 7).all()
    bound(Step.of(cast_call(kernel, 0, Place(0), 37, [(3, 0, found.strides[0])])), (bits(found),))()
    assert (found[:, 0, :37] == 0).all()
    assert (found[:, 0, 37:] == 7).all()
