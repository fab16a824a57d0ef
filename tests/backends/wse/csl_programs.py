"""Programs whose CSL is looked at: the benches, and five of them small enough to be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse import bench
from pyflame_rt.backends.wse.csl.emission import joined
from pyflame_rt.backends.wse.machine import machine
from pyflame_rt.wse_csl import WseCslTarget

GOLDEN = Path(__file__).parent / "csl" / "golden"

READ = {
    "p2p": {"words": 8},
    "chain-reduce": {"pes": 4, "words": 8},
    "fmacs": {},
    "gemv-tile": {},
    "two-phase-reduce": {"pes": 8, "group": 4, "words": 8},
}


def program(name: str, values: Mapping[str, int] | None = None) -> ModuleOp:
    """The program of a bench, with its default parameters but for some."""
    benchmark = bench.benchmark(name)
    return benchmark.build(benchmark.params(values or {}), machine(benchmark.machine))


def emitted(name: str, values: Mapping[str, int] | None = None) -> dict[str, str]:
    """The files of a bench, for wse3."""
    return WseCslTarget().sources(program(name, values))


def regenerate() -> None:
    """Write the goldens anew; what changed is for a reviewer to read."""
    for name, values in READ.items():
        (GOLDEN / f"{name}.txt").write_text(joined(emitted(name, values)))


if __name__ == "__main__":
    regenerate()
