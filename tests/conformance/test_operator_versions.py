"""Every version of every operator is equal to ONNX Runtime's, but for what operator_versions.txt names.

`python scripts/operator_versions` runs the same and prints a table.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, str(ROOT / "scripts" / "operator_versions")]


def check(*arguments: str) -> None:
    """The script finds nothing to say against the results."""
    pytest.importorskip("onnxruntime")
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " versions judged" in done.stdout


def test_a_sample():
    """Every fortieth operator."""
    check("--part", "9/40")


@pytest.mark.slow
def test_all():
    """Each of them, and how many are equal."""
    check()


def test_every_miss_is_of_a_version_and_explained():
    """A line names one version, and one case of it at most."""
    lines = Path(__file__).with_name("operator_versions.txt").read_text().splitlines()
    for line in (line for line in lines if not line.startswith("#")):
        name, _, reason = line.partition(": ")
        assert "*" not in name, "a wildcard"
        assert reason, f"{name}: no reason"
        assert not reason.startswith("unexplained: "), line
