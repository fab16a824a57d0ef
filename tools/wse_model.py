"""`pfrt-run` of a model on the simulated wafer: what is mapped, what it took, reports of the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyflame_rt import compiler, pipelines
from pyflame_rt.backends.registry import get_backend
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.compiler import CompiledModel, Program
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.dialects.wse.mappable import left_to_host
from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.tools.command import UsageError

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.runs import WseReport
    from pyflame_rt.tools.pfrt_run import Options, Report


def check(options: Options) -> None:
    """Raise UsageError for options that a model on the wafer has no use for, or that need a device."""
    if options.device is None:
        given = {
            "--grid": options.grid is not None,
            "--dtype": options.dtype is not None,
            "--schedule": options.schedule is not None,
            "--explain": options.explain,
            "--set-const": bool(options.set_const),
            "--stats": options.stats,
            "--critical-path": options.critical_path,
            "--report": bool(options.report),
        }
        for name, present in given.items():
            if present:
                raise UsageError(f"{name} goes with --device", where=options.model)
    if options.launch:
        raise UsageError("--launch goes with a wse program", where=options.model)
    if options.device is not None and (options.bisect_passes or options.reduce is not None):
        raise UsageError("faults are looked for on other backends", where="--device")


def backend_options(options: Options) -> dict[str, str]:
    """The options of the backend."""
    from pyflame_rt.backends.wse.reports import files

    found = {"grid": options.grid, "dtype": options.dtype, "schedule": options.schedule}
    given = {name: value for name, value in found.items() if value is not None}
    if options.set_const:
        given["set_const"] = " ".join(options.set_const)
    given["trace"] = "path" if options.critical_path else files.trace_level(options.report)
    return given


def compiled(
    options: Options, report: Report, program: Program, pipeline: str, level: int
) -> CompiledModel:
    """The model for the device; says which ops stay on the host, and why."""
    assert options.device is not None
    module = program.module.clone()
    backend = get_backend(options.device, backend_options(options))
    steps = compiler.join(pipeline, backend.preparing())
    pipelines.run(program.ctx, module, pipelines.parse(steps))
    left = [(describe(op), why) for op, why in left_to_host(module)]
    if left:
        rows = [{"op": op, "why": why} for op, why in left]
        report.add("host", rows, *(f"on the host: {op}: {why}" for op, why in left))
    return compiler.compile_module(
        module, program.ctx, options.device, "", options=backend_options(options), level=level
    )


def run_failed(error: SimulationError) -> None:
    """Show what a simulation knows of its failure."""
    print(error.report, file=sys.stderr)


def tell(options: Options, report: Report, model: CompiledModel) -> None:
    """What the run took, in all and, on request, step by step; reports of the simulation."""
    from pyflame_rt.backends.wse.backend import WseBackend

    assert isinstance(model.backend, WseBackend)
    found = model.backend.report()
    lines = found.lines()
    report.add("wse", found.as_json(), *(lines if options.explain else lines[-1:]))
    if options.stats or options.critical_path:
        _statistics(options, report, found)
    if options.report:
        _write(options, found)


def _statistics(options: Options, report: Report, found: WseReport) -> None:
    from pyflame_rt.backends.wse.reports import plain, tables

    for part in found.parts:
        statistics = part.simulator.statistics()
        path = part.simulator.critical_path() if options.critical_path else None
        key = "statistics" if len(found.parts) == 1 else f"statistics of {part.name}"
        lines = tables.lines(statistics, path)
        report.add(key, plain.as_json(statistics, path), f"@{part.name}", *lines)


def _write(options: Options, found: WseReport) -> None:
    from pyflame_rt.backends.wse.reports import files

    if len(found.parts) != 1:
        raise UnsupportedFormatError(
            f"{len(found.parts)} parts of the model ran on the wafer, a report is about one",
            where="--report",
        )
    for file in options.report:
        files.write(file, found.parts[0].simulator)
