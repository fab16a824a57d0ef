"""Compiled convolutions of bytes, and what makes floats bytes, against the kernels, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import kernels
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.convolutions import Geometry, IntegerConvolution
from pyflame_rt.backends.native.integers.products import Epilogue, bound, limits_of
from pyflame_rt.backends.native.integers.quantize import quantize_call
from pyflame_rt.backends.native.steps import Place, Step
from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES

KINDS = processors.supported()
BYTES = (np.dtype(np.uint8), np.dtype(np.int8))
TABLE = kernels.table()
ONE = np.ones((), np.float32)


def drawn(r: np.random.Generator, dtype: np.dtype, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return r.integers(limits.min, limits.max + 1, shape).astype(dtype)


def check(
    kind: str, shape: tuple[int, int, int, int], features: int, kernel: tuple[int, int],
    stride: int = 1, dilation: int = 1, pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    group: int = 1, a: np.dtype = BYTES[0], b: np.dtype = BYTES[1], shares: int = 1,
    result: str = "bytes", seed: int = 0,
) -> None:  # fmt: skip
    """y and what lies behind it."""
    r = np.random.default_rng(seed)
    images, channels, height, width = shape
    x, w = drawn(r, a, *shape), drawn(r, b, features, channels // group, *kernel)
    x_zero, w_zero = drawn(r, a), drawn(r, b, features)
    window = {
        "strides": (stride, stride), "dilations": (dilation, dilation), "pads": pads,
        "group": group,
    }  # fmt: skip
    bias = r.integers(-999, 999, features).astype(np.int32)
    scales = (r.random(features) * 0.02 / w[0].size).astype(np.float32)
    if result == "bytes":
        y_zero = drawn(r, BYTES[0])
        expected = TABLE["qlinear_conv"](
            x, ONE, x_zero, w, scales, w_zero, ONE, y_zero, bias, **window
        )
        limits = limits_of(0, 255, int(y_zero))
        epilogue = Epilogue("bytes", bias, scales, limits=limits)
    else:
        expected = TABLE["conv_integer"](x, w, x_zero, w_zero, **window)
        epilogue = Epilogue()
    geometry = Geometry(
        images, (height, width), channels, features, kernel, expected.shape[2:], pads[:2],
        (stride, stride), (dilation, dilation), group,
    )  # fmt: skip
    schedule = replace(INTEGER_SCHEDULES[kind], shares=shares)
    convolution = IntegerConvolution.of(
        schedule, geometry, w, w_zero, epilogue, signed=a == np.int8
    )
    flat = np.full(expected.size + 64, 9, expected.dtype)
    y = flat[: expected.size].reshape(images, *expected.shape[2:], features)
    room = np.zeros(geometry.room + 64, np.uint8)
    lying = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    for step in convolution.steps(Place(0), Place(1), Place(2), zero=Place(3)):
        bound(step, (lying, y, room, x_zero))()
    np.testing.assert_array_equal(y.transpose(0, 3, 1, 2), expected)
    assert (flat[expected.size :] == 9).all()
    assert not room[geometry.room :].any()


@pytest.mark.parametrize("kind", KINDS)
def test_forms(kind: str) -> None:
    """Single elements, taps of a row side by side or apart, groups, and channels by themselves."""
    for a in BYTES:
        check(kind, (2, 24, 5, 7), 40, (1, 1), a=a)
        check(kind, (2, 5, 9, 8), 7, (3, 3), pads=(1, 1, 1, 1), a=a)
        check(kind, (1, 4, 9, 9), 6, (3, 3), 2, 2, (2, 2, 2, 2), a=a)
        check(kind, (1, 8, 9, 9), 12, (3, 3), 2, 1, (1, 1, 1, 1), 4, a=a)
        check(kind, (2, 37, 8, 10), 37, (3, 3), pads=(1, 1, 1, 1), group=37, a=a)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    images=st.integers(1, 2),
    each=st.integers(1, 9),
    group=st.sampled_from((1, 1, 2, 8)),
    features=st.integers(1, 5),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    pads=st.tuples(*(st.integers(0, 2),) * 4),
    types=st.tuples(st.sampled_from(BYTES), st.sampled_from(BYTES)),
    result=st.sampled_from(("bytes", "int32")),
    seed=st.integers(0, 99),
)
def test_any(
    kind: str, images: int, each: int, group: int, features: int, kernel: tuple[int, int],
    stride: int, dilation: int, pads: tuple[int, int, int, int],
    types: tuple[np.dtype, np.dtype], result: str, seed: int,
) -> None:  # fmt: skip
    """Windows that begin and end anywhere, of all types."""
    check(
        kind, (images, each * group, 8, 9), features * group, kernel, stride, dilation, pads,
        group, *types, result=result, seed=seed,
    )  # fmt: skip


def test_shares() -> None:
    """Shares have the same results together."""
    check(KINDS[0], (2, 5, 9, 8), 7, (3, 3), pads=(1, 1, 1, 1), shares=3)
    check(KINDS[0], (1, 40, 9, 8), 40, (3, 3), pads=(1, 1, 1, 1), group=40, shares=3)
    check(KINDS[0], (2, 24, 5, 7), 40, (1, 1), shares=3)


def quantized(
    kind: str, x: np.ndarray, scale: np.ndarray, zero: np.ndarray, *, dynamic: bool
) -> np.ndarray:
    y = np.full(x.size + 9, 7, zero.dtype)
    call = quantize_call(
        kind, Place(0), Place(1), Place(2), Place(3), x.size,
        dynamic=dynamic, signed=zero.dtype == np.int8,
    )  # fmt: skip
    bound(Step.of(call), (x, y, scale, zero))()
    assert (y[x.size :] == 7).all()
    return y[: x.size]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 63, 300])
def test_dynamic(kind: str, size: int) -> None:
    """The range, scale and zero point that the kernel has, of one-sided ranges and strange numbers too."""
    r = np.random.default_rng(size)
    usual = r.standard_normal(size).astype(np.float32)
    strange = usual.copy()
    strange[0], infinite = np.nan, usual.copy()
    infinite[-1] = -np.inf
    cases = (usual, np.abs(usual) + 5, -np.abs(usual), np.zeros_like(usual), strange, infinite)
    for x in (*cases, usual * np.float32(1e-41), usual * np.float32(5e37)):
        scale, zero = np.zeros(1, np.float32), np.zeros(1, np.uint8)
        found = quantized(kind, x, scale, zero, dynamic=True)
        expected, expected_scale, expected_zero = TABLE["dynamic_quantize_linear"](x)
        np.testing.assert_array_equal(scale[0], expected_scale)
        assert zero[0] == expected_zero
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", BYTES)
def test_static(kind: str, dtype: np.dtype) -> None:
    """Ties, saturation, and what is no number, with a given scale and zero point."""
    x = np.concatenate([np.arange(-300, 300) / 2, [np.nan, np.inf, -np.inf, 1e30]])
    x = x.astype(np.float32)
    for scale in (1.0, 0.37):
        for zero in np.array([0, 3, 127], dtype):
            s, z = np.float32(scale).reshape(1), zero.reshape(1)
            found = quantized(kind, x, s, z, dynamic=False)
            np.testing.assert_array_equal(found, TABLE["quantize_linear"](x, s, z))


def test_modules_are_sound() -> None:
    """The IR verifies, and reads back from its text."""
    from pyflame_rt.backends.native.integers.finish import Ending
    from pyflame_rt.backends.native.integers.padding import PaddingKernel
    from pyflame_rt.backends.native.integers.quantize import QuantizeKernel
    from pyflame_rt.backends.native.integers.windows import IntegerWindowKernel
    from pyflame_rt.module_files import parse
    from pyflame_rt.universe import make_context

    ending = Ending("bytes", signed=True, has_shifts=False)
    for kernel in (
        PaddingKernel("generic", 16),
        QuantizeKernel("generic", 4, dynamic=True, signed=False),
        IntegerWindowKernel("generic", 4, "pairs", 3, 3, ending),
    ):
        module = kernel.emit()
        module.verify()
        assert str(parse(str(module), make_context(), "kernel")) == str(module)
