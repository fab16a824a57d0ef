"""The digits example: its files belong together, and its script says what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
NAMES = ("cnn", "mlp")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """The test images, N x 1 x 8 x 8."""
    return np.load(DIGITS / "test.npz")["images"]


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """The digit that each test image shows."""
    return np.load(DIGITS / "test.npz")["labels"]


def recorded(name: str) -> int:
    """How many test images torch classified rightly when the model was trained."""
    return json.loads((DIGITS / "accuracy.json").read_text())[name]["correct"]


def test_test_set_is_as_documented(images: np.ndarray, labels: np.ndarray):
    """Scaled to 0..1, in the layout that the models take."""
    count = json.loads((DIGITS / "accuracy.json").read_text())["images"]
    assert images.shape == (count, 1, 8, 8)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert labels.shape == (count,)
    assert set(labels.tolist()) == set(range(10))


@pytest.mark.parametrize("name", NAMES)
def test_models_keep_their_interface(name: str):
    """Input `images`, output `logits`, a batch dimension named N: what every document says."""
    graph = onnx.load(DIGITS / f"{name}.onnx").graph
    (fed,), (result,) = graph.input, graph.output
    assert (fed.name, result.name) == ("images", "logits")
    assert fed.type.tensor_type.shape.dim[0].dim_param == "N"
    assert result.type.tensor_type.shape.dim[0].dim_param == "N"


def test_cnn_has_what_residual_networks_are_made_of():
    """An exporter that folded the batch normalizations would leave fusion nothing to do."""
    ops = {node.op_type for node in onnx.load(DIGITS / "cnn.onnx").graph.node}
    assert ops == {
        "Add", "BatchNormalization", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MaxPool",
        "Relu",
    }  # fmt: skip


def test_no_file_holds_a_developers_path():
    """TorchScript archives carry source paths of the machine that wrote them, unless removed."""
    home = str(ROOT).encode()
    assert not [p.name for p in DIGITS.iterdir() if p.is_file() and home in p.read_bytes()]


def test_files_are_small_enough_to_commit():
    """A few hundred kilobytes, not megabytes."""
    assert sum(p.stat().st_size for p in DIGITS.iterdir() if p.is_file()) < 600_000


def test_classify_gets_as_many_right_as_torch():
    """The script prints both counts and exits with 0 because they are equal."""
    command = [sys.executable, str(DIGITS / "classify.py")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    for name in NAMES:
        assert f"{name}.onnx: {recorded(name)} of 450 right" in result.stdout


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_session_agrees_with_torchscript(name: str, images: np.ndarray, labels: np.ndarray):
    """The .pt file beside the .onnx is the same model, and torch still gets the same answers."""
    torch = pytest.importorskip("torch", reason="needs torch")
    from pyflame_rt import InferenceSession

    with torch.no_grad():
        expected = torch.jit.load(DIGITS / f"{name}.pt")(torch.from_numpy(images)).numpy()
    (logits,) = InferenceSession(DIGITS / f"{name}.onnx").run(None, {"images": images})
    assert int((expected.argmax(1) == labels).sum()) == recorded(name)
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.torch
@pytest.mark.parametrize("name", NAMES)
def test_checkpoint_has_the_models_weights(name: str):
    """The .pth file beside the .onnx holds the same weights, under the same names."""
    torch = pytest.importorskip("torch", reason="needs torch")
    state = torch.load(DIGITS / f"{name}.pth", weights_only=True)
    model = onnx.load(DIGITS / f"{name}.onnx")
    for tensor in model.graph.initializer:
        np.testing.assert_array_equal(
            state[tensor.name].numpy(), onnx.numpy_helper.to_array(tensor)
        )
