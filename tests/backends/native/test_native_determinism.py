"""Sessions that compile have the same bits with any number of threads, and integers are exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, seed, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import pyflame_rt as rt
from pyflame_rt.backends.native import kernels

Array = np.ndarray
Network = tuple[bytes, Array]


def model(nodes: list, x: Array, weights: dict[str, Array], opset: int = 21) -> Network:
    """A network from x to y; a dimension of x that is called N is not known."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *x.shape[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return made.SerializeToString(), x


def drawn(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def perceptron(rng: np.random.Generator) -> Network:
    """Products with bias, residual, an activation; normalizations."""
    rows, depth, columns = (int(n) for n in rng.integers((1, 3, 5), (90, 300, 260)))
    weights = {
        "w": drawn(rng, depth, columns), "b": drawn(rng, columns), "v": drawn(rng, columns, columns),
        "s": drawn(rng, columns), "t": drawn(rng, columns),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["a"]),
        helper.make_node("Tanh", ["a"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["m"]),
        helper.make_node("Add", ["m", "h"], ["r"]),
        helper.make_node("LayerNormalization", ["r", "s", "t"], ["n"]),
        helper.make_node("Softmax", ["n"], ["y"]),
    ]
    return model(nodes, drawn(rng, rows, depth), weights)


def images(rng: np.random.Generator) -> Network:
    """Convolutions that are products, by windows, depthwise; pools and a classifier."""
    number, height, width = (int(n) for n in rng.integers((1, 6, 6), (4, 30, 30)))
    channels, features, classes = (int(n) for n in rng.integers((3, 8, 2), (40, 70, 12)))
    kernel = int(rng.choice((1, 3, 5)))
    weights = {
        "w": drawn(rng, features, channels, kernel, kernel), "b": drawn(rng, features),
        "d": drawn(rng, features, 1, 3, 3), "p": drawn(rng, features, features, 3, 3),
        "c": drawn(rng, features, classes),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], auto_pad="SAME_UPPER"),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["r", "d"], ["e"], group=features, pads=[1] * 4),
        helper.make_node("MaxPool", ["e"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["m", "p"], ["f"], pads=[1] * 4),
        helper.make_node("Add", ["f", "m"], ["s"]),
        helper.make_node("GlobalAveragePool", ["s"], ["g"]),
        helper.make_node("Flatten", ["g"], ["l"]),
        helper.make_node("MatMul", ["l", "c"], ["y"]),
    ]
    return model(nodes, drawn(rng, number, channels, height, width), weights)


def attention(rng: np.random.Generator) -> Network:
    """Heads that attend, with what is around them."""
    number, length, heads = (int(n) for n in rng.integers((1, 1, 1), (4, 50, 5)))
    width = heads * 8 * int(rng.integers(1, 5))
    weights = {name: drawn(rng, width, width) / 4 for name in "qkvo"}
    nodes = [helper.make_node("MatMul", ["x", n], [n + "x"]) for n in "qkv"]
    nodes += [
        helper.make_node(
            "Attention", ["qx", "kx", "vx"], ["a"], q_num_heads=heads, kv_num_heads=heads
        ),
        helper.make_node("MatMul", ["a", "o"], ["p"]),
        helper.make_node("Add", ["p", "x"], ["s"]),
        helper.make_node("Gelu", ["s"], ["y"]),
    ]
    return model(nodes, drawn(rng, number, length, width), weights, opset=23)


def quantized(rng: np.random.Generator) -> Network:
    """A convolution and a product between quantizations, whose sums are large."""
    number, size, channels = (int(n) for n in rng.integers((1, 5, 3), (3, 14, 60)))
    features, classes = (int(n) for n in rng.integers((32, 2), (50, 20)))

    def weight(*shape: int) -> Array:
        return rng.integers(-128, 128, shape).astype(np.int8)

    weights = {
        "w": weight(features, channels, 3, 3), "c": weight(features, classes),
        "ws": np.float32(0.01), "wz": np.int8(0), "xs": np.float32(0.02), "xz": np.uint8(119),
        "ys": np.float32(0.7), "yz": np.uint8(101), "zs": np.float32(1.3), "zz": np.uint8(99),
    }  # fmt: skip
    weights = {name: np.asarray(value) for name, value in weights.items()}

    def passed(x: str, scale: str, result: str) -> list:
        given = [scale + "s", scale + "z"]
        return [
            helper.make_node("QuantizeLinear", [x, *given], [x + "_q"]),
            helper.make_node("DequantizeLinear", [x + "_q", *given], [result]),
        ]

    nodes = [
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["w_f"]),
        helper.make_node("DequantizeLinear", ["c", "ws", "wz"], ["c_f"]),
        *passed("x", "x", "x_f"),
        helper.make_node("Conv", ["x_f", "w_f"], ["a"], pads=[1] * 4),
        *passed("a", "y", "a_f"),
        helper.make_node("Relu", ["a_f"], ["r"]),
        *passed("r", "y", "r_f"),
        helper.make_node("GlobalMaxPool", ["r_f"], ["g"]),
        helper.make_node("Flatten", ["g"], ["l"]),
        *passed("l", "y", "l_f"),
        helper.make_node("MatMul", ["l_f", "c_f"], ["m"]),
        *passed("m", "z", "y"),
    ]
    return model(nodes, drawn(rng, number, channels, size, size), weights)


def answers(network: Network, threads: int) -> list[Array]:
    """That of the plan for unknown sizes, and that of the plan for these."""
    made, x = network
    options = rt.SessionOptions()
    options.intra_op_num_threads = threads
    session = rt.InferenceSession(made, options)
    found: list[Array] = []
    for _ in range(4):
        (y,) = session.run(None, {"x": x})
        session.settle()
        found.append(y)
    assert session.signatures()[0].specialized
    return [found[0], found[-1]]


def same_for_all_threads(make: Callable[[np.random.Generator], Network], number: int) -> None:
    network = make(np.random.default_rng(number))
    expected = answers(network, 1)
    for threads in (2, 3, 5):
        for found, wanted in zip(answers(network, threads), expected, strict=True):
            np.testing.assert_array_equal(found, wanted, err_msg=f"{threads} threads")


@pytest.mark.parametrize("make", [perceptron, images, attention, quantized])
def test_threads(make: Callable[[np.random.Generator], Network]) -> None:
    """Whatever share of a call a thread takes, its elements are computed as without it."""

    @seed(1)
    @settings(max_examples=4, deadline=None, database=None)
    @given(st.integers(0, 2**31))
    def run(number: int) -> None:
        same_for_all_threads(make, number)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("make", [perceptron, images, attention, quantized])
def test_threads_at_length(make: Callable[[np.random.Generator], Network]) -> None:
    """As `test_threads`, on more networks."""

    @seed(2)
    @settings(max_examples=40, deadline=None, database=None)
    @given(st.integers(0, 2**31))
    def run(number: int) -> None:
        same_for_all_threads(make, number)

    run()


def test_quantized_networks_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of integers have the bits that NumPy gives them, also where sizes are unknown: what
    is computed on f32 that hold integers is not reassociated into other numbers."""
    for number in range(6):
        network = quantized(np.random.default_rng(number))
        monkeypatch.setenv(kernels.JIT, "0")
        expected = answers(network, 1)
        monkeypatch.setenv(kernels.JIT, "1")
        for found, wanted in zip(answers(network, 2), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
