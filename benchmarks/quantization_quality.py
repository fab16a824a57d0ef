"""What integers of 8 bits cost in signal-to-noise: ours beside onnxruntime's `quantize_static`.

    python benchmarks/quantization_quality.py [--models cnn mlp FILE.onnx …] [--json FILE]

Both calibrate on the same data, fold batch norms first, and quantize a model for each method x
granularity x symmetry; the figure is the SQNR of all outputs against the float model's, in dB, on
data that neither has calibrated on. For files other than the digits' networks, the data are pictures: those
of `test_data_set_0` beside the file, mirrored, moved and darkened.

Then each side runs the other's quantized models: the SQNR of our answers against onnxruntime's, of
the better of our two forms, integers (level 2) and the reals that the file spells (level 0):
onnxruntime multiplies reals where data of signed or symmetric integers meet a relu, and one integer
that is rounded otherwise in a deep network becomes many.
Both columns are judged: ours >= theirs - 0.5 dB, and >= 45 dB between the two; exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Feed = dict[str, Array]

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits"
METHODS = ("MinMax", "Entropy", "Percentile")
GRANULARITIES = ("tensor", "channel")
ALLOWED = 0.5
AGREEMENT = 45.0
_OPSET = 17


@dataclass(frozen=True)
class Quality:
    """SQNR of ours and theirs against floats, and of our export here against there, in dB."""

    model: str
    method: str
    granularity: str
    symmetric: bool
    ours: float
    theirs: float
    exported: float
    imported: float

    @property
    def good(self) -> bool:
        """Whether ours is as good as theirs, and both sides compute the same."""
        same = min(self.exported, self.imported) >= AGREEMENT
        return same and self.ours >= self.theirs - ALLOWED


@dataclass(frozen=True)
class Agreement:
    """How far our answers and onnxruntime's agree on a model that onnxruntime has quantized, in dB."""

    model: str
    form: str
    sqnr: float


@dataclass(frozen=True)
class Case:
    """A float model, batches to calibrate on, and others to measure on."""

    name: str
    model: Path
    calibration: Sequence[Feed]
    measured: Sequence[Feed]


def sqnr(found: Sequence[Array], exact: Sequence[Array]) -> float:
    """Of several outputs together, in dB."""
    signal = sum(float(np.square(e, dtype=np.float64).sum()) for e in exact)
    pairs = zip(found, exact, strict=True)
    noise = sum(float(np.square(f.astype(np.float64) - e).sum()) for f, e in pairs)
    return 10 * float(np.log10(signal / max(noise, signal * 1e-20)))


def digits(name: str) -> Case:
    """A digits network: 100 images in batches of 10, measured on the others."""
    images = np.load(DIGITS / "test.npz")["images"].astype(np.float32)
    return Case(
        name,
        DIGITS / f"{name}.onnx",
        [{"images": batch} for batch in np.split(images[:100], 10)],
        [{"images": images[100:]}],
    )


def pictures(path: Path) -> Case:
    """A model of images with recorded inputs, of which more are made."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    known = {tensor.name for tensor in model.graph.initializer}
    (name,) = (value.name for value in model.graph.input if value.name not in known)
    tensor = onnx.TensorProto()
    tensor.ParseFromString((path.parent / "test_data_set_0" / "input_0.pb").read_bytes())
    image = onnx.numpy_helper.to_array(tensor).astype(np.float32)
    made = list(_variants(image))
    return Case(
        path.parent.name,
        path,
        [{name: variant} for variant in made[::2]],
        [{name: variant} for variant in made[1::2]],
    )


def _variants(image: Array) -> Iterator[Array]:
    for gain in (1.0, 0.8, 0.6):
        for shift in (0, 24, 56):
            moved = np.roll(image, shift, -1)
            for mirrored in (moved, moved[..., ::-1]):
                yield np.ascontiguousarray(mirrored * np.float32(gain))


class Rival:
    """onnxruntime on a model in a form that its quantizer takes: of opset 17, batch norms folded."""

    def __init__(self, case: Case, folder: Path) -> None:
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self.case = case
        self.folder = folder
        self.model = folder / f"{case.name}_float.onnx"
        loaded = onnx.load(str(case.model))
        if next(o.version for o in loaded.opset_import if not o.domain) < 13:
            # Old files list their initializers among their inputs, and conversion needs it so.
            loaded = onnx.version_converter.convert_version(loaded, _OPSET)
        known = {tensor.name for tensor in loaded.graph.initializer}
        inputs = [value for value in loaded.graph.input if value.name not in known]
        del loaded.graph.input[:]
        loaded.graph.input.extend(inputs)
        onnx.save(loaded, str(self.model))
        quant_pre_process(str(self.model), str(self.model))

    def run(self, model: Path, feeds: Sequence[Feed]) -> list[Array]:
        """The outputs for all feeds, one thread."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        return [array for feed in feeds for array in session.run(None, feed)]

    def quantized(self, method: str, granularity: str, *, symmetric: bool, **more: Any) -> Path:
        """Its own quantized model, in QDQ form unless told otherwise."""
        from onnxruntime import quantization as q

        class Reader(q.CalibrationDataReader):
            def __init__(self, feeds: Sequence[Feed]) -> None:
                self._feeds = iter(feeds)

            def get_next(self) -> Feed | None:
                return next(self._feeds, None)

        path = self.folder / "theirs.onnx"
        settings = {"activation_type": q.QuantType.QInt8, "weight_type": q.QuantType.QInt8, **more}
        # It tells of its progress on the standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            q.quantize_static(
                str(self.model),
                str(path),
                Reader(self.case.calibration),
                per_channel=granularity == "channel",
                calibrate_method=getattr(q.CalibrationMethod, method),
                extra_options={"ActivationSymmetric": symmetric},
                **settings,
            )
        return path

    def quantized_dynamically(self, granularity: str) -> Path:
        """Its own model whose data are quantized when it runs."""
        from onnxruntime import quantization as q

        path = self.folder / "dynamic.onnx"
        channels = granularity == "channel"
        q.quantize_dynamic(str(self.model), str(path), per_channel=channels)
        return path


def run_ours(model: Any, feeds: Sequence[Feed], level: int = 2) -> list[Array]:
    """Our outputs for all feeds."""
    from pyflame_rt import InferenceSession, SessionOptions

    options = SessionOptions()
    options.optimization_level = level
    session = InferenceSession(model if not isinstance(model, Path) else str(model), options)
    return [array for feed in feeds for array in session.run(None, feed)]


def agreement(model: Any, feeds: Sequence[Feed], answers: Sequence[Array]) -> float:
    """How far the better of our forms is from onnxruntime's answers, in dB."""
    return max(sqnr(run_ours(model, feeds, level), answers) for level in (2, 0))


def qualities(rival: Rival) -> Iterator[Quality]:
    """A row for each way to quantize a model."""
    from pyflame_rt import InferenceSession
    from pyflame_rt.model_files import save_model
    from pyflame_rt.quantization import (
        CalibrationMethod,
        QuantConfig,
        QuantGranularity,
        Quantizer,
    )

    case = rival.case
    exact = rival.run(rival.model, case.measured)
    graph = InferenceSession(str(case.model)).graph()
    names = {"tensor": QuantGranularity.PerTensor, "channel": QuantGranularity.PerChannel}
    for method in METHODS:
        for granularity in GRANULARITIES:
            for symmetric in (True, False):
                config = QuantConfig.static_int8()
                config.calibration_method = CalibrationMethod[method]
                config.granularity = names[granularity]
                config.symmetric = symmetric
                batches = iter(case.calibration)
                made = Quantizer(config).quantize_with_calibration(
                    graph, lambda batches=batches: next(batches), len(case.calibration)
                )
                if made.quantized_graph is None:
                    raise RuntimeError(made.error_message)
                ours = run_ours(made.quantized_graph, case.measured)
                path = rival.folder / "ours.onnx"
                save_model(made.quantized_graph, path)
                theirs = rival.quantized(method, granularity, symmetric=symmetric)
                answers = rival.run(theirs, case.measured)
                yield Quality(
                    case.name,
                    method,
                    granularity,
                    symmetric,
                    sqnr(ours, exact),
                    sqnr(answers, exact),
                    agreement(path, case.measured, rival.run(path, case.measured)),
                    agreement(theirs, case.measured, answers),
                )


def agreements(rival: Rival) -> Iterator[Agreement]:
    """A row for each form that onnxruntime quantizes to."""
    from onnxruntime import quantization as q

    feeds = rival.case.measured
    for form in ("QDQ", "QOperator"):
        for granularity in GRANULARITIES:
            for data in ("QUInt8", "QInt8"):
                path = rival.quantized(
                    "MinMax",
                    granularity,
                    symmetric=False,
                    quant_format=q.QuantFormat[form],
                    activation_type=q.QuantType[data],
                )
                found = agreement(path, feeds, rival.run(path, feeds))
                kind = "u8s8" if data == "QUInt8" else "s8s8"
                yield Agreement(rival.case.name, f"{form}, {kind}, a {granularity}", found)
    for granularity in GRANULARITIES:
        path = rival.quantized_dynamically(granularity)
        found = agreement(path, feeds, rival.run(path, feeds))
        yield Agreement(rival.case.name, f"dynamic, a {granularity}", found)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["cnn", "mlp"], metavar="NAME|FILE")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rows: list[Mapping[str, object]] = []
    good = True
    for name in args.models:
        case = digits(name) if name in ("cnn", "mlp") else pictures(Path(name))
        with tempfile.TemporaryDirectory() as folder:
            rival = Rival(case, Path(folder))
            print(f"{case.name}: method, scales, zero points: ours, theirs; export, import (dB)")
            for row in qualities(rival):
                middle = "symmetric" if row.symmetric else "any"
                print(
                    f"  {row.method:10} {row.granularity:8} {middle:10} {row.ours:6.2f} "
                    f"{row.theirs:6.2f}; {row.exported:6.1f} {row.imported:6.1f}"
                    f"{'' if row.good else '  MISSED'}",
                    flush=True,
                )
                good &= row.good
                rows.append(asdict(row))
            for row in agreements(rival):
                missed = row.sqnr < AGREEMENT
                mark = "  MISSED" if missed else ""
                print(f"  {row.form:28} {row.sqnr:6.1f}{mark}", flush=True)
                good &= not missed
                rows.append(asdict(row))
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + os.linesep)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
