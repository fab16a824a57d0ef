"""pfrt-run --partition: a model on the devices of a plan, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyflame_rt import compiler
from pyflame_rt.partition import GraphPartitioner
from pyflame_rt.tools import pfrt_run

DIGITS = Path(__file__).resolve().parent.parent.parent / "examples" / "digits" / "cnn.onnx"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    GraphPartitioner().partition_pipeline(compiler.load(str(DIGITS)), 2).save(path)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = pfrt_run.main([str(DIGITS), *(str(a) for a in arguments)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_plan_gives_the_models_outputs(capsys, plan: Path):
    """Over processes, as several devices do by default, and with a batch that is cut."""
    code, text = run(capsys, "--dim", "N=5", "--partition", plan, "--compare", "numpy")
    assert code == 0, text
    assert "numpy: agrees" in text
    code, text = run(
        capsys, "--dim", "N=5", "--partition", plan, "--transport", "threads",
        "--micro-batches", 3, "--compare", "reference", "--bench", 2,
    )  # fmt: skip
    assert code == 0, text
    assert "reference: agrees" in text


def test_profile_tells_of_each_stage(capsys, plan: Path, tmp_path: Path):
    """A table, the same as JSON, and a trace in the file."""
    trace = tmp_path / "stages.json"
    options = ("--partition", plan, "--transport", "threads", "--profile", trace)
    code, text = run(capsys, *options)
    assert code == 0, text
    assert "waits ms" in text
    assert "cpu:1" in text
    code, text = run(capsys, *options, "--json")
    stages = json.loads(text)["profile"]
    assert [stage["runs"] for stage in stages] == [5, 5]
    assert stages[0]["bytes_out"] == stages[1]["bytes_in"] > 0
    kept = json.loads(trace.read_text())
    assert [stage["device"] for stage in kept["stages"]] == ["cpu:0", "cpu:1"]
    assert sum(event["ph"] == "X" for event in kept["traceEvents"]) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--transport", "threads"], "--transport goes with --partition"),
        (["--micro-batches", "2"], "--micro-batches goes with --partition"),
        (["--partition", str(DIGITS), "--tune"], "--partition and --tune exclude each other"),
        (["--partition", "none.json"], "none.json: there is no such plan"),
    ],
)
def test_bad_command_lines(capsys, monkeypatch, tmp_path, arguments: list[str], message: str):
    """One line, and the exit code of bad input."""
    monkeypatch.chdir(tmp_path)
    code, text = run(capsys, *arguments)
    assert code == 2
    assert message in text
    assert text.count("\n") == 1
