"""Trained models as torch saved them: outputs, and every bit of their weights, are the recorded ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from torch_runs import assert_agree, torch_is_absent

from pyflame_rt import InferenceSession
from pyflame_rt.frontends.torch.checkpoint import read_state_dict

__all__ = ["torch_is_absent"]

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT.parent / "shared" / "models"
DIGITS = ROOT / "examples" / "digits"

needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="../shared/models is not there")


@needs_models
@pytest.mark.parametrize("name", ["traced_model", "mnist_traced_model"])
def test_lenet(name: str) -> None:
    """Traced archives of others, from a torch of years ago."""
    folder = MODELS / "lenet_ts"
    with np.load(folder / f"{name}_io.npz") as arrays:
        given, wanted = arrays["input"], arrays["output"]
    session = InferenceSession(folder / f"{name}.pt")
    assert_agree(session.run(None, {session.get_inputs()[0].name: given}), [wanted])


@needs_models
@pytest.mark.parametrize(
    "file", ["lenet_ts/model_state.pt", "resnet20_cifar10/weights.th", "ultraface_rfb320/weights.pth"]
)  # fmt: skip
def test_state_dicts_are_bit_exact(file: str) -> None:
    """Zip and legacy, with and without entries around the state dict."""
    record = json.loads((MODELS / f"{file}.fingerprint.json").read_text())
    found = read_state_dict(MODELS / file, key="state_dict" if record["meta"] else None)
    assert len(found) == record["n"]
    rows = {
        name: [f"torch.{array.dtype}", list(array.shape), _sha(array)]
        for name, array in found.items()
    }
    assert rows == record["tensors"]


def _sha(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


@needs_models
def test_weights_of_a_checkpoint_make_the_network_they_were() -> None:
    """ResNet-20 built from its state dict gives the outputs that were recorded of it."""
    folder = MODELS / "resnet20_cifar10"
    weights = read_state_dict(folder / "weights.th", key="state_dict", strip_prefix=True)
    with np.load(folder / "io.npz") as arrays:
        given, wanted = arrays["input"], arrays["output"]
    session = InferenceSession(resnet20(weights))
    assert_agree(session.run(None, {"x": given}), [wanted])


def resnet20(weights: dict[str, Any]) -> bytes:
    """The network of a state dict; shortcuts between stages take every other pixel, and pad."""
    nodes: list[onnx.NodeProto] = []
    more = {
        "starts": np.zeros(2, np.int64),
        "ends": np.full(2, 99),
        "axes": np.array([2, 3]),
        "steps": np.full(2, 2),
        "pads16": np.array([0, 8, 0, 0, 0, 8, 0, 0]),
        "pads32": np.array([0, 16, 0, 0, 0, 16, 0, 0]),
    }

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"v{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def conv(x: str, where: str, which: str, stride: int = 1) -> str:
        x = add("Conv", x, f"{where}conv{which}.weight", pads=[1] * 4, strides=[stride] * 2)
        rows = ("weight", "bias", "running_mean", "running_var")
        return add("BatchNormalization", x, *(f"{where}bn{which}.{row}" for row in rows))

    x = add("Relu", conv("x", "", "1"))
    for stage in (1, 2, 3):
        for block in range(3):
            where = f"layer{stage}.{block}."
            down = stage > 1 and block == 0
            y = add("Relu", conv(x, where, "1", 2 if down else 1))
            y = conv(y, where, "2")
            if down:
                x = add("Slice", x, "starts", "ends", "axes", "steps")
                x = add("Pad", x, "pads16" if stage == 2 else "pads32")
            x = add("Relu", add("Add", y, x))
    x = add("Flatten", add("GlobalAveragePool", x))
    add("Gemm", x, "linear.weight", "linear.bias", transB=1)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "resnet20",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3, 32, 32])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [None, 10])],
        [
            numpy_helper.from_array(np.array(array), name)
            for name, array in {**weights, **more}.items()
            if name in used
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_digits_are_the_same_from_torch_and_from_onnx(name: str) -> None:
    """The example's networks, which were saved in each form after one training."""
    with np.load(DIGITS / "test.npz") as arrays:
        images = arrays["images"][:50]
    results = []
    for path in (DIGITS / f"{name}.onnx", DIGITS / f"{name}.pt"):
        session = InferenceSession(path)
        results.append(session.run(None, {session.get_inputs()[0].name: images}))
    assert_agree(results[1], results[0])


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_the_digits_checkpoints_hold_the_weights_of_their_models(name: str) -> None:
    """Every tensor of the state dict is, bit by bit, an initializer of the ONNX file, which has no
    use for counts of batches."""
    stored = {
        (tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())
        for tensor in onnx.load(DIGITS / f"{name}.onnx").graph.initializer
    }
    found = read_state_dict(DIGITS / f"{name}.pth")
    assert found
    for array in (array for array in found.values() if array.ndim):
        assert (array.shape, np.ascontiguousarray(array).tobytes()) in stored
