"""The wafer as a device of sessions and a provider: options, reports, what is left to the host, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt import compiler, pipelines
from pyflame_rt.backends.registry import get_backend
from pyflame_rt.backends.wse.backend import WseBackend

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "digits"


@pytest.fixture(scope="module")
def images() -> Any:
    """Three test images."""
    return np.load(DIGITS / "test.npz")["images"][:3]


def test_session_on_a_device(images: Any):
    """Each input signature is compiled before its first run: a wafer has no dynamic shapes."""
    session = rt.InferenceSession(
        DIGITS / "mlp.onnx", device="wse2", provider_options=[{"grid": "4x4"}]
    )
    assert session.get_providers() == ["WSEExecutionProvider", "CPUExecutionProvider"]
    cpu = rt.InferenceSession(DIGITS / "mlp.onnx")
    one = session.run(None, {"images": images[:1]})[0]
    first = session.wse_report()
    three = session.run(None, {"images": images})[0]
    assert np.allclose(one, cpu.run(None, {"images": images[:1]})[0], rtol=1e-5, atol=1e-5)
    assert np.allclose(three, cpu.run(None, {"images": images})[0], rtol=1e-5, atol=1e-5)
    assert (first.machine, first.grid, first.dtype) == ("wse2", (4, 4), "f32")
    assert 0 < first.cycles < session.wse_report().cycles
    assert first.lines()[-1] == f"{first.cycles} cycles on wse2, 4 x 4 PEs, f32"
    assert first.as_json()["cycles"] == first.cycles


def test_provider_with_options(images: Any):
    """By name, as any provider; options of the session say the machine as well."""
    asked = [("WSEExecutionProvider", {"grid": "2x4", "dtype": "f16", "machine": "wse3"})]
    session = rt.InferenceSession(DIGITS / "mlp.onnx", providers=asked)
    session.run(None, {"images": images[:1]})
    report = session.wse_report()
    assert (report.machine, report.grid, report.dtype) == ("wse3", (2, 4), "f16")
    options = rt.SessionOptions()
    options.device = "wse3-si"
    session = rt.InferenceSession(DIGITS / "mlp.onnx", options)
    session.run(None, {"images": images[:1]})
    assert session.wse_report().machine == "wse3-si"
    assert "WSEExecutionProvider" not in rt.get_available_providers()
    assert "WSEExecutionProvider" in rt.get_all_providers()


def test_lowered_text_knows_its_grid(images: Any):
    """A program that was placed before says what for, whatever the options of the one who runs it."""
    program = compiler.load(DIGITS / "mlp.onnx")
    text = (
        'pfrt-specialize-shapes{dims="N=3"},pfrt-optimize,'
        "convert-pfrt-to-wse{width=3 height=2 dtype=f16 schedule=pipeline}"
    )
    pipelines.run(program.ctx, program.module, pipelines.parse(text))
    model = compiler.compile_module(program.module, program.ctx, "wse2", "")
    model.run([images])
    assert isinstance(model.backend, WseBackend)
    report = model.backend.report()
    assert (report.grid, report.dtype, report.schedule) == ((3, 2), "f16", "pipeline")


def test_constants_of_the_machine(images: Any):
    """A slower fabric makes a slower run."""
    cycles: list[int] = []
    for constants in ("", "hop=3 ramp_up=4"):
        options = {"grid": "4x4", "set_const": constants}
        session = rt.InferenceSession(
            DIGITS / "mlp.onnx", providers=[("WSEExecutionProvider", options)]
        )
        session.run(None, {"images": images[:1]})
        cycles.append(session.wse_report().cycles)
    assert cycles[0] < cycles[1]


def test_what_is_left_to_the_host_runs_there():
    """Parts on the wafer before and after an op that it lacks; each has its place in the report."""
    graph = rt.Graph()
    weight = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    graph.add_input("x", [2, 8])
    for name in ("w1", "w2"):
        graph.add_initializer(name, weight)
    graph.add_node("first", "MatMul", ["x", "w1"], ["a"])
    graph.add_node("sin", "Sin", ["a"], ["b"])
    graph.add_node("second", "MatMul", ["b", "w2"], ["y"])
    graph.add_output("y", [2, 8])
    x = np.random.default_rng(1).normal(size=(2, 8)).astype(np.float32)
    session = rt.InferenceSession(graph, device="wse2", provider_options=[{"grid": "2x2"}])
    (y,) = session.run(None, {"x": x})
    assert np.allclose(y, np.sin(x @ weight) @ weight, rtol=1e-5, atol=1e-4)
    assert [part.name for part in session.wse_report().parts] == ["main_wafer", "main_wafer"]


def test_no_report_of_other_sessions():
    """There is nothing to tell."""
    session = rt.InferenceSession(DIGITS / "mlp.onnx")
    with pytest.raises(rt.PyFlameRTError, match="does not run on a wafer"):
        session.wse_report()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"grid": "0x4"}, 'its grid is no "0x4"; a grid is COLUMNSxROWS'),
        ({"dtype": "bf16"}, 'does not compute in "bf16"'),
        ({"schedule": "spiral"}, 'has no schedule "spiral"; there are layer, pipeline'),
        ({"speed": "11"}, 'has no option "speed"'),
        ({"machine": "wse9"}, "wse9"),
        ({"set_const": "hop"}, "hop"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, str], why: str):
    """One line that says what there is."""
    with pytest.raises(rt.PyFlameRTError) as error:
        get_backend("wse2", options)
    assert why in str(error.value)
    assert "\n" not in str(error.value)
