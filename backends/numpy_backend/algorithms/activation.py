"""Activations: passes over stretches in the cache. Narrow floats run kernels, which round once.

The operand is read before the result is written, so that the result may take its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from pyflame_rt.backends.numpy_backend.blocks import Bindable, Bound, sequence, zeros
from pyflame_rt.backends.numpy_backend.calls import (
    Call,
    Function,
    Implementation,
    Into,
    by_kernel,
    late,
)
from pyflame_rt.backends.runtime import Array

Prepare: TypeAlias = Callable[[Call], Function | None]

_ERF = (
    1.1283791777519336, 0.10277219081005658, -2.0679782136023644e-4, -5.950253519914045e-4,
    6.906565332203379e-5, 1.4467398101309206e-6, -1.3199871444997154e-6, 1.6052927668952946e-7,
    -8.781985190010802e-9, 1.8757319816820214e-10,
)  # fmt: skip
"""c with erf(x) = tanh(x * sum(c[i] * x^2i)) to 1e-8 of itself: a minimax fit over 0..4.3. The
leading coefficient is positive, so that tanh is 1 beyond."""

_NORMAL = (
    0.797884942, 0.0363330840, -3.25942864e-5, -5.53065224e-5, 3.96481277e-6, -1.32269542e-7,
    1.75637015e-9,
)  # fmt: skip
"""c with 2 * Phi(x) - 1 = tanh(x * sum(c[i] * x^2i)) to 6e-8, Phi the normal distribution: a
minimax fit over 0..6.2, and 1 beyond as well."""


def _relu(call: Call) -> Function | None:
    if not call.one_dtype():
        return None
    return Larger(zeros(call.dtype))


@dataclass(frozen=True)
class Larger(Bindable):
    """The larger of x and a constant, of which there is a stretch: `np.maximum` of two arrays is six
    times as fast as that of an array and a scalar."""

    constant: Array

    def __call__(self, *arrays: Array) -> None:
        x, out = arrays
        if out.size <= self.constant.size:
            # The commonest case, without what `sequence` needs.
            flat = out.reshape(-1)
            np.maximum(x.reshape(-1), self.constant[: flat.size], out=flat)
        else:
            self.on(x, out)()

    def on(self, *arrays: Array) -> Bound:
        """The steps on these arrays."""
        x, out = (array.reshape(-1) for array in arrays)
        size = self.constant.size
        parts = [slice(start, start + size) for start in range(0, max(out.size, 1), size)]
        return sequence(
            [
                Into(np.maximum).on(x[part], self.constant[: out[part].size], out[part])
                for part in parts
            ]
        )


def _leaky_relu(call: Call) -> Function | None:
    alpha = call.params["alpha"]
    # Only then is the larger of x and alpha * x the right one, at infinity too.
    if not call.computes() or alpha > 1 or alpha == 0:
        return None
    slope = np.array(alpha, call.dtype)

    def run(x: Array, out: Array, scaled: Array) -> None:
        np.multiply(x, slope, scaled)
        np.maximum(x, scaled, out=out)

    return call.blockwise(run, 1)


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
        np.add(out, one, out)
        np.divide(one, out, out)

    return call.blockwise(run)


def _tanh(call: Call) -> Function | None:
    return np.tanh if call.computes() else None


def _elu(call: Call) -> Function | None:
    alpha = call.params["alpha"]
    # Only then is alpha * (exp(x) - 1) >= x below zero.
    if not call.computes() or not 0 < alpha <= 1:
        return None
    return call.blockwise(partial(_exponential_below_zero, 1.0, alpha, zeros(call.dtype)), 1)


def _celu(call: Call) -> Function | None:
    alpha = call.params["alpha"]
    if not call.computes() or not alpha > 0:
        return None
    return call.blockwise(partial(_exponential_below_zero, alpha, alpha, zeros(call.dtype)), 1)


def _exponential_below_zero(
    divisor: float, factor: float, none: Array, x: Array, out: Array, low: Array
) -> None:
    """The larger of x and factor * (exp(min(x, 0) / divisor) - 1)."""
    np.minimum(x, none[: x.size], out=low)
    if divisor != 1:
        np.divide(low, x.dtype.type(divisor), low)
    np.expm1(low, low)
    np.multiply(low, x.dtype.type(factor), low)
    np.maximum(x, low, out=out)


def _gelu(call: Call) -> Function | None:
    if not call.computes():
        return None
    if call.params["approximate"] == "tanh":
        root = math.sqrt(2 / math.pi)
        return call.blockwise(_tanh_of_odd(call, (root, root * 0.044715), _half_of_one_more), 2)
    if call.dtype != np.float32:
        return None
    return call.blockwise(_tanh_of_odd(call, _NORMAL, _half_of_one_more), 2)


def _erf(call: Call) -> Function | None:
    """To 2.2 units in the last place, nearly always to 1."""
    if not call.computes() or call.dtype != np.float32:
        return None
    return call.blockwise(_tanh_of_odd(call, _ERF, None), 2)


def _tanh_of_odd(
    call: Call,
    coefficients: tuple[float, ...],
    finish: Callable[[Array, Array, Array], None] | None,
) -> Callable[..., None]:
    """tanh(x * sum(c[i] * x^2i)), and what `finish` makes of x and that."""
    first, *others = coefficients
    highest, *lower = (np.array(c, call.dtype) for c in reversed(others))
    # x * first as x + x * (first - 1), which rounds a smaller number.
    rest = np.array(first - 1, call.dtype)

    def run(x: Array, out: Array, square: Array, sum_: Array) -> None:
        np.multiply(x, x, square)
        np.multiply(square, highest, sum_)
        for coefficient in lower:
            np.add(sum_, coefficient, sum_)
            np.multiply(sum_, square, sum_)
        np.add(sum_, rest, sum_)
        np.multiply(sum_, x, sum_)
        np.add(sum_, x, sum_)
        if finish is None:
            np.tanh(sum_, out)
        else:
            np.tanh(sum_, sum_)
            finish(x, sum_, out)

    return run


def _half_of_one_more(x: Array, y: Array, out: Array) -> None:
    """x * (1 + y) / 2."""
    half = y.dtype.type(0.5)
    np.multiply(y, half, y)
    np.add(y, half, y)
    np.multiply(x, y, out)


def _hard_sigmoid(call: Call) -> Function | None:
    if not call.computes():
        return None
    alpha, beta = (np.array(call.params[name], call.dtype) for name in ("alpha", "beta"))
    zero, one = np.zeros((), call.dtype), np.ones((), call.dtype)

    def run(x: Array, out: Array) -> None:
        np.multiply(x, alpha, out)
        np.add(out, beta, out)
        out.clip(zero, one, out)

    return call.blockwise(run)


def _hard_swish(call: Call) -> Function | None:
    if not call.computes():
        return None
    six, half, zero, one = (np.array(c, call.dtype) for c in (6, 0.5, 0, 1))

    def run(x: Array, out: Array, gate: Array) -> None:
        np.divide(x, six, gate)
        np.add(gate, half, gate)
        gate.clip(zero, one, gate)
        np.multiply(x, gate, out)

    return call.blockwise(run, 1)


def _softplus(call: Call) -> Function | None:
    if not call.computes():
        return None
    return partial(np.logaddexp, np.zeros((), call.dtype))


def _softsign(call: Call) -> Function | None:
    if not call.computes():
        return None
    one = np.ones((), call.dtype)

    def run(x: Array, out: Array, divisor: Array) -> None:
        np.abs(x, divisor)
        np.add(divisor, one, divisor)
        np.divide(x, divisor, out)

    return call.blockwise(run, 1)


def _swish(call: Call) -> Function | None:
    if not call.computes():
        return None
    one, factor = np.ones((), call.dtype), np.array(-call.params["alpha"], call.dtype)

    def run(x: Array, out: Array, divisor: Array) -> None:
        np.multiply(x, factor, divisor)
        np.exp(divisor, divisor)
        np.add(divisor, one, divisor)
        np.divide(x, divisor, out)

    return call.blockwise(run, 1)


def _mish(call: Call) -> Function | None:
    if not call.computes():
        return None
    zero = np.zeros((), call.dtype)

    def run(x: Array, out: Array, factor: Array) -> None:
        np.logaddexp(x, zero, factor)
        np.tanh(factor, factor)
        np.multiply(x, factor, out)

    return call.blockwise(run, 1)


def _clip(call: Call) -> Function | None:
    if not call.one_dtype() or call.dtype.kind not in "fiu":
        return None
    low, high = (_bound(call, name) for name in ("min", "max"))
    if low is not None and high is not None and not (call.has(1) or call.has(2)):

        def run_between(x: Array, _low: None, _high: None, out: Array) -> None:
            # One pass; its ufunc is not public, and np.clip takes longer to get there.
            x.clip(low, high, out)

        return run_between

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
    late("erf", _erf),
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
