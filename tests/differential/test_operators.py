"""Every operator agrees with ONNX Runtime on drawn inputs, in every way to run it.

`operators.txt` lists the operators that 2,190 exported models use: they get the most cases.
`undrawn.txt` names the operators without cases, each with the reason and where it is tested.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from operator_cases import FAMILIES, cases_of
from operator_cases.onnxruntime_faults import FAULTS, fault_of

from pyflame_rt.frontends.onnx.ops import rules

HERE = Path(__file__).parent
OPERATORS = (HERE / "operators.txt").read_text().split()
UNDRAWN = dict(line.split(": ", 1) for line in (HERE / "undrawn.txt").read_text().splitlines())


def test_every_operator_has_cases():
    """What the frontend has a rule for is drawn or explained, nothing is claimed twice."""
    here = [op for family in FAMILIES for op in cases_of(family)]
    assert len(here) == len(set(here))
    assert set(OPERATORS) <= set(here)
    # onnxruntime's own have tests/differential/test_contrib_quantized.py.
    known = {op for domain, op in rules() if domain != "com.microsoft"}
    assert sorted(known.difference(here, UNDRAWN)) == []
    assert sorted(set(here) & set(UNDRAWN)) == []
    assert sorted({*here, *UNDRAWN} - known) == []


def test_reasons_name_the_test_that_stands_in():
    """An operator without cases is tested in a file that is there and speaks of it."""
    for op, reason in UNDRAWN.items():
        path = re.search(r"tests/\S+\.\w+", reason)
        assert path is not None, f"{op}: {reason}"
        text = (HERE.parents[1] / path.group()).read_text(encoding="utf-8")
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_?", op)
        assert re.search(name, text, re.I), f"{path.group()} does not mention {op}"


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
    """Many cases of each family, most where real models' operators are."""
    count = 500 if set(OPERATORS) & set(cases_of(family)) else 200
    _check(family, count, judged, ways, agree)


def test_faults_are_told_apart():
    """Each has a name and says what happens, of operators that are tested here."""
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))
    here = {op for family in FAMILIES for op in cases_of(family)}
    assert all(fault.what and set(fault.ops) <= here for fault in FAULTS)
