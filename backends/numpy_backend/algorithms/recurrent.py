"""Recurrent networks: one product for the whole sequence, then a few calls a step.

sigmoid(x) is 0.5 + 0.5 * tanh(0.5 * x), so that one call of tanh does for all gates: half of x comes
with weights that are packed as halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array

_DEFAULT = ("Sigmoid", "Tanh", "Tanh")


def _lstm(call: Call) -> Function | None:
    params, known = call.params, (call.is_constant(i) or not call.has(i) for i in (1, 2, 3))
    if not call.computes() or not all(known) or call.has(4) or call.has(7):
        return None
    (steps, batch, inputs), (directions, _, size) = call.shape(0), call.shape(2)
    names = tuple(params.get("activations") or _DEFAULT * directions)
    plain = names == _DEFAULT * directions and params.get("clip") is None
    if not plain or params.get("input_forget") or params.get("layout"):
        return None
    if 0 in (steps, batch, inputs, size):
        return None
    weights = call.packed("w", lambda: _packed(call.constant(1), size))
    recurrent = call.packed("r", lambda: _packed(call.constant(2), size))
    bias = None
    if call.has(3):
        bias = call.packed("bias", lambda: _halved(_summed(call.constant(3)), size))
    shapes = ((steps, batch, 4 * size), (batch, 4 * size), (batch, size))
    own = () if call.has_scratch(*shapes) else [np.empty(shape, call.dtype) for shape in shapes]
    orders = _orders(str(params.get("direction", "forward")), steps)

    def run(x: Array, *rest: Any) -> None:
        start, cell, y, last, last_cell = rest[4], rest[5], *rest[7:10]
        gates, some, product = own or rest[10:]
        layer = _Lstm(size, gates, _Cell.of(some, product))
        for at, order in enumerate(orders):
            x_gates = gates.reshape(-1, 4 * size)
            np.matmul(x.reshape(-1, inputs), weights[at], x_gates)
            if bias is not None:
                np.add(x_gates, bias[at], x_gates)
            states = None if start is None else start[at], None if cell is None else cell[at]
            layer.run(recurrent[at], states, order, y[:, at], last_cell[at])
            np.copyto(last[at], y[order[-1], at])

    return run


@dataclass(frozen=True)
class _Cell:
    """Memory for one step: all gates, parts of them, and a product."""

    gates: Array
    sigmoids: Array
    input: Array
    output: Array
    forget: Array
    candidate: Array
    product: Array
    half: Array

    @staticmethod
    def of(gates: Array, product: Array) -> _Cell:
        """In such memory: (batch, 4 * size) and (batch, size)."""
        size, half = product.shape[1], np.array(0.5, product.dtype)
        input_, output, forget, candidate = (
            gates[:, at * size : (at + 1) * size] for at in range(4)
        )
        return _Cell(gates, gates[:, : 3 * size], input_, output, forget, candidate, product, half)

    def step(self, x_gates: Array, recurrent: Array, state: Array | None, c: Array) -> None:
        """The gates of a step, of which c is made in its place."""
        if state is None:
            np.tanh(x_gates, self.gates)
        else:
            state.dot(recurrent, self.gates)
            np.add(self.gates, x_gates, self.gates)
            np.tanh(self.gates, self.gates)
        np.multiply(self.sigmoids, self.half, self.sigmoids)
        np.add(self.sigmoids, self.half, self.sigmoids)
        np.multiply(self.forget, c, c)
        np.multiply(self.input, self.candidate, self.product)
        np.add(c, self.product, c)


@dataclass(frozen=True)
class _Lstm:
    """One direction of a network of which `gates` has what the inputs contribute."""

    size: int
    gates: Array
    cell: _Cell

    def run(
        self,
        recurrent: Array,
        initial: tuple[Array | None, Array | None],
        order: Sequence[int],
        y: Array,
        c: Array,
    ) -> None:
        """y = the output of each step, c = the last cell state."""
        state, initial_cell = initial
        if initial_cell is None:
            c.fill(0)
        else:
            np.copyto(c, initial_cell)
        cell, gates = self.cell, self.gates
        for t in order:
            cell.step(gates[t], recurrent, state, c)
            state = y[t]
            np.tanh(c, cell.product)
            np.multiply(cell.output, cell.product, state)


def _orders(direction: str, steps: int) -> list[Sequence[int]]:
    forward, backward = range(steps), range(steps - 1, -1, -1)
    match direction:
        case "forward":
            return [forward]
        case "reverse":
            return [backward]
        case _:
            return [forward, backward]


def _summed(bias: Array) -> Array:
    """The biases of input and state of each direction, added up."""
    middle = bias.shape[1] // 2
    return bias[:, :middle] + bias[:, middle:]


def _packed(w: Array, size: int) -> Array:
    """(directions, gates, depth) as (directions, depth, gates), halved."""
    return _halved(np.ascontiguousarray(w.swapaxes(1, 2)), size)


def _halved(gates: Array, size: int) -> Array:
    """Half of what goes to sigmoids: all but the last gate, along the last axis."""
    halved = gates.copy()
    halved[..., : 3 * size] *= 0.5
    return halved


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late(
        "lstm", _lstm, "activations", "activation_alpha", "activation_beta", "clip", "direction",
        "input_forget", "layout", arity=8,
    ),
)  # fmt: skip
