"""Reads mutants of every format; only a module, tensors or an error of ours may come of them.

    python scripts/fuzz_formats.py [--formats all] [--mutants 20000] [--seed 0] [--jobs 2]
        [--run-accepted 200] [--keep FOLDER] [--minutes M]

Mutants are tried in processes of their own, with 10 seconds of CPU each; of those that are
accepted, some are also compiled and run at optimization levels 0 and 3, whose answers must agree.
A mutant is a format, a seed and a number: `--show FORMAT:NUMBER` writes one to stdout. `--keep`
is an existing folder for the mutants that were found to fail. When it is interrupted it finishes
what has been begun. Ends with 1 if there were failures.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Event

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[:0] = [str(ROOT / part) for part in ("tests/fuzz", "tests/frontends/torch", "")]

from campaign import runner, seeds  # noqa: E402
from mutants import formats  # noqa: E402


def table(sums: runner.Sums) -> str:
    """A line for each format: how its mutants ended."""
    lines = [f"{'format':<12} {'mutants':>9} {'read':>8} {'run':>6} {'ms each':>8}  ends"]
    for name, ends in sums.ends.items():
        runs = sums.runs.get(name, Counter())
        ran = runs.total() - runs["skipped"]
        cost = 1000 * sums.seconds[name] / max(ends.total(), 1)
        rest = ", ".join(f"{end} {n:,}" for end, n in ends.most_common() if end != "read")
        lines.append(
            f"{name:<12} {ends.total():>9,} {ends['read']:>8,} {ran:>6,} {cost:>8.2f}  {rest}"
        )
    runs = sum(sums.runs.values(), Counter())
    if runs:
        lines.append("runs: " + ", ".join(f"{end} {n:,}" for end, n in runs.most_common()))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--formats", default="all", help="names with commas, or all")
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--run-accepted", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--seeds", type=Path, help="a folder for seeds, used when it is there")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="give no orders after")
    parser.add_argument("--quiet", action="store_true", help="say nothing while it runs")
    parser.add_argument("--show", metavar="FORMAT:NUMBER")
    given = parser.parse_args()
    if given.show:
        return show(*given.show.split(":"), given.seed)
    names = list(formats()) if given.formats == "all" else given.formats.split(",")
    if unknown := set(names) - set(formats()):
        parser.error(f"no format {', '.join(unknown)}: there are {', '.join(formats())}")
    started, printed = time.time(), 0

    def told(sums: runner.Sums) -> None:
        nonlocal printed
        while printed < len(sums.findings):
            finding = sums.findings[printed]
            print(
                f"{finding.format}:{finding.index} (seed {finding.seed}): {finding.what}",
                flush=True,
            )
            printed += 1
        if not given.quiet and sums.mutants // 20_000 != (sums.mutants - runner.BATCH) // 20_000:
            print(f"… {sums.mutants:,} mutants, {time.time() - started:.0f} s", flush=True)

    work = runner.orders(names, given.mutants, given.seed, given.run_accepted)
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())

    def is_over() -> bool:
        return stopped.is_set() or time.time() > started + 60 * given.minutes

    sums = runner.run(work, given.jobs, names, given.keep, given.seeds, is_over, told)
    told(sums)
    print(table(sums))
    print(
        f"{sums.mutants:,} mutants, {sums.ran:,} run at levels 0 and 3, {len(sums.findings)} findings; "
        f"{time.time() - started:.0f} s, {sums.total_seconds:.0f} s of CPU, "
        f"the slowest {sums.slowest:.1f} s, at most {sums.peak >> 20} MiB"
    )
    return 1 if sums.findings else 0


def show(name: str, number: str, seed: int) -> int:
    """Write a mutant to stdout."""
    with tempfile.TemporaryDirectory() as folder:
        seeds.write(Path(folder) / "s", [name])
        made = seeds.read(Path(folder) / "s", name)
    sys.stdout.buffer.write(formats()[name].mutant(made, seed, int(number)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
