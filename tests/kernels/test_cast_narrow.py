"""Casts to and from types of few bits: all their values, and every float16, against ONNX's reference.

Out of range, ONNX leaves casts to integers open; those are in test_data.py.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from pyflame_rt import dtypes
from pyflame_rt.kernels.data import cast

FLOAT8 = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]
NARROW = [*FLOAT8, "float4_e2m1fn", "bfloat16"]
EXPONENT = np.dtype(ml_dtypes.float8_e8m0fnu)
SUB_BYTE = ["int2", "uint2", "int4", "uint4"]


def every_value(dtype: np.dtype[Any]) -> np.ndarray:
    """All numbers of a type of at most 16 bits."""
    sizes = {"float4_e2m1fn": 4, **{name: int(name[-1]) for name in SUB_BYTE}}
    if dtype == np.bool_:
        return np.array([False, True])
    bits = sizes.get(dtype.name, 8 * dtype.itemsize)
    return np.arange(2**bits, dtype=f"u{dtype.itemsize}").view(dtype)


def onnx_cast(x: np.ndarray, to: np.dtype[Any], saturate: bool) -> np.ndarray:
    """What ONNX's reference does for a cast to floats of few bits."""
    with np.errstate(all="ignore"):
        if saturate and to.name in FLOAT8:
            return numpy_helper.saturate_cast(x, to)
        return x.astype(to)


def assert_same(got: np.ndarray, want: np.ndarray) -> None:
    """Equal numbers, zeros with their signs, NaN where NaN."""
    assert got.dtype == want.dtype
    a, b = got.astype(np.float64), want.astype(np.float64)
    np.testing.assert_array_equal(a, b)
    number = ~np.isnan(a)
    np.testing.assert_array_equal(np.signbit(a)[number], np.signbit(b)[number])


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("to", NARROW)
@pytest.mark.parametrize("source", ["float16", "bfloat16", "int8", "int16", *SUB_BYTE, "bool"])
def test_every_value_of_sixteen_bits(source: str, to: str, saturate: bool):
    """Rounded to even, infinities and what is too large by `saturate`, NaN kept."""
    if source == to:
        return
    x = every_value({row.numpy.name: row.numpy for row in dtypes.table()}[source])
    target = np.dtype(getattr(ml_dtypes, to))
    wide = x if x.dtype.kind in "fib" else x.astype(np.float32)
    want = onnx_cast(wide.astype(np.float32), target, saturate)
    assert_same(cast(x, to=target, saturate=saturate), want)


@given(
    numbers=st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=8),
    saturate=st.booleans(),
    to=st.sampled_from(NARROW),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_floats_of_any_size(numbers: list[float], saturate: bool, to: str):
    """float32 holds what no 16-bit type does."""
    x, target = np.array(numbers, np.float32), np.dtype(getattr(ml_dtypes, to))
    assert_same(cast(x, to=target, saturate=saturate), onnx_cast(x, target, saturate))


@pytest.mark.parametrize("source", [*FLOAT8, "float4_e2m1fn", "float8_e8m0fnu"])
@pytest.mark.parametrize("to", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, np.bool_])
def test_every_value_widened(source: str, to: Any):
    """Exact where the type is wide enough; no power of two is false."""
    x = every_value(np.dtype(getattr(ml_dtypes, source)))
    with np.errstate(all="ignore"):
        exact = x.astype(np.float32)
        want = exact != 0 if to == np.bool_ else exact.astype(to)
    got = cast(x, to=np.dtype(to))
    if to == np.bool_:
        np.testing.assert_array_equal(got, want)
    else:
        assert_same(got, want)


def exponents(*values: float) -> list[float]:
    return [float(value) for value in values]


def test_exponents_of_what_is_no_power_of_two_in_range():
    """The table in the definition of Cast: by default up and saturated, and nearest and not."""
    x = np.array([0, np.nan, np.inf, 3.4e38, 2.0**-140, 1], np.float32)
    low, high = 2.0**-127, 2.0**127
    got = cast(x, to=EXPONENT, saturate=True, round_mode="up").astype(np.float64)
    np.testing.assert_array_equal(got, exponents(low, np.nan, high, high, low, 1))
    got = cast(x, to=EXPONENT, saturate=False, round_mode="nearest").astype(np.float64)
    np.testing.assert_array_equal(got, exponents(np.nan, np.nan, np.nan, np.nan, np.nan, 1))


@given(
    number=st.floats(2.0**-126, 2.0**126, width=32),
    round_mode=st.sampled_from(["up", "down", "nearest"]),
    saturate=st.booleans(),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_exponents_in_range_are_onnxs(number: float, round_mode: str, saturate: bool):
    """ONNX's reference is right between the least normal float32 and the largest exponent."""
    x = np.array([number, 2 * number], np.float32)
    got = cast(x, to=EXPONENT, saturate=saturate, round_mode=round_mode)
    want = numpy_helper.to_float8e8m0(x, saturate, round_mode)
    np.testing.assert_array_equal(got.view(np.uint8), want.view(np.uint8))


@pytest.mark.parametrize("to", SUB_BYTE)
@pytest.mark.parametrize("source", [*SUB_BYTE, "int8", "uint8", "int16", "uint16"])
def test_integers_keep_their_low_bits(source: str, to: str):
    x = every_value({row.numpy.name: row.numpy for row in dtypes.table()}[source])
    got = cast(x, to=np.dtype(getattr(ml_dtypes, to)))
    bits = int(to[-1])
    difference = x.astype(np.int64) - got.astype(np.int64)
    assert not np.any(difference % 2**bits)
