"""`pfrt-run model --device wse2`: comparison, explanation, reports, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyflame_rt.tools import pfrt_opt, pfrt_run

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
MLP = str(DIGITS / "mlp.onnx")


def test_explanation_and_comparison(capsys: pytest.CaptureFixture[str]):
    """A row a layer: predicted, the three terms of the bound, simulated, q."""
    arguments = ["--device", "wse2", "--grid", "4x4", "--explain", "--compare", "numpy"]
    assert pfrt_run.main([MLP, *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("step "))
    assert lines[header].split() == [
        "step", "kind", "predicted", "compute", "words", "latency", "simulated", "q",
    ]  # fmt: skip
    assert [line.split()[1] for line in lines[header + 1 : header + 4]] == ["product"] * 3
    assert lines[header + 4].endswith("cycles on wse2, 4 x 4 PEs, f32")
    assert "numpy: agrees" in lines


def test_half_precision_is_compared_as_such(capsys: pytest.CaptureFixture[str]):
    """Within 1e-2 unless told otherwise, and in JSON the numbers by name."""
    arguments = ["--device", "wse3", "--grid", "4x4", "--dtype", "f16", "--compare", "numpy"]
    assert pfrt_run.main([MLP, *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["wse"]["dtype"] == "f16"
    assert found["wse"]["cycles"] == sum(
        step["cycles"] for step in found["wse"]["parts"][0]["steps"]
    )
    assert found["compare"]["agrees"]
    assert pfrt_run.main([MLP, *arguments, "--rtol", "1e-7", "--atol", "1e-7"]) == 1


def test_reports_of_a_model(tmp_path: Path):
    """Those of a wse program."""
    page, trace = tmp_path / "run.html", tmp_path / "run.trace.json"
    arguments = ["--device", "wse2", "--grid", "4x4", "--report", str(page)]
    assert pfrt_run.main([MLP, *arguments, "--report", str(trace), "--critical-path"]) == 0
    assert "<canvas" in page.read_text(encoding="utf-8")
    rows = json.loads(trace.read_text(encoding="utf-8"))
    assert any(row["name"] == "@fmacs" for row in rows)


def test_lowered_models_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What `pfrt-opt` wrote is run as it is, on a wafer only."""
    text = (
        "%y = pfrt.relu %x : tensor<1x4xf32> -> tensor<1x4xf32>\n  func.return %y : tensor<1x4xf32>"
    )
    model, lowered = tmp_path / "m.mlir", str(tmp_path / "program.mlir")
    model.write_text(f"func.func @main(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {{\n  {text}\n}}\n")
    assert pfrt_opt.main([str(model), "-p", "convert-pfrt-to-wse", "-o", lowered]) == 0
    assert pfrt_run.main([lowered, "--device", "wse2"]) == 0
    assert "cycles on wse2" in capsys.readouterr().out
    assert pfrt_run.main([lowered]) == 1
    assert "the module is lowered for a wafer; run it on one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--grid", "4x4"], "--grid goes with --device"),
        (["--dtype", "f16"], "--dtype goes with --device"),
        (["--explain"], "--explain goes with --device"),
        (["--device", "wse2", "--launch", "main"], "--launch goes with a wse program"),
        (["--device", "wse2", "--grid", "big"], 'its grid is no "big"'),
        (["--device", "wse2", "--bisect-passes"], "faults are looked for on other backends"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
):
    """One line each."""
    assert pfrt_run.main([MLP, *arguments]) == 2 or "grid is no" in why
    assert why in capsys.readouterr().err
