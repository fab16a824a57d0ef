"""Which layers stay floats, and which get how many bits: enough, and no more than is needed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pyflame_rt import Graph, InferenceSession, load_model, save_model
from pyflame_rt.errors import ValidationError
from pyflame_rt.quantization import QuantConfig, SearchResult, mix, search
from pyflame_rt.quantization.candidates import Run

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
IMAGES = np.load(DIGITS / "test.npz")["images"].astype(np.float32)
DATA = {"images": IMAGES[:80]}
MLP = load_model(DIGITS / "mlp.onnx")
WANTED = InferenceSession(MLP).run(None, {"images": IMAGES})[0].astype(np.float64)


def decibels(found: npt.NDArray[np.float32]) -> float:
    noise = float(np.square(WANTED - found).sum())
    return 10 * math.log10(float(np.square(WANTED).sum()) / max(noise, 1e-6))


def quality(run: Run) -> float:
    """SQNR of the logits of all images."""
    return decibels(run({"images": IMAGES})[0])


BASELINE = quality(lambda feed: InferenceSession(MLP).run(None, feed))


def wrong(found: SearchResult) -> float:
    """The metric of what was found, by a session."""
    return decibels(InferenceSession(found.result.quantized_graph).run(None, {"images": IMAGES})[0])


def test_nothing_stays_that_need_not():
    """A drop that everything is within: all layers are quantized, measured once."""
    found = search(MLP, DATA, quality, BASELINE - 20)
    assert found.floats == []
    assert [count for count, _ in found.tried] == [0]
    assert found.metric == pytest.approx(wrong(found), abs=0.05)


def test_the_most_sensitive_layers_stay_and_only_as_many_as_needed():
    """What was found is within the drop; with one layer less it would not be."""
    found = search(MLP, DATA, quality, BASELINE - 40)
    order = list(found.sensitivities)
    values = list(found.sensitivities.values())
    assert values == sorted(values)
    assert found.floats == order[:1]
    assert found.metric >= 40
    assert dict(found.tried)[0] < 40
    assert found.metric == pytest.approx(wrong(found), abs=0.05)
    skipped = [name for name, why in found.result.stats.skipped if why == "it is excluded"]
    assert len(skipped) == 1 and order[0] in skipped[0]
    assert f"{order[0]:<{max(map(len, order))}}" in str(found)


def test_where_nothing_may_be_lost_everything_stays():
    found = search(MLP, DATA, quality, 0)
    assert len(found.floats) == 3
    assert found.metric == pytest.approx(found.baseline)


def test_dynamic_quantization_and_bias_correction_can_be_searched():
    """The config is that of any quantization; correction alone gains more than a decibel."""
    dynamic = search(MLP, DATA, quality, BASELINE - 20, QuantConfig.dynamic_int8())
    config = QuantConfig.static_int8()
    plain = search(MLP, DATA, quality, BASELINE - 20, config).metric
    config.bias_correction = True
    assert search(MLP, DATA, quality, BASELINE - 20, config).metric > plain + 1
    assert dynamic.metric > 20


def test_layers_without_names_get_some():
    """Products that nothing names can be told apart all the same."""
    graph = Graph("unnamed")
    graph.add_input("x", [None, 8])
    for k in range(2):
        weights = np.random.default_rng(k).normal(size=(8, 8)).astype(np.float32)
        graph.add_initializer(f"w{k}", weights)
    graph.add_node("a", "MatMul", ["x", "w0"], ["h"])
    graph.add_node("b", "MatMul", ["h", "w1"], ["y"])
    graph.add_output("y", [None, 8])
    program = graph.program()
    for op in program.module.walk():
        op.properties.pop("names", None)
    x = np.random.default_rng(2).normal(size=(16, 8)).astype(np.float32)
    found = search(
        Graph.of_program(program), {"x": x}, lambda run: float(run({"x": x})[0][0, 0]), 9
    )
    assert len(found.sensitivities) == 2


def test_a_mixture_is_as_good_as_is_asked_for(tmp_path: Path):
    """And what is said of it is so: SQNR on the data, bytes in a file."""
    wanted = InferenceSession(MLP).run(None, DATA)[0]
    least, found = None, None
    for asked in (30.0, 60.0):
        found = mix(MLP, DATA, min_sqnr=asked)
        assert found.sqnr >= asked
        given = InferenceSession(found.graph).run(None, DATA)[0]
        noise = float(np.square(wanted - given).sum() / np.square(wanted).sum())
        assert -10 * math.log10(noise) == pytest.approx(found.sqnr, abs=0.1)
        assert least is None or found.size_bytes > least
        least = found.size_bytes
    assert found is not None and "fp16" in found.precisions.values()
    save_model(found.graph, tmp_path / "mixed.onnx")
    assert 0 < (tmp_path / "mixed.onnx").stat().st_size - found.size_bytes < 20_000


def test_a_mixture_fits_into_the_bytes_that_there_are():
    """More room is used, for less noise; too little is refused."""
    small, large = (mix(MLP, DATA, max_bytes=n) for n in (13_000, 30_000))
    assert small.size_bytes <= 13_000 < large.size_bytes <= 30_000
    assert small.sqnr < large.sqnr
    assert str(small).startswith(f"{small.sqnr:.1f} dB, {small.size_bytes} bytes: 2 int8, 1 fp16")
    with pytest.raises(ValidationError, match=r"int8 takes \d+ bytes, more than 1000"):
        mix(MLP, DATA, max_bytes=1000)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValidationError, match="max_drop must be at least 0"):
        search(MLP, DATA, quality, -1)
    with pytest.raises(ValidationError, match="mode None_ quantizes nothing"):
        search(MLP, DATA, quality, 1, QuantConfig())
    with pytest.raises(ValidationError, match="one of max_bytes and min_sqnr"):
        mix(MLP, DATA)
    with pytest.raises(ValidationError, match="StaticInt8 or DynamicInt8"):
        mix(MLP, DATA, min_sqnr=3, config=QuantConfig.fp16())
