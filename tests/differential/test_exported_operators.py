"""A drawn case that went through IR and back means what it meant: ONNX Runtime says so of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from operator_cases import FAMILIES, Case, cases_of
from operator_cases.onnxruntime_faults import fault_of

from pyflame_rt.errors import UnsupportedOperatorError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx

EXCEPTIONS = dict(
    line.split(": ", 1)
    for line in (Path(__file__).parent / "unexported.txt").read_text().splitlines()
)
"""Operator -> why what is written is not what was read."""


def _opset(case: Case) -> int:
    """The opset that a case was drawn for."""
    return 17 if case.domain else max(case.opset, 7)


def _exported(case: Case, opset: int | None) -> onnx.ModelProto | None:
    """The case's model, read and written; None when the opset cannot say it."""
    module = import_onnx(case.model())
    try:
        return export_onnx(module, opset=opset)
    except UnsupportedOperatorError as error:
        # What was read in an opset can be written in one.
        assert opset is not None, str(error)
        assert "needs opset" in str(error) or "no opset can" in str(error)
        return None


def _check(family: str, count: int, judged: Any, agree: Any) -> None:
    operators = {op: drawn for op, drawn in cases_of(family).items() if op not in EXCEPTIONS}
    if not operators:
        pytest.skip("none of them can be compared")
    opsets = st.sampled_from(["own", "any", 9, 11, 13, 17, 21, 24])

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(operators)).flatmap(operators.__getitem__), opsets)
    def run(case: Case, opset: str | int) -> None:
        assume(fault_of(case) is None)
        # ONNX Runtime wants to be told the hidden size, which only the weights say in IR.
        assume(case.op not in ("GRU", "LSTM", "RNN") or case.shapes == "static")
        chosen = {"own": _opset(case), "any": None}.get(opset, opset)
        proto = _exported(case, chosen)
        assume(proto is not None)
        assert proto is not None
        expected = judged(case)
        try:
            actual = judged(_Model(proto, case))
        except Exception as error:
            # It has not got every version of every operator.
            assume("NOT_IMPLEMENTED" not in str(error))
            raise
        wrong = agree(case, actual, expected)
        assert not wrong, f"opset {chosen}: {wrong}\n{onnx.printer.to_text(proto)}"

    run()


class _Model:
    """A model in the place of a case."""

    def __init__(self, proto: onnx.ModelProto, case: Case):
        self.model = proto.SerializeToString
        self.feed = case.feed


@pytest.mark.parametrize("family", FAMILIES)
def test_exported_operators(family: str, judged: Any, agree: Any) -> None:
    """A few cases of each family."""
    _check(family, 10, judged, agree)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_exported_operators_at_length(family: str, judged: Any, agree: Any) -> None:
    """Many cases of each family, at their own opset, at others, and at the smallest from 17 on."""
    _check(family, 60, judged, agree)


def test_exceptions_are_of_operators_that_are_drawn() -> None:
    """Each has a reason."""
    drawn = {op for family in FAMILIES for op in cases_of(family)}
    assert set(EXCEPTIONS) <= drawn
    assert all(EXCEPTIONS.values())
