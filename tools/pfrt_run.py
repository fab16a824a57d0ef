"""`pfrt-run`: run a model or IR, feed it, compare, inspect and time it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence, Sized
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeAlias, cast

import click
import numpy as np
import numpy.typing as npt
from click.core import ParameterSource

from pyflame_rt import (
    __version__,
    array_files,
    compiler,
    feeds,
    inspection,
    model_runs,
    module_files,
    pipelines,
    profile_tables,
    random_inputs,
    timing,
)
from pyflame_rt.backends.registry import BackendRegistry, get_backend
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.bisection import bisect
from pyflame_rt.comparison import Difference, Tolerance, compare_all, worst
from pyflame_rt.compiler import CompiledModel, Program, TensorSpec
from pyflame_rt.errors import (
    BackendError,
    InputError,
    InvalidModelError,
    PassFailed,
    PyFlameRTError,
)
from pyflame_rt.failures import Check
from pyflame_rt.partition.transports import TRANSPORTS
from pyflame_rt.reduction import reduce
from pyflame_rt.system import inspect_system
from pyflame_rt.tools import calibration, onnxruntime_values, partitioned_run, wse_model, wse_run
from pyflame_rt.tools.command import (
    FAILURE,
    PLUGIN_HELP,
    PLUGIN_OPTION,
    USAGE,
    UsageError,
    guarded,
    load_plugins,
)
from pyflame_rt.tools.progress import stage

Array: TypeAlias = npt.NDArray[Any]

PROGRAM = "pfrt-run"
_BENCH_RUNS = 100
_PROFILED_RUNS = 5
_SHOWN_LAYERS = 5
_SHOWN_TEXTS = 3
_SHOWN_TEXT = 30
_F16_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Options:
    """The command line."""

    model: str
    weights: str | None
    backend: str
    load_plugin: tuple[str, ...]
    pipeline: str | None
    opt_level: int | None
    dynamic: bool
    input: tuple[str, ...]
    inputs: str | None
    test_data: str | None
    random_seed: int
    seed_given: bool
    dim: tuple[str, ...]
    output: str | None
    expect: str | None
    rtol: float
    atol: float
    compare: str | None
    per_layer: bool
    bisect_passes: bool
    reduce: str | None
    inspect: bool
    bench: int | None
    tune: bool
    profile: str | None
    json: bool
    device: str | None
    launch: tuple[str, ...]
    set_const: tuple[str, ...]
    stats: bool
    critical_path: bool
    report: tuple[str, ...]
    grid: str | None
    dtype: str | None
    schedule: str | None
    explain: bool
    sparsity: bool
    before: str | None
    partition: str | None
    transport: str | None
    micro_batches: int | None
    calibrate: str | None
    calibration_method: str | None

    @property
    def tolerance(self) -> Tolerance:
        """Of every comparison. What the wafer computes in f16 is compared as such."""
        if self.dtype == "f16" and (self.rtol, self.atol) == (Tolerance.rtol, Tolerance.atol):
            return Tolerance(_F16_TOLERANCE, _F16_TOLERANCE)
        return Tolerance(self.rtol, self.atol)

    @property
    def target(self) -> str:
        """The backend: the device, if one is given."""
        return self.device or self.backend

    @property
    def dims(self) -> dict[str, int]:
        """Sizes of symbolic dimensions. Raises UsageError."""
        sizes: dict[str, int] = {}
        for text in self.dim:
            name, _, size = text.rpartition("=")
            if not name or not size.isdecimal() or len(size) > 9:
                raise UsageError(f'--dim takes NAME=SIZE, got "{text}"')
            sizes[name] = int(size)
        return sizes


class Report:
    """What is said on stdout: lines as they come, or one JSON object at the end."""

    def __init__(self, as_json: bool):
        self.as_json = as_json
        self.values: dict[str, object] = {}
        self.good = True

    def add(self, key: str, value: object, *lines: str) -> None:
        """A result: for the JSON object, and in words."""
        self.values[key] = value
        if not self.as_json:
            for line in lines:
                print(line)

    def verdict(self, key: str, differences: Sequence[Difference], against: str) -> None:
        """The result of a comparison, which decides the exit code."""
        good = all(d.agrees for d in differences)
        self.good &= good
        lines = [f"{against}: {'agrees' if good else 'DIFFERS'}", *(f"  {d}" for d in differences)]
        self.add(key, {"agrees": good, "values": [d.as_json() for d in differences]}, *lines)

    def finish(self) -> int:
        """Print the JSON object, if asked for; the exit code."""
        if self.as_json:
            print(json.dumps(self.values, indent=2, ensure_ascii=False))
        return 0 if self.good else FAILURE


def _known(context: click.Context, parameter: click.Parameter, backend: str) -> str:
    known = BackendRegistry.instance().available_backends()
    if backend not in known:
        raise click.BadParameter(f"{backend!r} is not one of {', '.join(map(repr, known))}.")
    return backend


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path(), default="")
@click.option("-i", "--input", metavar="NAME=FILE", multiple=True, help="An input: .npy or .pb.")
@click.option("--inputs", metavar="FILE.npz", help="Inputs by name.")
@click.option("--test-data", metavar="DIR", help="ONNX test data: input_*.pb, output_*.pb.")
@click.option("--random-seed", type=click.IntRange(0), default=0, metavar="N",
              help="Random arrays for inputs that are not given; the default without any.")  # fmt: skip
@click.option("--dim", metavar="NAME=N", multiple=True, help="Size of a symbolic dimension.")
@click.option("-o", "--output", metavar="FILE.npz|DIR", help="Where outputs go.")
@click.option("--expect", metavar="FILE.npz|DIR", help="Outputs to compare with.")
@click.option("--rtol", type=click.FloatRange(0), default=Tolerance.rtol, show_default=True)
@click.option("--atol", type=click.FloatRange(0), default=Tolerance.atol, show_default=True)
@click.option("--compare", type=click.Choice(["onnxruntime", "reference", "numpy"]),
              help="Run that as well, and compare.")  # fmt: skip
@click.option("--per-layer", is_flag=True, help="With --compare: every value by its name.")
@click.option("--bisect-passes", is_flag=True,
              help="Find the pass after which outputs differ from the reference backend's.")  # fmt: skip
@click.option("--reduce", metavar="OUT.mlir",
              help="Shrink a model whose outputs differ from the reference backend's.")  # fmt: skip
@click.option(
    "--inspect", is_flag=True, help="Describe the model, without one the system; run nothing."
)
@click.option("--sparsity", is_flag=True, help="... zeros and patterns of each layer's weights.")
@click.option("--before", metavar="FILE",
              help="... and beside the model before it was pruned: sizes and measured latency.")  # fmt: skip
@click.option("--tune", is_flag=True,
              help="Measure which algorithm of each op is fastest here; kept in a file.")  # fmt: skip
@click.option("--bench", type=click.IntRange(1), is_flag=False, flag_value=_BENCH_RUNS,
              metavar="[N]", help=f"Time N runs ({_BENCH_RUNS}).")  # fmt: skip
@click.option("--profile", metavar="FILE.json",
              help="Trace a few runs, and print where their time goes.")  # fmt: skip
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.option("--backend", metavar="NAME", default="numpy", show_default=True, callback=_known,
              help="numpy, reference, or one that a plugin brings.")  # fmt: skip
@click.option(PLUGIN_OPTION, metavar="FILE.py|NAME", multiple=True, help=PLUGIN_HELP)
@click.option("--pipeline", metavar="TEXT", help="Passes to run first, as for pfrt-opt.")
@click.option("--opt-level", type=click.IntRange(0, 3), help="Optimization level.")
@click.option("--dynamic", is_flag=True, help="Keep dynamic dimensions when compiling.")
@click.option("--weights", metavar="FILE", help="Weights side file for IR.")
@click.option("--device", type=click.Choice(wse_run.DEVICES),
              help="Run on a simulated wafer, also a wse program.")  # fmt: skip
@click.option("--grid", metavar="COLUMNSxROWS", help="... of so many elements: 8x8.")
@click.option("--dtype", type=click.Choice(["f32", "f16"]), help="... what it computes in.")
@click.option(
    "--schedule", type=click.Choice(["layer", "pipeline"]), help="... how layers share the PEs."
)
@click.option("--explain", is_flag=True,
              help="... predicted, least and simulated cycles of each layer.")  # fmt: skip
@click.option("--launch", metavar="NAME", multiple=True, help="... a function of a program to run.")
@click.option("--set-const", metavar="NAME=VALUE", multiple=True,
              help="... a constant of the machine.")  # fmt: skip
@click.option("--stats", is_flag=True, help="... where the cycles went.")
@click.option("--critical-path", is_flag=True, help="... and what the run waited for.")
@click.option("--report", metavar="FILE", multiple=True,
              help="... write .txt, .json, .trace.json, .html or .png.")  # fmt: skip
@click.option("--partition", metavar="PLAN.json", help="Run on the devices of a plan.")
@click.option("--transport", type=click.Choice(TRANSPORTS),
              help="... which are these (processes, if there are several).")  # fmt: skip
@click.option("--micro-batches", type=click.IntRange(1), metavar="N",
              help="... with a batch cut into N (what the plan says).")  # fmt: skip
@click.option("--calibrate", metavar="DATA", help="Write ranges seen on inputs to -o FILE.json.")
@click.option("--calibration-method", type=click.Choice(calibration.METHODS), help="... by this.")
@click.version_option(__version__, message=f"{PROGRAM} %(version)s")
@click.pass_context
def command(context: click.Context, **values: Any) -> int:
    """Run MODEL: .pfm, .onnx, .onnxtxt, or .mlir at any level of lowering.

    IR without @main but with functions that take nothing is a test: each is run. Exit code 0:
    fine, 1: a run failed or outputs differ, 2: bad input or command line.
    """
    given = context.get_parameter_source("random_seed") is not ParameterSource.DEFAULT
    return _run(Options(**values, seed_given=given))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit code."""

    def body() -> int:
        load_plugins(arguments)
        try:
            code = command.main(arguments, PROGRAM, standalone_mode=False)
        except click.ClickException as error:
            raise UsageError(
                error.format_message(), hint=f"{PROGRAM} --help explains the options"
            ) from error
        except click.exceptions.Abort as error:
            raise KeyboardInterrupt from error
        return code if isinstance(code, int) else 0

    return guarded(PROGRAM, body, bad_input=USAGE)


def _run(options: Options) -> int:
    with ExitStack() as stack:
        return _run_with(options, stack)


def _run_with(options: Options, stack: ExitStack) -> int:
    _check(options)
    report = Report(options.json)
    if options.inspect and not options.model:
        system = inspect_system()
        report.add("system", system.as_json(), *system.lines())
        return report.finish()
    if options.inspect:
        found = inspection.inspect(options.model, options.dims, options.weights)
        report.add("inspection", found.as_json(), *found.lines())
        if options.sparsity:
            # Much code, which no run needs.
            from pyflame_rt.sparsity_inspection import inspect_sparsity

            with stage(PROGRAM, "looking at weights"):
                zeros = inspect_sparsity(
                    options.model, options.before, options.dims, options.weights
                )
            report.add("sparsity", zeros.as_json(), *zeros.lines())
        return report.finish()
    with stage(PROGRAM, f"loading {options.model}"):
        program = compiler.load(options.model, weights=options.weights)
    if wse_run.is_program(program.module):
        return wse_run.run(options, report, program.module, PROGRAM)
    wse_model.check(options)
    if options.calibrate is not None:
        return calibration.run(options, report, program)
    tests = model_runs.argumentless_functions(program.module)
    if tests:
        return _run_tests(program, tests, options, report)
    if not model_runs.has_main(program.module):
        raise InvalidModelError(
            "has no function @main, and none that takes nothing", where=options.model
        )
    inputs, outputs = compiler.signature(program.module)
    feed = feeds.prepare(_feed(options, inputs), inputs)
    named = {spec.name: array for spec, array in zip(inputs, feed, strict=True)}
    pipeline = _pipeline(options, program, inputs, feed)
    if options.bisect_passes or options.reduce is not None:
        _find_fault(options, report, program, pipeline, named)
        return report.finish()
    try:
        level = 2 if options.opt_level is None else options.opt_level
        source, steps = program, pipeline
        if options.tune:
            with stage(PROGRAM, "tuning"):
                (source, tuning), steps = model_runs.tuned(program, pipeline, level), ""
            report.add("tuning", tuning.as_json(), *tuning.lines())
        with stage(PROGRAM, "compiling"):
            if options.partition is not None:
                names = [spec.name for spec in inputs]
                model = partitioned_run.PartitionedModel(options, program, names, stack)
            elif options.device is not None:
                model = wse_model.compiled(options, report, source, steps, level)
            else:
                model = model_runs.compile_program(source, options.backend, steps, level)
        with stage(PROGRAM, "running"):
            results = model.run(feed)
    except SimulationError as error:
        wse_model.run_failed(error)
        raise
    except (PassFailed, BackendError) as error:
        raise _with_guesses(error, options, inputs) from error
    values = {spec.name: array for spec, array in zip(outputs, results, strict=True)}
    if options.output is not None:
        array_files.write_arrays(options.output, values)
    lines = [_summary(spec, values[spec.name]) for spec in outputs]
    report.add("outputs", [_shape_of(s, values[s.name]) for s in outputs], *lines)
    if isinstance(model, CompiledModel) and options.device is not None:
        wse_model.tell(options, report, model)
    _expect(options, report, outputs, values)
    _compare(options, report, program, pipeline, named, values)
    if options.bench is not None:
        runs = options.bench
        with stage(PROGRAM, f"timing {runs} runs"):
            times = timing.measure(lambda: model.run(feed), runs)
        report.add("bench", times.as_json(), f"{options.target}: {times}")
    if options.profile is not None and not isinstance(model, CompiledModel):
        model.profile(options, report, feed, _PROFILED_RUNS)
    elif isinstance(model, CompiledModel) and options.profile is not None:
        with stage(PROGRAM, f"tracing {_PROFILED_RUNS} runs"):
            profile = model_runs.profiled(model, feed, _PROFILED_RUNS)
        profile.write(options.profile)
        tables = profile_tables.as_json(profile.events)
        report.add("profile", tables, *profile_tables.lines(profile.events))
    return report.finish()


def _with_guesses(
    error: PyFlameRTError, options: Options, inputs: Sequence[TensorSpec]
) -> PyFlameRTError:
    """The error, with the sizes that random inputs took for want of better ones as a hint."""
    is_random = not (options.test_data or options.inputs or options.input)
    guessed = random_inputs.guessed_dims(inputs, options.dims) if is_random else ()
    if not guessed or type(error).__init__ is not PyFlameRTError.__init__:
        return error
    hint = f"{', '.join(guessed)} were taken as 1, other sizes are given with --dim NAME=SIZE"
    return type(error)(error.message, where=error.where, hint=hint)


def _check(options: Options) -> None:
    partitioned_run.check(options)
    calibration.check(options)
    if not options.model and not options.inspect:
        raise UsageError("Missing argument 'MODEL'.", hint=f"{PROGRAM} --help explains the options")
    if (options.sparsity or options.before) and not (options.inspect and options.model):
        raise UsageError("--sparsity and --before go with --inspect and a model")
    if options.before is not None and not options.sparsity:
        raise UsageError("--before goes with --sparsity")
    if options.tune and options.target != "numpy":
        raise UsageError("--tune goes with the numpy backend")
    if options.per_layer and options.compare is None:
        raise UsageError("--per-layer goes with --compare")
    finder = "--bisect-passes" if options.bisect_passes else "--reduce"
    if (options.bisect_passes or options.reduce is not None) and options.compare == "onnxruntime":
        raise UsageError(f"{finder} compares with the reference backend")
    if options.reduce is not None and not module_files.is_for_text(options.reduce):
        raise UsageError(
            "not a name for text", where=options.reduce, hint="--reduce writes a .mlir file"
        )
    if options.pipeline is not None and options.opt_level is not None:
        raise UsageError("--pipeline and --opt-level exclude each other")
    if options.test_data is not None and options.expect is not None:
        raise UsageError("--test-data brings what --expect would name")


def _run_tests(program: Program, tests: Sequence[str], options: Options, report: Report) -> int:
    outcomes = model_runs.run_tests(program, tests, options.target, options.pipeline)
    for name, why in outcomes.items():
        report.good &= why is None
        report.add(f"@{name}", why or "passed", f"@{name}: {why or 'passed'}")
    return report.finish()


def _feed(options: Options, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    feed: dict[str, Any] = {}
    if options.test_data is not None:
        feed |= array_files.read_recorded(options.test_data, "input", specs)
    if options.inputs is not None:
        feed |= array_files.gathered(array_files.read_archive(options.inputs), specs)
    containers = {spec.name: spec.container for spec in specs}
    for text in options.input:
        name, path = _named_file(text, specs)
        feed[name] = array_files.read_value(path, containers.get(name))
    feed = _as_declared(feed, specs)
    if (options.test_data or options.inputs or options.input) and not options.seed_given:
        return feed
    missing = [spec for spec in specs if spec.name not in feed and spec.default is None]
    generator = np.random.default_rng(options.random_seed)
    for spec, shape in zip(
        missing, random_inputs.resolve_shapes(missing, options.dims), strict=True
    ):
        try:
            feed[spec.name] = random_inputs.random_array(spec.dtype, shape, generator)
        except (MemoryError, ValueError) as error:
            raise InputError(
                f"no random array of shape {list(shape)} can be made: {error}",
                where=f'input "{spec.name}"',
            ) from error
    return feed


def _as_declared(values: Mapping[str, Any], specs: Sequence[TensorSpec]) -> dict[str, Any]:
    dtypes = {spec.name: spec.dtype for spec in specs}
    return {
        name: array_files.as_declared(value, dtypes[name]) if name in dtypes else value
        for name, value in values.items()
    }


def _named_file(text: str, specs: Sequence[TensorSpec]) -> tuple[str, str]:
    # A name may contain "=".
    for spec in specs:
        if text.startswith(f"{spec.name}="):
            return spec.name, text.removeprefix(f"{spec.name}=")
    name, equals, path = text.partition("=")
    if not equals:
        raise UsageError(f'--input takes NAME=FILE, got "{text}"')
    return name, path


def _pipeline(
    options: Options, program: Program, specs: Sequence[TensorSpec], feed: Sequence[Any]
) -> str:
    if options.pipeline is not None or compiler.is_lowered(program.module):
        return options.pipeline or ""
    level = options.opt_level
    if level is None:
        # The reference backend is the meaning of the model as it stands.
        target = get_backend(options.target)
        level = 0 if options.backend == "reference" else compiler.most_optimized(target, 2)
    specialize = not options.dynamic and options.backend != "reference"
    return model_runs.pipeline_for(specs, feed, level, specialize=specialize)


def _find_fault(
    options: Options, report: Report, program: Program, pipeline: str, named: Mapping[str, Any]
) -> None:
    if compiler.is_lowered(program.module):
        raise UsageError("a lowered model has no passes before it to blame", where=options.model)
    check = Check(options.backend, options.tolerance)
    if options.bisect_passes:
        with stage(PROGRAM, "bisecting"):
            culprit = bisect(program, pipelines.parse(pipeline), named, check)
        report.good &= culprit is None
        lines = culprit.lines() if culprit else ["bisection: outputs agree after all passes"]
        report.add("bisection", None if culprit is None else culprit.as_json(), *lines)
    if options.reduce is not None:
        with stage(PROGRAM, "reducing"):
            found = reduce(program, named, partial(_pipeline, options, program), check)
        report.good = False
        command = f"{PROGRAM} {found.save(options.reduce)} --backend {options.backend}"
        report.add("reduction", {**found.as_json(), "command": command}, *found.lines(), command)


def _expect(
    options: Options,
    report: Report,
    specs: Sequence[TensorSpec],
    values: Mapping[str, Any],
) -> None:
    source = options.expect or options.test_data
    if source is None:
        return
    if options.expect is not None:
        expected = array_files.read_outputs(source, specs)
    else:
        expected = array_files.read_recorded(source, "output", specs)
    if not expected:
        raise InputError("holds no outputs to compare with", where=source)
    for name in expected:
        if name not in values:
            raise InputError(
                f'there is no output "{name}"',
                where=source,
                hint=f"outputs are {', '.join(values)}",
            )
    expected = _as_declared(expected, specs)
    report.verdict("expect", compare_all(values, expected, options.tolerance), source)


def _compare(
    options: Options,
    report: Report,
    program: Program,
    pipeline: str,
    inputs: Mapping[str, Any],
    values: Mapping[str, Any],
) -> None:
    if options.compare is None:
        return
    with stage(PROGRAM, f"running {options.compare}"):
        if options.compare == "onnxruntime":
            expected = onnxruntime_values.run(options.model, inputs, layers=options.per_layer)
        elif options.compare == "numpy" and not options.per_layer:
            expected = model_runs.backend_values(program, "numpy", pipeline, inputs)
        else:
            expected = model_runs.reference_values(program, "", inputs, layers=options.per_layer)
    if options.per_layer:
        with stage(PROGRAM, "running layer by layer"):
            values = {
                **model_runs.reference_values(program, pipeline, inputs, layers=True),
                **values,
            }
    differences = compare_all(values, expected, options.tolerance)
    if not differences:
        raise InputError(f"no value has a name that {options.compare} knows", where=options.model)
    if options.per_layer:
        _report_layers(report, differences, options.compare)
    else:
        report.verdict("compare", differences, options.compare)


def _report_layers(report: Report, differences: tuple[Difference, ...], against: str) -> None:
    bad = [d for d in differences if not d.agrees]
    report.good &= not bad
    largest = worst(differences)
    lines = [f"{against}: {len(differences) - len(bad)} of {len(differences)} layers agree"]
    if bad:
        lines += [f"  first to differ: {d}" for d in bad[:1]]
        lines += [f"  then: {d}" for d in bad[1:_SHOWN_LAYERS]]
        lines += [f"  and {len(bad) - _SHOWN_LAYERS} more"] * (len(bad) > _SHOWN_LAYERS)
    lines.append(f"  worst: {largest}")
    result: dict[str, object] = {
        "agrees": not bad,
        "worst": largest.name if largest else None,
        "values": [d.as_json() for d in differences],
    }
    report.add("compare", result, *lines)


def _shape_of(spec: TensorSpec, value: object) -> dict[str, object]:
    about: dict[str, object] = {"name": spec.name, "type": spec.type}
    if isinstance(value, np.ndarray):
        return {**about, "shape": list(cast(Array, value).shape)}
    return {**about, "length": len(cast(Sized, value))} if value is not None else about


def _summary(spec: TensorSpec, value: object) -> str:
    about = f"{spec.name}: {spec.type}"
    match value:
        case np.ndarray():
            return f"{about} {_array_summary(cast(Array, value))}"
        case None:
            return f"{about} none"
        case _:
            return f"{about} of {len(cast(Sized, value))}"


def _array_summary(array: Array) -> str:
    text = f"{list(array.shape)}"
    if array.size == 0 or array.dtype.kind == "c":
        return text
    if array.dtype.kind == "O":
        shown = (ascii(t if len(t) <= _SHOWN_TEXT else f"{t[:_SHOWN_TEXT]}…") for t in array.flat)
        more = " …" * (array.size > _SHOWN_TEXTS)
        return f"{text} {' '.join(islice(shown, _SHOWN_TEXTS))}{more}"
    wide = array.astype(np.float64) if array.dtype.kind not in "biu" else array
    with np.errstate(all="ignore"):
        low, high, mean = wide.min(), wide.max(), wide.mean()
    return f"{text} min {low:.6g} max {high:.6g} mean {mean:.6g}"


if __name__ == "__main__":
    sys.exit(main())
