"""Runs tests of onnx.backend.test, one result a line: the process that may crash or hang.

runs.py starts it and reads what it writes: first the names of the whole suite, then
for each test and optimization level that it starts, and how it ends.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import unittest
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import onnx
import onnx.backend.test


@dataclass
class AtLevel:
    """A backend at the optimization level of the test that runs; it has no way to refuse a model."""

    backend: ModuleType
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def supports_device(self, device: str) -> bool:
        """The suite doubles every test for CUDA."""
        return device == "CPU"

    def prepare(self, model: onnx.ModelProto, device: str, **kwargs: Any) -> Any:
        """A prepared model."""
        return self.backend.prepare(model, device, **self.options, **kwargs)


def main(arguments: list[str]) -> None:
    """Run a part: backend, pattern of names, which of how many parts, levels, runs to leave out."""
    backend_name, include, which, parts, levels, done = arguments
    # Tests may print; results go where they do not.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    backend = AtLevel(import_module(backend_name))
    suite = onnx.backend.test.BackendTest(backend, __name__).test_cases
    tests = {
        name: (category, case)
        for category, case in suite.items()
        for name in sorted(dir(case))
        if name.startswith("test_") and name.endswith("_cpu")
    }
    _write(out, onnx=onnx.__version__, names=list(tests))
    chosen = [name for name in tests if re.search(include, name)][int(which) :: int(parts)]
    runs = [(name, int(level)) for name in chosen for level in levels.split(",")]
    for name, level in runs[int(done) :]:
        category, case = tests[name]
        _write(out, name=name, category=category, level=level)
        backend.options["optimization_level"] = level
        started = time.perf_counter()
        status, message = _run(case(name), name)
        _write(out, status=status, seconds=time.perf_counter() - started, message=message)


def _run(test: unittest.TestCase, name: str) -> tuple[str, str]:
    try:
        getattr(test, name)()
    except unittest.SkipTest as error:
        return "skip", _line(error)
    except AssertionError as error:
        return "fail", _line(error)
    except BaseException as error:
        return "error", f"{type(error).__name__}: {_line(error)}"
    return "pass", ""


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:600]


def _write(out: Any, **message: object) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
