"""Elementwise kernels against ONNX Runtime, and against their definition where it cannot judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt.names import op_name_of

FLOAT_UNARY = [
    "Abs", "Neg", "Sqrt", "Exp", "Log", "Floor", "Ceil", "Round", "Reciprocal", "Sign", "Sin",
    "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "IsNaN", "IsInf",
]  # fmt: skip
ARITHMETIC = ["Add", "Sub", "Mul", "Div"]
COMPARISONS = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]
LOGIC = ["And", "Or", "Xor"]
VARIADIC = ["Min", "Max", "Sum", "Mean"]
SPECIAL = [0.0, -0.0, 0.5, 1.5, 2.5, -2.5, -0.3, 1e30, -1e30, np.inf, -np.inf, np.nan]


def kernel(op_type: str) -> Callable[..., np.ndarray]:
    """The kernel of an ONNX operator."""
    return kernels.table()[op_name_of(op_type).removeprefix("pfrt.")]


def check(got: np.ndarray, want: np.ndarray) -> None:
    """Same dtype and shape, and values within rounding; NaN and infinities at the same places."""
    assert isinstance(got, np.ndarray)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("op_type", FLOAT_UNARY)
@pytest.mark.parametrize("shape", [(), (0,), (12,), (2, 0, 3), (4, 3)])
def test_unary_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], op_type: str, shape: tuple[int, ...]
):
    """Values, shape and dtype, also of scalars, empty tensors, NaN, inf and signed zeros."""
    x = np.resize(np.array(SPECIAL, np.float32), shape)
    if op_type == "Sign":
        x = np.asarray(np.nan_to_num(x))  # ONNX does not say what the sign of NaN is
    check(kernel(op_type)(x), onnxruntime_result(op_type, [x]))


@pytest.mark.parametrize("op_type", FLOAT_UNARY)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_unary_keeps_float_types(op_type: str, dtype: Any):
    """f16 and bf16 are the float64 result rounded; nothing warns."""
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
    got = kernel(op_type)(x)
    exact = kernel(op_type)(x.astype(np.float64))
    assert got.dtype == (np.bool_ if op_type.startswith("Is") else dtype)
    with np.errstate(all="ignore"):
        want = exact.astype(got.dtype)
    tolerance = float(ml_dtypes.finfo(np.dtype(dtype)).eps)
    np.testing.assert_allclose(
        got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("negative", [False, True])
def test_is_inf_asks_for_signs(
    onnxruntime_result: Callable[..., Any], positive: bool, negative: bool
):
    x = np.array(SPECIAL, np.float32)
    want = onnxruntime_result(
        "IsInf", [x], detect_positive=int(positive), detect_negative=int(negative)
    )
    check(kernel("IsInf")(x, detect_positive=positive, detect_negative=negative), want)


@pytest.mark.parametrize(
    "dtype", ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]
)
def test_float8_has_nan_and_one_of_them_infinities(dtype: str):
    x = np.array([1.0, np.inf, -np.inf, np.nan]).astype(np.dtype(dtype))
    wide = x.astype(np.float32)
    assert kernel("IsNaN")(x).tolist() == np.isnan(wide).tolist()
    assert kernel("IsInf")(x).tolist() == np.isinf(wide).tolist()


@pytest.mark.parametrize("op_type", [*ARITHMETIC, "Pow"])
@pytest.mark.parametrize("shapes", [((), ()), ((3, 1), (4,)), ((0, 3), (1,)), ((2, 3), (2, 3))])
def test_float_arithmetic_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], op_type: str, shapes: tuple[tuple[int, ...], ...]
):
    a = np.resize(np.array([2.5, -1.5, 0, 3, np.inf, np.nan], np.float32), shapes[0])
    b = np.resize(np.array([2, 0, -0.5, 1e38], np.float32), shapes[1])
    check(kernel(op_type)(a, b), onnxruntime_result(op_type, [a, b], opset=17))


@pytest.mark.parametrize("op_type", COMPARISONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_comparisons_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], op_type: str, dtype: Any
):
    """NaN compares false with everything, also by >= and <=."""
    a = np.array([-1, 0, 1, 2, 7] + ([np.nan, np.inf] if dtype(0.5) else []), dtype)
    check(kernel(op_type)(a[:, None], a), onnxruntime_result(op_type, [a[:, None], a], opset=17))


@pytest.mark.parametrize("op_type", [*LOGIC, "Equal"])
def test_logic_equals_onnxruntime(onnxruntime_result: Callable[..., Any], op_type: str):
    a = np.array([False, True])
    check(kernel(op_type)(a[:, None], a), onnxruntime_result(op_type, [a[:, None], a], opset=17))
    assert kernel("Not")(a).tolist() == [True, False]


INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


@pytest.mark.parametrize("op_type", ["BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"])
@given(data=st.data())
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_bits_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], op_type: str, data: st.DataObject
):
    """Of every integer type, broadcast."""
    dtype = np.dtype(data.draw(st.sampled_from(INTEGERS)))
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0))
    operands = [data.draw(hnp.arrays(dtype, shape)) for shape in shapes.input_shapes]
    operands = operands[:1] if op_type == "BitwiseNot" else operands
    check(kernel(op_type)(*operands), onnxruntime_result(op_type, operands))


@given(data=st.data(), direction=st.sampled_from(["LEFT", "RIGHT"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_shifted_bits(data: st.DataObject, direction: str):
    """Bits that leave are gone; the sign follows to the right, and is all that a shift of too many
    bits, or of a negative number, leaves."""
    dtype = np.dtype(data.draw(st.sampled_from(INTEGERS)))
    bits, low = 8 * dtype.itemsize, np.iinfo(dtype).min
    x = data.draw(hnp.arrays(dtype, 5))
    by = data.draw(hnp.arrays(dtype, 5, elements=st.integers(max(-2, low), bits + 2)))
    for a, n, got in zip(x.tolist(), by.tolist(), kernel("BitShift")(x, by, direction=direction).tolist(), strict=True):  # fmt: skip
        if not 0 <= n < bits:
            want = -1 if a < 0 and direction == "RIGHT" else 0
        else:
            want = a >> n if direction == "RIGHT" else a << n
        assert (got - want) % 2**bits == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.uint64])
@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_shifts_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], dtype: Any, direction: str
):
    x, by = np.array([[1], [200]], dtype), np.array([0, 1, 7], dtype)
    want = onnxruntime_result("BitShift", [x, by], direction=direction)
    check(kernel("BitShift")(x, by, direction=direction), want)


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul"])
@given(data=st.data())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_integers_wrap(op_type: str, data: st.DataObject):
    """Arithmetic modulo 2**bits, in every integer type."""
    dtype = np.dtype(data.draw(st.sampled_from(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])))
    a, b = (data.draw(hnp.arrays(dtype, 5)) for _ in range(2))
    exact = {"Add": int.__add__, "Sub": int.__sub__, "Mul": int.__mul__}[op_type]
    bits = 8 * dtype.itemsize
    want = [exact(int(p), int(q)) % 2**bits for p, q in zip(a, b, strict=True)]
    got = kernel(op_type)(a, b)
    assert got.dtype == dtype
    assert [int(item) % 2**bits for item in got] == want


@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_integer_division_truncates(data: st.DataObject):
    """Toward zero as ONNX says; by zero it is 0, and the least integer by -1 wraps to itself."""
    dtype = np.dtype(data.draw(st.sampled_from(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])))
    info = np.iinfo(dtype)
    items = st.sampled_from([info.min, info.max, 0, 1]) | st.integers(info.min, info.max)
    values = st.lists(items | st.integers(max(-9, info.min), 9), min_size=4, max_size=4)
    a, b = (np.array(data.draw(values), dtype) for _ in range(2))
    for p, q, quotient in zip(a.tolist(), b.tolist(), kernel("Div")(a, b).tolist(), strict=True):
        exact = abs(p) // abs(q) * (1 if (p < 0) == (q < 0) else -1) if q else 0
        assert quotient == (info.min if exact > info.max else exact)


def test_integer_division_equals_onnxruntime(onnxruntime_result: Callable[..., Any]):
    a = np.array([7, -7, 7, -7, 0, 6], np.int32)
    b = np.array([2, 2, -2, -2, 5, 3], np.int32)
    check(kernel("Div")(a, b), onnxruntime_result("Div", [a, b], opset=17))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float32])
def test_mod_equals_onnxruntime(onnxruntime_result: Callable[..., Any], dtype: Any):
    """Of the divisor's sign, or with fmod of the dividend's."""
    a = np.array([7, 7, 250, 0, 6], dtype)
    b = np.array([3, 5, 7, 5, 3], dtype)
    if dtype is not np.uint8:
        a, b = np.concatenate([a, -a, a, -a]), np.concatenate([b, b, -b, -b])
    check(kernel("Mod")(a, b, fmod=True), onnxruntime_result("Mod", [a, b], opset=17, fmod=1))
    if dtype is not np.float32:
        check(kernel("Mod")(a, b), onnxruntime_result("Mod", [a, b], opset=17))


@pytest.mark.parametrize("fmod", [False, True])
def test_mod_of_special_values(fmod: bool):
    """The table in ONNX's text of Mod: NaN by zero, infinities, and 0 for integers by zero."""
    x = np.array([3, 3, np.inf, -3, 3, -3, np.nan])
    y = np.array([0, np.nan, 2, np.inf, np.inf, -np.inf, 1])
    with_floor = [np.nan, np.nan, np.nan, np.inf, 3, -3, np.nan]
    truncated = [np.nan, np.nan, np.nan, -3, 3, -3, np.nan]
    np.testing.assert_array_equal(kernel("Mod")(x, y, fmod=fmod), truncated if fmod else with_floor)
    zero = kernel("Mod")(np.array([3, -3]), np.array([0, 0]), fmod=fmod)
    assert zero.tolist() == [0, 0]


@pytest.mark.parametrize("base", [np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("exponent", [np.int32, np.int64, np.float32, np.float64])
def test_pow_of_mixed_types_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], base: Any, exponent: Any
):
    """The result has the base's type."""
    x = np.array([0, 1, 2, 3, -2, 10], base)
    y = np.array([0, 1, 2, 3, 3, 5], exponent)
    check(kernel("Pow")(x, y), onnxruntime_result("Pow", [x, y], opset=17))


@given(base=hnp.arrays(np.int32, 4), exponent=hnp.arrays(np.int8, 4, elements=st.integers(-3, 127)))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_integer_powers_are_exact(base: np.ndarray, exponent: np.ndarray):
    """They wrap; a negative power is 1 / x truncated."""
    got = kernel("Pow")(base, exponent)
    for x, y, power in zip(base.tolist(), exponent.tolist(), got.tolist(), strict=True):
        if y < 0:
            assert power == {1: 1, -1: (-1) ** y}.get(x, 0)
        else:
            assert (power - x**y) % 2**32 == 0


@pytest.mark.parametrize("op_type", VARIADIC)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_variadic_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], op_type: str, count: int
):
    """One operand too; NaN wins over everything."""
    shapes = [(3, 4), (4,), (3, 1), ()]
    values = np.array([0.5, -2, 3, 1, np.inf, 7], np.float32)
    arrays = [np.resize(np.roll(values, k), shapes[k]) for k in range(count)]
    arrays[0][0, 0] = np.nan
    check(kernel(op_type)(*arrays), onnxruntime_result(op_type, arrays))


def test_narrow_sums_round_once():
    """2048 + 1 + 1 is 2050 in f16, though 2048 + 1 is not."""
    one = np.array(1, np.float16)
    assert kernel("Sum")(np.array(2048, np.float16), one, one) == 2050


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, np.uint8, ml_dtypes.bfloat16])
def test_where_keeps_the_type(dtype: Any):
    x, y = np.array([[1], [0]]).astype(dtype), np.array([0, 1, 1]).astype(dtype)
    condition = np.array([True, False, True])
    got = kernel("Where")(condition, x, y)
    assert got.dtype == dtype
    assert got.astype(int).tolist() == [[1, 1, 1], [0, 1, 0]]


@given(
    data=st.data(),
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0),
    op_type=st.sampled_from([*ARITHMETIC, *COMPARISONS, "Mod", "Min"]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_broadcasting_is_numpys(data: st.DataObject, shapes: Any, op_type: str):
    """Any two shapes that broadcast, empty ones too, and any floats without a warning."""
    a, b = (data.draw(hnp.arrays(np.float32, shape)) for shape in shapes.input_shapes)
    got = kernel(op_type)(a, b)
    assert got.shape == shapes.result_shape
    assert got.dtype == (np.bool_ if op_type in COMPARISONS else np.float32)
