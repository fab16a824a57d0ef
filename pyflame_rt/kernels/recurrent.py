"""Recurrent networks: each step's state is made from its input and the state before.

Weights, operands and results are laid out as ONNX's LSTM, GRU and RNN have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.activation import (
    elu,
    hard_sigmoid,
    leaky_relu,
    relu,
    sigmoid,
    softplus,
    softsign,
    tanh,
    thresholded_relu,
)
from pyflame_rt.kernels.numerics import widened
from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]
Function: TypeAlias = Callable[[Array], Array]
State: TypeAlias = tuple[Array, ...]
Step: TypeAlias = Callable[[Array, State], State]
P = ParamSpec("P")

__all__ = ["gru", "lstm", "rnn"]

DIRECTIONS = ("forward", "reverse", "bidirectional")


def affine(x: Array, *, alpha: float, beta: float) -> Array:
    """alpha * x + beta."""
    return x * x.dtype.type(alpha) + x.dtype.type(beta)


def scaled_tanh(x: Array, *, alpha: float, beta: float) -> Array:
    """alpha * tanh(beta * x)."""
    return x.dtype.type(alpha) * np.tanh(x.dtype.type(beta) * x)


ACTIVATIONS: dict[str, tuple[Callable[..., Array], dict[str, float]]] = {
    "Affine": (affine, {"alpha": 1.0, "beta": 0.0}),
    "Elu": (elu, {"alpha": 1.0}),
    "HardSigmoid": (hard_sigmoid, {"alpha": 0.2, "beta": 0.5}),
    "LeakyRelu": (leaky_relu, {"alpha": 0.01}),
    "Relu": (relu, {}),
    "ScaledTanh": (scaled_tanh, {"alpha": 1.0, "beta": 1.0}),
    "Sigmoid": (sigmoid, {}),
    "Softplus": (softplus, {}),
    "Softsign": (softsign, {}),
    "Tanh": (tanh, {}),
    "ThresholdedRelu": (thresholded_relu, {"alpha": 1.0}),
}
"""Functions of gates, and the defaults of their parameters."""


def _rounding_each(kernel: Callable[P, tuple[Array, ...]]) -> Callable[P, tuple[Array, ...]]:
    """`rounding_once` for a kernel of several results."""

    @wraps(kernel)
    def rounded(*args: P.args, **kwargs: P.kwargs) -> tuple[Array, ...]:
        dtype = cast(Array, args[0]).dtype
        with np.errstate(all="ignore"):
            results = cast("Callable[..., tuple[Array, ...]]", kernel)(
                *map(widened, args), **kwargs
            )
            return tuple(result.astype(dtype, copy=False) for result in results)

    return rounded


@_rounding_each
def lstm(
    x: Array,
    w: Array,
    r: Array,
    bias: Array | None = None,
    sequence_lens: Array | None = None,
    initial_h: Array | None = None,
    initial_c: Array | None = None,
    p: Array | None = None,
    *,
    activations: Sequence[str] = (),
    activation_alpha: Array | None = None,
    activation_beta: Array | None = None,
    clip: float | None = None,
    direction: str = "forward",
    input_forget: bool = False,
    layout: int = 0,
) -> tuple[Array, ...]:
    """Gates in the order input, output, forget, cell; peepholes input, output, forget."""
    functions = _functions(
        activations or ("Sigmoid", "Tanh", "Tanh") * len(w), activation_alpha, activation_beta
    )
    limit = _limit(clip)

    def step_of(at: int) -> Step:
        recurrent, (f, g, h) = r[at].T, functions[3 * at : 3 * at + 3]
        peepholes = np.zeros(3 * len(recurrent), x.dtype) if p is None else p[at]
        to_input, to_output, to_forget = np.split(peepholes, 3)

        def step(gates: Array, state: State) -> State:
            hidden, cell = state
            i, o, forget, c = np.split(gates + hidden @ recurrent, 4, axis=-1)
            i = f(limit(i + to_input * cell))
            forget = 1 - i if input_forget else f(limit(forget + to_forget * cell))
            cell = forget * cell + i * g(limit(c))
            return f(limit(o + to_output * cell)) * h(cell), cell

        return step

    biases = _summed_bias(bias, w, 4)
    return _run(
        x, w, biases, sequence_lens, (initial_h, initial_c), r.shape[2], direction, layout, step_of
    )


@_rounding_each
def gru(
    x: Array,
    w: Array,
    r: Array,
    bias: Array | None = None,
    sequence_lens: Array | None = None,
    initial_h: Array | None = None,
    *,
    activations: Sequence[str] = (),
    activation_alpha: Array | None = None,
    activation_beta: Array | None = None,
    clip: float | None = None,
    direction: str = "forward",
    linear_before_reset: bool = False,
    layout: int = 0,
) -> tuple[Array, ...]:
    """Gates in the order update, reset, hidden."""
    functions = _functions(
        activations or ("Sigmoid", "Tanh") * len(w), activation_alpha, activation_beta
    )
    limit = _limit(clip)
    size = r.shape[2]
    biases = _summed_bias(bias, w, 3)
    inner = np.zeros((len(w), size), x.dtype)
    if linear_before_reset and bias is not None:
        # The recurrent bias of the hidden gate is reset together with what it is added to.
        inner = bias[:, 5 * size :]
        biases = biases - np.concatenate([np.zeros((len(w), 2 * size), x.dtype), inner], axis=1)

    def step_of(at: int) -> Step:
        to_gates, to_hidden = r[at, : 2 * size].T, r[at, 2 * size :].T
        f, g = functions[2 * at : 2 * at + 2]

        def step(gates: Array, state: State) -> State:
            (hidden,) = state
            both = f(limit(gates[:, : 2 * size] + hidden @ to_gates))
            z, reset = np.split(both, 2, axis=-1)
            if linear_before_reset:
                carried = reset * (hidden @ to_hidden + inner[at])
            else:
                carried = (reset * hidden) @ to_hidden
            return ((1 - z) * g(limit(gates[:, 2 * size :] + carried)) + z * hidden,)

        return step

    return _run(x, w, biases, sequence_lens, (initial_h,), size, direction, layout, step_of)


@_rounding_each
def rnn(
    x: Array,
    w: Array,
    r: Array,
    bias: Array | None = None,
    sequence_lens: Array | None = None,
    initial_h: Array | None = None,
    *,
    activations: Sequence[str] = (),
    activation_alpha: Array | None = None,
    activation_beta: Array | None = None,
    clip: float | None = None,
    direction: str = "forward",
    layout: int = 0,
) -> tuple[Array, ...]:
    """One gate, which is the state."""
    functions = _functions(activations or ("Tanh",) * len(w), activation_alpha, activation_beta)
    limit = _limit(clip)

    def step_of(at: int) -> Step:
        recurrent, f = r[at].T, functions[at]
        return lambda gates, state: (f(limit(gates + state[0] @ recurrent)),)

    biases = _summed_bias(bias, w, 1)
    return _run(x, w, biases, sequence_lens, (initial_h,), r.shape[2], direction, layout, step_of)


def _functions(names: Sequence[str], alphas: Array | None, betas: Array | None) -> list[Function]:
    """The functions by their names: each takes the parameters it has from the lists, as long as
    these have any."""
    lists = {
        "alpha": iter(() if alphas is None else alphas.reshape(-1)),
        "beta": iter(() if betas is None else betas.reshape(-1)),
    }
    found: list[Function] = []
    for name in names:
        function, defaults = ACTIVATIONS[name]
        given = {key: float(next(lists[key], value)) for key, value in defaults.items()}
        found.append(partial(function, **given))
    return found


def _limit(clip: float | None) -> Function:
    """What bounds the operands of the gates' functions; the state itself is not bounded."""
    if clip is None:
        return lambda x: x
    return lambda x: np.clip(x, x.dtype.type(-clip), x.dtype.type(clip))


def _summed_bias(bias: Array | None, w: Array, gates: int) -> Array:
    """The biases of input and state of each direction, added up."""
    if bias is None:
        return np.zeros(w.shape[:2], w.dtype)
    if bias.shape != (len(w), 2 * w.shape[1]) or w.shape[1] % gates:
        raise ValueError(f"a bias of shape {list(bias.shape)} for weights {list(w.shape)}")
    return bias[:, : w.shape[1]] + bias[:, w.shape[1] :]


def _run(
    x: Array,
    w: Array,
    bias: Array,
    sequence_lens: Array | None,
    initial: Sequence[Array | None],
    hidden: int,
    direction: str,
    layout: int,
    step_of: Callable[[int], Step],
) -> tuple[Array, ...]:
    """All states' first part at each step, and the last states, of every direction."""
    if layout:
        x = x.swapaxes(0, 1)
        initial = [None if state is None else state.swapaxes(0, 1) for state in initial]
    (steps, batch, _), directions = x.shape, len(w)
    check_size((steps, directions, batch, w.shape[1]), x.dtype)
    lengths = np.full(batch, steps) if sequence_lens is None else sequence_lens
    if lengths.shape != (batch,) or ((lengths < 0) | (lengths > steps)).any():
        raise ValueError(f"sequence_lens must be {batch} numbers from 0 to {steps}")
    shape = (directions, batch, hidden)
    for state in initial:
        if state is not None and state.shape != shape:
            raise ValueError(f"an initial state of shape {list(state.shape)}, not {list(shape)}")
    starts = [np.zeros(shape, x.dtype) if state is None else state for state in initial]
    y = np.empty((steps, *shape), x.dtype)
    last = [np.empty(shape, x.dtype) for _ in starts]
    for at, backwards in zip(range(directions), _backwards(direction), strict=True):
        order = _order(steps, lengths, backwards)[..., None]
        # One product for the whole sequence; only what depends on the state is done step by step.
        gates = np.take_along_axis(x, order, 0) @ w[at].T + bias[at]
        # A sequence of no elements ends with zeros, as in onnxruntime.
        state = tuple(np.where((lengths > 0)[:, None], start[at], 0) for start in starts)
        step = step_of(at)
        for t in range(steps):
            runs = (t < lengths)[:, None]
            new = step(gates[t], state)
            state = tuple(np.where(runs, a, b) for a, b in zip(new, state, strict=True))
            y[t, at] = np.where(runs, new[0], 0)
        y[:, at] = np.take_along_axis(y[:, at], order, 0)
        for result, value in zip(last, state, strict=True):
            result[at] = value
    if layout:
        return y.transpose(2, 0, 1, 3), *(value.swapaxes(0, 1) for value in last)
    return y, *last


def _backwards(direction: str) -> Iterator[bool]:
    """Of each direction, whether it goes backwards."""
    if direction != "reverse":
        yield False
    if direction != "forward":
        yield True


def _order(steps: int, lengths: Array, backwards: bool) -> Array:
    """Which element of each sequence is processed at each step, (steps, batch); its own inverse."""
    at = np.broadcast_to(np.arange(steps)[:, None], (steps, len(lengths)))
    return np.where(at < lengths, lengths - 1 - at, at) if backwards else at
