"""Draws: their distributions, their types, and what a seed promises."""

from __future__ import annotations

from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt.kernels import random

F32 = np.dtype(np.float32)
FLOATS = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
HALF = np.full((50, 40), 0.5, np.float32)
DRAWS = {
    "random_normal": partial(random.random_normal, shape=(50, 40), dtype=F32, mean=0.0, scale=1.0),
    "random_normal_like": partial(random.random_normal_like, HALF, mean=0.0, scale=1.0),
    "random_uniform": partial(random.random_uniform, shape=(50, 40), dtype=F32, low=0.0, high=1.0),
    "random_uniform_like": partial(random.random_uniform_like, HALF, low=0.0, high=1.0),
    "bernoulli": partial(random.bernoulli, HALF),
    "multinomial": partial(random.multinomial, HALF, dtype=np.dtype(np.int32), sample_size=40),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_repeats_a_draw(name: str):
    """The same seed gives the same, another another, and none something new each time."""
    draw = DRAWS[name]
    first = draw(seed=1.5)
    assert first.shape == (50, 40)
    assert np.array_equal(first, draw(seed=1.5))
    assert not np.array_equal(first, draw(seed=-1.5))
    assert not np.array_equal(draw(), draw())


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_draws_have_their_moments(dtype: Any):
    got = random.random_normal(
        shape=(100, 200), dtype=np.dtype(dtype), seed=0.0, mean=3.0, scale=2.0
    )
    assert got.dtype == dtype
    wide = got.astype(np.float64)
    assert abs(wide.mean() - 3) < 0.1
    assert abs(wide.std() - 2) < 0.1


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_draws_fill_their_range(dtype: Any):
    got = random.random_uniform_like(
        np.zeros((100, 200), np.int8), dtype=np.dtype(dtype), seed=0.0, low=-1.0, high=3.0
    )
    assert got.dtype == dtype
    wide = got.astype(np.float64)
    assert -1 <= wide.min() < -0.95
    assert 2.95 < wide.max() <= 3
    assert abs(wide.mean() - 1) < 0.05


@pytest.mark.parametrize("dtype", [None, np.bool_, np.uint8, ml_dtypes.bfloat16])
def test_bernoulli_draws_are_as_likely_as_told(dtype: Any):
    """Never of probability 0, always of 1; NaN is no probability, and never drawn."""
    x = np.repeat(np.array([0, 0.25, 1, np.nan], np.float16), 4000).reshape(4, 4000)
    got = random.bernoulli(x, dtype=None if dtype is None else np.dtype(dtype), seed=0.0)
    assert got.dtype == (np.float16 if dtype is None else dtype)
    rates = got.astype(np.float64).mean(axis=1)
    assert rates[[0, 2, 3]].tolist() == [0, 1, 0]
    assert abs(rates[1] - 0.25) < 0.02


def test_multinomial_draws_are_as_likely_as_told():
    """Logarithms of any scale; what has no probability is never drawn, first or last."""
    shares = np.array([0, 0.5, 0.25, 0.25, 0])
    with np.errstate(divide="ignore"):
        logs = (np.log(shares) + 700).reshape(1, 5)
    got = random.multinomial(logs, dtype=np.dtype(np.int64), sample_size=8000, seed=0.0)
    assert got.dtype == np.int64
    counts = np.bincount(got[0], minlength=5) / 8000
    np.testing.assert_allclose(counts, shares, atol=0.02)
    assert counts[[0, 4]].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [*FLOATS, ml_dtypes.float8_e4m3fn])
def test_dropout_scales_what_it_keeps(dtype: Any):
    """Three quarters are dropped, the rest is four times itself, as the mask says."""
    x = np.ones((40, 50), dtype)
    y, mask = random.dropout(x, np.array(0.75, np.float16), np.array(True), seed=7)
    assert y.dtype == dtype
    assert mask.dtype == np.bool_
    assert np.array_equal(y.astype(np.float32), np.where(mask, 4, 0))
    assert abs(mask.mean() - 0.25) < 0.03
    assert not np.array_equal(mask, random.dropout(x, np.array(0.75), np.array(True))[1])


def test_dropout_draws_as_onnxs_tests_do():
    """By NumPy's legacy generator, whose stream does not change between versions."""
    _, mask = random.dropout(np.ones(6, np.float32), np.array(0.6), np.array(True), seed=0)
    assert mask.tolist() == [False, True, True, False, False, True]


@pytest.mark.parametrize(("ratio", "training"), [(0.0, True), (0.9, False), (7.0, False)])
def test_dropout_of_nothing_keeps_everything(ratio: float, training: bool):
    """NaN and infinities too; outside of training the ratio is not looked at."""
    x = np.array([np.nan, np.inf, -0.0], np.float32)
    y, mask = random.dropout(x, np.array(ratio), np.array(training), seed=0)
    assert y.tobytes() == x.tobytes()
    assert mask.all()


TRUE = np.array(True)
ONE = np.ones((1, 1), np.float32)
I32 = np.dtype(np.int32)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: random.dropout(ONE, np.array(1.0), TRUE), "not in"),
        (lambda: random.dropout(ONE, np.array(-0.5), TRUE), "not in"),
        (lambda: random.dropout(ONE, np.array(np.nan), TRUE), "not in"),
        (lambda: random.dropout(ONE, np.ones(2), TRUE), "one ratio"),
        (lambda: random.multinomial(ONE * np.nan, dtype=I32, sample_size=1), "row 0"),
        (lambda: random.multinomial(ONE * -np.inf, dtype=I32, sample_size=1), "row 0"),
        (lambda: random.multinomial(ONE[:, :0], dtype=I32, sample_size=1), "row 0"),
        (lambda: random.multinomial(ONE[0], dtype=I32, sample_size=1), "matrix"),
        (lambda: random.multinomial(ONE, dtype=I32, sample_size=2**50), "too large"),
        (
            lambda: random.random_normal(shape=[2**30, 2**30], dtype=F32, mean=0.0, scale=1.0),
            "too large",
        ),
        (
            lambda: random.random_uniform(shape=[-1], dtype=F32, low=0.0, high=1.0),
            "would have the shape",
        ),
    ],
)
def test_values_that_make_no_sense_are_refused(call: Any, why: str):
    """Before anything is allocated."""
    with pytest.raises(ValueError, match=why):
        call()
