"""Speed of quantized models: ours of floats, int8 and fp16, and onnxruntime's of floats and int8.

    python benchmarks/quant.py --models FILE.onnx … [--mode static] [--rounds 9] [--json FILE]

Each model is quantized here, with a scale a channel: `static` with data of zero points anywhere,
ranges from one random batch; `dynamic` data are rounded when they run. onnxruntime runs the export of the very
same model. All sessions take turns in one process on one thread, by processor time; printed are
medians over rounds of the ratios to our floats, with quartiles. Dimensions of unknown size are 1,
sequences (`--length`) 128.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PINNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_NATIVE = "PYFLAME_RT_JIT"
_SAMPLE = 2e-2

Runner = Callable[[], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", type=Path, default=[], metavar="FILE.onnx")
    parser.add_argument("--mode", choices=("static", "dynamic"), default="static")
    parser.add_argument("--length", type=int, default=128, help="of sequences")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    if any(name in os.environ for name in _PINNED) or "OPENBLAS_NUM_THREADS" not in os.environ:
        environment = {k: v for k, v in os.environ.items() if k not in _PINNED}
        environment["OPENBLAS_NUM_THREADS"] = "1"
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    digits = Path(__file__).resolve().parent.parent / "examples" / "digits" / "cnn.onnx"
    rows = [row for path in args.models or [digits] for row in _measured(path, args)]
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


def _measured(path: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    print(f"{path.name} ({args.mode}, machine code: {os.environ.get(_NATIVE, '') or 'off'})")
    with tempfile.TemporaryDirectory() as folder:
        runners = _runners(path, args, Path(folder))
        counts = {name: _repetitions(run) for name, run in runners.items()}
        times: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(args.rounds):
            for name, run in runners.items():
                times[name].append(_seconds(run, counts[name]))
    base = times["float"]
    for name, found in times.items():
        ratios = [one / other for one, other in zip(found, base, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        milliseconds = statistics.median(found) * 1e3
        print(f"  {name:18} {milliseconds:9.2f} ms, x {middle:.3f} ({low:.3f} to {high:.3f})")
        yield {
            "model": path.name,
            "mode": args.mode,
            "name": name,
            "milliseconds": milliseconds,
            "ratio": middle,
            "quartiles": [low, high],
        }


def _repetitions(run: Runner) -> int:
    """How many runs are a sample that the clock can tell from another."""
    run()
    return 1 + int(_SAMPLE / max(_seconds(run, 1), 1e-5))


def _seconds(run: Runner, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        run()
    return (time.process_time() - start) / count


def _runners(path: Path, args: argparse.Namespace, folder: Path) -> dict[str, Runner]:
    import onnxruntime as ort

    from pyflame_rt import InferenceSession, SessionOptions
    from pyflame_rt.model_files import save_model
    from pyflame_rt.quantization import QuantConfig, QuantGranularity, Quantizer

    def ours(model: Any) -> Runner:
        options = SessionOptions()
        options.intra_op_num_threads = 1
        session = InferenceSession(model, options)
        return lambda: session.run(None, feed)

    def theirs(model: Path) -> Runner:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, feed)

    loaded = InferenceSession(str(path))
    feed = _feed(loaded, args.length)
    graph = loaded.graph()
    config = QuantConfig.dynamic_int8() if args.mode == "dynamic" else QuantConfig.static_int8()
    config.granularity = QuantGranularity.PerChannel
    config.symmetric = args.mode == "dynamic"
    quantizer = Quantizer(config)
    if args.mode == "dynamic":
        made = quantizer.quantize_dynamic(graph)
    else:
        made = quantizer.quantize_with_calibration(graph, lambda: feed, 1)
    narrow = quantizer.convert_to_fp16(graph)
    if made.quantized_graph is None or narrow.quantized_graph is None:
        raise SystemExit(made.error_message or narrow.error_message)
    exported = folder / "int8.onnx"
    save_model(made.quantized_graph, exported)
    return {
        "float": ours(str(path)),
        "int8": ours(made.quantized_graph),
        "fp16": ours(narrow.quantized_graph),
        "onnxruntime float": theirs(path),
        "onnxruntime int8": theirs(exported),
    }


def _feed(session: Any, length: int) -> dict[str, Any]:
    import numpy as np

    generator = np.random.default_rng(0)
    feed: dict[str, Any] = {}
    for spec in session.get_inputs():
        shape = [
            size if isinstance(size, int) else length if index else 1
            for index, size in enumerate(spec.shape)
        ]
        if spec.type == "tensor(float)":
            feed[spec.name] = generator.normal(size=shape).astype(np.float32)
        else:
            # Numbers of words, or a mask.
            feed[spec.name] = np.ones(shape, np.int64)
    return feed


if __name__ == "__main__":
    main()
