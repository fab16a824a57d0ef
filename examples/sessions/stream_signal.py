"""Filter a signal that arrives in pieces with an LSTM whose state is fed back.

    python stream_signal.py [onnxruntime]

Written for ONNX Runtime; runs on PyFlameRT because the import says so. Pieces have different
lengths; inputs and state are bound to memory once (IOBinding), and the pieced result is compared
with that of the whole signal.
"""

from __future__ import annotations

import importlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ort = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "pyflame_rt")

WIDTH, HIDDEN = 4, 16


def network() -> bytes:
    """signal, h, c -> filtered, new h, new c."""
    rng = np.random.default_rng(11)

    def weights(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array((rng.standard_normal(shape) / 3).astype("f4"), name)

    nodes = [
        helper.make_node(
            "LSTM", ["signal", "w", "r", "b", "", "h", "c"], ["all", "new_h", "new_c"],
            hidden_size=HIDDEN,
        ),
        helper.make_node("Squeeze", ["all", "one"], ["steps"]),
        helper.make_node("MatMul", ["steps", "out"], ["filtered"]),
    ]  # fmt: skip

    def value(name: str, *shape: object) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "filter",
        [value("signal", "time", 1, WIDTH), value("h", 1, 1, HIDDEN), value("c", 1, 1, HIDDEN)],
        [
            value("filtered", "time", 1, 1),
            value("new_h", 1, 1, HIDDEN),
            value("new_c", 1, 1, HIDDEN),
        ],
        [
            weights("w", 1, 4 * HIDDEN, WIDTH),
            weights("r", 1, 4 * HIDDEN, HIDDEN),
            weights("b", 1, 8 * HIDDEN),
            weights("out", HIDDEN, 1),
            numpy_helper.from_array(np.array([1]), "one"),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def main() -> None:
    session = ort.InferenceSession(network(), providers=["CPUExecutionProvider"])
    print([(a.name, a.shape) for a in session.get_inputs()])
    rng = np.random.default_rng(5)
    signal = np.cumsum(rng.standard_normal((60, 1, WIDTH)), axis=0).astype(np.float32) / 5
    zeros = np.zeros((1, 1, HIDDEN), np.float32)
    whole = session.run(["filtered"], {"signal": signal, "h": zeros, "c": zeros})[0]

    h = ort.OrtValue.ortvalue_from_numpy(zeros.copy(), "cpu", 0)
    c = ort.OrtValue.ortvalue_from_numpy(zeros.copy(), "cpu", 0)
    binding = session.io_binding()
    pieces, at = [], 0
    for length in (1, 5, 1, 20, 3, 16, 1, 13):
        binding.bind_cpu_input("signal", signal[at : at + length])
        binding.bind_ortvalue_input("h", h)
        binding.bind_ortvalue_input("c", c)
        for name in ("filtered", "new_h", "new_c"):
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        filtered, h, c = binding.get_outputs()
        pieces.append(filtered.numpy())
        at += length
    pieced = np.concatenate(pieces)
    print(pieced.shape, h.data_type(), h.shape())
    print("same as the whole:", bool(np.allclose(pieced, whole, rtol=1e-4, atol=1e-5)))
    print(" ".join(f"{y:.3f}" for y in pieced[::6, 0, 0]))


if __name__ == "__main__":
    main()
