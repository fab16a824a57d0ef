"""Real models agree with onnxruntime or recorded outputs, on every way to execute them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pyflame_rt import compiler
from pyflame_rt.compiler import Program

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is the oracle of these tests")

ROOT = Path(__file__).resolve().parents[2]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SHARED = ROOT.parent / "shared" / "models"
TOLERANCE = 1e-5

Runner = Callable[[Program, Sequence[np.ndarray]], list[np.ndarray]]


def reference(program: Program, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The interpreter on the module as imported."""
    return compiler.compile_module(program.module, program.ctx, "reference", "").run(arrays)


def dynamic_plan(program: Program, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The plan a session runs a new input signature on."""
    return compiler.compile_module(program.module, program.ctx).run(arrays)


def specialized_plan(program: Program, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The plan for exactly these input shapes."""
    inputs, _ = compiler.signature(program.module)
    pipeline = compiler.join(
        compiler.optimization_pipeline(2),
        compiler.specialization_pipeline(inputs, [array.shape for array in arrays]),
    )
    return compiler.compile_module(program.module, program.ctx, pipeline=pipeline).run(arrays)


RUNNERS: tuple[Runner, ...] = (reference, dynamic_plan, specialized_plan)


def assert_agrees(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    """max |actual - expected| <= 1e-5 * max |expected| for each output."""
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        scale = float(np.abs(theirs).max())
        assert float(np.abs(ours - theirs).max()) <= TOLERANCE * scale


def onnxruntime_outputs(model: Path | bytes, feed: dict[str, np.ndarray]) -> list[Any]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, feed)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("model", ["cnn", "mlp"])
@pytest.mark.parametrize("runner", RUNNERS, ids=lambda r: r.__name__)
def test_digits(model: str, batch: int, runner: Runner) -> None:
    """The digits networks, with a batch dimension that is symbolic in the file."""
    path = ROOT / "examples" / "digits" / f"{model}.onnx"
    images = np.load(path.parent / "test.npz")["images"][:batch]
    expected = onnxruntime_outputs(path, {"images": images})
    assert_agrees(runner(compiler.load(path), [images]), expected)


def with_random_weights(path: Path) -> bytes:
    """A light model with drawn weights in place of its fills, so that no two channels are equal.

    Weights have variance 2 / fan-in, vectors lie in 0.5..1.5: activations keep their scale.
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
    return model.SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["resnet50", "squeezenet", "vgg19"])
def test_light_models(model: str) -> None:
    """Full-size ImageNet architectures of the onnx wheel, which fix batch 1, with random weights."""
    data = with_random_weights(LIGHT / f"light_{model}.onnx")
    program = compiler.load(data)
    ((spec, *_), _) = compiler.signature(program.module)
    image = np.random.default_rng(1).random((1, 3, 224, 224), np.float32)
    expected = onnxruntime_outputs(data, {spec.name: image})
    for runner in RUNNERS:
        assert_agrees(runner(program, [image]), expected)


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded models are not at hand")
@pytest.mark.parametrize("data_set", [0, 1])
@pytest.mark.parametrize("runner", RUNNERS, ids=lambda r: r.__name__)
def test_mnist_cntk_recorded_outputs(data_set: int, runner: Runner) -> None:
    """An opset-8 model made by CNTK gives its recorded outputs."""
    folder = SHARED / "mnist_cntk"
    image, expected = (
        numpy_helper.to_array(onnx.load_tensor(folder / f"test_data_set_{data_set}" / f"{name}.pb"))
        for name in ("input_0", "output_0")
    )
    assert_agrees(runner(compiler.load(folder / "model.onnx"), [image]), [expected])
