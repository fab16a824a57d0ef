"""Prepared forms beside their kernels: transposed convolutions, groups, recurrent networks, the greatest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyflame_rt.backends.numpy_backend.algorithms import group_norm, pooling, table


def floats(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


TRANSPOSED = (
    ((2, 4, 5, 6), (4, 3, 2, 2), {"strides": (2, 2)}),
    ((2, 4, 5, 6), (4, 3, 4, 3), {"strides": (2, 3), "pads": (1, 0, 2, 1)}),
    ((1, 4, 5, 6), (4, 2, 3, 3), {"group": 2, "dilations": (2, 1), "strides": (1, 2)}),
    ((1, 2, 5, 4), (2, 3, 2, 1), {"strides": (3, 2), "output_padding": (2, 1)}),
    ((1, 2, 3, 3), (2, 1, 3, 3), {"strides": (2, 2), "auto_pad": "SAME_UPPER"}),
    ((1, 2, 3, 3), (2, 1, 3, 3), {"strides": (2, 2), "output_shape": (8, 7)}),
    ((1, 2, 3, 3), (2, 1, 1, 1), {"pads": (1, 1, 1, 1)}),
    ((2, 3, 7), (3, 2, 4), {"strides": (2,), "pads": (3, 3)}),
    ((1, 2, 3, 4, 2), (2, 2, 2, 3, 2), {"strides": (2, 2, 2)}),
)


@pytest.mark.parametrize(("x", "w", "properties"), TRANSPOSED)
@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_transposed_convolutions(x, w, properties, constants, check_case, new_case):
    """Phases without taps are zero, pads cut taps off, and what overlaps is added."""
    features = w[1] * properties.get("group", 1)
    operands = [floats(*x), floats(*w, seed=1), floats(features, seed=2)]
    check_case(new_case("conv_transpose", operands, properties, constants), atol=1e-5)


def test_transposed_convolution_of_f64(check_case, new_case):
    """Computed as it is, without a bias."""
    operands = [floats(1, 2, 4, 4, dtype=np.float64), floats(2, 2, 3, 3, dtype=np.float64), None]
    check_case(new_case("conv_transpose", operands, {"strides": (2, 2)}), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("few", [False, True])
def test_groups(dtype, few, check_case, new_case, monkeypatch):
    """Some groups at a time, and the last time fewer."""
    if few:
        monkeypatch.setattr(group_norm, "_AT_ONCE", 80)
    x, scale, bias = floats(3, 6, 4, 5, dtype=dtype), floats(6, dtype=dtype), floats(6, dtype=dtype)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    for groups in (1, 2, 6):
        properties = {"num_groups": groups, "epsilon": 1e-3}
        case = new_case("group_normalization", [x, scale, bias], properties)
        check_case(case, rtol=rtol, atol=rtol)
    check_case(new_case("instance_normalization", [x, scale, bias], {}), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_lstm(direction, initial, batch, check_case, new_case):
    """Each direction goes its way, from zero or from what it is given."""
    directions, steps, inputs, size = 1 + (direction == "bidirectional"), 5, 4, 3
    operands = [
        floats(steps, batch, inputs),
        floats(directions, 4 * size, inputs, seed=1),
        floats(directions, 4 * size, size, seed=2),
        floats(directions, 8 * size, seed=3),
        None,
        floats(directions, batch, size, seed=4) if initial else None,
        floats(directions, batch, size, seed=5) if initial else None,
        None,
    ]
    check_case(new_case("lstm", operands, {"direction": direction}, (1, 2, 3)))
    check_case(new_case("lstm", operands, {"direction": direction, "clip": 0.5}, (1, 2, 3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint8, np.float16])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [0, 1, 4])
def test_the_greatest(dtype, largest, k, check_case, new_case):
    """Of equals the first ones, as in the kernel."""
    x = np.random.default_rng(0).integers(0, 5, (3, 2, 7)).astype(dtype)
    for axis in (-1, 1 if k < 2 else -1):
        check_case(new_case("top_k", [x], {"k": k, "axis": axis, "largest": largest}))


@pytest.mark.parametrize("largest", [True, False])
def test_the_greatest_of_what_has_no_order(largest, check_case, new_case):
    """NaN, infinities that look like what was taken, and the least integer."""
    rows = [[np.nan, 1, np.inf, -np.inf, np.nan], [-np.inf, -np.inf, -np.inf, 0, -0.0]]
    for x in (np.array(rows, np.float32), np.array([[-128, 3, -128, -128, 127]], np.int8)):
        check_case(new_case("top_k", [x], {"k": 4, "largest": largest}))


def test_they_are_prepared():
    """What this file is about is there under the names that plans say."""
    names = {
        "conv_transpose_gemm",
        "group_normalization",
        "instance_normalization",
        "lstm",
        "top_k",
    }
    assert names <= table().keys()


POOLS = (
    {"kernel_shape": (2, 2), "strides": (2, 2)},
    {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)},
    {"kernel_shape": (3, 2), "strides": (1, 2), "pads": (2, 0, 0, 1), "ceil_mode": True},
    {"kernel_shape": (1, 3), "dilations": (1, 2)},
)


@pytest.mark.parametrize("op", ["max_pool", "average_pool"])
@pytest.mark.parametrize("properties", POOLS)
def test_pools_by_copies(op, properties, check_case, new_case, monkeypatch):
    """What a tap meets in many short runs is copied first; what it does not meet counts for nothing."""
    monkeypatch.setattr(pooling, "_MANY_RUNS", 1)
    check_case(new_case(op, [floats(2, 3, 8, 7)], properties))
    nhwc = {**properties, "layout": "nhwc"}
    check_case(new_case(op, [floats(2, 8, 7, 3)], nhwc))


CONVOLUTIONS = (
    ((3, 2, 6, 7), (4, 2, 3, 2), {"pads": (1, 1, 1, 1)}),
    ((1, 4, 9, 8), (4, 2, 3, 3), {"group": 2, "dilations": (2, 3), "strides": (1, 2)}),
    ((2, 1, 5, 90), (2, 1, 2, 3), {}),
    ((1, 1, 5, 1), (2, 1, 5, 1), {"pads": (0, 1, 0, 1)}),
)


@pytest.mark.parametrize(("x", "w", "properties"), CONVOLUTIONS)
@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_columns_along_rows_first(x, w, properties, constants, check_case, new_case):
    """Windows along the last axis, then those along the first: with gaps, steps and several images."""
    operands = [floats(*x), floats(*w, seed=1), floats(w[0], seed=2), None]
    check_case(new_case("conv", operands, properties, constants), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
@pytest.mark.parametrize("large", [False, True])
def test_products_of_integers(dtype, large, check_case, new_case):
    """Exact by way of f64 or without it, and what does not fit wraps around."""
    rng, most = np.random.default_rng(0), np.iinfo(dtype).max if large else 1 << 20
    low = 0 if np.dtype(dtype).kind == "u" else -most
    a, b = (rng.integers(low, most, shape, dtype) for shape in ((2, 40, 50), (50, 30)))
    with np.errstate(over="ignore"):
        check_case(new_case("matmul", [a, b, None, None], {}))


@pytest.mark.parametrize("transposed", [False, True])
def test_vectors_times_constants(transposed, check_case, new_case):
    """One row goes to BLAS as a vector, whatever the order of the weights; so do rows of shape 1."""
    w, bias = floats(6, 9), floats(6 if transposed else 9)
    x = floats(1, 9 if transposed else 6)
    check_case(new_case("gemm", [x, w, bias, None], {"trans_b": transposed}, (1, 2)))
    check_case(new_case("matmul", [floats(1, 1, 6), w, None, None], {}, (1,)))
    check_case(new_case("matmul", [floats(6), w, None, None], {}, (1,)))
