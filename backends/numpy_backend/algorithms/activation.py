"""Activations. What kernels do on f32 and f64, in place of the output; narrow floats run kernels."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import (
    Call,
    Function,
    Implementation,
    Into,
    by_kernel,
    late,
)
from pyflame_rt.backends.runtime import Array


def _relu(call: Call) -> Function | None:
    if not call.one_dtype():
        return None
    return Into(np.maximum, np.zeros((), call.dtype))


def _leaky_relu(call: Call) -> Function | None:
    alpha = call.params["alpha"]
    # Only then is the larger of x and alpha * x the right one, at infinity too.
    if not call.computes() or alpha > 1 or alpha == 0:
        return None
    slope = call.dtype.type(alpha)

    def run(x: Array, out: Array) -> None:
        _larger_of_scaled(x, slope, out)

    return run


def _prelu(call: Call) -> Function | None:
    if not call.computes() or not call.is_constant(1):
        return None
    slopes = call.constant(1)
    # As for leaky_relu. A NaN is neither.
    if not np.all((slopes <= 1) & (slopes != 0)):
        return None
    return _larger_of_scaled


def _larger_of_scaled(x: Array, slope: Array, out: Array) -> None:
    np.multiply(x, slope, out)
    np.maximum(x, out, out=out)


def _sigmoid(call: Call) -> Function | None:
    if not call.computes():
        return None
    one = np.ones((), call.dtype)

    def run(x: Array, out: Array) -> None:
        np.negative(x, out)
        np.exp(out, out)
        np.add(one, out, out)
        np.divide(one, out, out)

    return run


def _tanh(call: Call) -> Function | None:
    return np.tanh if call.computes() else None


def _elu(call: Call) -> Function | None:
    alpha = call.params["alpha"]
    # Only then is alpha * (exp(x) - 1) >= x below zero.
    if not call.computes() or not 0 < alpha <= 1:
        return None
    zero, factor = np.zeros((), call.dtype), call.dtype.type(alpha)

    def run(x: Array, out: Array) -> None:
        np.minimum(x, zero, out=out)
        np.expm1(out, out)
        np.multiply(out, factor, out)
        np.maximum(x, out, out=out)

    return run


def _celu(call: Call) -> Function | None:
    if not call.computes() or not call.params["alpha"] > 0:
        return None
    zero, factor = np.zeros((), call.dtype), call.dtype.type(call.params["alpha"])

    def run(x: Array, out: Array) -> None:
        np.minimum(x, zero, out=out)
        np.divide(out, factor, out)
        np.expm1(out, out)
        np.multiply(out, factor, out)
        np.maximum(x, out, out=out)

    return run


def _gelu(call: Call) -> Function | None:
    """The tanh approximation; NumPy has no error function."""
    if not call.computes() or call.params["approximate"] != "tanh":
        return None
    cubic, root, one, half = (
        np.array(c, call.dtype) for c in (0.044715, math.sqrt(2 / math.pi), 1, 0.5)
    )

    def run(x: Array, out: Array) -> None:
        np.multiply(x, x, out)
        np.multiply(out, cubic, out)
        np.add(out, one, out)
        np.multiply(out, x, out)
        np.multiply(out, root, out)
        np.tanh(out, out)
        np.add(out, one, out)
        np.multiply(out, half, out)
        np.multiply(x, out, out)

    return run


def _hard_sigmoid(call: Call) -> Function | None:
    if not call.computes():
        return None
    kind = call.dtype.type
    alpha, beta = kind(call.params["alpha"]), kind(call.params["beta"])
    zero, one = kind(0), kind(1)

    def run(x: Array, out: Array) -> None:
        np.multiply(x, alpha, out)
        np.add(out, beta, out)
        np.maximum(out, zero, out=out)
        np.minimum(out, one, out=out)

    return run


def _hard_swish(call: Call) -> Function | None:
    if not call.computes():
        return None
    six, half, zero, one = (np.array(c, call.dtype) for c in (6, 0.5, 0, 1))

    def run(x: Array, out: Array) -> None:
        np.divide(x, six, out)
        np.add(out, half, out)
        np.maximum(out, zero, out=out)
        np.minimum(out, one, out=out)
        np.multiply(x, out, out)

    return run


def _softplus(call: Call) -> Function | None:
    if not call.computes():
        return None
    return partial(np.logaddexp, np.zeros((), call.dtype))


def _softsign(call: Call) -> Function | None:
    if not call.computes():
        return None
    one = np.ones((), call.dtype)

    def run(x: Array, out: Array) -> None:
        np.abs(x, out)
        np.add(one, out, out)
        np.divide(x, out, out)

    return run


def _swish(call: Call) -> Function | None:
    if not call.computes():
        return None
    one, factor = np.ones((), call.dtype), call.dtype.type(-call.params["alpha"])

    def run(x: Array, out: Array) -> None:
        np.multiply(x, factor, out)
        np.exp(out, out)
        np.add(one, out, out)
        np.divide(x, out, out)

    return run


def _mish(call: Call) -> Function | None:
    if not call.computes():
        return None
    zero = np.zeros((), call.dtype)

    def run(x: Array, out: Array) -> None:
        np.logaddexp(x, zero, out)
        np.tanh(out, out)
        np.multiply(x, out, out)

    return run


def _clip(call: Call) -> Function | None:
    if not call.one_dtype() or call.dtype.kind not in "fiu":
        return None
    low, high = (_bound(call, name) for name in ("min", "max"))

    def run(x: Array, low_value: Array | None, high_value: Array | None, out: Array) -> None:
        lower = low if low_value is None else low_value.reshape(())
        upper = high if high_value is None else high_value.reshape(())
        if lower is not None:
            np.maximum(x, lower, out=out)
            x = out
        if upper is not None:
            np.minimum(x, upper, out=out)
        elif lower is None:
            np.copyto(out, x)

    return run


def _bound(call: Call, name: str) -> Array | None:
    value = call.params.get(name)
    return None if value is None else np.asarray(value).astype(call.dtype)


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("celu", _celu, "alpha"),
    late("clip", _clip, "min", "max", arity=3),
    late("elu", _elu, "alpha"),
    late("gelu", _gelu, "approximate"),
    late("hard_sigmoid", _hard_sigmoid, "alpha", "beta"),
    late("hard_swish", _hard_swish),
    late("leaky_relu", _leaky_relu, "alpha"),
    late("mish", _mish),
    late("prelu", _prelu),
    late("relu", _relu),
    late("selu", by_kernel),
    late("sigmoid", _sigmoid),
    late("softplus", _softplus),
    late("softsign", _softsign),
    late("swish", _swish, "alpha"),
    late("tanh", _tanh),
    late("thresholded_relu", by_kernel),
)
