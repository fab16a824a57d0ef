"""ONNX's official backend tests pass, but for those that tests/conformance/misses.txt names.

A sample; `make conformance` runs all of them at two levels, and prints a table.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, str(Path(__file__).resolve().parents[2] / "scripts" / "conformance")]


def check(*arguments: str) -> None:
    """The script finds nothing to say against the results."""
    done = subprocess.run(
        [*COMMAND, "--jobs", "1", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "\nall " in done.stdout


def test_a_sample():
    """Every fortieth test, at the highest level."""
    check("--part", "7/40", "--levels", "3")
