"""Client programs written for ONNX Runtime: the same output on PyFlameRT, for another import."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

SESSIONS = Path(__file__).resolve().parents[2] / "examples" / "sessions"
NUMBER = re.compile(r"-?\d+\.\d+")


def output(program: str, module: str) -> str:
    command = [sys.executable, str(SESSIONS / program), module]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("classify_images.py", "images tensor(float) ['batch', 3, 32, 32]"),
        ("stream_signal.py", "same as the whole: True"),
        ("generate_tokens.py", "1 -> 18 18 35 35"),
    ],
)
def test_runs_on_both(program: str, line: str) -> None:
    """Numbers may differ in the last digit that is printed."""
    ours = output(program, "pyflame_rt")
    assert line in ours
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("needs onnxruntime to compare with")
    theirs = output(program, "onnxruntime")
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    numbers = [list(map(float, NUMBER.findall(text))) for text in (ours, theirs)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.0021)


def test_the_benchmarks_figures() -> None:
    """The decode loop of the benchmark meets no compiler."""
    bench = SESSIONS.parents[1] / "benchmarks" / "decode_loop.py"
    command = [sys.executable, str(bench), "--steps", "24", "--loops", "2", "--width", "1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert re.search(r"plans made +0$", result.stdout, re.MULTILINE), result.stdout
