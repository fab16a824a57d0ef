"""What is said of a quantized model is what it is: layers, outputs, sizes, what stays and why."""

from __future__ import annotations

import json
import math
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

import pyflame_rt
from pyflame_rt import Graph, InferenceSession, load_model, save_model
from pyflame_rt.backends.native import kernels
from pyflame_rt.errors import ValidationError
from pyflame_rt.quantization import (
    QuantConfig,
    QuantizationResult,
    Quantizer,
    debug,
    quantize_weights,
)

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
IMAGES = np.load(DIGITS / "test.npz")["images"].astype(np.float32)[:60]
FEED = {"images": IMAGES}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return load_model(DIGITS / "cnn.onnx")


@pytest.fixture(scope="module")
def static(graph: Graph) -> QuantizationResult:
    given = repeat(FEED)
    return Quantizer(QuantConfig.static_int8()).quantize_with_calibration(graph, given.__next__, 1)


def compared(result: QuantizationResult, feeds: object = FEED) -> debug.Comparison:
    assert result.reference is not None and result.quantized_graph is not None
    return debug.compare(result.reference, result.quantized_graph, feeds)  # type: ignore[arg-type]


def test_the_outputs_are_what_sessions_compute(graph: Graph, static: QuantizationResult):
    """10 log10(sum x^2 / sum (x - x')^2) of the logits; batches add up."""
    wanted = InferenceSession(graph).run(None, FEED)[0].astype(np.float64)
    given = InferenceSession(static.quantized_graph).run(None, FEED)[0]
    expected = 10 * math.log10(np.square(wanted).sum() / np.square(wanted - given).sum())
    batches = [{"images": part} for part in np.split(IMAGES, 3)]
    for found in (compared(static), compared(static, batches)):
        assert found.outputs["logits"] == pytest.approx(expected, abs=0.05)
        assert found.layer("logits").values == found.outputs["logits"]


def test_weights_are_compared_in_every_form(graph: Graph, static: QuantizationResult):
    """Dynamic products hold the same integers as static ones; a scale a channel is better than one."""
    dynamic = compared(Quantizer(QuantConfig.dynamic_int8()).quantize_dynamic(graph))
    half = compared(Quantizer(QuantConfig.fp16()).convert_to_fp16(graph))
    for layer in compared(static).layers:
        other, narrow = dynamic.layer(layer.name), half.layer(layer.name)
        assert other.weights == pytest.approx(layer.weights, abs=1e-4)
        if layer.kind not in ("conv", "gemm"):
            assert layer.weights is None
            continue
        assert layer.weights is not None and narrow.weights is not None
        # 8 bits and one scale; 11 bits of mantissa.
        assert 35 < layer.weights < 55
        assert 70 < narrow.weights < 80


def test_weights_alone_need_no_run(static: QuantizationResult):
    found = compared(static, None)
    assert not found.outputs
    assert all(layer.values is None for layer in found.layers)


def test_what_is_excluded_has_no_noise_of_its_own(graph: Graph):
    names = [layer.name for layer in compared(quantize_weights(graph)).layers]
    config = QuantConfig.dynamic_int8()
    config.exclude_ops = ["Conv"]
    found = compared(Quantizer(config).quantize_dynamic(graph))
    assert [layer.name for layer in found.layers] == names
    assert [layer.name for layer in found.layers if layer.weights is not None] == ["logits"]
    assert {layer.values for layer in found.layers[:-1]} == {math.inf}
    assert found.worst(1)[0].name == "logits"


def test_a_comparison_is_a_table_and_json(static: QuantizationResult):
    found = compared(static)
    lines = str(found).splitlines()
    assert lines[0].split() == ["layer", "kind", "weights", "values"]
    assert lines[-1].split() == ["logits", "output", f"{found.outputs['logits']:.1f}", "dB"]
    assert len(lines) == len(found.layers) + 2
    read = json.loads(found.to_json())
    assert read["outputs"] == found.outputs
    assert [row["name"] for row in read["layers"]] == [layer.name for layer in found.layers]
    infinite = debug.Comparison([debug.LayerQuality("a", "relu", None, math.inf)])
    assert json.loads(infinite.to_json())["layers"][0]["values"] is None
    with pytest.raises(KeyError):
        found.layer("nothing")


def test_graphs_without_a_common_name_are_refused(static: QuantizationResult):
    other = Graph("other")
    other.add_input("x", [2])
    other.add_node("n", "Relu", ["x"], ["y"])
    other.add_output("y", [2])
    assert static.quantized_graph is not None
    with pytest.raises(ValidationError, match="no value of one name"):
        debug.compare(other, static.quantized_graph)


def test_the_report_of_a_session_tells_sizes_noise_and_what_was_skipped(tmp_path: Path):
    """Sizes within what a file has besides constants; float copies in memory are counted."""
    options = pyflame_rt.SessionOptions()
    options.quantization = QuantConfig.static_int8()
    options.quantization.exclude_ops = ["Gemm"]
    options.calibration_data = lambda: FEED
    options.calibration_batches = 1
    session = InferenceSession(str(DIGITS / "cnn.onnx"), options)
    report = session.quantization_report()
    assert [layer.name for layer in report.layers if layer.weights is None] == ["logits"]
    assert len(report.layers) == 7
    assert 20 < report.outputs["logits"] < 60
    path = tmp_path / "quantized.onnx"
    save_model(session.graph(), path)
    constants = report.quantized_size_mb * 2**20
    assert constants < path.stat().st_size < constants + 40_000
    # Machine code multiplies bytes, NumPy floats.
    most = 0.3 if kernels.wanted() else 1.5
    assert 0 < report.memory_size_mb < most * report.original_size_mb
    text = str(report)
    assert "mode       StaticInt8" in text
    assert "nodes      6 of 24 quantized, 1 skipped" in text
    assert "cnn.onnx:24): it is excluded" in text
    assert f"{report.quantized_size_mb:.3f} MiB" in text
    assert f"in memory  {report.memory_size_mb:.3f} MiB" in text
    assert text.endswith(f"{report.outputs['logits']:.1f} dB")
