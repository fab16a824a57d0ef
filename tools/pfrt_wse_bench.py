"""`pfrt-wse-bench`: run micro-benchmarks of the wafer beside the cycle counts that others published."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from pyflame_rt.backends.wse import bench
from pyflame_rt.tools.command import FAILURE, UsageError, guarded

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.bench.base import Benchmark, Params
    from pyflame_rt.backends.wse.bench.running import Result
    from pyflame_rt.backends.wse.machine import Machine

PROGRAM = "pfrt-wse-bench"

_HELP = f"""Build and run a micro-benchmark on the simulator of the wafer.

NAME is one of {", ".join(bench.MODULES)}.

The result is compared with the cycle count that was published for these parameters, if any was.
"""


@dataclass(frozen=True)
class Options:
    """The command line."""

    name: str | None
    machine: str | None
    settings: tuple[str, ...]
    set_const: tuple[str, ...]
    json: bool
    all: bool
    quick: bool
    sensitivity: bool
    emit: bool
    list: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point: 0, 1 when a run fails or a scored row is missed, 2 for a wrong command line."""

    def body() -> int:
        try:
            code = _command.main(arguments, PROGRAM, standalone_mode=False)
        except click.ClickException as error:
            raise UsageError(
                error.format_message(), hint=f"{PROGRAM} --help explains the options"
            ) from error
        except click.exceptions.Abort as error:
            raise KeyboardInterrupt from error
        return code if isinstance(code, int) else 0

    return guarded(PROGRAM, body)


@click.command(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@click.option("--machine", metavar="NAME", help="wse2, wse3 or wse3-si; default: the published one")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="a parameter")
@click.option("--set-const", multiple=True, metavar="NAME=VALUE", help="a constant of the machine")
@click.option("--json", is_flag=True, help="print JSON")
@click.option("--all", is_flag=True, help="run every published row and print the validation table")
@click.option("--quick", is_flag=True, help="with --all: leave out the rows that take long")
@click.option("--sensitivity", is_flag=True, help="change every constant by a step, run again")
@click.option("--emit", is_flag=True, help="print the program instead of running it")
@click.option("--list", is_flag=True, help="list the benchmarks and their parameters")
def _command(**options: object) -> int:
    return _run(Options(**options))  # pyright: ignore[reportArgumentType]


def _run(options: Options) -> int:
    if options.list:
        return _list()
    if options.all and (options.settings or options.emit or options.name or options.machine):
        raise UsageError("--all takes no benchmark, --machine, --set or --emit")
    if options.quick and not options.all:
        raise UsageError("--quick goes with --all")
    if options.all:
        if options.sensitivity:
            return _sensitivity(options, _everything(options))
        return _all(options)
    if options.name is None:
        raise UsageError(f"name a benchmark, or --all; benchmarks: {', '.join(bench.MODULES)}")
    benchmark = bench.benchmark(options.name)
    params = benchmark.parse(options.settings)
    from pyflame_rt.backends.wse.machine import machine

    target = machine(options.machine or benchmark.machine, options.set_const)
    if options.emit:
        return _emit(benchmark, params, target)
    if options.sensitivity:
        return _sensitivity(options, {target: [(benchmark, params)]})
    from pyflame_rt.backends.wse.bench.running import run

    result = run(benchmark, params, target)
    click.echo(json.dumps(result.record()) if options.json else _sentence(result))
    return 0


def _sentence(result: Result) -> str:
    params = ", ".join(f"{name}={value}" for name, value in result.params.values.items())
    declared = ", ".join(f"{cost.name} = {cost.cycles}" for cost in result.benchmark.declared)
    text = f"{result.benchmark.name} on {result.machine.name} ({params}): "
    text += f"{result.counts.cycles:,} cycles"
    if result.counts.cycles_min is not None:
        text += f" (from {result.counts.cycles_min:,} to {result.counts.cycles_max:,} over the PEs)"
    expected = result.expected
    if expected is None:
        return f"{text}; nothing was published"
    declared = f"\n  declared: {declared}" if declared else ""
    error = 100 * (result.error or 0.0)
    verdict = "within" if result.within else "outside"
    scored = "" if expected.scored else ", not scored"
    return (
        f"{text}\n  published: {expected.cycles:,.10g} ({expected.source})\n"
        f"  {error:+.2f} %, {verdict} its tolerance; {expected.kind}{scored}{declared}"
    )


def _list() -> int:
    for benchmark in bench.benchmarks():
        click.echo(f"{benchmark.name}: {benchmark.summary}")
        for name, parameter in benchmark.parameters.items():
            choices = f" ({' | '.join(parameter.choices)})" if parameter.choices else ""
            default = str(parameter.default)
            default = default.lower() if isinstance(parameter.default, bool) else default
            click.echo(f"  {name}={default}  {parameter.meaning}{choices}")
    return 0


def _emit(benchmark: Benchmark, params: Params, machine: Machine) -> int:
    benchmark.validate(params, machine)
    click.echo(str(benchmark.build(params, machine)))
    return 0


def _all(options: Options) -> int:
    from pyflame_rt.backends.wse.bench import validation

    outcome = validation.lines(slow=not options.quick, settings=options.set_const)
    missed = sum(line.verdict == "MISS" for line in outcome)
    if options.json:
        records = [{"row": line.row.label, **line.result.record()} for line in outcome]
        click.echo(json.dumps(records, indent=1))
    else:
        parts = (validation.table(outcome), validation.sets(outcome), validation.fits())
        click.echo("\n\n".join(parts))
    return FAILURE if missed else 0


def _everything(options: Options) -> dict[Machine, list[tuple[Benchmark, Params]]]:
    """Every benchmark with its defaults, by the machine that it was published on."""
    from pyflame_rt.backends.wse.machine import machine

    chosen: dict[Machine, list[tuple[Benchmark, Params]]] = {}
    for benchmark in bench.benchmarks():
        target = machine(benchmark.machine, options.set_const)
        chosen.setdefault(target, []).append((benchmark, benchmark.params()))
    return chosen


def _sensitivity(options: Options, chosen: dict[Machine, list[tuple[Benchmark, Params]]]) -> int:
    from pyflame_rt.backends.wse.bench.running import run
    from pyflame_rt.backends.wse.reports.sensitivity import sensitivity
    from pyflame_rt.backends.wse.sim import jit

    # Hundreds of short runs: what compiling takes comes back.
    compiled = jit.wanted() if options.all else None

    def cycles(benchmark: Benchmark, params: Params, machine: Machine) -> int:
        return run(benchmark, params, machine, jit=compiled).counts.cycles

    found = [
        sensitivity({b.name: partial(cycles, b, params) for b, params in runs}, target)
        for target, runs in chosen.items()
    ]
    if options.json:
        click.echo(json.dumps([table.as_json() for table in found], indent=1))
    else:
        click.echo("\n\n".join("\n".join(table.lines()) for table in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
