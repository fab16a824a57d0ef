"""Looks for graphs whose results change when they are optimised, and makes them small.

    python scripts/fuzz_optimizer.py [--graphs 5000] [--seed 0] [--jobs 2] [--ways quick|all|passes]

`quick` runs the dynamic plan of level 3, `all` every level and plans for each feed too, `passes`
each pass alone. For each failure the first pass of level 3 after which the reference interpreter
disagrees is named, and the smallest module that was found to fail is printed. The graphs are those
of tests/optimizer: a seed gives the same ones every time. Ends with 1 when there was a failure.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "optimizer"))

import numpy as np
from agreement import single_passes
from agreement.reducing import reduced
from agreement.ways import Examination
from random_graphs import CHUNK, Graph, graph_of

from pyflame_rt import module_files

BATCH = 50
PIECES = 10


@dataclass(frozen=True)
class Tally:
    """What a batch of graphs gave: texts of failures, and the kinds of ops."""

    failures: tuple[str, ...]
    kinds: frozenset[str]


def complaints(graph: Graph, feeds: Sequence[Sequence[object]], ways: str) -> list[str]:
    """What is wrong with a graph in the ways that are asked for."""
    if ways == "passes":
        return single_passes.complaints(graph.module, feeds, single_passes.spellings())
    if ways == "quick":
        return Examination(graph.module, feeds, levels=(3,), specialise=()).complaints()
    return Examination(graph.module, feeds).complaints()


def run_batch(seed: int, ways: str, number: int) -> Tally:
    """Examine one batch of graphs."""
    generator = np.random.default_rng((seed, number))
    failures: list[str] = []
    kinds: set[str] = set()
    for index in range(BATCH):
        graph = graph_of(generator.bytes((PIECES + 2) * CHUNK))
        kinds |= graph.op_kinds()
        try:
            found = complaints(graph, graph.feeds, ways)
        except Exception as error:
            found = [f"the unoptimised graph: {type(error).__name__}: {error}"]
        if found:
            failures.append(f"seed {seed}, graph {number}.{index}\n{report(graph, found, ways)}")
    return Tally(tuple(failures), frozenset(kinds))


def kind(complaint: str) -> str:
    """What failed and how, without the shapes and numbers of one graph."""
    way, _, why = re.sub(r" on \[.*?\]:|plan for \[.*?\]", ":", complaint).partition(": ")
    return f"{way}: {why.partition(':')[0] if 'Error' in why or 'Failed' in why else ''}"


def report(graph: Graph, found: Sequence[str], ways: str) -> str:
    """The complaints about a graph, the pass to blame, and a small module that fails."""

    def fails(module, feed) -> bool:
        try:
            again = complaints(Graph(module, (tuple(feed),), b""), [feed], ways)
        except Exception:
            return False
        return any(kind(text) == kind(found[0]) for text in again)

    feed = next((feed for feed in graph.feeds if fails(graph.module, feed)), None)
    lines = list(found[:2])
    if feed is not None:
        module, feed = reduced(graph.module, feed, fails)
        lines += complaints(Graph(module, (tuple(feed),), b""), [feed], ways)[:2]
        lines += [
            f"pass: {single_passes.culprit(module, feed)}",
            module_files.to_text(module, locations=False),
        ]
        lines += [f"x{k}: {a.shape} {a.reshape(-1)[:8].tolist()}" for k, a in enumerate(feed)]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--graphs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ways", choices=("quick", "all", "passes"), default="quick")
    given = parser.parse_args()
    started = time.monotonic()
    batches = -(-given.graphs // BATCH)
    failures, kinds = 0, set[str]()
    with ProcessPoolExecutor(given.jobs) as pool:
        for tally in pool.map(partial(run_batch, given.seed, given.ways), range(batches)):
            kinds |= tally.kinds
            for text in tally.failures:
                failures += 1
                print(text, end="\n\n", flush=True)
    seconds = time.monotonic() - started
    print(
        f"{batches * BATCH} graphs of {len(kinds)} kinds of ops, {failures} failures, "
        f"{seconds:.0f} s, {batches * BATCH / seconds:.0f} graphs/s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
