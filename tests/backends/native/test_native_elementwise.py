"""Compiled functions of single elements against f64, for every kind of code here: errors, and what is
no number or none that is normal."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt.backends.native import kernels, processors
from pyflame_rt.backends.native.floats.elementwise import ElementwiseKernel, Operand, Operation
from pyflame_rt.backends.native.steps import Call, Records
from pyflame_rt.dialects.plan.schedules import SCHEDULES

KINDS = processors.supported()
SMALLEST = np.finfo(np.float32).tiny
Exact = Callable[[np.ndarray], np.ndarray]


def elementwise(kind: str, name: str, x: np.ndarray, *numbers: float) -> np.ndarray:
    found = processors.instructions(kind)
    assert found is not None
    operation = Operation(name, (0,), numbers)
    lanes = SCHEDULES[kind].lanes
    kernel = ElementwiseKernel(kind, lanes, found.has_fma, 0, (Operand(),), (operation,), (1,))
    y = np.full(x.size + 1, 7.0, np.float32)
    call = Call(kernels.loaded(kernel), (x.ctypes.data, y.ctypes.data, x.size), (x, y))
    records = Records.of([call])
    call.kernel.call(records.address(0))
    assert y[-1] == 7.0
    return y[:-1]


ODD = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-39, -1e-39, 3.4e38, -3.4e38, 0.625,
     0.927734375, 88.72, -87.3, -104.0, 1.0, -1.0, 0.5, -0.5, 1.5, -2.5, 8388609.5],
    np.float32,
)  # fmt: skip


def every() -> np.ndarray:
    """Numbers of all signs and sizes, denser where functions change, and those to stumble on."""
    bits = np.arange(0, 2**32, 65_521, dtype=np.uint64).astype(np.uint32).view(np.float32)
    r = np.random.default_rng(0)
    parts = [bits, *(r.uniform(-n, n, 20_000) for n in (1.0, 12.0, 110.0)), ODD]
    found = np.concatenate([part.astype(np.float32) for part in parts])
    # Signalling ones cannot be converted without a warning.
    return np.where(np.isnan(found), np.float32(np.nan), found)


X = every()
WIDE = X.astype(np.float64)


def ulps(y: np.ndarray, exact: np.ndarray, where: np.ndarray | bool = True) -> float:
    """The largest error where the result is a normal number, in units of its last place."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        assert np.array_equal(np.isnan(y), np.isnan(rounded))
        assert np.array_equal(np.isinf(y), np.isinf(rounded))
        normal = where & np.isfinite(rounded) & (np.abs(rounded) >= SMALLEST)
        error = np.abs(y[normal] - exact[normal]) / np.spacing(np.abs(rounded[normal]))
    return float(error.max())


def _erf(x: np.ndarray) -> np.ndarray:
    return np.array([math.erf(v) for v in x])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1) / (1 + power)


def _less_one(x: np.ndarray) -> np.ndarray:
    return np.expm1(np.minimum(x, 0))


ALPHA, GAMMA = np.float32(1.6732632), np.float32(1.0507009)

CLOSE: dict[str, tuple[tuple[float, ...], Exact]] = {
    "exp": ((), np.exp),
    "log": ((), np.log),
    "tanh": ((), np.tanh),
    "erf": ((), _erf),
    "sigmoid": ((), _sigmoid),
    "softplus": ((), lambda x: np.logaddexp(x, 0)),
    "elu": ((1.0,), lambda x: np.where(x < 0, _less_one(x), x)),
    "selu": (
        (float(ALPHA), float(GAMMA)),
        lambda x: GAMMA * np.where(x <= 0, np.float64(ALPHA) * _less_one(x), x),
    ),
    "celu": ((0.75,), lambda x: np.maximum(x, 0) + 0.75 * _less_one(x / 0.75)),
    "softsign": ((), lambda x: np.where(np.isinf(x), np.nan, x / (1 + np.abs(x)))),
    "sqrt": ((), np.sqrt),
    "reciprocal": ((), np.reciprocal),
    **{
        f"power {n}": ((n,), lambda x, n=n: np.power(x, np.full(x.shape, n)))
        for n in (-2.0, -1.0, -0.5, 2.0, 3.0, 4.0)
    },
}
"""Numbers of a function, and the function in f64."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLOSE)
def test_within_two_units(kind: str, name: str) -> None:
    """Within 2 ulp, with or without a fused multiply-add; infinite and not a number where they are."""
    numbers, function = CLOSE[name]
    with np.errstate(all="ignore"):
        exact = function(WIDE)
    assert ulps(elementwise(kind, name.split()[0], X, *numbers), exact) <= 2.0


FROM = X > -80.0


@pytest.mark.parametrize("kind", KINDS)
def test_products_with_a_curve(kind: str) -> None:
    """mish within 4 ulp and swish within 2.5 where e^x is a normal number."""
    finite = np.where(np.isinf(X), np.float32(1), X)
    wide = finite.astype(np.float64)
    with np.errstate(all="ignore"):
        mish = wide * np.tanh(np.logaddexp(wide, 0))
        swish = wide * _sigmoid(wide)
    assert ulps(elementwise(kind, "mish", finite), mish, FROM) <= 4.0
    assert ulps(elementwise(kind, "swish", finite, 1.0), swish, FROM) <= 2.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "numbers", "exact"),
    [
        ("gelu", (0.0,), lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2)))),
        ("gelu", (1.0,), lambda x: x * _sigmoid(2 * 0.7978845608 * (x + 0.044715 * x**3))),
        ("hard_swish", (), lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
        ("hard_sigmoid", (0.2, 0.5), lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    ],
)
def test_sums_that_cancel(kind: str, name: str, numbers: tuple[float, ...], exact: Exact) -> None:
    """Errors are small beside the operand, or beside 1."""
    x = X[np.abs(X) < 1e10]
    y, wide = elementwise(kind, name, x, *numbers), exact(x.astype(np.float64))
    assert (
        np.abs(y - wide) <= 3e-7 * np.maximum(np.abs(x), 1e-30 if name != "hard_sigmoid" else 1)
    ).all()
    assert np.isnan(elementwise(kind, name, np.full(3, np.nan, np.float32), *numbers)).all()


EQUAL: dict[str, tuple[tuple[float, ...], Exact]] = {
    "abs": ((), np.abs),
    "ceil": ((), np.ceil),
    "clip": ((-0.5, 2.5), lambda x: np.clip(x, np.float32(-0.5), np.float32(2.5))),
    "floor": ((), np.floor),
    "leaky_relu": ((0.25,), lambda x: np.where(x < 0, np.float32(0.25) * x, x)),
    "neg": ((), np.negative),
    "power 0.5": ((0.5,), lambda x: np.where(x == -np.inf, np.inf, np.sqrt(x))),
    "power 0": ((0.0,), np.ones_like),
    "relu": ((), lambda x: np.maximum(x, np.float32(0))),
    "round": ((), np.rint),
    "sign": ((), np.sign),
    "thresholded_relu": ((0.5,), lambda x: np.where(x > 0.5, x, np.float32(0))),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EQUAL)
def test_as_numpy(kind: str, name: str) -> None:
    """The same numbers as NumPy's f32."""
    numbers, function = EQUAL[name]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(elementwise(kind, name.split()[0], X, *numbers), function(X))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ceil", "floor", "round", "tanh", "erf", "neg", "elu"])
def test_zeros_keep_their_signs(kind: str, name: str) -> None:
    """-0 gives -0, but for what turns signs."""
    zeros = np.array([0.0, -0.0, 0.25, -0.25], np.float32)[: 4 if name == "round" else 2]
    numbers = (1.0,) if name == "elu" else ()
    signs = np.signbit(elementwise(kind, name, zeros, *numbers))
    np.testing.assert_array_equal(signs, np.signbit(zeros) != (name == "neg"))
