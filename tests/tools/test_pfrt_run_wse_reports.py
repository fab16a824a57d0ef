"""`pfrt-run` of a wse program: statistics, reports by their names, and what a deadlock looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyflame_rt.tools import pfrt_run

PROGRAM = """
wse.program @pair width 2 height 1 {
  wse.color @red
  wse.route @red at [0, 0] rx [ramp] tx [east]
  wse.route @red at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @take at [1, 0]
  wse.tile @send {
    wse.buffer @own : memref<4xf32>
    wse.output_queue @oq = 0 color @red
    wse.fabout_dsd @tx = @oq length 4
    wse.mem1d_dsd @v = @own
    wse.task @main local active {
      wse.mov32 @tx, @v
    }
  }
  wse.tile @take {
    wse.buffer @got export : memref<4xf32>
    wse.input_queue @iq = 0 color @red
    wse.fabin_dsd @rx = @iq length 4
    wse.mem1d_dsd @v = @got
    wse.task @main local active {
      wse.mov32 @v, @rx
    }
  }
}
"""


def _run(folder: Path, *arguments: str, text: str = PROGRAM) -> int:
    (folder / "pair.mlir").write_text(text, encoding="utf-8")
    return pfrt_run.main([str(folder / "pair.mlir"), "--device", "wse2", *arguments])


def test_statistics_and_the_critical_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tables for people; in JSON the segments sum to the cycles of the run."""
    assert _run(tmp_path, "--critical-path") == 0
    text = capsys.readouterr().out
    assert "main thread" in text
    assert "(1, 0) ramp up" in text
    assert _run(tmp_path, "--stats", "--critical-path", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    segments = found["statistics"]["critical_path"]["segments"]
    assert sum(segment["end"] - segment["start"] for segment in segments) == found["cycles"]


def test_reports_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One for each name; a name that is none is refused before anything is run."""
    names = [tmp_path / name for name in ("run.html", "run.trace.json", "run.txt")]
    assert _run(tmp_path, *(f"--report={name}" for name in names)) == 0
    assert all(name.stat().st_size > 100 for name in names)
    assert any(row["name"] == "@mov32" for row in json.loads(names[1].read_text(encoding="utf-8")))
    capsys.readouterr()
    assert _run(tmp_path, f"--report={tmp_path / 'run.csv'}") != 0
    assert "'run.csv' is the name of no report" in capsys.readouterr().err


def test_a_deadlock_is_drawn_and_its_run_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The map on stderr, before the line with the error; the trace shows how far the run came."""
    trace = tmp_path / "run.trace.json"
    text = PROGRAM.replace("@got export : memref<4xf32>", "@got export : memref<5xf32>")
    text = text.replace("@rx = @iq length 4", "@rx = @iq length 5")
    assert _run(tmp_path, f"--report={trace}", text=text) == 1
    error = capsys.readouterr().err
    assert "y=0 . ?\n" in error
    assert "colour 0 comes from PE (0, 0), which is idle, its last task was 'main'" in error
    assert error.splitlines()[-1].startswith("pfrt-run: error: cycle ")
    assert any(row["name"] == "@mov32" for row in json.loads(trace.read_text(encoding="utf-8")))


def test_reports_want_a_wse_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of other programs there are none."""
    model = Path(__file__).resolve().parents[2] / "examples" / "digits" / "cnn.onnx"
    assert pfrt_run.main([str(model), "--report", str(tmp_path / "run.txt")]) == 2
    assert "--report goes with --device" in capsys.readouterr().err
