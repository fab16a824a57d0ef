"""scripts/conformance counts what happens to tests, and compares it with what is recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "conformance"
WORKER = """
import json, os, sys, threading

def say(**message):
    print(json.dumps(message), flush=True)

say(onnx="1", names=["a", "b", "c", "d"])
for name in ["a", "b", "c", "d"][int(sys.argv[6]):]:
    say(name=name, category="K", level=0)
    if name == "b":
        os.abort()
    if name == "c":
        threading.Event().wait()
    say(status="pass", seconds=0.5, message="")
"""
"""A worker of which one test crashes and one hangs."""


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module that runs tests."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield import_module("runs")
    for name in ("runs", "misses"):
        sys.modules.pop(name, None)


@pytest.fixture
def misses(runs: ModuleType) -> ModuleType:
    """The module that compares results with the record."""
    return import_module("misses")


def outcome(runs: ModuleType, **statuses: str):
    """Results of a suite of three tests, a, b and c."""
    results = [
        runs.Result("K", name, 0, status, 0.0, "it says why") for name, status in statuses.items()
    ]
    return runs.Outcome(tuple(results), ("a", "b", "c"), "1")


def recorded(misses: ModuleType, folder: Path, text: str):
    """A file of misses, read."""
    path = folder / "misses.txt"
    path.write_text("# A comment.\n" + text)
    return misses.read(path)


def test_crashes_and_hangs_are_counted_and_the_rest_goes_on(runs, tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    monkeypatch.setattr(runs, "WORKER", worker)
    found = runs.run(runs.Part("backend", (0,), timeout=1.0))
    assert [(r.name, r.status) for r in found.results] == [
        ("a", "pass"),
        ("b", "crash"),
        ("c", "timeout"),
        ("d", "pass"),
    ]
    assert "Aborted" in found.results[1].message
    assert found.names == ("a", "b", "c", "d")


def test_a_worker_that_cannot_start_is_no_result(runs, tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text("import there_is_no_such_module")
    monkeypatch.setattr(runs, "WORKER", worker)
    with pytest.raises(SystemExit, match=r"no test ran: .*there_is_no_such_module"):
        runs.run(runs.Part("backend", (0,), timeout=1.0))


@pytest.mark.parametrize(
    ("statuses", "record", "said"),
    [
        ({"a": "pass", "b": "pass", "c": "fail"}, "passing 2 of 3, onnx 1\nc: why\n", []),
        (
            {"a": "pass", "b": "crash"},
            "passing 3 of 3, onnx 1\n",
            ["b (level 0): crash: it says why"],
        ),
        (
            {"a": "pass", "b": "pass"},
            "passing 2 of 3, onnx 1\nb: why\n",
            ["b (level 0): passes, but is recorded as a miss: why"],
        ),
        ({"a": "pass", "b": "pass"}, "passing 2 of 3, onnx 1\nb (may pass): why\n", []),
        ({"a": "fail"}, "passing 2 of 3, onnx 1\na (may pass): why\n", []),
        (
            {"a": "pass"},
            "passing 2 of 3, onnx 1\nz: why\n",
            ["z: recorded, but there is no such test"],
        ),
        (
            {"a": "pass"},
            "passing 3 of 3, onnx 2\n",
            ["the record is of onnx 2, this is 1"],
        ),
        (
            {"a": "pass"},
            "passing 4 of 4, onnx 1\n",
            ["the suite has 3 tests, recorded are 4"],
        ),
        (
            {"a": "pass"},
            "passing 1 of 3, onnx 1\nb: why\n",
            ["recorded are 2 tests that do not pass, and 1 reasons"],
        ),
        (
            {"a": "pass", "b": "skip", "c": "pass"},
            "passing 3 of 3, onnx 1\n",
            ["b (level 0): skip: it says why", "level 0: 2 pass, recorded are 3"],
        ),
    ],
)
def test_results_are_held_against_the_record(runs, misses, tmp_path, statuses, record, said):
    known = recorded(misses, tmp_path, record)
    assert list(misses.judge(outcome(runs, **statuses), known)) == said


@pytest.mark.parametrize("line", ["a", "a: ", "test_*: all of them", "a: why\na: again"])
def test_lines_that_are_no_record(misses, tmp_path, line):
    with pytest.raises(SystemExit, match=r"misses\.txt:\d: "):
        recorded(misses, tmp_path, line)


def test_recording_keeps_the_reasons_that_somebody_wrote(runs, misses, tmp_path):
    before = recorded(
        misses,
        tmp_path,
        "passing 0 of 3, onnx 1\na: a reason\nb: error: a message\nc (may pass): drawn\n",
    )
    text = misses.record(outcome(runs, a="fail", b="timeout", c="pass"), before)
    assert text.splitlines()[-4:] == [
        "passing 0 of 3, onnx 1",
        "a: a reason",
        "b: timeout: it says why",
        "c (may pass): drawn",
    ]
    after = recorded(misses, tmp_path, text)
    assert list(misses.judge(outcome(runs, a="fail", b="timeout", c="pass"), after)) == []
