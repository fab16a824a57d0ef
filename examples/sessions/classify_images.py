"""Classify images in batches of any size, from several threads.

    python classify_images.py [onnxruntime]

Written for ONNX Runtime; runs on PyFlameRT because the import says so. The network is made here: a
small convolutional one with random weights, whose batch is the symbol "batch".
"""

from __future__ import annotations

import importlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ort = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "pyflame_rt")
state = importlib.import_module(f"{ort.__name__}.capi.onnxruntime_pybind11_state")

LABELS = ["circle", "cross", "square", "star", "triangle"]


def network() -> bytes:
    """Two convolutions, a pooling over all places, a linear layer and probabilities."""
    rng = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> TensorProto:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return numpy_helper.from_array((rng.standard_normal(shape) * scale).astype("f4"), name)

    nodes = [
        helper.make_node("Conv", ["images", "w1"], ["c1"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w3"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "shapes",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [weights("w1", 8, 3, 3, 3), weights("w2", 16, 8, 3, 3), weights("w3", len(LABELS), 16)],
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    helper.set_model_props(model, {"labels": json.dumps(LABELS)})
    return model.SerializeToString()


def preprocess(image: np.ndarray) -> np.ndarray:
    """Height x width x 3 bytes to the network's layout and range."""
    return ((image / 255 - 0.45) / 0.22).astype(np.float32).transpose(2, 0, 1)


def main() -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        network(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    (argument,) = session.get_inputs()
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    print(argument.name, argument.type, argument.shape, session.get_providers())

    rng = np.random.default_rng(7)
    photos = [preprocess(rng.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(24)]
    batches = [np.stack(photos[at : at + size]) for at, size in ((0, 1), (1, 4), (5, 7), (12, 12))]

    def classify(batch: np.ndarray) -> list[str]:
        (probabilities,) = session.run(["probabilities"], {argument.name: batch})
        best = probabilities.argmax(axis=1)
        return [f"{labels[k]} {p[k]:.3f}" for k, p in zip(best, probabilities, strict=True)]

    with ThreadPoolExecutor(4) as pool:
        for batch, found in zip(batches, pool.map(classify, batches), strict=True):
            print(len(batch), ", ".join(found))

    try:
        session.run(None, {argument.name: batches[0].astype(np.float64)})
    except state.InvalidArgument as error:
        print(type(error).__name__, error)


if __name__ == "__main__":
    main()
