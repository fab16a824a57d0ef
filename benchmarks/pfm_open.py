"""Opening a large `.pfm` file: lazily, verified, as a module; and what memory that takes.

    python benchmarks/pfm_open.py [MIB] [--json]

Writes a temporary file of 64 tensors (256 MiB unless told otherwise) and measures, each in a
process of its own with the file in the page cache, the median of some runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region

from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.frontends.pfm import PfmFile, read_pfm, write_pfm
from pyflame_rt.universe import make_context

TENSORS = 64
RUNS = {"open": 20, "module": 20, "verified": 5, "touch one": 5}


def make(path: Path, mib: int) -> None:
    """Write a model of nothing but constants."""
    count = mib * 2**20 // TENSORS // 4
    generator = np.random.default_rng(0)
    ops = [
        ConstantOp.get(generator.random(count, np.float32), names=[f"w{index}"])
        for index in range(TENSORS)
    ]
    block = Block([*ops, ReturnOp(*(op.results[0] for op in ops))])
    kinds = [op.results[0].type for op in ops]
    write_pfm(ModuleOp([FuncOp("main", ([], kinds), Region(block))]), path)


def rss() -> float:
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def measure(what: str, path: str) -> dict[str, float]:
    """Milliseconds and growth of memory of one way to open the file."""
    ctx = make_context()

    def opened() -> object:
        return PfmFile.open(path)

    def module() -> object:
        return read_pfm(path, ctx)

    def verified() -> object:
        file = PfmFile.open(path)
        file.verify()
        return file

    def touched() -> object:
        file = PfmFile.open(path)
        file.tensor(TENSORS // 2).materialize().sum()
        return file

    ways: dict[str, Callable[[], object]] = {
        "open": opened,
        "module": module,
        "verified": verified,
        "touch one": touched,
    }
    times: list[float] = []
    module()
    before = rss()
    for _ in range(RUNS[what]):
        start = time.perf_counter()
        held = ways[what]()
        times.append(1e3 * (time.perf_counter() - start))
        grown = rss() - before
        del held
    return {"first_ms": times[0], "median_ms": statistics.median(times), "rss_mib": grown}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how .pfm files are opened.")
    parser.add_argument("mib", type=int, nargs="?", default=256, help="size of the file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.pfm"
        make(path, arguments.mib)
        results: dict[str, dict[str, float]] = {}
        for what in RUNS:
            command = [sys.executable, __file__, "--one", what, str(path)]
            results[what] = json.loads(subprocess.check_output(command))
        size = path.stat().st_size / 2**20
    if arguments.json:
        print(json.dumps({"mib": size, **results}, indent=2))
        return
    print(f"{size:.0f} MiB, {TENSORS} tensors")
    for what, result in results.items():
        print(
            f"{what:10} {result['median_ms']:8.2f} ms (first {result['first_ms']:.2f}),"
            f" memory +{result['rss_mib']:.1f} MiB"
        )


if __name__ == "__main__":
    main()
