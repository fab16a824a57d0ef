"""Recorded runs of torch's programs, and what these are compared by."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflame_rt import InferenceSession

TOLERANCE = 1e-5
"""The largest difference, of the largest value that torch gave."""


@pytest.fixture(autouse=True)
def torch_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torch fails, also when a test before has imported it. For modules that import this."""
    monkeypatch.setitem(sys.modules, "torch", None)


def recorded(path: Path) -> dict[str, tuple[list[Any], list[Any]]]:
    """Inputs and outputs by run, of a file of arrays called "run|i0", "run|o0", …; {} when there is none."""
    found: dict[str, tuple[list[Any], list[Any]]] = {}
    if path.is_file():
        with np.load(path) as arrays:
            for key in arrays.files:
                name, _, slot = key.partition("|")
                found.setdefault(name, ([], []))[slot[0] == "o"].append(arrays[key])
    return found


def feeds(session: InferenceSession, arrays: Sequence[Any]) -> dict[str, Any]:
    """Arrays for the inputs of a session in their order, and for its state as far as they go."""
    inputs = session.get_inputs()
    specs = [*inputs, *session.get_overridable_initializers()]
    assert len(inputs) <= len(arrays) <= len(specs)
    return {spec.name: array for spec, array in zip(specs, arrays, strict=False)}


def assert_agree(results: Sequence[Any], wanted: Sequence[Any]) -> None:
    """Results are torch's: types, shapes, what is not finite, and numbers within the tolerance."""
    assert len(results) == len(wanted)
    for got, want in zip(results, wanted, strict=True):
        if want.dtype.kind == "U":
            assert got.item() == want.item()
            continue
        # NumPy has no bfloat16, so that f32 was recorded.
        got = got.astype(np.float32) if got.dtype.name == "bfloat16" else got
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        if want.dtype.kind == "b":
            np.testing.assert_array_equal(got, want)
            continue
        finite = np.isfinite(want)
        np.testing.assert_array_equal(got[~finite], want[~finite])
        largest = np.abs(want[finite]).max(initial=0.0)
        assert np.abs(got[finite] - want[finite]).max(initial=0.0) <= TOLERANCE * largest


_ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Blocked())
from pathlib import Path
import numpy as np
from pyflame_rt import InferenceSession

with np.load(sys.argv[1]) as arrays:
    for path in sys.argv[2:]:
        session = InferenceSession(path)
        name = Path(path).stem
        session.run(None, {
            spec.name: arrays[f"{name}|i{index}"] for index, spec in enumerate(session.get_inputs())
        })
assert "torch" not in sys.modules
"""


def run_without_torch(values: Path, paths: Sequence[Path]) -> None:
    """Run programs on recorded values, in a process in which torch cannot be imported."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, str(values), *map(str, paths)],
        check=False, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
