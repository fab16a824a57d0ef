"""The tests that are known not to pass, and what to say of results that differ from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runs import Outcome, Result

_HEADER = """\
# The tests of onnx.backend.test that do not pass, one a line: `name: reason`. One that compares
# with a random draw can pass by chance, one of roundings at some levels or on some machines:
# `name (may pass): reason`.
# `make conformance` checks this file both ways, `make conformance-record` writes it again.
"""
_FIGURE = re.compile(r"passing (\d+) of (\d+), onnx (\S+)")
_MISS = re.compile(r"(\w+)( \(may pass\))?: (.+)")
_MADE = re.compile(r"(fail|error|skip|timeout|crash): ")
"""How reasons begin that nobody has written yet."""
_LENGTH = 160


@dataclass(frozen=True)
class Recorded:
    """The file: name -> reason, which of them may pass, and how many do, of which version."""

    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    may_pass: frozenset[str] = frozenset()
    passing: int = 0
    total: int = 0
    onnx: str = ""


def read(path: Path) -> Recorded:
    """What a file records. Raises SystemExit for a line that is no record."""
    reasons: dict[str, str] = {}
    may_pass: set[str] = set()
    figure = ("0", "0", "")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        if match := _FIGURE.fullmatch(line):
            figure = match.groups()
        elif (match := _MISS.fullmatch(line)) and match[1] not in reasons:
            reasons[match[1]] = match[3]
            may_pass.update([match[1]] if match[2] else [])
        else:
            raise SystemExit(f"{path.name}:{number}: neither a miss nor new: {line}")
    return Recorded(reasons, frozenset(may_pass), int(figure[0]), int(figure[1]), figure[2])


def record(outcome: Outcome, recorded: Recorded) -> str:
    """The file for these results, of the whole suite: reasons that somebody wrote stay.

    A test misses when it does at any level; its reason is what happened at the first such.
    """
    missed: dict[str, Result] = {}
    for result in outcome.results:
        if result.status != "pass":
            missed.setdefault(result.name, result)
    lines: list[str] = []
    for name in sorted(missed.keys() | (recorded.may_pass & set(outcome.names))):
        reason = recorded.reasons.get(name, "error: ")
        if name in missed and _MADE.match(reason):
            reason = f"{missed[name].status}: {missed[name].message}"[:_LENGTH].strip()
        lines.append(f"{name}{' (may pass)' if name in recorded.may_pass else ''}: {reason}\n")
    total = len(outcome.names)
    return (
        f"{_HEADER}passing {total - len(lines)} of {total}, onnx {outcome.onnx}\n{''.join(lines)}"
    )


def judge(outcome: Outcome, recorded: Recorded) -> Iterator[str]:
    """What is wrong, a line each: misses that are not recorded, and records that are no misses.

    Numbers are compared for results of the whole suite only, names for all.
    """
    if outcome.onnx != recorded.onnx:
        yield f"the record is of onnx {recorded.onnx}, this is {outcome.onnx}"
    for name in sorted(recorded.reasons.keys() - set(outcome.names)):
        yield f"{name}: recorded, but there is no such test"
    if len(outcome.names) != recorded.total:
        yield f"the suite has {len(outcome.names)} tests, recorded are {recorded.total}"
    if recorded.passing != recorded.total - len(recorded.reasons):
        missing = recorded.total - recorded.passing
        yield f"recorded are {missing} tests that do not pass, and {len(recorded.reasons)} reasons"
    passing: dict[int, int] = {}
    for result in outcome.results:
        where = f"{result.name} (level {result.level})"
        passed = result.status == "pass"
        passing[result.level] = passing.get(result.level, 0) + passed
        if not passed and result.name not in recorded.reasons:
            yield f"{where}: {result.status}: {result.message}"
        if passed and result.name in recorded.reasons.keys() - recorded.may_pass:
            yield f"{where}: passes, but is recorded as a miss: {recorded.reasons[result.name]}"
    if {result.name for result in outcome.results} != set(outcome.names):
        return
    for level, count in sorted(passing.items()):
        if count < recorded.passing:
            yield f"level {level}: {count} pass, recorded are {recorded.passing}"
