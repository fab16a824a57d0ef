"""Multicast: one PE sends a vector to `receivers` PEs to its east.

The routers on the way send each word up their ramp and on to the east in the same cycle, so the number of
receivers costs nothing beside their distance: on wse3 it takes what `p2p` takes to the farthest receiver.

Window: from the dispatch of the send to the start of the last completion task. Nothing was published for this
program alone; `broadcast` is the same on wse2, with a formula.
"""

from __future__ import annotations

from pyflame_rt.backends.wse.bench import broadcast
from pyflame_rt.backends.wse.bench.base import Benchmark, Parameter, Row

BENCHMARK = Benchmark(
    name="multicast",
    summary="one PE sends a vector to several PEs at once",
    parameters={
        "receivers": Parameter(4, "PEs that receive", most=749),
        "words": Parameter(64, "32-bit words", most=12_000),
    },
    machine="wse3",
    build=lambda params, machine: broadcast.row(
        "multicast", params["receivers"] + 1, params["words"]
    ),
    inputs=lambda params: broadcast.row_inputs(params["receivers"] + 1, params["words"]),
    cycles=broadcast.cycles,
    check=broadcast.check,
    expected=lambda params, machine: None,
    rows=(Row("-", "wse3", {"receivers": 4, "words": 64}),),
)
