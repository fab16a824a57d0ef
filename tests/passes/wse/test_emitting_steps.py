"""Steps other than contractions as tile programs: what they compute and what they are predicted to take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from wse_networks import Ran, expect, one_step

from pyflame_rt.backends.wse import machine as machines
from pyflame_rt.errors import PassFailed
from pyflame_rt.kernels import table
from pyflame_rt.passes.wse.emitting.functions import FUNCTIONS
from pyflame_rt.passes.wse.emitting.interface import (
    Attention,
    Contraction,
    Elementwise,
    LayerNorm,
    Move,
    Network,
    Piece,
    Pool,
    Rearrange,
    Softmax,
    Value,
    Window,
)
from pyflame_rt.passes.wse.emitting.machine import CONSTANTS

Array = NDArray[Any]


def _near(ran: Ran, relative: float = 0.15) -> None:
    assert ran.cycles == pytest.approx(ran.predicted, rel=relative, abs=40)


def _both(value: Value) -> dict[str, Value]:
    return {"x": value, "y": replace(value, name="y")}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_the_machines(name: str) -> None:
    """The layer of passes cannot import the simulator's machine, so it has a copy."""
    for field, value in vars(CONSTANTS[name]).items():
        assert getattr(machines.MACHINES[name], field) == value, field


@pytest.mark.parametrize(
    ("grid", "x", "y"),
    [
        ((4, 4), Value("x", 16, 8, "columns", 4), Value("y", 16, 8, "rows", 4)),
        ((4, 3), Value("x", 10, 7, "columns", 4, 2), Value("y", 10, 7, "rows", 3, 3)),
        ((4, 3), Value("x", 10, 1, "rows", 3), Value("y", 10, 1, "columns", 4)),
    ],
)
def test_move_turns_a_value_round(grid: tuple[int, int], x: Value, y: Value) -> None:
    _near(one_step(Move("m", "x", "y"), {"x": x, "y": y}, lambda x: x, grid=grid), 0.3)


_TANH = np.tanh
_SQUARE = 0.7978845608028654
_MEANINGS: dict[str, Any] = {
    "exp": np.exp, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": _TANH,
    "relu": lambda x: np.maximum(x, 0), "neg": lambda x: -x, "clip": lambda x: x.clip(-0.5, 1),
    "swish": lambda x: x / (1 + np.exp(-x)), "reciprocal": lambda x: 1 / x,
    "erf": table()["erf"], "gelu": lambda x: x * (1 + table()["erf"](x / np.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + _TANH(_SQUARE * (x + 0.044715 * x**3))) / 2,
}  # fmt: skip


@pytest.mark.parametrize("function", _MEANINGS)
def test_functions(function: Any) -> None:
    layouts = _both(Value("x", 10, 7, "columns", 2, 2))
    step = Elementwise("e", function, ("x",), "y", limits=(-0.5, 1.0))
    _near(one_step(step, layouts, _MEANINGS[function], grid=(2, 2)))


def test_functions_of_positive_numbers() -> None:
    """log and sqrt, behind exp."""
    x = Value("x", 6, 5, "rows", 2)
    values = x, replace(x, name="e"), replace(x, name="l"), replace(x, name="y")
    steps = (
        Elementwise("a", "exp", ("x",), "e"),
        Elementwise("b", "log", ("e",), "l"),
        Elementwise("c", "sqrt", ("e",), "y"),
    )
    given = np.random.default_rng(3).standard_normal((6, 5)).astype(np.float32) * 20
    network = Network("n", 2, 2, values, steps, ("x",), ("l", "y"))
    expect(network, {"x": given}, {"l": given, "y": np.exp(given / 2)})


def test_every_scalar_function_is_tested() -> None:
    assert set(FUNCTIONS) <= {*_MEANINGS, "log", "sqrt"}


def test_binary_and_constants() -> None:
    layouts = _both(Value("x", 10, 7, "rows", 2, 2))
    numbers = np.arange(10, dtype=np.float32)
    one_step(Elementwise("e", "add", ("x", "x"), "y"), layouts, lambda x: x + x, grid=(2, 2))
    step = Elementwise("e", "sub", ("x",), "y", scalar=0.25)
    one_step(step, layouts, lambda x: x - 0.25, grid=(2, 2))
    step = Elementwise("e", "mul", ("x",), "y", constant="c")
    one_step(step, layouts, lambda x: x * numbers[:, None], grid=(2, 2), c=numbers)


def test_operands_laid_out_differently_are_refused() -> None:
    x = Value("x", 4, 1, "rows", 2)
    step = Elementwise("e", "relu", ("x",), "y")
    with pytest.raises(PassFailed, match="'y' and 'x' are laid out differently"):
        layouts = {"x": x, "y": Value("y", 4, 1, "columns", 2)}
        one_step(step, layouts, lambda x: x, grid=(2, 2))


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(
    ("kernel", "pad", "slots"), [(2, 0, (2, 2)), (3, 1, (4, 4)), (3, 1, (4, 2)), (2, 0, (1, 2))]
)
def test_pools(kind: Any, kernel: int, pad: int, slots: tuple[int, int]) -> None:
    """Windows that stay in a slot, and windows that do not."""
    window, image = Window((kernel, kernel), (2, 2), (pad,) * 4), (8, 6)
    out = window.output(image)
    layouts = {
        "x": Value("x", 3, 48, "columns", 2, slots[0], image),
        "y": Value("y", 3, out[0] * out[1], "columns", 2, slots[1], out),
    }

    def meaning(x: Array) -> Array:
        more = {} if kind == "max" else {"count_include_pad": 0}
        found = table()[f"{kind}_pool"](
            x.reshape(1, 3, *image), kernel_shape=window.kernel, strides=window.strides,
            pads=window.pads, **more,
        )  # fmt: skip
        return found.reshape(3, -1)

    _near(one_step(Pool("p", kind, "x", "y", window), layouts, meaning, grid=(2, 4)), 0.35)


@pytest.mark.parametrize("slots", [1, 4])
def test_global_pools(slots: int) -> None:
    layouts = {
        "x": Value("x", 5, 64, "rows", 2, slots, (8, 8)),
        "y": Value("y", 5, 1, "rows", 2),
    }
    for kind, meaning in (("max", np.max), ("average", np.mean)):
        step = Pool("p", kind, "x", "y")  # pyright: ignore[reportArgumentType]
        _near(one_step(step, layouts, lambda x, f=meaning: f(x, 1)[:, None], grid=(4, 2)))


_ROWS = [
    ((1, 1), Value("x", 10, 3, "columns", 1)),
    ((4, 3), Value("x", 16, 6, "columns", 4, 2)),
    ((4, 3), Value("x", 10, 1, "columns", 3)),
    ((3, 4), Value("x", 10, 5, "rows", 4, 3)),
]


@pytest.mark.parametrize(("grid", "x"), _ROWS)
def test_softmax_over_split_features(grid: tuple[int, int], x: Value) -> None:
    """Padding does not count, also where a PE has nothing else."""

    def softmax(x: Array) -> Array:
        powers = np.exp(x - x.max(0))
        return powers / powers.sum(0)

    _near(one_step(Softmax("s", "x", "y"), _both(x), softmax, grid=grid))
    _near(
        one_step(
            Softmax("s", "x", "y", log=True), _both(x), lambda x: np.log(softmax(x)), grid=grid
        )
    )


@pytest.mark.parametrize(("grid", "x"), _ROWS)
def test_layer_norm_over_split_features(grid: tuple[int, int], x: Value) -> None:
    rng = np.random.default_rng(4)
    scale, bias = rng.standard_normal((2, x.features)).astype(np.float32)

    def norm(x: Array) -> Array:
        centred = x - x.mean(0)
        found = centred / np.sqrt((centred**2).mean(0) + 1e-5)
        return found * scale[:, None] + bias[:, None]

    step = LayerNorm("n", "x", "y", "scale", "bias")
    _near(one_step(step, _both(x), norm, grid=grid, scale=scale, bias=bias))


@pytest.mark.parametrize(
    ("grid", "parts", "slots", "axis"),
    [((1, 1), 1, 1, "columns"), ((2, 2), 2, 2, "columns"), ((2, 3), 2, 2, "rows")],
)
def test_attention(grid: tuple[int, int], parts: int, slots: int, axis: Any) -> None:
    """Heads side by side on a PE and on several; padded rows of keys have no weight."""
    heads, size, rows = 2, 4, 5
    x = Value("query", heads * size, rows, axis, parts, slots, grain=size)
    layouts = {name: replace(x, name=name) for name in ("query", "key", "value", "y")}

    def meaning(query: Array, key: Array, value: Array) -> Array:
        q, k, v = (a.reshape(heads, size, rows) for a in (query, key, value))
        scores = np.exp(np.einsum("hdm,hdj->hmj", q, k) / 2)
        weights = scores / scores.sum(-1, keepdims=True)
        return np.einsum("hmj,hdj->hdm", weights, v).reshape(-1, rows)

    step = Attention("a", "query", "key", "value", "y", heads, 0.5)
    inputs = ("query", "key", "value")
    _near(one_step(step, layouts, meaning, grid=grid, inputs=inputs), 0.2)


@pytest.mark.parametrize("mask_heads", [1, 2])
def test_attention_with_a_mask(mask_heads: int) -> None:
    """Numbers that are added to the scores, for each head or for all."""
    heads, size, rows = 2, 4, 6
    x = Value("query", heads * size, rows, "columns", 2, 3, grain=size)
    layouts = {name: replace(x, name=name) for name in ("query", "key", "value", "y")}
    rng = np.random.default_rng(2)
    mask = rng.normal(size=(mask_heads, rows, rows)).astype(np.float32)
    mask[:, np.triu_indices(rows, 1)[0], np.triu_indices(rows, 1)[1]] = -1e30

    def meaning(query: Array, key: Array, value: Array) -> Array:
        q, k, v = (a.reshape(heads, size, rows) for a in (query, key, value))
        scores = np.exp(np.einsum("hdm,hdj->hmj", q, k) / 2 + mask)
        weights = scores / scores.sum(-1, keepdims=True)
        return np.einsum("hmj,hdj->hdm", weights, v).reshape(-1, rows)

    step = Attention("a", "query", "key", "value", "y", heads, 0.5, "mask", mask_heads)
    inputs = ("query", "key", "value")
    _near(one_step(step, layouts, meaning, grid=(2, 3), inputs=inputs, mask=mask), 0.2)


@pytest.mark.parametrize(
    ("channels", "outputs", "groups", "window"),
    [
        (6, 6, 6, Window((3, 3), (1, 1), (1, 1, 1, 1))),
        (6, 12, 6, Window((3, 3), (2, 2), (1, 1, 1, 1))),
        (8, 12, 4, Window((3, 2), (1, 1), (1, 0, 1, 1))),
        (4, 4, 2, Window((1, 1))),
    ],
)
@pytest.mark.parametrize("slots", [(1, 1), (4, 4), (4, 2)])
def test_convolutions_in_groups(
    channels: int, outputs: int, groups: int, window: Window, slots: tuple[int, int]
) -> None:
    """Depthwise, with several outputs of an input, and groups of several; the groups stay where they are."""
    image = (8, 8)
    out = window.output(image)
    parts = 2
    layouts = {
        "x": Value("x", channels, 64, "columns", parts, slots[0], image, channels // groups),
        "y": Value(
            "y", outputs, out[0] * out[1], "columns", parts, slots[1], out, outputs // groups
        ),
    }
    rng = np.random.default_rng(6)
    shape = outputs, channels // groups, *window.kernel
    weight = rng.normal(size=shape).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)

    def meaning(x: Array) -> Array:
        found = table()["conv"](
            x.reshape(1, channels, *image), weight.astype(np.float64), bias.astype(np.float64),
            strides=window.strides, pads=window.pads, group=groups,
        )  # fmt: skip
        return np.maximum(found, 0).reshape(outputs, -1)

    step = Contraction("c", "x", "y", "w", "b", activation="relu", window=window, groups=groups)
    _near(one_step(step, layouts, meaning, grid=(3, 4), w=weight, b=bias), 0.25)


def test_groups_that_are_split_are_refused() -> None:
    image = (4, 4)
    layouts = {
        "x": Value("x", 4, 16, "columns", 4, 1, image), "y": Value("y", 4, 16, "columns", 4, 1, image),
    }  # fmt: skip
    step = Contraction("c", "x", "y", "w", window=Window((1, 1)), groups=2)
    with pytest.raises(PassFailed, match="a part has no whole groups"):
        one_step(step, layouts, lambda x: x, grid=(4, 1), w=np.ones((4, 2, 1, 1), np.float32))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (Value("x", 10, 6, "columns", 4, 2), Value("y", 20, 6, "rows", 3, 3)),
        (Value("x", 10, 1, "rows", 3), Value("y", 20, 1, "columns", 4)),
    ],
)
def test_features_one_after_another(x: Value, y: Value) -> None:
    """Two values, of which the second is in front: across the fabric."""
    pieces = (
        Piece("x", 10, x.rows, target=(10, 0)), Piece("z", 10, x.rows),
    )  # fmt: skip
    layouts = {"x": x, "z": replace(x, name="z"), "y": y}
    step = Rearrange("r", ("x", "z"), "y", pieces)
    ran = one_step(
        step, layouts, lambda x, z: np.concatenate([z, x]), grid=(4, 3), inputs=("x", "z")
    )
    _near(ran, 0.3)


@pytest.mark.parametrize("axis", ["columns", "rows"])
def test_a_part_of_a_value(axis: Any) -> None:
    """Some features and rows of a value, over the other axis."""
    layouts = {
        "x": Value("x", 10, 8, "columns", 4, 2),
        "y": Value("y", 5, 3, "rows", 2, 3),
    }
    if axis == "rows":
        layouts = {"x": Value("x", 10, 8, "rows", 3, 4), "y": Value("y", 5, 3, "columns", 3, 1)}
    step = Rearrange("r", ("x",), "y", (Piece("x", 5, 3, (3, 4)),))
    _near(one_step(step, layouts, lambda x: x[3:8, 4:7], grid=(4, 3)), 0.3)


def test_rows_of_one_slot_stay() -> None:
    """Rows of values one after another, where every PE has its features: no words travel."""
    x = Value("x", 10, 2, "columns", 4)
    layouts = {"x": x, "z": replace(x, name="z", rows=3), "y": replace(x, name="y", rows=5)}
    pieces = Piece("x", 10, 2), Piece("z", 10, 3, target=(0, 2))
    step = Rearrange("r", ("x", "z"), "y", pieces)
    ran = one_step(
        step, layouts, lambda x, z: np.concatenate([x, z], 1), grid=(4, 3), inputs=("x", "z")
    )
    _near(ran)
    assert "wse.color" not in str(ran.emitted.module)


def test_values_that_cannot_be_rearranged_are_refused() -> None:
    x = Value("x", 10, 2, "columns", 4)
    step = Rearrange("r", ("x",), "y", (Piece("x", 5, 2),))
    with pytest.raises(PassFailed, match="are not split over one axis and the other"):
        one_step(step, {"x": x, "y": replace(x, name="y", features=5)}, lambda x: x, grid=(4, 3))
