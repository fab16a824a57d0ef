"""Time of a run beside onnxruntime's, on the digits and on the small models in onnx's wheel.

    python benchmarks/against_onnxruntime.py [--rounds 15] [--json]

Both sessions run in turn on the same input, round by round, with one thread each; the figures are
medians over rounds, and the quartiles of the ratio.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from threadpoolctl import threadpool_limits

import pyflame_rt

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
MODELS: tuple[tuple[Path, int], ...] = (
    (DIGITS / "mlp.onnx", 1),
    (DIGITS / "mlp.onnx", 64),
    (DIGITS / "cnn.onnx", 1),
    (DIGITS / "cnn.onnx", 64),
    (LIGHT / "light_squeezenet.onnx", 1),
    (LIGHT / "light_resnet50.onnx", 1),
)
"""Model and batch size."""


def milliseconds(run: Callable[[], object]) -> float:
    """Time of one run."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def compare(path: Path, batch: int, rounds: int) -> dict[str, object]:
    """Figures of one model. Raises AssertionError when the answers differ."""
    options = onnxruntime.SessionOptions()
    # More of them would spin on through the other's turn.
    options.intra_op_num_threads = 1
    theirs = onnxruntime.InferenceSession(path, options)
    ours = pyflame_rt.InferenceSession(path)
    shapes = {
        fed.name: [dim if isinstance(dim, int) else batch for dim in fed.shape]
        for fed in theirs.get_inputs()
    }
    # What ONNX's own suite feeds: the light models' equal weights make others ill-conditioned.
    feed = {
        name: np.linspace(0, 1, math.prod(shape), dtype=np.float32).reshape(shape)
        for name, shape in shapes.items()
    }
    for _ in range(3):
        answers = ours.run(None, feed), theirs.run(None, feed)
    for mine, yours in zip(*answers, strict=True):
        assert np.abs(mine - yours).max() <= 1e-5 * np.abs(yours).max()
    times = [
        (milliseconds(lambda: ours.run(None, feed)), milliseconds(lambda: theirs.run(None, feed)))
        for _ in range(rounds)
    ]
    low, middle, high = statistics.quantiles([a / b for a, b in times], n=4)
    return {
        "model": path.stem,
        "batch": batch,
        "ours_ms": statistics.median(a for a, _ in times),
        "onnxruntime_ms": statistics.median(b for _, b in times),
        "ratio": middle,
        "ratio_quartiles": (low, high),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    for path, batch in MODELS:
        with threadpool_limits(1):
            row = compare(path, batch, args.rounds)
        if args.json:
            print(json.dumps(row))
            continue
        low, high = row["ratio_quartiles"]
        print(
            f"{row['model']:17} N={batch:<3} {row['ours_ms']:9.3f} ms, "
            f"onnxruntime {row['onnxruntime_ms']:8.3f} ms, "
            f"ratio {row['ratio']:6.2f} (quartiles {low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
