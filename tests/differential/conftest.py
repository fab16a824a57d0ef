"""What runs a case everywhere and compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from operator_cases import Case

from pyflame_rt import InferenceSession, SessionOptions, compiler

_BOUNDS = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-10}
"""The largest difference, relative to the largest finite number expected: a rounding of the type
an operation, for the few that an element goes through. Integers and booleans are equal."""


@pytest.fixture(scope="session")
def judged() -> Callable[[Case], list[np.ndarray]]:
    """What ONNX Runtime computes, nothing optimised."""
    ort = pytest.importorskip("onnxruntime")
    # It warns of what some of its kernels do.
    ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

    def run(case: Case) -> list[np.ndarray]:
        session = ort.InferenceSession(case.model(), options, providers=["CPUExecutionProvider"])
        return session.run(None, case.feed())

    return run


@pytest.fixture(scope="session")
def ways() -> Callable[[Case], dict[str, list[np.ndarray]]]:
    """What each of our ways to execute a case gives.

    The plan of the second run is made for the shapes of the inputs, where they were not declared.
    """

    options = SessionOptions()
    options.specialize_after = 1

    def run(case: Case) -> dict[str, list[np.ndarray]]:
        model, feed = case.model(), case.feed()
        program = compiler.load(model)
        reference = compiler.compile_module(program.module, program.ctx, "reference", "")
        session = InferenceSession(model, options)
        results = {
            "reference": reference.run([feed[spec.name] for spec in reference.inputs]),
            "plan": session.run(None, feed),
        }
        session.settle()
        return {**results, "plan for these shapes": session.run(None, feed)}

    return run


@pytest.fixture(scope="session")
def agree() -> Callable[[Case, Sequence[np.ndarray], Sequence[np.ndarray]], str]:
    """What is wrong with actual results, "" when nothing is."""

    def check(case: Case, actual: Sequence[Any], expected: Sequence[Any]) -> str:
        if len(actual) != len(expected):
            return f"{len(actual)} results, not {len(expected)}"
        found = (_difference(a, e, case) for a, e in zip(actual, expected, strict=True))
        return "; ".join(text for text in found if text)

    return check


def _difference(actual: np.ndarray, expected: np.ndarray, case: Case) -> str:
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return f"{actual.dtype}{actual.shape}, not {expected.dtype}{expected.shape}"
    if expected.dtype.kind != "f":
        return "" if np.array_equal(actual, expected) else f"{actual}, not {expected}"
    left, right = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(right)
    size = max(case.magnitude, np.max(np.abs(right), where=finite, initial=0.0))
    with np.errstate(invalid="ignore"):
        close = np.abs(left - right) <= _BOUNDS[expected.dtype.name] * size
    same = np.where(finite, close, (left == right) | (np.isnan(left) & np.isnan(right)))
    return "" if same.all() else f"{actual}, not {expected}"
