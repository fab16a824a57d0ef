"""`pfrt-run` of a `wse` program: buffers in, functions launched, buffers out, on a simulated machine.

An input is an array of shape (height, width, *the buffer's) for the rectangle of the PEs that export the
buffer; of the buffer's shape alone, or one number, it goes to each of them. Buffers without an input
keep the contents that the program gives them. Then what is active from the start runs, and each
`--launch` in its order. Every exported buffer is an output.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import array_files
from pyflame_rt.backends.wse import machine as machines
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.comparison import compare_all
from pyflame_rt.errors import InputError
from pyflame_rt.tools.command import UsageError
from pyflame_rt.tools.progress import stage

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from pyflame_rt.backends.wse.host import Runtime
    from pyflame_rt.tools.pfrt_run import Options, Report

Array: TypeAlias = npt.NDArray[Any]

DEVICES = tuple(machines.MACHINES)
_SHOWN_ELEMENTS = 64
# Steps of words that a critical path is found among, at most.
_PATH_ROWS = 1 << 22


def is_program(module: ModuleOp) -> bool:
    """Whether a module is a wse program, and no function of a host runs it."""
    names = {op.name for op in module.body.ops}
    return "wse.program" in names and "func.func" not in names


def _require_no_model(options: Options) -> None:
    """Raise UsageError for options of a model when there is a wse program."""
    given: dict[str, object] = {
        "--test-data": options.test_data,
        "--dim": options.dim,
        "--compare": options.compare,
        "--bisect-passes": options.bisect_passes,
        "--reduce": options.reduce,
        "--tune": options.tune,
        "--bench": options.bench,
        "--profile": options.profile,
        "--pipeline": options.pipeline,
        "--opt-level": options.opt_level is not None,
        "--dynamic": options.dynamic,
        "--grid": options.grid,
        "--dtype": options.dtype,
        "--schedule": options.schedule,
        "--explain": options.explain,
    }
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} goes with a model, not a wse program", where=options.model)


def run(options: Options, report: Report, module: ModuleOp, program: str) -> int:
    """Run the program of a module; the exit code. Raises PyFlameRTError."""
    from pyflame_rt.backends.wse.host import Runtime

    _require_no_model(options)
    if options.device is None:
        raise UsageError(
            "is a wse program", where=options.model, hint=f"--device takes {', '.join(DEVICES)}"
        )
    from pyflame_rt.backends.wse.reports import files

    machine = machines.machine(options.device, options.set_const)
    level = "path" if options.critical_path else files.trace_level(options.report)
    rows = _PATH_ROWS if options.critical_path else None
    with stage(program, f"loading onto {machine.name}"):
        runtime = Runtime(module, machine, trace=level, trace_rows=rows)
    for function in options.launch:
        runtime.require_function(function)
    for name, given in _feed(options).items():
        runtime.write(name, given)
    try:
        with stage(program, "running"):
            runtime.run()
            for function in options.launch:
                runtime.launch(function)
                runtime.run()
    except SimulationError as error:
        # What led to it is in the reports of an unfinished run.
        print(error.report, file=sys.stderr)
        _write_reports(options, runtime)
        raise
    _report_run(runtime, report)
    values: dict[str, Array] = {}
    for name in runtime.symbols:
        try:
            values[name] = runtime.read(name)
        except InputError as error:
            report.add(f"not shown: {name}", error.message, f"{name}: not shown, {error.message}")
    for name, value in values.items():
        x, y, width, height = runtime.rectangle(name)
        about = {"name": name, "type": _type(value), "shape": list(value.shape), "x": x, "y": y}
        lines = [f"{name}: {_type(value)} {list(value.shape)} at ({x}, {y}){_range(value)}"]
        if value.size <= _SHOWN_ELEMENTS:
            rows = value.reshape(height, width, -1)
            lines += [
                f"  ({x + column}, {y + row}): {_numbers(rows[row, column])}"
                for row in range(height)
                for column in range(width)
            ]
        _append(report, "outputs", about, lines)
    if options.output is not None:
        array_files.write_arrays(options.output, values)
    if options.expect is not None:
        _expect(options, report, values)
    if options.stats or options.critical_path:
        _report_statistics(options, runtime, report)
    _write_reports(options, runtime)
    return report.finish()


def _append(report: Report, key: str, value: object, lines: list[str]) -> None:
    known = cast("list[object]", report.values.get(key, []))
    report.add(key, [*known, value], *lines)


def _feed(options: Options) -> dict[str, Array]:
    feed = {} if options.inputs is None else dict(array_files.read_archive(options.inputs))
    for text in options.input:
        name, equals, path = text.partition("=")
        if not equals:
            raise UsageError(f'--input takes NAME=FILE, got "{text}"')
        feed[name] = np.asarray(array_files.read_value(path))
    return feed


def _report_run(runtime: Runtime, report: Report) -> None:
    for event in runtime.prints():
        value = "" if event.value is None else f" {event.value:g}"
        about = {
            "cycle": event.cycle, "x": event.x, "y": event.y, "text": event.text,
            "value": event.value,
        }  # fmt: skip
        where = f"({event.x}, {event.y}), cycle {event.cycle}"
        _append(report, "prints", about, [f"{where}: {event.text}{value}"])
    if dropped := runtime.simulator.dropped_events():
        report.add("dropped", dropped, f"{dropped} more prints were not kept")
    report.add("machine", runtime.machine.name)
    costs = {name: list(cycles) for name, cycles in runtime.loaded.costs.items()}
    lines = [f'declared cost "{name}": {" or ".join(map(str, costs[name]))}' for name in costs]
    report.add("declared_costs", costs, *lines)
    report.add("cycles", runtime.cycle, f"cycles: {runtime.cycle} on {runtime.machine.name}")


def _report_statistics(options: Options, runtime: Runtime, report: Report) -> None:
    from pyflame_rt.backends.wse.reports import plain, tables

    statistics = runtime.statistics()
    path = runtime.simulator.critical_path() if options.critical_path else None
    report.add("statistics", plain.as_json(statistics, path), "", *tables.lines(statistics, path))


def _write_reports(options: Options, runtime: Runtime) -> None:
    from pyflame_rt.backends.wse.reports import files

    for file in options.report:
        files.write(file, runtime.simulator)


def _expect(options: Options, report: Report, values: dict[str, Array]) -> None:
    source = str(options.expect)
    expected = array_files.read_outputs(source, ())
    if not expected:
        raise InputError("holds no outputs to compare with", where=source)
    for name in expected:
        if name not in values:
            raise InputError(
                f'there is no exported buffer "{name}"', where=source,
                hint=f"exported are {', '.join(values) or 'none'}",
            )  # fmt: skip
    # What NumPy computed in double precision is compared as the buffer's type.
    expected = {
        name: array.astype(values[name].dtype) if array.dtype.kind in "iuf" else array
        for name, array in expected.items()
    }
    report.verdict("expect", compare_all(values, expected, options.tolerance), source)


def _type(value: Array) -> str:
    return f"{value.dtype.kind}{8 * value.dtype.itemsize}"


def _range(value: Array) -> str:
    if value.size == 0:
        return ""
    wide = value.astype(np.float64)
    with np.errstate(all="ignore"):
        return f" min {wide.min():.6g} max {wide.max():.6g} mean {wide.mean():.6g}"


def _numbers(values: Array) -> str:
    return " ".join(f"{value:.6g}" for value in values.astype(np.float64).tolist())
