"""Kernels that make or describe tensors, against ONNX Runtime and ONNX's reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from pyflame_rt import dtypes
from pyflame_rt.kernels import data as kernels

FLOAT8 = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]
INTS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


def onnx_cast(x: np.ndarray, to: np.dtype[Any], saturate: bool, round_mode: str) -> np.ndarray:
    """What ONNX's reference implementation makes of a cast."""
    code = dtypes.by_numpy()[to].onnx
    node = helper.make_node("Cast", ["x"], ["y"], to=code, saturate=int(saturate))
    if to == ml_dtypes.float8_e8m0fnu:
        node.attribute.append(helper.make_attribute("round_mode", round_mode))
    graph = helper.make_graph(
        [node],
        "cast",
        [helper.make_tensor_value_info("x", dtypes.by_numpy()[x.dtype].onnx, None)],
        [helper.make_tensor_value_info("y", code, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)])
    (result,) = ReferenceEvaluator(model).run(None, {"x": x})
    return np.asarray(result)


@pytest.mark.parametrize("to", [np.float32, np.float64, np.float16, *INTS, np.bool_])
@pytest.mark.parametrize("source", [np.float32, np.float64, np.float16, *INTS, np.bool_])
def test_cast_equals_onnxruntime(onnxruntime_result: Callable[..., Any], source: Any, to: Any):
    """Every pair of types, on values that both can hold: floats truncate, not zero is true."""
    x = np.array([0, 1, 2, 100, 0.75, 2.5]).astype(source)
    code = dtypes.by_numpy()[np.dtype(to)].onnx
    got = kernels.cast(x, to=np.dtype(to))
    want = onnxruntime_result("Cast", [x], to=code)
    assert got.dtype == to
    np.testing.assert_array_equal(got, want)


def test_cast_of_negative_fractions_and_scalars(onnxruntime_result: Callable[..., Any]):
    x = np.array([-0.75, -2.5, -0.0, -7.99], np.float32)
    want = onnxruntime_result("Cast", [x], to=TensorProto.INT8)
    np.testing.assert_array_equal(kernels.cast(x, to=np.dtype(np.int8)), want)
    scalar = kernels.cast(np.array(np.nan, np.float32), to=np.dtype(np.bool_))
    assert isinstance(scalar, np.ndarray)
    assert scalar.shape == ()
    assert bool(scalar)


@given(x=hnp.arrays(np.float64, 4), to=st.sampled_from(INTS))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_cast_of_floats_to_integers_saturates(x: np.ndarray, to: Any):
    """What ONNX leaves undefined is the nearest integer of the type, and 0 for NaN."""
    info = ml_dtypes.iinfo(np.dtype(to))
    low, high = int(info.min), int(info.max)
    got = kernels.cast(x, to=np.dtype(to))
    for item, result in zip(x.tolist(), got.astype(object), strict=True):
        if item != item:
            want = 0
        elif abs(item) == float("inf"):
            want = high if item > 0 else low
        else:
            want = min(max(int(item), low), high)
        assert int(result) == want


def test_cast_of_floats_to_less_than_a_byte_keeps_the_low_bits():
    """As in the expected results of ONNX's own tests."""
    x = np.array([-9, -8, 7, 8, 15.9, np.nan], np.float32)
    got = kernels.cast(x, to=np.dtype(ml_dtypes.int4))
    assert [int(item) for item in got] == [7, -8, 7, -8, -1, 0]
    got = kernels.cast(np.array([-1, 4], np.float16), to=np.dtype(ml_dtypes.uint2))
    assert [int(item) for item in got] == [3, 0]


@given(x=hnp.arrays(st.sampled_from([np.dtype(t) for t in INTS]), 4), to=st.sampled_from(INTS))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_cast_of_integers_wraps(x: np.ndarray, to: Any):
    bits = 8 * np.dtype(to).itemsize
    for item, result in zip(x.tolist(), kernels.cast(x, to=np.dtype(to)).tolist(), strict=True):
        assert (item - result) % 2**bits == 0


def test_cast_of_integers_to_four_bits_wraps():
    got = kernels.cast(np.array([200, 7, -9, 8], np.int16), to=np.dtype(ml_dtypes.int4))
    assert got.astype(int).tolist() == [-8, 7, 7, -8]
    got = kernels.cast(np.array([200, 15, 16], np.int32), to=np.dtype(ml_dtypes.uint4))
    assert got.astype(int).tolist() == [8, 15, 0]


@pytest.mark.parametrize("to", [row.numpy for row in dtypes.table() if row.numpy.kind != "c"])
@pytest.mark.parametrize("source", [row.numpy for row in dtypes.table() if row.numpy.kind != "c"])
def test_cast_between_every_two_types(source: np.dtype[Any], to: np.dtype[Any]):
    """1 is a number of all of them, and stays what it is."""
    got = kernels.cast(np.ones(2, np.float32).astype(source), to=to)
    assert got.dtype == to
    assert got.astype(np.float32).tolist() == [1, 1]


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("to", FLOAT8)
def test_cast_to_float8_is_onnxs_table(to: str, saturate: bool):
    """Too large, infinite and NaN, with and without saturation; ties go to even."""
    x = np.array(
        [0, -0.0, np.nan, np.inf, -np.inf, 1e6, -1e6, 1.0625, 1.1875, 448, 464, 465, 0.001],
        np.float32,
    )
    got = kernels.cast(x, to=np.dtype(to), saturate=saturate)
    want = onnx_cast(x, np.dtype(to), saturate, "up")
    np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))


@pytest.mark.parametrize("round_mode", ["up", "down", "nearest"])
@pytest.mark.parametrize("saturate", [True, False])
def test_cast_to_exponents_is_onnxs(saturate: bool, round_mode: str):
    """f8E8M0FNU holds powers of two."""
    x = np.array([1, 1.25, 1.5, 1.75, 2, 3, 1000, 2.0**-126, 0.3, np.nan], np.float32)
    to = np.dtype(ml_dtypes.float8_e8m0fnu)
    got = kernels.cast(x, to=to, saturate=saturate, round_mode=round_mode)
    want = onnx_cast(x, to, saturate, round_mode)
    np.testing.assert_array_equal(got.view(np.uint8), want.view(np.uint8))


def test_constant_of_shape_equals_onnxruntime(onnxruntime_result: Callable[..., Any]):
    for dims in ([2, 3], [], [0, 4]):
        shape = np.array(dims, np.int64)
        want = onnxruntime_result("ConstantOfShape", [shape])
        got = kernels.constant_of_shape(shape)
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(kernels.constant_of_shape(shape=tuple(dims)), want)
    value = np.array([7], np.int8)
    assert kernels.constant_of_shape(shape=(2,), value=value).tolist() == [7, 7]


@pytest.mark.parametrize("dims", [(1 << 40, 1 << 40), (-1,), (-1, 0), (1,) * 65])
def test_constant_of_impossible_shape_is_refused(dims: tuple[int, ...]):
    """Before anything is allocated, by integers that do not overflow."""
    with pytest.raises(ValueError, match="the result would"):
        kernels.constant_of_shape(shape=dims)


@pytest.mark.parametrize("start", [None, 0, 1, -1, -2, -9, 9])
@pytest.mark.parametrize("end", [None, 0, 2, -1, -9, 9])
def test_shape_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], start: int | None, end: int | None
):
    """Both bounds count from the back, and are clamped."""
    x = np.zeros((2, 0, 4), np.float32)
    given_bounds = {k: v for k, v in (("start", start), ("end", end)) if v is not None}
    got = kernels.shape(x, **given_bounds)
    np.testing.assert_array_equal(got, onnxruntime_result("Shape", [x], opset=19, **given_bounds))
    assert got.dtype == np.int64


def test_shape_and_size_of_scalars():
    assert kernels.shape(np.array(1.0)).shape == (0,)
    assert kernels.size(np.array(1.0)) == 1
    assert kernels.size(np.zeros((3, 0))) == 0


@pytest.mark.parametrize(
    "values", [(3, 9, 3), (10, 4, -2), (0, 5, 2), (5, 5, 1), (5, 0, 1), (1, 7, 100)]
)
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32, np.float64])
def test_range_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], values: tuple[int, ...], dtype: Any
):
    operands = [np.array(value, dtype) for value in values]
    want = onnxruntime_result("Range", operands)
    got = kernels.range_(*operands)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want)


def test_range_of_fractions(onnxruntime_result: Callable[..., Any]):
    operands = [np.array(value, np.float32) for value in (0.5, 2.05, 0.1)]
    np.testing.assert_allclose(
        kernels.range_(*operands), onnxruntime_result("Range", operands), rtol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_range_is_computed_in_f32(dtype: Any):
    """Counting by ones does not stick where the type has no ones any more."""
    limit = 600
    got = kernels.range_(*(np.array(value).astype(dtype) for value in (0, limit, 1)))
    want = np.arange(float(np.array(limit).astype(dtype)), dtype=np.float32).astype(dtype)
    np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))


@pytest.mark.parametrize("values", [(0, 1, 0), (0, np.inf, 1), (np.nan, 1, 1), (0, 1e300, 1e-300)])
def test_range_without_length_is_refused(values: tuple[float, ...]):
    with pytest.raises(ValueError, match="range"):
        kernels.range_(*(np.array(value, np.float64) for value in values))


def test_endless_range_is_refused():
    with pytest.raises(ValueError, match="too large"):
        kernels.range_(*(np.array(value, np.int64) for value in (0, 2**62, 1)))


@pytest.mark.parametrize("source", [row.numpy for row in dtypes.table()])
def test_bit_cast_there_and_back_changes_nothing(source: np.dtype[Any]):
    """Between every two types of as many bits, in the order of memory."""
    bits = kernels.bits_of(source)
    limit = 1 if source == np.bool_ else 2 ** min(bits, 8) - 1
    raw = np.arange(24, dtype=np.uint8) & np.uint8(limit)
    step = max(bits // 8, 1)
    x = raw[: 24 // step * step].view(source)
    for row in dtypes.table():
        if kernels.bits_of(row.numpy) != bits or row.numpy == np.bool_:
            continue
        there = kernels.bit_cast(x, to=row.numpy)
        assert there.dtype == row.numpy
        assert there.tobytes() == x.tobytes()
        assert kernels.bit_cast(there, to=source).tobytes() == x.tobytes()


def test_bit_cast_of_sub_byte_types_is_of_their_bits():
    """-1 is all ones, whatever memory holds beside them."""
    x = np.array([-1, -8, 7]).astype(ml_dtypes.int4)
    got = kernels.bit_cast(x, to=np.dtype(ml_dtypes.uint4))
    assert got.astype(np.int64).tolist() == [15, 8, 7]
    back = kernels.bit_cast(got, to=np.dtype(ml_dtypes.int4))
    assert back.astype(np.int64).tolist() == [-1, -8, 7]


def test_bit_cast_needs_types_of_one_size():
    """Any byte but 0 is true."""
    x = np.array([0, 1, 2], np.uint8)
    assert kernels.bit_cast(x, to=np.dtype(np.bool_)).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="8 bits of uint8 cannot be read as int4"):
        kernels.bit_cast(x, to=np.dtype(ml_dtypes.int4))
