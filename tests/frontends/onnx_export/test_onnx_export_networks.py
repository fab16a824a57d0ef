"""Whole networks are exported as they are and optimised: onnxruntime gives the same answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pyflame_rt import InferenceSession, pipelines
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx, save_onnx
from pyflame_rt.universe import make_context

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "networks"
NETWORKS = json.loads((TINY / "manifest.json").read_text())["networks"]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SHARED = ROOT.parent / "shared" / "models"
DIGITS = ROOT / "examples" / "digits"
SIZES = {"batch": 2, "sequence": 5, "past": 3, "height": 8, "width": 12}
LIGHT_MODELS = ("densenet121", "inception_v2", "shufflenet", "squeezenet")
"""Every operator of the light models; the others of them differ in size alone."""


def session_of(model: bytes | str) -> Any:
    """onnxruntime's session that runs a model as it is written."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is the oracle of these tests")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def drawn(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Inputs of a network of the manifest."""
    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for name, given in inputs.items():
        shape = [SIZES[dim] if isinstance(dim, str) else dim for dim in given["shape"]]
        if given["limit"]:
            arrays[name] = generator.integers(given["limit"], size=shape, dtype=given["dtype"])
        else:
            arrays[name] = generator.standard_normal(shape, given["dtype"])
    if "attention_mask" in arrays:
        arrays["attention_mask"][:, 0] = 1
    return arrays


def agree(actual: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Outputs differ by no more than that, relative to the largest number."""
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        scale = float(np.abs(theirs).max())
        assert float(np.abs(ours - theirs).max()) <= tolerance * scale


def optimised(model: Path | bytes, level: int) -> Any:
    """The module of a model at an optimization level."""
    module = import_onnx(model)
    if level:
        passes = pipelines.parse(f"pfrt-optimize{{level={level}}}")
        pipelines.run(make_context(), module, passes)
    return module


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_tiny_networks(name: str, exporter: str) -> None:
    """Each opset has its own way to say the fused forms that the optimiser finds."""
    path, feed = TINY / f"{name}.{exporter}.onnx", drawn(NETWORKS[name]["inputs"])
    before = session_of(str(path))
    expected = before.run(None, feed)
    for level, opset in ((0, None), (2, 14), (3, 17), (3, 24)):
        module = optimised(path, level)
        proto = export_onnx(module, opset=opset)
        onnx.checker.check_model(proto, full_check=True)
        session = session_of(proto.SerializeToString())
        for ours, theirs in ((session.get_inputs, before.get_inputs),):
            assert [v.name for v in ours()] == [v.name for v in theirs()]
            assert [v.type for v in ours()] == [v.type for v in theirs()]
        assert [v.name for v in session.get_outputs()] == [v.name for v in before.get_outputs()]
        agree(session.run(None, feed), expected)
    agree(InferenceSession(proto.SerializeToString()).run(None, feed), expected)


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_digits(name: str) -> None:
    """A network with weights that were learnt."""
    feed = {"images": np.load(DIGITS / "test.npz")["images"][:7]}
    expected = session_of(str(DIGITS / f"{name}.onnx")).run(None, feed)
    for level in (0, 3):
        proto = export_onnx(optimised(DIGITS / f"{name}.onnx", level))
        agree(session_of(proto.SerializeToString()).run(None, feed), expected)


@pytest.mark.parametrize("layout", ["nhwc", "nc4hw4"])
def test_other_layouts(layout: str) -> None:
    """Convolutions and pools in another layout stand between transposes, most of which go away."""
    path, feed = TINY / "resnet50.torchscript.onnx", drawn(NETWORKS["resnet50"]["inputs"])
    module = import_onnx(path)
    passes = f"pfrt-optimize{{level=2}},pfrt-layout{{target={layout}}}"
    pipelines.run(make_context(), module, pipelines.parse(passes))
    assert layout in str(module)
    proto = export_onnx(module)
    onnx.checker.check_model(proto, full_check=True)
    moved = sum(node.op_type in ("Transpose", "Reshape") for node in proto.graph.node)
    convolutions = sum(node.op_type == "Conv" for node in proto.graph.node)
    assert moved < convolutions
    agree(
        session_of(proto.SerializeToString()).run(None, feed), session_of(str(path)).run(None, feed)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", LIGHT_MODELS)
def test_light_models(name: str, tmp_path: Path) -> None:
    """Networks of full size, whose weights are fills."""
    path = LIGHT / f"light_{name}.onnx"
    session = session_of(str(path))
    (given,) = session.get_inputs()
    shape = [dim if isinstance(dim, int) else 1 for dim in given.shape]
    feed = {given.name: np.random.default_rng(0).random(shape, np.float32)}
    expected = session.run(None, feed)
    for level in (0, 3):
        save_onnx(optimised(path, level), tmp_path / "again.onnx")
        onnx.checker.check_model(str(tmp_path / "again.onnx"), full_check=True)
        actual = session_of(str(tmp_path / "again.onnx")).run(None, feed)
        # A softmax of large numbers may be one class or the other.
        agree(actual, expected, 1e-4)


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded models are not at hand")
@pytest.mark.parametrize("folder", ["mnist_cntk", "ultraface_rfb320"])
def test_recorded_models(folder: str) -> None:
    """Models from elsewhere, of old opsets."""
    (path,) = sorted((SHARED / folder).rglob("*.onnx"))[:1]
    session = session_of(str(path))
    generator = np.random.default_rng(0)
    feed = {
        value.name: generator.random(
            [d if isinstance(d, int) else 1 for d in value.shape], np.float32
        )
        for value in session.get_inputs()
    }
    expected = session.run(None, feed)
    for level in (0, 3):
        proto = export_onnx(optimised(path, level))
        agree(session_of(proto.SerializeToString()).run(None, feed), expected)


def test_tensors_are_kept() -> None:
    """A weight's bits are the file's."""
    path = TINY / "bert_base.torchscript.onnx"
    proto = export_onnx(import_onnx(path))
    before = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    after = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    large = {name for name, array in before.items() if array.size > 100}
    assert large <= set(after)
    assert all(before[name].tobytes() == after[name].tobytes() for name in large)
