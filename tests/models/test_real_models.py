"""Real models agree with onnxruntime or recorded outputs, on every way to execute them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[2]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SHARED = ROOT.parent / "shared" / "models"

needs_recorded = pytest.mark.skipif(
    not SHARED.exists(), reason="the recorded models are not at hand"
)


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_digits(model: str, agrees: Callable[..., None], oracle: Callable[..., Any]) -> None:
    """The digits networks, with a batch dimension that is symbolic in the file."""
    path = ROOT / "examples" / "digits" / f"{model}.onnx"
    images = np.load(path.parent / "test.npz")["images"]
    session = oracle(path)
    feeds = [{"images": images[:batch]} for batch in (1, 7)]
    agrees(path, [(feed, session.run(None, feed)) for feed in feeds])


def with_random_weights(path: Path) -> bytes:
    """A light model with drawn weights in place of its fills, so that no two channels are equal.

    Weights have variance 2 / fan-in, vectors lie in 0.5..1.5: activations keep their scale. What
    goes into the last softmax is an output too: the softmax of large numbers hides all but one.
    """
    model = onnx.load(path)
    generator = np.random.default_rng(0)
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    fills = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    for node in fills:
        shape = tuple(int(size) for size in shapes[node.input[0]])
        if len(shape) > 1:
            array = generator.standard_normal(shape, np.float32)
            array *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        else:
            array = generator.random(shape, np.float32) + np.float32(0.5)
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        model.graph.node.remove(node)
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        logits = onnx.ValueInfoProto()
        logits.CopyFrom(model.graph.output[0])
        logits.name = last.input[0]
        model.graph.output.append(logits)
    return model.SerializeToString()


LIGHT_MODELS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)

UNSTABLE = {
    "squeezenet": "a softmax of logits around 1e10, equal in exact arithmetic: whether BLAS sums all "
    "columns of a product in one order, by its kernel and threads, decides between all and one class"
}
"""Light models whose outputs as they are depend on the last bit of a sum: with drawn weights, above,
they do not."""


@pytest.mark.slow
@pytest.mark.parametrize("model", LIGHT_MODELS)
def test_light_models_with_random_weights(
    model: str, agrees: Callable[..., None], oracle: Callable[..., Any]
) -> None:
    """Full-size ImageNet architectures of the onnx wheel, which fix batch 1.

    Logits z that differ by 1e-5 max |z| make a softmax differ by up to half of that: each of its
    derivatives is p(1 - p) <= 1/4, and two logits may move against each other.
    """
    data = with_random_weights(LIGHT / f"light_{model}.onnx")
    session = oracle(data)
    (given,) = session.get_inputs()
    feed = {given.name: np.random.default_rng(1).random(given.shape, np.float32)}
    expected = session.run(None, feed)
    tolerance = [1e-5] * len(expected)
    if len(expected) == 2:
        probabilities, logits = (float(np.abs(values).max()) for values in expected)
        tolerance[0] = max(1e-5, 1e-5 * logits / 2 / probabilities)
    agrees(data, [(feed, expected)], tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("model", [name for name in LIGHT_MODELS if name not in UNSTABLE])
def test_light_models_as_they_are(model: str, agrees: Callable[..., None]) -> None:
    """The recorded outputs, for the input that ONNX's own suite feeds."""
    path = LIGHT / f"light_{model}.onnx"
    graph = onnx.load(path).graph
    initializers = {tensor.name for tensor in graph.initializer}
    (given,) = (value for value in graph.input if value.name not in initializers)
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    image = np.linspace(0, 1, math.prod(shape), dtype=np.float32).reshape(shape)
    expected = numpy_helper.to_array(onnx.load_tensor(LIGHT / f"light_{model}_output_0.pb"))
    # Equal weights leave densenet's normalizations nothing but rounding errors to magnify.
    tolerance = 2e-3 if model == "densenet121" else 1e-5
    agrees(path, [({given.name: image}, [expected])], tolerance)


def recorded(folder: Path, kind: str, names: list[str]) -> dict[str, np.ndarray]:
    """The tensors of a folder of recorded inputs or outputs, by the model's names."""
    return {
        name: numpy_helper.to_array(onnx.load_tensor(folder / f"{kind}_{index}.pb"))
        for index, name in enumerate(names)
    }


@needs_recorded
@pytest.mark.parametrize("model", ["mnist_cntk", "ultraface_rfb320"])
def test_recorded_outputs(model: str, agrees: Callable[..., None]) -> None:
    """Models of others give the outputs that were recorded with them.

    mnist_cntk has opset 8 and was made by CNTK; ultraface_rfb320 finds faces on a photo.
    """
    path = SHARED / model / "model.onnx"
    graph = onnx.load(path, load_external_data=False).graph
    initializers = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in initializers]
    outputs = [value.name for value in graph.output]
    feeds = [
        (recorded(folder, "input", inputs), list(recorded(folder, "output", outputs).values()))
        for folder in sorted(path.parent.glob("test_data_set_*"))
    ]
    assert feeds
    agrees(path, feeds)
