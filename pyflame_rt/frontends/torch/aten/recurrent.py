"""Recurrent networks over sequences, and single steps of their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pyflame_rt.dialects.pfrt.types import PropertyValue
from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.pieces import parts
from pyflame_rt.frontends.torch.aten.rules import Rule, aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Value, Values

Weights: TypeAlias = tuple[Value, Value, Value | None, Value | None]
"""Of one direction of a layer: for the input, for the state, and the biases of both."""


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent network."""

    op: str
    gates: tuple[int, ...]
    """torch's gates in the order that the op has them in."""
    properties: Mapping[str, PropertyValue]
    states: int = 1


# torch: input, forget, cell, output. The op: input, output, forget, cell.
LSTM = Cell("lstm", (0, 3, 1, 2), {}, states=2)
# torch: reset, update, new. The op: update, reset, hidden. torch resets what the state gives.
GRU = Cell("gru", (1, 0, 2), {"linear_before_reset": True})
TANH = Cell("rnn", (0,), {})
RELU = Cell("rnn", (0,), {"activations": ("Relu",)})


def _ordered(b: AtenBuilder, cell: Cell, value: Value) -> Value:
    """The rows of weights, gate by gate in the op's order."""
    if len(cell.gates) == 1:
        return value
    rows = b.int(b.size(value, 0))
    hidden = rows // len(cell.gates)
    if rows != hidden * len(cell.gates):
        raise b.error(f"{rows} rows of weights are not those of {len(cell.gates)} gates")
    array = b.known(value)
    if array is not None:
        gates = array.reshape(len(cell.gates), hidden, *array.shape[1:])
        return b.constant(gates[list(cell.gates)].reshape(array.shape))
    pieces = parts(b, value, [hidden] * len(cell.gates), 0)
    return b.one("concat", [[pieces[gate] for gate in cell.gates]], {"axis": 0})


def _stacked(b: AtenBuilder, values: Sequence[Value]) -> Value:
    """One value for each direction, along a new first dimension."""
    arrays = [b.known(value) for value in values]
    if all(array is not None for array in arrays):
        return b.constant(np.stack([array for array in arrays if array is not None]))
    rows = [b.one("unsqueeze", [value, None], {"axes": (0,)}) for value in values]
    return rows[0] if len(rows) == 1 else b.one("concat", [rows], {"axis": 0})


def layer(
    b: AtenBuilder,
    cell: Cell,
    x: Value,
    weights: Sequence[Weights],
    states: Sequence[Value],
    lengths: Value | None = None,
) -> tuple[Value, list[Value]]:
    """One layer on (steps, batch, inputs): (steps, batch, directions * hidden), and last states."""
    w = _stacked(b, [_ordered(b, cell, row[0]) for row in weights])
    r = _stacked(b, [_ordered(b, cell, row[1]) for row in weights])
    bias: Value | None = None
    offsets = [(row[2], row[3]) for row in weights]
    if all(first is not None and second is not None for first, second in offsets):
        rows = [
            [_ordered(b, cell, offset) for offset in pair if offset is not None] for pair in offsets
        ]
        bias = _stacked(b, [_joined(b, pair) for pair in rows])
    directions = len(weights)
    properties: dict[str, PropertyValue] = dict(cell.properties)
    if directions == 2:
        properties["direction"] = "bidirectional"
        if "activations" in properties:
            properties["activations"] = ("Relu", "Relu")
    steps, batch, _ = b.sizes(x)
    hidden = b.int(b.size(r, 2))
    results = b.emit(cell.op, [x, w, r, bias, lengths, *states], properties)
    y = b.type_as(results[0], (steps, directions, batch, hidden))
    turned = b.one("transpose", [y], {"perm": (0, 2, 1, 3)}) if directions == 2 else y
    last = [b.type_as(state, (directions, batch, hidden)) for state in results[1:]]
    return b.reshape(turned, (steps, batch, directions * hidden)), last


def _joined(b: AtenBuilder, values: Sequence[Value]) -> Value:
    arrays = [b.known(value) for value in values]
    if all(array is not None for array in arrays):
        return b.constant(np.concatenate([array for array in arrays if array is not None]))
    return b.one("concat", [values], {"axis": 0})


def _layers(
    b: AtenBuilder, params: Values, has_biases: bool, num_layers: int, directions: int
) -> list[list[Weights]]:
    each = 4 if has_biases else 2
    if len(params) != each * directions * num_layers or not params:
        if len(params) == (each + 1) * directions * num_layers:
            raise b.unsupported("projections of the state are not supported")
        raise b.error(f"{len(params)} weights are not those of {num_layers} layers")
    rows: list[list[Weights]] = []
    at = 0
    for _ in range(num_layers):
        row: list[Weights] = []
        for _ in range(directions):
            first, second = (params[at + 2], params[at + 3]) if has_biases else (None, None)
            ranks = [2, 2, 1, 1][:each]
            if [value.rank for value in params[at : at + each]] != ranks:
                raise b.error("weights must be matrices and biases vectors")
            row.append((params[at], params[at + 1], first, second))
            at += each
        rows.append(row)
    return rows


def run(
    b: AtenBuilder,
    cell: Cell,
    input: Value,
    hx: Values,
    params: Values,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Value | None = None,
) -> tuple[Value, ...]:
    """Layers one after another: the states of the last at each step, and the last of all."""
    b.require_inference(train and dropout > 0 and num_layers > 1)
    if len(hx) != cell.states:
        raise b.error(f"needs {cell.states} initial states, got {len(hx)}")
    directions = 2 if bidirectional else 1
    if b.rank(input) != 3:
        raise b.error("the input must have 3 dimensions")
    x = b.one("transpose", [input], {"perm": (1, 0, 2)}) if batch_first else input
    weights = _layers(b, params, has_biases, num_layers, directions)
    each = [parts(b, state, [directions] * num_layers, 0) for state in hx]
    last: list[list[Value]] = []
    for index, row in enumerate(weights):
        x, after = layer(b, cell, x, row, [state[index] for state in each], lengths)
        last.append(after)
    finals = [
        column[0] if num_layers == 1 else b.one("concat", [list(column)], {"axis": 0})
        for column in zip(*last, strict=True)
    ]
    if batch_first:
        x = b.one("transpose", [x], {"perm": (1, 0, 2)})
    return (x, *finals)


def _packed(
    b: AtenBuilder,
    cell: Cell,
    data: Value,
    batch_sizes: Value,
    hx: Values,
    params: Values,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Value, ...]:
    """Layers on sequences packed step by step, whose numbers must be known at import."""
    counts = b.known(batch_sizes)
    if counts is None or counts.size == 0:
        raise b.unsupported("the lengths of packed sequences must be known at import")
    batch, steps = int(counts[0]), len(counts)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    alive = np.arange(batch) < counts[:, None]
    # What is beyond the end of a sequence is not read: any row stands for it.
    places = np.where(alive, starts[:, None] + np.arange(batch), 0).astype(np.int64)
    padded = b.one("gather", [data, b.constant(places)], {"axis": 0})
    lengths = b.constant(alive.sum(axis=0).astype(np.int32))
    y, *last = run(
        b, cell, padded, hx, params, has_biases, num_layers, dropout, train, bidirectional, False,
        lengths,
    )  # fmt: skip
    width = b.size(y, 2)
    flat = b.reshape(y, (steps * batch, width))
    kept = np.flatnonzero(alive.reshape(-1)).astype(np.int64)
    return (b.one("gather", [flat, b.constant(kept)], {"axis": 0}), *last)


@aten("lstm", overload="input")
def lstm(
    b: AtenBuilder,
    input: Value,
    hx: Values,
    params: Values,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Value, ...]:
    """Layers of long short-term memory: states at each step, last states, last cells"""
    return run(
        b, LSTM, input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
        batch_first,
    )  # fmt: skip


@aten("lstm", overload="data")
def lstm_packed(
    b: AtenBuilder,
    data: Value,
    batch_sizes: Value,
    hx: Values,
    params: Values,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Value, ...]:
    """Layers of long short-term memory on packed sequences"""
    return _packed(
        b, LSTM, data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
        bidirectional,
    )  # fmt: skip


def _of_one_state(name: str, cell: Cell) -> tuple[Rule[..., tuple[Value, ...]], ...]:
    @aten(name, overload="input")
    def padded(
        b: AtenBuilder,
        input: Value,
        hx: Value,
        params: Values,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Value, ...]:
        return run(
            b, cell, input, [hx], params, has_biases, num_layers, dropout, train, bidirectional,
            batch_first,
        )  # fmt: skip

    @aten(name, overload="data")
    def packed(
        b: AtenBuilder,
        data: Value,
        batch_sizes: Value,
        hx: Value,
        params: Values,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
    ) -> tuple[Value, ...]:
        return _packed(
            b, cell, data, batch_sizes, [hx], params, has_biases, num_layers, dropout, train,
            bidirectional,
        )  # fmt: skip

    return padded, packed


def _step(
    b: AtenBuilder, cell: Cell, input: Value, states: Values, weights: Weights
) -> list[Value]:
    """One step of a cell on (batch, inputs), or on one vector."""
    single = b.rank(input) == 1
    shape: tuple[Int, ...] = (1, 1, *b.sizes(input)) if single else (1, *b.sizes(input))
    rows = [(1, sizes.product(shape[:-1]), b.sizes(state)[-1]) for state in states]
    before = [b.reshape(state, row) for state, row in zip(states, rows, strict=True)]
    _, after = layer(b, cell, b.reshape(input, shape), [weights], before)
    return [b.reshape(new, b.sizes(old)) for new, old in zip(after, states, strict=True)]


@aten("lstm_cell")
def lstm_cell(
    b: AtenBuilder,
    input: Value,
    hx: Values,
    w_ih: Value,
    w_hh: Value,
    b_ih: Value | None = None,
    b_hh: Value | None = None,
) -> tuple[Value, Value]:
    """One step of long short-term memory: state and cell"""
    state, memory = _step(b, LSTM, input, hx, (w_ih, w_hh, b_ih, b_hh))
    return state, memory


def _cell(name: str, cell: Cell) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        input: Value,
        hx: Value,
        w_ih: Value,
        w_hh: Value,
        b_ih: Value | None = None,
        b_hh: Value | None = None,
    ) -> Value:
        return _step(b, cell, input, [hx], (w_ih, w_hh, b_ih, b_hh))[0]

    return rule


RULES = (
    *_of_one_state("gru", GRU),
    *_of_one_state("rnn_tanh", TANH),
    *_of_one_state("rnn_relu", RELU),
    _cell("gru_cell", GRU),
    _cell("rnn_tanh_cell", TANH),
    _cell("rnn_relu_cell", RELU),
    *rules_in(globals()),
)
