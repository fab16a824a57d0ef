"""Importers, conversion, and what else of the documented functions there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

import pyflame_rt as rt
from pyflame_rt.import_module import ImportOptions, ONNXImporter, TorchScriptImporter

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
small (float[N, 4] x, float[2] idle) => (float[N, 4] y)
<float[4] k = {1, 2, 3, 4}, float[4] two = {2, 2, 2, 2}>
{
  kk = Mul(k, two)
  y = Add(x, kk)
  dead = Neg(x)
}
"""
REMARKS = ['input "idle" is not used', 'node "Neg_3" (Neg) computes nothing that is used']


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    onnx.save(parser.parse_model(TEXT), path)
    return path


def test_statistics_and_warnings(model: Path):
    result = ONNXImporter().import_model(str(model))
    assert result.success and result.graph is not None
    assert result.graph.name == "small"
    stats = result.stats
    assert (stats.node_count, stats.initializer_count, stats.parameter_count) == (3, 2, 8)
    assert stats.warnings == REMARKS
    assert stats.import_time_ms > 0


def test_options(model: Path):
    """`optimize` folds and cleans up, `strict` makes errors of warnings."""
    optimized = ONNXImporter().import_model(model, ImportOptions(optimize=True))
    assert optimized.graph is not None
    assert [node.op_type for node in optimized.graph.nodes] == ["Add"]
    strict = ONNXImporter().import_model(model, ImportOptions(strict=True))
    assert not strict.success and strict.graph is None
    assert all(remark in strict.error for remark in REMARKS)


@pytest.mark.parametrize("options", [None, ImportOptions(), ImportOptions(optimize=True)])
def test_from_onnx_is_a_session(model: Path, options: ImportOptions | None):
    session = rt.from_onnx(str(model), options)
    x = np.ones((1, 4), np.float32)
    (y,) = session.run(None, {"x": x, "idle": np.zeros(2, np.float32)})
    assert y.tolist() == [[3, 5, 7, 9]]


def test_from_onnx_raises(model: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError) as missing:
        rt.from_onnx("gone.onnx")
    assert isinstance(missing.value, rt.InvalidModelError)
    with pytest.raises(rt.UnsupportedFormatError, match=r"its files end in \.onnx or \.onnxtxt"):
        rt.from_onnx("model.pfm")
    with pytest.raises(rt.ValidationError, match="strict") as strict:
        rt.from_onnx(str(model), ImportOptions(strict=True))
    assert strict.value.errors == REMARKS
    (tmp_path / "bad.onnx").write_bytes(b"\xff\xff")
    with pytest.raises(rt.InvalidModelError):
        rt.from_onnx(tmp_path / "bad.onnx")


def test_importers_know_their_files():
    importer = ONNXImporter()
    assert (importer.name(), importer.supported_extensions()) == (
        "ONNXImporter", [".onnx", ".onnxtxt"],
    )  # fmt: skip
    assert importer.supports("a.ONNX") and not importer.supports("a.pt")
    assert set(range(9, 22)) <= set(importer.supported_opsets())
    result = TorchScriptImporter().import_model("a.onnx")
    assert result.error.startswith("a.onnx: is no file for TorchScriptImporter")


def test_torchscript_inputs_can_be_told():
    """Shapes and element types that no file says."""
    cnn = Path(__file__).parents[2] / "examples" / "digits" / "cnn.pt"
    result = TorchScriptImporter([[3, 1, 8, 8]], {"x": "float32"}).import_model(cnn)
    session = rt.InferenceSession(result.graph)
    assert session.get_inputs()[0].shape == [3, 1, 8, 8]
    images = np.ones((3, 1, 8, 8), np.float32)
    found = session.run(None, {session.get_inputs()[0].name: images})[0]
    name = rt.InferenceSession(cnn).get_inputs()[0].name
    expected = rt.InferenceSession(cnn).run(None, {name: images})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    refused = TorchScriptImporter(input_types={"x": "floaty"}).import_model(cnn)
    assert '"floaty" is no element type' in refused.error


def test_conversion(model: Path, tmp_path: Path):
    """From ONNX to our format and back, optimised on the way."""
    rt.convert_model(model, tmp_path / "small.pfm", rt.CompileOptions(optimization_level=1))
    assert [node.op_type for node in rt.load_model(tmp_path / "small.pfm").nodes] == ["Add"]
    rt.convert_model(tmp_path / "small.pfm", tmp_path / "again.onnx")
    session = rt.InferenceSession(tmp_path / "again.onnx")
    feed = {"x": np.zeros((1, 4), np.float32), "idle": np.zeros(2, np.float32)}
    assert session.run(None, feed)[0].tolist() == [[2, 4, 6, 8]]


def test_conversions_are_kept(model: Path, tmp_path: Path):
    """The second conversion of a file reads the result of the first; a changed file is converted."""
    options = rt.CompileOptions(cache_dir=str(tmp_path / "cache" / "deep"))
    rt.convert_model(model, tmp_path / "a.pfm", options)
    (kept,) = (tmp_path / "cache" / "deep").iterdir()
    kept.write_bytes(b"what was kept")
    rt.convert_model(model, tmp_path / "b.pfm", options)
    assert (tmp_path / "b.pfm").read_bytes() == b"what was kept"
    onnx.save(parser.parse_model(TEXT.replace("Add(x", "Sub(x")), model)
    rt.convert_model(model, tmp_path / "c.pfm", options)
    assert [node.op_type for node in rt.load_model(tmp_path / "c.pfm").nodes] == ["Sub"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (rt.CompileOptions(optimization_level=7), "optimization_level 7 is not in 0..3"),
        (rt.CompileOptions(dynamic_batch=True), '"idle" has a first dimension of 2'),
        (rt.CompileOptions(cache_dir="small.onnx/below"), "cannot be made: Not a directory"),
    ],
)
def test_conversions_that_are_refused(
    model: Path, options: rt.CompileOptions, why: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(model.parent)
    with pytest.raises(rt.PyFlameRTError, match=why):
        rt.convert_model("small.onnx", "out.pfm", options)
    assert not Path("out.pfm").exists()


def test_devices_and_logging():
    assert rt.get_device_count("cpu") == 1
    assert rt.get_device_count("wse") == 0
    options = rt.SessionOptions()
    options.device = "tpu"
    devices = "cpu, wse, wse2, wse3, wse3-si"
    assert options.validate() == [f'device "tpu" is not available; available: {devices}']
    with pytest.raises(rt.ValidationError, match="none of verbose"):
        options.log_level = "loud"


def test_failed_runs_are_runtime_errors():
    """The documentation says RuntimeError of a run that fails."""
    graph = rt.Graph()
    graph.add_input("x", ["N"])
    graph.add_input("i", ["K"], rt.DType.Int64)
    graph.add_node("pick", "Gather", ["x", "i"], ["y"])
    graph.add_output("y", ["K"])
    session = rt.InferenceSession(graph)
    with pytest.raises(RuntimeError, match="pick") as caught:
        session.run(None, {"x": np.ones(2, np.float32), "i": np.array([9])})
    assert isinstance(caught.value, rt.BackendError)
