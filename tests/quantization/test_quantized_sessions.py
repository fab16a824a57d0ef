"""Quantization by the options of a session: what is computed, what the report says, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pyflame_rt
from pyflame_rt import load_model
from pyflame_rt.backends.native import kernels
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.quantization import (
    CalibrationMethod,
    Calibrator,
    QuantConfig,
    QuantGranularity,
    Quantizer,
    QuantMode,
    load_ranges,
    save_ranges,
)
from pyflame_rt.quantization.report import memory_bytes

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
DATA = np.load(DIGITS / "test.npz")
IMAGES, LABELS = DATA["images"].astype(np.float32), DATA["labels"]


def accuracy(session: pyflame_rt.InferenceSession) -> float:
    """In points of 100."""
    (logits,) = session.run(None, {"images": IMAGES})
    return float((logits.argmax(1) == LABELS).mean() * 100)


def options(config: QuantConfig) -> pyflame_rt.SessionOptions:
    """With ten batches of ten images to calibrate on."""
    batches = iter(np.split(IMAGES[:100], 10))
    made = pyflame_rt.SessionOptions()
    made.quantization = config
    made.calibration_data = lambda: {"images": next(batches)}
    made.calibration_batches = 10
    return made


@pytest.fixture(scope="module", params=["cnn", "mlp"])
def model(request: pytest.FixtureRequest) -> tuple[str, float]:
    path = str(DIGITS / f"{request.param}.onnx")
    return path, accuracy(pyflame_rt.InferenceSession(path))


@pytest.mark.parametrize(
    "config", [QuantConfig.fp16(), QuantConfig.bfloat16()], ids=["fp16", "bf16"]
)
def test_floats_of_16_bits_lose_less_than_a_third_of_a_point(
    model: tuple[str, float], config: QuantConfig
) -> None:
    path, exact = model
    session = pyflame_rt.InferenceSession(path, options(config))
    assert exact - accuracy(session) <= 0.3
    report = session.quantization_report()
    assert report.mode is config.mode
    assert report.compression_ratio > 1.9


@pytest.mark.parametrize("granularity", QuantGranularity)
@pytest.mark.parametrize("method", [None, *CalibrationMethod])
def test_integers_lose_at_most_a_point(
    model: tuple[str, float], granularity: QuantGranularity, method: CalibrationMethod | None
) -> None:
    """Dynamic (None) and static by each calibrator."""
    path, exact = model
    config = QuantConfig.dynamic_int8() if method is None else QuantConfig.static_int8()
    config.granularity = granularity
    config.calibration_method = method or config.calibration_method
    session = pyflame_rt.InferenceSession(path, options(config))
    assert exact - accuracy(session) <= 1.0
    report = session.quantization_report()
    assert report.weights_quantized
    assert report.activations_quantized
    assert report.nodes_quantized == (7 if "cnn" in path else 3)
    assert not report.skipped
    assert report.quantized_size_mb * report.compression_ratio == pytest.approx(
        report.original_size_mb
    )
    # Biases and scales are not of 8 bits: the MLP has three matrices of few rows.
    assert report.compression_ratio > 3.5


@pytest.mark.skipif(not kernels.wanted(), reason="NumPy multiplies floats")
@pytest.mark.parametrize("name", ["cnn", "mlp"])
@pytest.mark.parametrize("granularity", QuantGranularity)
@pytest.mark.parametrize("make", [QuantConfig.dynamic_int8, QuantConfig.static_int8])
def test_weights_are_bytes_in_memory(
    name: str, granularity: QuantGranularity, make: Callable[[], QuantConfig]
) -> None:
    """No float copies of any: what is left are biases, and scales of columns."""
    path = str(DIGITS / f"{name}.onnx")
    config = make()
    config.granularity = granularity
    report = pyflame_rt.InferenceSession(path, options(config)).quantization_report()
    found, floats = report.memory_size_mb * 2**20, memory_bytes(load_model(path).program())
    weights, columns = (18816, 130) if name == "cnn" else (11232, 154)
    assert floats == 4 * (weights + columns)
    scales = columns if granularity is QuantGranularity.PerChannel else 0
    assert found <= weights + 4 * (columns + scales) + 200
    assert floats / found > (3.6 if scales and name == "mlp" else 3.8)


def test_a_session_that_is_not_quantized_says_so() -> None:
    session = pyflame_rt.InferenceSession(str(DIGITS / "mlp.onnx"))
    assert not session.is_quantized()
    with pytest.raises(PyFlameRTError, match="not quantized"):
        session.quantization_report()


def test_a_quantized_session_derives_others_from_the_quantized_model() -> None:
    """What `fetch`-like runs compile anew is not quantized twice, nor calibrated again."""
    config = QuantConfig.static_int8()
    session = pyflame_rt.InferenceSession(str(DIGITS / "mlp.onnx"), options(config))
    assert session.is_quantized()
    assert accuracy(session) == accuracy(session)


def test_static_quantization_needs_data() -> None:
    made = pyflame_rt.SessionOptions()
    made.quantization = QuantConfig.static_int8()
    with pytest.raises(PyFlameRTError, match="needs data to calibrate on"):
        pyflame_rt.InferenceSession(str(DIGITS / "mlp.onnx"), made)


def test_ops_that_are_excluded_stay_and_are_named() -> None:
    config = QuantConfig.dynamic_int8()
    config.exclude_ops = ["Gemm"]
    session = pyflame_rt.InferenceSession(str(DIGITS / "mlp.onnx"), options(config))
    report = session.quantization_report()
    assert report.nodes_quantized == 0
    assert [why for _, why in report.skipped] == ["it is excluded"] * 3


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("weight_dtype", pyflame_rt.DType.Float32, "Int8 or UInt8"),
        ("calibration_samples", 0, "at least 1"),
        ("percentile", 0.5, "above 50"),
        ("mode", "int8", "must be a QuantMode"),
        ("exclude_ops", "Softmax", "a list of names"),
    ],
)
def test_wrong_settings_are_explained(field: str, value: object, why: str) -> None:
    config = QuantConfig.static_int8()
    setattr(config, field, value)
    assert not config.is_valid()
    assert why in config.validation_error()
    with pytest.raises(PyFlameRTError, match=why):
        pyflame_rt.InferenceSession(str(DIGITS / "mlp.onnx"), options(config))


def test_calibration_by_hand_gives_what_the_session_does(tmp_path: Path) -> None:
    """Parameters, ranges, and ranges from a file quantize to the same model."""
    graph = pyflame_rt.InferenceSession(str(DIGITS / "cnn.onnx")).graph()
    config = QuantConfig.static_int8()
    calibrator = Calibrator(graph, config)
    for batch in np.split(IMAGES[:100], 10):
        calibrator.observe({"images": batch})
    stats = calibrator.get_stats("images")
    assert stats.num_samples == IMAGES[:100].size
    assert (stats.min_val, stats.max_val) == (IMAGES[:100].min(), IMAGES[:100].max())
    assert stats.histogram.sum() == stats.num_samples
    info = calibrator.compute_quant_params()
    assert info.has_params("images")
    assert info.get_params("images").num_channels() == 1
    save_ranges(calibrator.ranges(), tmp_path / "ranges.json")
    quantizer = Quantizer(config)
    results = [
        quantizer.quantize(graph, info),
        quantizer.quantize_ranges(graph, load_ranges(tmp_path / "ranges.json")),
    ]
    wanted = pyflame_rt.InferenceSession(str(DIGITS / "cnn.onnx"), options(config))
    (expected,) = wanted.run(None, {"images": IMAGES})
    for result in results:
        assert result.success
        assert result.quantized_graph is not None
        (found,) = pyflame_rt.InferenceSession(result.quantized_graph).run(None, {"images": IMAGES})
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"ranges": 1}', '{"ranges": {"x": 1}}', '{"ranges": {"x": {"min": 2, "max": 1}}}'],
)
def test_a_file_that_holds_no_ranges_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(text)
    with pytest.raises(PyFlameRTError, match=r"ranges\.json"):
        load_ranges(path)


def test_the_mode_of_a_config_of_no_quantization_changes_nothing() -> None:
    made = pyflame_rt.SessionOptions()
    made.quantization = QuantConfig()
    assert QuantConfig().mode is QuantMode.None_
    assert not pyflame_rt.InferenceSession(str(DIGITS / "mlp.onnx"), made).is_quantized()
