"""Whole networks as tile programs: steps hand on values without any move, whatever the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from wse_networks import Ran, expect

from pyflame_rt.kernels import table
from pyflame_rt.passes.wse.emitting.interface import (
    Attention,
    Contraction,
    LayerNorm,
    Network,
    Pool,
    Softmax,
    Value,
    Window,
)

Array = NDArray[Any]


def _slots(height: int, most: int) -> int:
    return max(n for n in range(1, most + 1) if height % n == 0)


def _cnn(columns: int, rows: int, machine: str = "wse2", dtype: Any = "f32") -> Ran:
    """An image of digits: two convolutions with pools, a dense layer, softmax."""
    same, half = Window((3, 3), (1, 1), (1, 1, 1, 1)), Window((2, 2), (2, 2))
    on_columns, on_rows = _slots(4, rows), _slots(4, columns)
    values = (
        Value("image", 1, 64, "columns", 1, on_columns, (8, 8)),
        Value("c1", 8, 64, "rows", min(rows, 8), on_rows, (8, 8)),
        Value("p1", 8, 16, "rows", min(rows, 8), on_rows, (4, 4)),
        Value("c2", 12, 16, "columns", min(columns, 12), on_columns, (4, 4)),
        Value("p2", 12, 4, "columns", min(columns, 12), min(on_columns, 2), (2, 2)),
        Value("logits", 10, 1, "rows", min(rows, 10)),
        Value("y", 10, 1, "rows", min(rows, 10)),
    )
    steps = (
        Contraction("conv1", "image", "c1", "w1", "b1", activation="relu", window=same),
        Pool("pool1", "max", "c1", "p1", half),
        Contraction("conv2", "p1", "c2", "w2", "b2", activation="relu", window=same),
        Pool("pool2", "average", "c2", "p2", half),
        Contraction("dense", "p2", "logits", "w3", "b3", flatten=True),
        Softmax("softmax", "logits", "y"),
    )
    rng = np.random.default_rng(1)

    def random(*shape: int) -> Array:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    tensors = {
        "image": random(1, 64), "w1": random(8, 1, 3, 3), "w2": random(12, 8, 3, 3),
        "w3": random(10, 48), "b1": random(8), "b2": random(12), "b3": random(10),
    }  # fmt: skip
    kernels, t = table(), {name: a.astype(np.float64) for name, a in tensors.items()}
    x = t["image"].reshape(1, 1, 8, 8)
    x = np.maximum(kernels["conv"](x, t["w1"], t["b1"], pads=same.pads), 0)
    x = kernels["max_pool"](x, kernel_shape=(2, 2), strides=(2, 2))
    x = np.maximum(kernels["conv"](x, t["w2"], t["b2"], pads=same.pads), 0)
    x = kernels["average_pool"](x, kernel_shape=(2, 2), strides=(2, 2))
    powers = np.exp(t["w3"] @ x.reshape(-1) + t["b3"])
    network = Network(
        "cnn", columns, rows, values, steps, ("image",), ("y",), machine, dtype
    )  # fmt: skip
    return expect(network, tensors, {"y": (powers / powers.sum())[:, None]})


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (2, 3), (4, 4), (8, 8)])
def test_convolutional_network(columns: int, rows: int) -> None:
    ran = _cnn(columns, rows)
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


def test_convolutional_network_in_f16() -> None:
    _cnn(4, 4, "wse3", "f16")


def _transformer(
    columns: int, rows: int, width: int, heads: int, sequence: int, dtype: Any = "f32",
    machine: str = "wse2", jit: bool | None = False,
) -> Ran:  # fmt: skip
    """A block with the norms in front: attention and two dense layers, each with its residual."""
    on_columns, on_rows = _slots(sequence, rows), _slots(sequence, columns)

    def across(name: str, features: int = width) -> Value:
        return Value(name, features, sequence, "columns", min(columns, features), on_columns)

    def down(name: str, features: int, grain: int = 1) -> Value:
        parts = min(rows, features // grain)
        return Value(name, features, sequence, "rows", parts, on_rows, None, grain)

    size = width // heads
    values = (
        across("x"), across("n1"), across("r1"), across("n2"), across("y"),
        *(down(name, width, size) for name in ("q", "k", "v", "a")), down("h", 4 * width),
    )  # fmt: skip
    steps = (
        LayerNorm("norm1", "x", "n1", "s1", "t1"),
        *(Contraction(f"to_{n}", "n1", n, f"w{n}", f"b{n}") for n in "qkv"),
        Attention("attention", "q", "k", "v", "a", heads, size**-0.5),
        Contraction("project", "a", "r1", "wp", "bp", residual="x"),
        LayerNorm("norm2", "r1", "n2", "s2", "t2"),
        Contraction("up", "n2", "h", "wu", "bu", activation="gelu"),
        Contraction("down", "h", "y", "wd", "bd", residual="r1"),
    )
    rng = np.random.default_rng(2)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("s1", "t1", "s2", "t2"), (width,))
    shapes |= {f"w{n}": (width, width) for n in "qkvp"} | {f"b{n}": (width,) for n in "qkvpd"}
    shapes |= {"wu": (4 * width, width), "bu": (4 * width,), "wd": (width, 4 * width)}
    tensors = {
        name: (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
        for name, shape in shapes.items()
    }
    tensors["x"] = rng.standard_normal((width, sequence)).astype(np.float32)
    t = {name: a.astype(np.float64) for name, a in tensors.items()}

    def norm(x: Array, n: int) -> Array:
        centred = x - x.mean(0)
        found = centred / np.sqrt((centred**2).mean(0) + 1e-5)
        return found * t[f"s{n}"][:, None] + t[f"t{n}"][:, None]

    def layer(x: Array, n: str) -> Array:
        return t[f"w{n}"] @ x + t[f"b{n}"][:, None]

    n1 = norm(t["x"], 1)
    q, k, v = (layer(n1, n).reshape(heads, size, sequence) for n in "qkv")
    scores = np.exp(np.einsum("hdm,hdj->hmj", q, k) * size**-0.5)
    weights = scores / scores.sum(-1, keepdims=True)
    a = np.einsum("hmj,hdj->hdm", weights, v).reshape(width, sequence)
    r1 = layer(a, "p") + t["x"]
    h = layer(norm(r1, 2), "u")
    h = h * (1 + table()["erf"](h / np.sqrt(2))) / 2
    network = Network(
        "block", columns, rows, values, steps, ("x",), ("y",), machine, dtype
    )  # fmt: skip
    return expect(network, tensors, {"y": layer(h, "d") + r1}, jit=jit)


@pytest.mark.parametrize(("columns", "rows"), [(1, 2), (2, 2), (4, 3)])
def test_transformer_block(columns: int, rows: int) -> None:
    ran = _transformer(columns, rows, 8, 2, 6)
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["wse2", "wse3"])
def test_large_transformer_block(machine: str) -> None:
    ran = _transformer(8, 8, 64, 4, 32, "f32" if machine == "wse2" else "f16", machine, None)
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)
