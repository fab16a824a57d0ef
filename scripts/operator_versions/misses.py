"""The differences and gaps that are known, with their reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runs import Outcome

_HEADER = """\
# Versions of operators whose results differ, one a line: `Op-version case: reason`, and versions that
# nobody can judge: `Op-version: reason`. Read by tests/conformance/test_operator_versions.py.
# `python scripts/operator_versions --record` writes it again; reasons that somebody wrote stay.
"""
_MISS = re.compile(r"(\w+-\d+(?: [\w.-]+)?): (.+)")
_MADE = ("not supported: ", "unexplained: ")
"""How reasons begin that nobody has written; the second kind must not stay."""
_LENGTH = 200


def read(path: Path) -> dict[str, str]:
    """Misses and their reasons. Raises SystemExit for a line that is no record."""
    reasons: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        match = _MISS.fullmatch(line)
        if match is None or match[1] in reasons:
            raise SystemExit(f"{path.name}:{number}: neither a miss nor new: {line}")
        reasons[match[1]] = match[2]
    return reasons


def missed(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """What is not equal or not judged, and what happened at the first opset where it was so."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        if not outcome.runs:
            found[str(outcome.version)] = "; ".join(outcome.left_out[:2]) or "there are no cases"
        for run in outcome.runs:
            if run.difference:
                what = f"{run.judge} at opset {run.opset}: {run.difference}"
                unsupported = run.difference.startswith(_MADE[0])
                found.setdefault(
                    f"{outcome.version} {run.case}", run.difference if unsupported else what
                )
    return found


def record(outcomes: Sequence[Outcome], reasons: Mapping[str, str]) -> str:
    """The file for the outcomes of all versions."""
    lines: list[str] = []
    for name, what in sorted(missed(outcomes).items()):
        reason = reasons.get(name, _MADE[1])
        if reason.startswith(_MADE):
            reason = what if what.startswith(_MADE[0]) else _MADE[1] + what
        lines.append(f"{name}: {' '.join(reason.split())[:_LENGTH]}\n")
    return _HEADER + "".join(lines)


def judge(outcomes: Sequence[Outcome], reasons: Mapping[str, str]) -> Iterator[str]:
    """What is wrong, a line each: of the versions that ran."""
    found = missed(outcomes)
    ran = {str(outcome.version) for outcome in outcomes}
    for name, what in found.items():
        if name not in reasons:
            yield f"{name}: {what}"
        elif reasons[name].startswith(_MADE[1]):
            yield f"{name}: nobody has explained it: {what}"
    for name, reason in reasons.items():
        if name.split()[0] in ran and name not in found:
            yield f"{name}: is equal, but is recorded as a miss: {reason}"
