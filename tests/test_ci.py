"""Nothing that CI is meant to check goes unchecked without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("ci", "status"), [("true", 4), ("", 0)])
def test_ci_does_not_run_without_its_oracle(tmp_path: Path, ci: str, status: int):
    """Tests are skipped where onnxruntime is missing; with CI set nothing starts."""
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('it is broken')")
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("CI needs onnxruntime" in done.stderr) == bool(ci)
