"""Every operator of real models agrees with ONNX Runtime on drawn inputs, in every way to run it.

`operators.txt` lists the operators that 2,190 exported models use.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from operator_cases import FAMILIES, cases_of
from operator_cases.onnxruntime_faults import FAULTS, fault_of

OPERATORS = Path(__file__).with_name("operators.txt").read_text().split()


def test_every_operator_has_cases():
    """None of the 90 is left out, none is claimed twice."""
    here = [op for family in FAMILIES for op in cases_of(family)]
    assert len(here) == len(set(here))
    assert set(OPERATORS) == set(here)


def _check(family: str, count: int, judged, ways, agree) -> None:
    operators = cases_of(family)

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(operators)).flatmap(operators.__getitem__))
    def run(case):
        assume(fault_of(case) is None)
        expected = judged(case)
        for way, actual in ways(case).items():
            wrong = agree(case, actual, expected)
            assert not wrong, f"{way}: {wrong}"

    run()


@pytest.mark.parametrize("family", FAMILIES)
def test_operators(family, judged, ways, agree):
    """A few cases of each operator."""
    _check(family, 40, judged, ways, agree)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_operators_at_length(family, judged, ways, agree):
    """Many cases of each family."""
    _check(family, 500, judged, ways, agree)


def test_faults_are_told_apart():
    """Each has a name and says what happens, of operators that are tested here."""
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))
    here = {op for family in FAMILIES for op in cases_of(family)}
    assert all(fault.what and set(fault.ops) <= here for fault in FAULTS)
