"""`pfrt-run --calibrate`: the ranges of a model's values on data, in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyflame_rt import array_files, compiler
from pyflame_rt.errors import InputError
from pyflame_rt.tools.command import UsageError
from pyflame_rt.tools.progress import stage

if TYPE_CHECKING:
    from pyflame_rt.compiler import Program, TensorSpec
    from pyflame_rt.tools.pfrt_run import Options, Report

METHODS: Final = ("minmax", "entropy", "percentile", "mse")
_NAMES: Final = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile", "mse": "MSE"}
_ARRAYS: Final = (".npy", ".npz")


def check(options: Options) -> None:
    """Raise UsageError for options that calibration has no use for, or that need it."""
    if options.calibrate is None:
        if options.calibration_method is not None:
            raise UsageError("--calibration-method goes with --calibrate")
        return
    if not options.model:
        raise UsageError("--calibrate takes a model")
    if options.output is None or not options.output.endswith(".json"):
        raise UsageError("--calibrate writes ranges to -o FILE.json")
    excluded = {
        "--device": options.device is not None,
        "--partition": options.partition is not None,
        "--pipeline": options.pipeline is not None,
        "--opt-level": options.opt_level is not None,
        "--input": bool(options.input),
        "--inputs": options.inputs is not None,
        "--test-data": options.test_data is not None,
        "--compare": options.compare is not None,
        "--bench": options.bench is not None,
    }
    for name, given in excluded.items():
        if given:
            raise UsageError(f"--calibrate and {name} exclude each other", where=options.model)


def run(options: Options, report: Report, program: Program) -> int:
    """Run a model on every batch, and write the ranges of what its products take."""
    # Quantization is nothing that other runs need.
    from pyflame_rt.graph import Graph
    from pyflame_rt.quantization import CalibrationMethod, Calibrator, QuantConfig

    assert options.calibrate is not None
    assert options.output is not None
    config = QuantConfig.static_int8()
    config.calibration_method = CalibrationMethod[_NAMES[options.calibration_method or "minmax"]]
    inputs = compiler.signature(program.module)[0]
    calibrator = Calibrator(Graph.of_program(program), config)
    count = 0
    with stage("pfrt-run", "calibrating"):
        for feed in batches(options.calibrate, inputs):
            calibrator.observe(feed)
            count += 1
    ranges = calibrator.ranges()
    calibrator.save(options.output)
    report.add(
        "calibration",
        {"batches": count, "ranges": len(ranges), "file": options.output},
        f"{options.output}: ranges of {len(ranges)} values, from {count} batches",
    )
    return report.finish()


def batches(path: str, inputs: Sequence[TensorSpec]) -> Iterator[dict[str, Any]]:
    """The feeds that a file or folder holds, one read after the other.

    An .npz file is a batch by the names of inputs, an .npy file one for a model of one input; a
    folder holds such files, or ONNX test data (`input_0.pb`, …), or folders of these. Arrays of
    several batches of the size that the model fixes are cut. Raises InputError.
    """
    found = False
    for feed in _feeds(Path(path), inputs):
        for part in _cut(feed, inputs):
            found = True
            yield part
    if not found:
        raise InputError("holds no inputs: no .npz, .npy or input_*.pb", where=path)


def _feeds(path: Path, inputs: Sequence[TensorSpec]) -> Iterator[dict[str, Any]]:
    if path.is_dir():
        children = sorted(path.iterdir())
        if any(child.name.startswith("input_") for child in children):
            yield array_files.read_recorded(path, "input", inputs)
            return
        for child in children:
            if child.is_dir() or child.suffix in _ARRAYS:
                yield from _feeds(child, inputs)
    elif path.suffix == ".npy":
        if len(inputs) != 1:
            raise InputError(
                f"holds one array, and the model has {len(inputs)} inputs", where=str(path)
            )
        yield {inputs[0].name: array_files.read_value(path)}
    else:
        names = {spec.name for spec in inputs}
        arrays = array_files.read_archive(path)
        # Archives of data sets hold labels too.
        feed = {name: array for name, array in arrays.items() if name in names}
        if not feed:
            held = ", ".join(arrays) or "nothing"
            raise InputError(
                f"holds no input of the model, but {held}",
                where=str(path),
                hint=f"inputs are {', '.join(names)}",
            )
        yield feed


def _cut(feed: dict[str, Any], inputs: Sequence[TensorSpec]) -> Iterator[dict[str, Any]]:
    """A feed whose arrays have as many rows as several batches, one batch after the other."""
    counts: set[int] = set()
    sizes: dict[str, int] = {}
    for spec in inputs:
        array = feed.get(spec.name)
        shape = spec.shape
        if array is None:
            continue
        size = shape[0] if shape else None
        if not isinstance(size, int) or size < 1 or not getattr(array, "ndim", 0):
            yield feed
            return
        whole, rest = divmod(len(array), size)
        if rest:
            yield feed
            return
        counts.add(whole)
        sizes[spec.name] = size
    if len(counts) != 1:
        yield feed
        return
    for index in range(counts.pop()):
        yield {n: feed[n][index * size : (index + 1) * size] for n, size in sizes.items()}
