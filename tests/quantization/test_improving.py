"""Equalisation, smoothing and bias correction: the same function before, less noise after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pyflame_rt import Graph, InferenceSession, load_model, save_model
from pyflame_rt.errors import ValidationError
from pyflame_rt.quantization import (
    QuantConfig,
    QuantGranularity,
    QuantizationResult,
    Quantizer,
    correct_biases,
    equalize_channels,
    smooth_activations,
)

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
IMAGES = np.load(DIGITS / "test.npz")["images"].astype(np.float32)
Array = npt.NDArray[np.float32]


def decibels(x: Array, y: Array) -> float:
    with np.errstate(divide="ignore"):
        # The same bits are infinitely near.
        return float(10 * np.log10(np.square(x).sum() / np.square(x - y).sum()))


def calibrated(
    graph: Graph, name: str, data: Array, change: Callable[[QuantConfig], None]
) -> QuantizationResult:
    """Quantized in four batches, with what a function sets in the config."""
    config = QuantConfig.static_int8()
    change(config)
    batches = iter(np.split(data, 4))
    result = Quantizer(config).quantize_with_calibration(graph, lambda: {name: next(batches)}, 4)
    assert result.success, result.error_message
    return result


def block(outliers: tuple[int, ...] = (3, 17)) -> Graph:
    """A norm whose results have channels of wide range, and two matrices that take them."""
    rng = np.random.default_rng(0)
    scale = np.ones(32, np.float32)
    scale[list(outliers)] = 60
    weights = rng.normal(size=(2, 32, 32)).astype(np.float32)
    weights[:, list(outliers)] /= 60
    graph = Graph("block")
    graph.add_input("x", [None, 32])
    graph.add_initializer("scale", scale)
    graph.add_initializer("shift", rng.normal(size=32).astype(np.float32))
    graph.add_initializer("wq", weights[0])
    graph.add_initializer("wk", weights[1])
    graph.add_node("norm", "LayerNormalization", ["x", "scale", "shift"], ["n"])
    graph.add_node("query", "MatMul", ["n", "wq"], ["q"])
    graph.add_node("key", "MatMul", ["n", "wk"], ["k"])
    graph.add_output("q", [None, 32])
    graph.add_output("k", [None, 32])
    return graph


X = np.random.default_rng(1).normal(size=(240, 32)).astype(np.float32)


def test_smoothing_leaves_the_function_as_it_is():
    graph = block()
    smooth = smooth_activations(graph, {"x": X[:40]}, alpha=0.7)
    for a, b in zip(
        *(InferenceSession(g).run(None, {"x": X}) for g in (graph, smooth)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_smoothing_saves_what_outliers_cost():
    """More than 15 dB where two channels have sixty times the range of the others."""
    graph = block()
    wanted = InferenceSession(graph).run(None, {"x": X[40:]})
    found: list[float] = []
    for smooth in (False, True):

        def change(config: QuantConfig, smooth: bool = smooth) -> None:
            config.granularity = QuantGranularity.PerChannel
            config.smooth_quant = smooth

        result = calibrated(graph, "x", X[:40], change)
        given = InferenceSession(result.quantized_graph).run(None, {"x": X[40:]})
        found.append(min(map(decibels, wanted, given)))
    assert found[1] > found[0] + 15


def test_smoothing_equalises_ranges_of_data_and_weights():
    """With alpha = 1/2 channel j of the data, and row j of the weights, have one range."""
    smooth = smooth_activations(block(), {"x": X}, alpha=0.5).program().module
    text = {op.name for op in smooth.walk()}
    assert "pfrt.layer_normalization" in text
    result = smooth_activations(block(), {"x": X}, alpha=0.5)
    seen = Graph.of_program(result.program())
    initializers = {name: np.asarray(value) for name, value in seen.initializers.items()}
    rows = np.maximum(*(np.abs(initializers[n]).max(axis=1) for n in ("wq", "wk")))
    norm = (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + 1e-5)
    data = np.abs(norm * initializers["scale"] + initializers["shift"]).max(axis=0)
    np.testing.assert_allclose(rows, data, rtol=1e-3)


def test_a_residual_gets_the_norms_result_as_it_was():
    """As behind each layer of BERT: matrices take the smoothed value, the sum takes it scaled back."""
    graph = block()
    graph.add_node("sum", "Add", ["n", "q"], ["s"])
    graph.add_output("s", [None, 32])
    smooth = smooth_activations(graph, {"x": X})
    assert "Mul" in [node.op_type for node in smooth.nodes]
    for a, b in zip(
        *(InferenceSession(g).run(None, {"x": X}) for g in (graph, smooth)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_product_whose_result_goes_elsewhere_is_not_smoothed():
    """Only a norm's channels are scaled back for others."""
    rng = np.random.default_rng(3)
    graph = Graph("skip")
    graph.add_input("x", [None, 32])
    for name in ("w0", "w1"):
        graph.add_initializer(name, rng.normal(size=(32, 32)).astype(np.float32))
    graph.add_node("a", "MatMul", ["x", "w0"], ["h"])
    graph.add_node("b", "MatMul", ["h", "w1"], ["g"])
    graph.add_node("c", "Add", ["h", "g"], ["y"])
    graph.add_output("y", [None, 32])
    same = smooth_activations(graph, {"x": X})
    (a,), (b,) = (InferenceSession(g).run(None, {"x": X}) for g in (graph, same))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_bias_correction_takes_the_mean_error_back(name: str):
    """More than 1 dB, on data that was not calibrated on either."""
    graph = load_model(DIGITS / f"{name}.onnx")
    wanted = InferenceSession(graph).run(None, {"images": IMAGES[100:]})[0]
    found: list[float] = []
    for correct in (False, True):

        def change(config: QuantConfig, correct: bool = correct) -> None:
            config.bias_correction = correct

        result = calibrated(graph, "images", IMAGES[:100], change)
        given = InferenceSession(result.quantized_graph).run(None, {"images": IMAGES[100:]})[0]
        found.append(decibels(wanted, given))
    assert found[1] > found[0] + 1


def test_bias_correction_is_exact_for_one_product():
    """The mean of the result is that of floats, up to a step of the integers that biases are."""
    graph = Graph("product")
    weights = np.random.default_rng(2).normal(size=(32, 8)).astype(np.float32)
    graph.add_input("x", [None, 32])
    graph.add_initializer("w", weights)
    graph.add_node("mm", "MatMul", ["x", "w"], ["y"])
    graph.add_output("y", [None, 8])
    data = np.abs(X) + 1
    result = calibrated(graph, "x", data, lambda config: None)
    assert result.quantized_graph is not None and result.reference is not None
    better = correct_biases(result.quantized_graph, result.reference, {"x": data})
    wanted = data @ weights
    errors = [
        np.abs((InferenceSession(each).run(None, {"x": data})[0] - wanted).mean(0)).max()
        for each in (result.quantized_graph, better)
    ]
    assert errors[0] > 1e-2
    assert errors[1] < 1e-4


def test_a_dynamic_graph_has_no_products_to_correct():
    graph = load_model(DIGITS / "mlp.onnx")
    result = Quantizer(QuantConfig.dynamic_int8()).quantize_dynamic(graph)
    assert result.quantized_graph is not None and result.reference is not None
    with pytest.raises(ValidationError, match="0 products cannot be those of a graph with 3"):
        correct_biases(result.quantized_graph, result.reference, {"images": IMAGES[:1]})


def test_equalisation_is_an_option_of_every_integer_mode():
    """The MLP, whose weights have one scale, gains by it; floats stay what they compute."""
    graph = load_model(DIGITS / "mlp.onnx")
    wanted = InferenceSession(graph).run(None, {"images": IMAGES})[0]
    equal = InferenceSession(equalize_channels(graph)).run(None, {"images": IMAGES})[0]
    np.testing.assert_allclose(equal, wanted, rtol=1e-4, atol=1e-4)

    def change(config: QuantConfig) -> None:
        config.equalize = True

    results = [calibrated(graph, "images", IMAGES[:100], c) for c in (lambda _: None, change)]
    dynamic = QuantConfig.dynamic_int8()
    results.append(Quantizer(dynamic).quantize_dynamic(graph))
    dynamic.equalize = True
    results.append(Quantizer(dynamic).quantize_dynamic(graph))
    plain, better, before, after = (
        decibels(wanted, InferenceSession(r.quantized_graph).run(None, {"images": IMAGES})[0])
        for r in results
    )
    assert better > plain + 1
    assert after > before


def test_alpha_is_a_share():
    with pytest.raises(ValidationError, match="alpha must be from 0 to 1"):
        smooth_activations(block(), {"x": X}, alpha=2)
    config = QuantConfig.static_int8()
    config.smooth_alpha = -1
    assert config.validation_error() == "smooth_alpha must be from 0 to 1, got -1"


def test_onnxruntime_runs_what_was_improved(tmp_path: Path):
    """Corrected biases are integers like others: the export is QDQ, and 45 dB from ours at least."""
    onnxruntime = pytest.importorskip("onnxruntime")

    def change(config: QuantConfig) -> None:
        config.equalize = config.smooth_quant = config.bias_correction = True

    result = calibrated(load_model(DIGITS / "mlp.onnx"), "images", IMAGES[:100], change)
    assert result.quantized_graph is not None
    save_model(result.quantized_graph, tmp_path / "improved.onnx")
    theirs = onnxruntime.InferenceSession(tmp_path / "improved.onnx").run(None, {"images": IMAGES})
    ours = InferenceSession(result.quantized_graph).run(None, {"images": IMAGES})
    assert decibels(theirs[0], ours[0]) > 45


@pytest.mark.parametrize(
    ("name", "why"),
    [("smooth_quant", "no inputs to run on"), ("bias_correction", "no batch has been observed")],
)
def test_no_batches_are_an_error(name: str, why: str):
    """A provider that gives nothing fails by a message."""
    config = QuantConfig.static_int8()
    setattr(config, name, True)
    given: list[dict[str, Array]] = []
    result = Quantizer(config).quantize_with_calibration(block(), iter(given).__next__, 3)
    assert not result.success
    assert why in result.error_message
