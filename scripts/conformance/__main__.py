"""Runs ONNX's official backend tests, onnx.backend.test, and judges the result.

    python scripts/conformance [--record] [--include RE] [--levels 0,3] [--out results.tsv]

Every test runs at each optimization level. Prints a table by category. The file of misses holds how
many pass and names each that does not, with the reason; the exit status is 1 when fewer pass, when a
test fails that is not listed there, and when one passes that is. `--record` writes the file again:
reasons that somebody wrote stay, other misses get their message as the reason.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from misses import judge, read, record
from runs import Outcome, Part, Result, run

MISSES = Path(__file__).resolve().parents[2] / "tests" / "conformance" / "misses.txt"
STATUSES = ("pass", "fail", "error", "skip", "timeout", "crash")


def main(arguments: Sequence[str]) -> int:
    """Run, print the table, and judge or record."""
    options = _options(arguments)
    started = time.perf_counter()
    levels = tuple(int(level) for level in options.levels.split(","))
    which, of = (int(number) for number in options.part.split("/"))
    parts = [
        Part(options.backend, levels, options.timeout, options.include, at, of * options.jobs)
        for at in range(which, of * options.jobs, of)
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(run, parts))
    results = tuple(result for outcome in outcomes for result in outcome.results)
    outcome = Outcome(results, outcomes[0].names, outcomes[0].onnx)
    if options.out:
        options.out.write_text("".join(_rows(results)), encoding="utf-8")
    for level in levels:
        print("\n".join(_table(level, [r for r in results if r.level == level])) + "\n")
    print(f"onnx {outcome.onnx}, {time.perf_counter() - started:.0f} s")
    recorded = read(options.misses)
    if options.record:
        options.misses.write_text(record(outcome, recorded), encoding="utf-8")
        return 0
    problems = list(judge(outcome, recorded))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="conformance", description="Run ONNX's backend tests.")
    parser.add_argument("--backend", default="pyflame_rt.onnx_backend", help="module to test")
    parser.add_argument("--levels", default="0,3", help="optimization levels")
    parser.add_argument("--include", default="", help="only tests whose name has this pattern")
    parser.add_argument("--part", default="0/1", help="I/N: every Nth of them, from the Ith on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds that a test may take")
    parser.add_argument("--out", type=Path, help="where to write the results as TSV")
    parser.add_argument("--misses", type=Path, default=MISSES, help="what is known not to pass")
    parser.add_argument("--record", action="store_true", help="write the file of misses again")
    options = parser.parse_args(arguments)
    if options.record and (options.include or options.part != "0/1"):
        parser.error("--record is of the whole suite")
    return options


def _rows(results: Sequence[Result]) -> Iterator[str]:
    yield "category\ttest\tlevel\tstatus\tseconds\tmessage\n"
    for r in results:
        yield f"{r.category}\t{r.name}\t{r.level}\t{r.status}\t{r.seconds:.4f}\t{r.message}\n"


def _table(level: int, results: Sequence[Result]) -> Iterator[str]:
    """Counts by category, and of all."""
    yield f"optimization level {level}"
    yield f"{'':22}{'n':>6}{''.join(f'{status:>9}' for status in STATUSES)}{'seconds':>9}"
    for group in [*sorted({_group(result) for result in results}), "all"]:
        members = [result for result in results if group in ("all", _group(result))]
        counts = Counter(result.status for result in members)
        columns = "".join(f"{counts[status]:9}" for status in STATUSES)
        seconds = sum(result.seconds for result in members)
        yield f"{group:22}{len(members):6}{columns}{seconds:9.1f}"


def _group(result: Result) -> str:
    """OnnxBackendPyTorchConvertedModelTest -> pytorch converted."""
    name = result.category.removeprefix("OnnxBackend").removesuffix("ModelTest")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("PyTorch", "Pytorch")).lower()
    if words != "node":
        return words
    return "node, expanded" if "_expanded" in result.name else "node"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
