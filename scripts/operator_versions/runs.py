"""Every version of every operator run on all cases that can be written for it."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import handwritten
from cases import Case, Value, suite
from judging import NoResult, by_onnxruntime, by_reference, difference, ours
from stamping import CannotSay, stamped
from versions import Version, version_at

from pyflame_rt.errors import UnsupportedOperatorError

JUDGES = ("suite", "onnxruntime", "reference")


@dataclass(frozen=True)
class Run:
    """A case at an opset: who judged it, and what is different ("": nothing)."""

    case: str
    opset: int
    judge: str
    difference: str


@dataclass(frozen=True)
class Outcome:
    """What ran of a version, and why the rest did not, most frequent reason first."""

    version: Version
    runs: tuple[Run, ...]
    left_out: tuple[str, ...]


@cache
def cases_by_op() -> Mapping[str, Sequence[Case]]:
    """The suite's cases and those by hand."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in (*suite(), *handwritten.cases()):
        found[case.op].append(case)
    return found


def outcome(version: Version) -> Outcome:
    """All cases at the version's first opset and its last."""
    runs: list[Run] = []
    left_out: Counter[str] = Counter()
    for opset in version.opsets:
        for case in cases_by_op().get(version.op, ()):
            try:
                runs.append(_run(case, version, opset))
            except (CannotSay, NoResult) as error:
                left_out[str(error)] += 1
    return Outcome(version, tuple(runs), tuple(reason for reason, _ in left_out.most_common()))


def _run(case: Case, version: Version, opset: int) -> Run:
    """Raises CannotSay or NoResult."""
    written = stamped(case, opset)
    judge, expected = _judged(case, written, version)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = difference(written, ours(written), expected)
    except UnsupportedOperatorError as error:
        found = f"not supported: {error}"
    except Exception as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return Run(case.name, opset, judge, found)


def _judged(case: Case, written: Case, version: Version) -> tuple[str, Sequence[Value]]:
    """The suite's own results where they are of this version, else ONNX Runtime's, else ONNX's."""
    if case.expected is not None and version_at(case.op, case.opset) == version.since:
        return "suite", case.expected
    try:
        return "onnxruntime", by_onnxruntime(written)
    except NoResult as refusal:
        try:
            return "reference", by_reference(written)
        except NoResult as error:
            raise NoResult(f"{refusal}; {error}") from error


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Counts of versions, and of runs by judge."""
    judged = sum(bool(outcome.runs) for outcome in outcomes)
    yield f"{judged} of {len(outcomes)} versions judged"
    yield f"{'':14}{'equal':>8}{'different':>11}"
    for judge in JUDGES:
        equal, different = counts(outcomes, judge)
        yield f"{judge:14}{equal:8}{different:11}"


def counts(outcomes: Sequence[Outcome], judge: str) -> tuple[int, int]:
    """How many runs a judge found equal, and how many different."""
    runs = [run for outcome in outcomes for run in outcome.runs if run.judge == judge]
    different = sum(bool(run.difference) for run in runs)
    return len(runs) - different, different
