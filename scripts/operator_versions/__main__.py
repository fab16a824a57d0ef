"""Runs every version of ONNX's operators that opset 7 and later know, and compares.

    python scripts/operator_versions [--record] [--include RE] [--out results.tsv]

The one-node models of ONNX's own suite, and some by hand, are written for the first opset of each
version and for its last, wherever the version can say the same: attributes that were inputs later
are turned back. The suite's results are compared with where they are of that version, else those of
ONNX Runtime, and where it has none those of ONNX's reference evaluator.

Prints how many versions and runs there are. The file of misses names each difference and each
version that cannot be judged, with the reason; the exit status is 1 when the results say otherwise.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from misses import judge, read, record
from runs import Outcome, counts, outcome, table
from versions import versions

MISSES = Path(__file__).resolve().parents[2] / "tests" / "conformance" / "operator_versions.txt"
LEAST_EQUAL = 0.95
"""The share of runs that equal ONNX Runtime's, of the whole."""


def main(arguments: Sequence[str]) -> int:
    """Run, print the table, and judge or record."""
    options = _options(arguments)
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    which, of = (int(number) for number in options.part.split("/"))
    operators = sorted({version.op for version in versions()})
    chosen = {op for op in operators[which::of] if re.search(options.include, op)}
    outcomes = [outcome(version) for version in versions() if version.op in chosen]
    print("\n".join(table(outcomes)))
    print(f"{time.perf_counter() - started:.0f} s")
    if options.out:
        options.out.write_text("".join(_rows(outcomes)), encoding="utf-8")
    reasons = read(options.misses) if options.misses.exists() else {}
    if options.record:
        options.misses.write_text(record(outcomes, reasons), encoding="utf-8")
        return 0
    problems = [*judge(outcomes, reasons), *_too_few(outcomes)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="operator_versions", description="Compare every version of ONNX's operators."
    )
    parser.add_argument("--include", default="", help="only operators whose name has this pattern")
    parser.add_argument("--part", default="0/1", help="I/N: every Nth operator, from the Ith on")
    parser.add_argument("--out", type=Path, help="where to write the results as TSV")
    parser.add_argument("--misses", type=Path, default=MISSES, help="what is known not to be equal")
    parser.add_argument("--record", action="store_true", help="write the file of misses again")
    options = parser.parse_args(arguments)
    if options.record and (options.include or options.part != "0/1"):
        parser.error("--record is of all operators")
    return options


def _rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "version\topset\tcase\tjudge\tdifference\n"
    for found in outcomes:
        for run in found.runs:
            yield f"{found.version}\t{run.opset}\t{run.case}\t{run.judge}\t{run.difference}\n"


def _too_few(outcomes: Sequence[Outcome]) -> Iterator[str]:
    equal, different = counts(outcomes, "onnxruntime")
    if len(outcomes) == len(versions()) and equal < LEAST_EQUAL * (equal + different):
        yield f"only {equal} of {equal + different} runs equal onnxruntime's"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
