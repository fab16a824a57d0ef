"""Micro-benchmarks of the wafer: `wse` programs whose cycle counts others have published.

Each module has one `BENCHMARK`; its text says what the program does, which window is timed, what was
published there and what of it is validated. `pfrt-wse-bench` runs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from pyflame_rt.errors import ValidationError

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.bench.base import Benchmark

# Names to modules, in the order of the validation table.
MODULES: Final = {
    "p2p": "point_to_point",
    "store-forward": "store_forward",
    "multicast": "multicast",
    "chain-reduce": "chain_reduce",
    "two-phase-reduce": "two_phase_reduce",
    "tree-reduce": "tree_reduce",
    "broadcast": "broadcast",
    "broadcast-2d": "broadcast_2d",
    "allreduce": "allreduce",
    "fmacs": "fmacs",
    "fmach": "fmach",
    "faddh": "faddh",
    "no-overlap": "no_overlap",
    "shared-link": "shared_link",
    "data-task": "data_task",
    "gemv-tile": "gemv_tile",
    "gemv-collectives": "gemv_collectives",
    "summa": "summa",
    "course-gemm": "course_gemm",
}


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises ValidationError with the known names."""
    if name not in MODULES:
        raise ValidationError(
            f"there is no benchmark {name!r}", hint=f"benchmarks: {', '.join(MODULES)}"
        )
    return import_module(f"{__name__}.{MODULES[name]}").BENCHMARK


def benchmarks() -> list[Benchmark]:
    """All of them."""
    return [benchmark(name) for name in MODULES]
