"""Builds, feeds, runs and checks a benchmark: what the tool and the tests call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.bench.base import (
    Array,
    Benchmark,
    BenchmarkError,
    Counts,
    Expected,
    Params,
    Run,
)
from pyflame_rt.backends.wse.loading.loader import load_program
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import jit as compilation
from pyflame_rt.backends.wse.sim.simulator import Simulator

# Processing elements times cycles that are interpreted before a run is compiled instead: about a second,
# where compiling takes tens of seconds the first time.
_INTERPRETED: Final = 100_000
# Rows of the trace for each PE, at least: a few tasks and ops.
_ROWS: Final = 16


@dataclass(frozen=True)
class Result:
    """What a benchmark took beside what was published."""

    benchmark: Benchmark
    machine: Machine
    params: Params
    counts: Counts
    expected: Expected | None

    @property
    def pairs(self) -> list[tuple[int, float]]:
        """What was counted and what was published: the cycles, or the least and the most where both were."""
        counts, expected = self.counts, self.expected
        if expected is None:
            return []
        if counts.cycles_min is None or expected.cycles_min is None:
            return [(counts.cycles, expected.cycles)]
        most = (counts.cycles_max or counts.cycles, expected.cycles_max or expected.cycles)
        return [(counts.cycles_min, expected.cycles_min), most]

    @property
    def error(self) -> float | None:
        """The relative difference from what was published, the largest of the pairs'."""
        errors = [got / wanted - 1 for got, wanted in self.pairs]
        return max(errors, key=abs) if errors else None

    @property
    def within(self) -> bool | None:
        """Whether all counts are within the published row's tolerance; None: nothing was published."""
        if self.expected is None:
            return None
        return all(self.expected.allows(got, wanted) for got, wanted in self.pairs)

    def record(self) -> dict[str, object]:
        """What the tool prints as JSON; the keys from `kind` on are beyond what scripts rely on."""
        expected = self.expected
        record: dict[str, object] = {
            "name": self.benchmark.name,
            "machine": self.machine.name,
            "params": dict(self.params.values),
            "cycles": self.counts.cycles,
            "expected": None if expected is None else number(expected.cycles),
            "source": None if expected is None else expected.source,
        }
        for key in ("cycles_min", "cycles_max"):
            if getattr(self.counts, key) is not None:
                record[key] = getattr(self.counts, key)
                wanted = None if expected is None else getattr(expected, key)
                record[f"expected_{key.removeprefix('cycles_')}"] = number(wanted)
        if expected is not None:
            record |= {"kind": expected.kind, "scored": expected.scored, "within": self.within}
        record["declared"] = {cost.name: cost.cycles for cost in self.benchmark.declared}
        return record


def number(value: float | None) -> float | None:
    """A count without a needless fraction."""
    if value is None:
        return None
    return int(value) if value == int(value) else round(value, 1)


def run(
    benchmark: Benchmark, params: Params, machine: Machine, *, jit: bool | None = None
) -> Result:
    """Build, run and check a benchmark; `jit` None: compiled when it is long and can be.

    Raises PyFlameRTError, and BenchmarkError when what it computed is wrong.
    """
    benchmark.validate(params, machine)
    program = benchmark.build(params, machine)
    inputs = benchmark.inputs(params)
    simulator = None
    if jit is None:
        simulator = _simulated(benchmark, program, inputs, machine, jit=False, patience=True)
    if simulator is None:
        compiled = compilation.wanted() if jit is None else jit
        simulator = _simulated(benchmark, program, inputs, machine, jit=compiled, patience=False)
    assert simulator is not None
    if simulator.dropped_events():
        raise BenchmarkError("the trace is too short for the window", where=benchmark.name)
    finished = Run(
        params=params,
        machine=machine,
        simulator=simulator,
        width=simulator.image.width,
        height=simulator.image.height,
        inputs=inputs,
        events=tuple(simulator.events()),
    )
    benchmark.check(finished)
    expected = benchmark.expected(params, machine)
    return Result(benchmark, machine, params, benchmark.cycles(finished), expected)


def _simulated(
    benchmark: Benchmark, program: ModuleOp, inputs: Mapping[str, Array], machine: Machine, *,
    jit: bool, patience: bool,
) -> Simulator | None:  # fmt: skip
    """A finished run; None when it was given up because it is long (with `patience`)."""
    image = load_program(program, machine)
    rows = max(benchmark.trace_rows, _ROWS * len(image.placements))
    simulator = Simulator(image, machine, jit=jit, trace=benchmark.trace, trace_rows=rows)
    feed(simulator, inputs)
    until = None
    if patience and compilation.wanted():
        elements = max(1, len(simulator.image.placements))
        until = _INTERPRETED // elements
    if not benchmark.launches and not simulator.run(until):
        return None
    for function in benchmark.launches:
        simulator.launch(function)
        if not simulator.run(until):
            return None
    return simulator


def feed(simulator: Simulator, inputs: Mapping[str, Array]) -> None:
    """Write the host's data to every PE that has the array, as many elements as it has."""
    image = simulator.image
    for pe, number in image.placements.tolist():
        y, x = divmod(pe, image.width)
        for name, symbol in image.programs[int(number)].symbols.items():
            if name in inputs:
                simulator.write(name, x, y, inputs[name][y, x][: symbol.count])
