"""Generate tokens with a small transformer whose cache of keys and values grows by one a step.

    python generate_tokens.py [onnxruntime]

Written for ONNX Runtime; runs on PyFlameRT because the import says so. Every step has another input
shape. The weights are random, so the text means nothing, and is the same every time.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ort = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "pyflame_rt")

LAYERS, HEADS, SIZE, VOCABULARY, LONGEST = 2, 4, 16, 40, 512
WIDTH = HEADS * SIZE


class Network:
    """Writes the model, node by node."""

    def __init__(self) -> None:
        self.nodes: list[object] = []
        self.weights: list[TensorProto] = []
        self.rng = np.random.default_rng(2)

    def add(self, op: str, *inputs: str, **attributes: object) -> str:
        """A node; the name of its result."""
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value: object) -> str:
        """The name of an initializer with this value."""
        name = f"k{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def matrix(self, *shape: int) -> str:
        """Random weights."""
        return self.constant((self.rng.standard_normal(shape) / np.sqrt(shape[0])).astype("f4"))

    def normalized(self, x: str) -> str:
        ones, zeros = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
        return self.add("LayerNormalization", x, self.constant(ones), self.constant(zeros), axis=-1)

    def heads(self, x: str) -> str:
        """[1, tokens, WIDTH] to [1, HEADS, tokens, SIZE]."""
        apart = self.add("Reshape", x, self.constant([1, -1, HEADS, SIZE]))
        return self.add("Transpose", apart, perm=[0, 2, 1, 3])

    def layer(self, x: str, index: int) -> str:
        """Attention over the cache and the new tokens, then a perceptron."""
        entry = self.normalized(x)
        q, k, v = (self.heads(self.add("MatMul", entry, self.matrix(WIDTH, WIDTH))) for _ in "qkv")
        keys = self.add("Concat", f"past_k{index}", k, axis=2)
        values = self.add("Concat", f"past_v{index}", v, axis=2)
        for kind, name in (("k", keys), ("v", values)):
            self.nodes.append(helper.make_node("Identity", [name], [f"present_{kind}{index}"]))
        scores = self.add("MatMul", q, self.add("Transpose", keys, perm=[0, 1, 3, 2]))
        scaled = self.add("Mul", scores, self.constant(np.float32(SIZE**-0.5)))
        mixed = self.add("MatMul", self.add("Softmax", scaled, axis=-1), values)
        together = self.add("Transpose", mixed, perm=[0, 2, 1, 3])
        merged = self.add("Reshape", together, self.constant([1, -1, WIDTH]))
        x = self.add("Add", x, self.add("MatMul", merged, self.matrix(WIDTH, WIDTH)))
        wide = self.add("MatMul", self.normalized(x), self.matrix(WIDTH, 4 * WIDTH))
        return self.add(
            "Add", x, self.add("MatMul", self.add("Relu", wide), self.matrix(4 * WIDTH, WIDTH))
        )

    def model(self) -> bytes:
        """token, past keys and values -> logits, present keys and values."""
        past = self.add("Shape", "past_k0", start=2, end=3)
        place = self.add("Unsqueeze", past, self.constant([0]))
        x = self.add("Gather", self.matrix(VOCABULARY, WIDTH), "token")
        x = self.add("Add", x, self.add("Gather", self.matrix(LONGEST, WIDTH), place))
        for index in range(LAYERS):
            x = self.layer(x, index)
        logits = self.add("MatMul", self.normalized(x), self.matrix(WIDTH, VOCABULARY))
        self.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
        graph = helper.make_graph(
            self.nodes,
            "decoder",
            [
                helper.make_tensor_value_info("token", TensorProto.INT64, [1, 1]),
                *(cache(f"past_{part}", "past") for part in parts()),
            ],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, VOCABULARY]),
                *(cache(f"present_{part}", "present") for part in parts()),
            ],
            self.weights,
        )
        opset = [helper.make_opsetid("", 18)]
        return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def parts() -> Iterator[str]:
    """The caches of all layers."""
    for index in range(LAYERS):
        yield f"k{index}"
        yield f"v{index}"


def cache(name: str, length: str) -> object:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, HEADS, length, SIZE])


def generate(session: object, first: int, steps: int) -> Iterator[int]:
    """The likeliest token of each step, which is the next one's input."""
    caches = [np.zeros((1, HEADS, 0, SIZE), np.float32)] * (2 * LAYERS)
    names, token = [f"past_{part}" for part in parts()], first
    for _ in range(steps):
        feed = {"token": np.array([[token]]), **dict(zip(names, caches, strict=True))}
        logits, *caches = session.run(None, feed)
        token = int(logits[0, -1].argmax())
        yield token


def main() -> None:
    session = ort.InferenceSession(Network().model(), providers=["CPUExecutionProvider"])
    print([(a.name, a.shape) for a in session.get_inputs()])
    for first in (1, 7):
        print(first, "->", *generate(session, first, 48))


if __name__ == "__main__":
    main()
