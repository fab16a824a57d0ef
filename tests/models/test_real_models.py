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


def onnxruntime_outputs(path: Path, feed: dict[str, np.ndarray]) -> list[Any]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, feed)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("model", ["cnn", "mlp"])
@pytest.mark.parametrize("runner", RUNNERS, ids=lambda r: r.__name__)
def test_digits(model: str, batch: int, runner: Runner) -> None:
    """The digits networks, with a batch dimension that is symbolic in the file."""
    path = ROOT / "examples" / "digits" / f"{model}.onnx"
    images = np.load(path.parent / "test.npz")["images"][:batch]
    expected = onnxruntime_outputs(path, {"images": images})
    assert_agrees(runner(compiler.load(path), [images]), expected)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["resnet50", "squeezenet", "vgg19"])
@pytest.mark.parametrize("runner", RUNNERS, ids=lambda r: r.__name__)
def test_light_models(model: str, runner: Runner) -> None:
    """Full-size ImageNet architectures of the onnx wheel, on the suite's own input (0..1, rising).

    Their files fix batch 1. All weights of a layer are equal, so that softmax turns rounding between
    channels into large differences on inputs of another scale.
    """
    path = LIGHT / f"light_{model}.onnx"
    program = compiler.load(path)
    ((spec, *_), _) = compiler.signature(program.module)
    size = 3 * 224 * 224
    image = (np.arange(size).reshape(1, 3, 224, 224) / size).astype(np.float32)
    expected = onnxruntime_outputs(path, {spec.name: image})
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
