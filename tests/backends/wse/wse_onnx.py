"""ONNX models of a few nodes, made where they are needed: transformer blocks, an LSTM cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]


def saved(path: Path, nodes: list[Any], inputs: dict[str, list[int]], outputs: list[str]) -> Path:
    """An ONNX model of nodes, with the weights that they name w*, b*, s*, by shape in the name."""
    generator = np.random.default_rng(3)
    weights: dict[str, Array] = {}
    for node in nodes:
        for name in node.input:
            if name.startswith("%"):
                shape = [int(size) for size in name.rpartition(":")[2].split("x")]
                weights[name] = generator.normal(0, 0.2, shape).astype(np.float32)
    constants = {"#heads": [1, 32, 4, 16], "#rows": [1, 32, 64], "#half": 16**-0.5, "#one": [1]}
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    for name, value in constants.items():
        dtype = np.float32 if isinstance(value, float) else np.int64
        tensors.append(numpy_helper.from_array(np.array(value, dtype), name))
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info(name, float32, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, float32, None) for name in outputs],
        tensors,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def _block(number: int, x: str, y: str) -> list[Any]:
    """A transformer block of 4 heads: d = 64."""
    made = helper.make_node

    def name(text: str) -> str:
        return f"{text}{number}"

    def linear(source: str, result: str, size: str) -> list[Any]:
        product, bias = name(f"{result}_product"), f"%{name(result)}_b:{size.split('x')[1]}"
        return [
            made("MatMul", [source, f"%{name(result)}_w:{size}"], [product]),
            made("Add", [product, bias], [name(result)]),
        ]

    nodes = [made("LayerNormalization", [x, f"%{number}s:64", f"%{number}t:64"], [name("n")])]
    for role, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += linear(name("n"), role, "64x64")
        nodes.append(made("Reshape", [name(role), "#heads"], [name(f"{role}_heads")]))
        nodes.append(made("Transpose", [name(f"{role}_heads")], [name(f"{role}_t")], perm=perm))
    nodes += [
        made("MatMul", [name("q_t"), name("k_t")], [name("scores")]),
        made("Mul", [name("scores"), "#half"], [name("scaled")]),
        made("Softmax", [name("scaled")], [name("shares")]),
        made("MatMul", [name("shares"), name("v_t")], [name("mixed")]),
        made("Transpose", [name("mixed")], [name("mixed_t")], perm=[0, 2, 1, 3]),
        made("Reshape", [name("mixed_t"), "#rows"], [name("joined")]),
        *linear(name("joined"), "o", "64x64"),
        made("Add", [x, name("o")], [name("middle")]),
        made("LayerNormalization", [name("middle"), f"%{number}u:64", f"%{number}v:64"], [name("m")]),
        *linear(name("m"), "up", "64x128"),
        made("Gelu", [name("up")], [name("gelu")]),
        *linear(name("gelu"), "down", "128x64"),
        made("Add", [name("middle"), name("down")], [y]),
    ]  # fmt: skip
    return nodes


def transformer(path: Path) -> Path:
    """Two blocks on 32 rows of 64 features: x -> y."""
    nodes = [*_block(1, "x", "half"), *_block(2, "half", "y")]
    return saved(path, nodes, {"x": [1, 32, 64]}, ["y"])


def lstm_cell(path: Path) -> Path:
    """A cell of 32 units whose old state is its input: x -> h, c."""
    made = helper.make_node
    nodes = [
        made("Gemm", ["x", "%w:128x32", "%b:128"], ["of x"], transB=1),
        made("Gemm", ["x", "%v:128x32", "%c:128"], ["of h"], transB=1),
        made("Add", ["of x", "of h"], ["gates"]),
        made("Split", ["gates"], ["i", "f", "g", "o"], axis=1, num_outputs=4),
        *(made("Sigmoid", [gate], [f"s{gate}"]) for gate in "ifo"),
        made("Tanh", ["g"], ["tg"]),
        made("Mul", ["sf", "x"], ["kept"]),
        made("Mul", ["si", "tg"], ["new"]),
        made("Add", ["kept", "new"], ["c"]),
        made("Tanh", ["c"], ["tc"]),
        made("Mul", ["so", "tc"], ["h"]),
    ]
    return saved(path, nodes, {"x": [1, 32]}, ["h", "c"])


def separable(path: Path) -> Path:
    """A depthwise convolution between dense ones, then one in four groups with a residual: x -> y."""
    made = helper.make_node
    nodes = [
        made("Conv", ["x", "%a:16x3x3x3", "%b:16"], ["first"], pads=[1, 1, 1, 1]),
        made("Relu", ["first"], ["clear"]),
        made(
            "Conv", ["clear", "%c:16x1x3x3", "%d:16"], ["deep"], pads=[1, 1, 1, 1], group=16,
            strides=[2, 2],
        ),
        made("Relu", ["deep"], ["cut"]),
        made("Conv", ["cut", "%e:24x16x1x1", "%f:24"], ["point"]),
        made("Conv", ["point", "%g:24x6x3x3", "%h:24"], ["groups"], pads=[1, 1, 1, 1], group=4),
        made("Add", ["groups", "point"], ["sum"]),
        made("GlobalAveragePool", ["sum"], ["mean"]),
        made("Flatten", ["mean"], ["flat"]),
        made("MatMul", ["flat", "%i:24x10"], ["y"]),
    ]  # fmt: skip
    return saved(path, nodes, {"x": [1, 3, 8, 8]}, ["y"])


def masked_attention(path: Path, mask: Array) -> Path:
    """Attention of 4 heads on 32 rows of 64 features, whose scores a mask is added to: x -> y."""
    made = helper.make_node
    nodes: list[Any] = []
    for role, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            made("MatMul", ["x", f"%{role}:64x64"], [role]),
            made("Reshape", [role, "#heads"], [f"{role}_heads"]),
            made("Transpose", [f"{role}_heads"], [f"{role}_t"], perm=perm),
        ]
    nodes += [
        made("MatMul", ["q_t", "k_t"], ["scores"]),
        made("Mul", ["scores", "#half"], ["scaled"]),
        made("Constant", [], ["mask"], value=numpy_helper.from_array(mask)),
        made("Add", ["scaled", "mask"], ["masked"]),
        made("Softmax", ["masked"], ["shares"]),
        made("MatMul", ["shares", "v_t"], ["mixed"]),
        made("Transpose", ["mixed"], ["mixed_t"], perm=[0, 2, 1, 3]),
        made("Reshape", ["mixed_t", "#rows"], ["joined"]),
        made("MatMul", ["joined", "%o:64x64"], ["y"]),
    ]
    return saved(path, nodes, {"x": [1, 32, 64]}, ["y"])


def recurrent(path: Path, kind: str, steps: int = 2, **attributes: Any) -> Path:
    """Steps of two sequences through 8 units, and a product of all states: x -> z, last."""
    made = helper.make_node
    rows = {"LSTM": 32, "GRU": 24}[kind]
    ways = 2 if attributes.get("direction") == "bidirectional" else 1
    weights = [f"%{name}:{ways}x{rows}x{size}" for name, size in (("w", 6), ("r", 8))]
    inputs = ["x", *weights, f"%b:{ways}x{2 * rows}"]
    nodes = [made(kind, inputs, ["states", "last"], hidden_size=8, **attributes)]
    if ways == 2:
        return saved(path, nodes, {"x": [steps, 2, 6]}, ["last"])
    nodes += [
        made("Squeeze", ["states", "#one"], ["rows"]),
        made("MatMul", ["rows", "%v:8x5"], ["z"]),
    ]
    return saved(path, nodes, {"x": [steps, 2, 6]}, ["z", "last"])


def joined(path: Path) -> Path:
    """Features one after another and apart again, of rows and of an image: x, image -> y, z."""
    made = helper.make_node
    nodes = [
        made("MatMul", ["x", "%a:20x12"], ["a"]),
        made("Relu", ["a"], ["clear"]),
        made("MatMul", ["x", "%b:20x18"], ["b"]),
        made("Concat", ["clear", "b"], ["both"], axis=-1),
        made("Tanh", ["both"], ["curved"]),
        made("Split", ["curved"], ["left", "right"], axis=-1, num_outputs=2),
        made("Mul", ["left", "right"], ["product"]),
        made("MatMul", ["product", "%c:15x7"], ["y"]),
    ]
    return saved(path, nodes, {"x": [3, 20]}, ["y"])


def dense_block(path: Path) -> Path:
    """Channels of two convolutions one after another: x -> y."""
    made = helper.make_node
    nodes = [
        made("Conv", ["x", "%a:8x4x3x3"], ["a"], pads=[1, 1, 1, 1]),
        made("Relu", ["a"], ["clear"]),
        made("Conv", ["clear", "%b:6x8x3x3"], ["b"], pads=[1, 1, 1, 1]),
        made("Concat", ["clear", "b"], ["both"], axis=1),
        made("Conv", ["both", "%c:5x14x1x1"], ["c"]),
        made("GlobalAveragePool", ["c"], ["y"]),
    ]
    return saved(path, nodes, {"x": [1, 4, 8, 8]}, ["y"])
