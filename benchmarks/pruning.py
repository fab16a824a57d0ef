"""How much faster a network is without some of its channels: dense and pruned, run in turn.

    python benchmarks/pruning.py RESNET50.onnx [--amount 0.3] [--of channels flops parameters]
        [--scope group] [--multiple 1] [--batch 1] [--rounds 15] [--threads 1] [--json]

A row for each measure that 30 % may be of: all channels of every group (`--scope group`, the
default: each group loses the same share), all floating-point operations, all parameters. Models
are pruned at level 1, by magnitude, in memory, and go through the same session options. One dense
run and one of each pruned model make a round; the ratio is that of the two runs of a round, the
figures are medians and quartiles over rounds, of CPU time and of wall time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

import pyflame_rt
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.passes.cleanup.pfrt_optimize import PfrtOptimizePass
from pyflame_rt.passes.pruning.channels import MEASURES, Budget, ChannelReport, plan_channels
from pyflame_rt.universe import make_context

Feed = dict[str, np.ndarray]


def pruned(path: Path, budget: Budget, scope: str, multiple: int) -> tuple[bytes, ChannelReport]:
    """The model without channels, as ONNX, and what was planned."""
    module = import_onnx(path)
    PfrtOptimizePass(1).apply(make_context(), module)
    report = plan_channels(module, budget, scope=scope, multiple=multiple).apply()
    return export_onnx(module, opset=None).SerializeToString(), report


def session(source: bytes | str, threads: int) -> pyflame_rt.InferenceSession:
    """A session that compiles for the shapes it is fed at once."""
    options = pyflame_rt.SessionOptions()
    options.intra_op_num_threads = threads
    options.specialize_after = 1
    return pyflame_rt.InferenceSession(source, options)


def feed_of(model: pyflame_rt.InferenceSession, batch: int) -> Feed:
    """Drawn images; a symbol is the batch."""
    rng = np.random.default_rng(0)
    return {
        given.name: rng.standard_normal(
            [dim if isinstance(dim, int) else batch for dim in given.shape]
        ).astype(np.float32)
        for given in model.get_inputs()
    }


def seconds(model: pyflame_rt.InferenceSession, feed: Feed) -> tuple[float, float]:
    """CPU and wall time of one run."""
    cpu, wall = time.process_time(), time.perf_counter()
    model.run(None, feed)
    return time.process_time() - cpu, time.perf_counter() - wall


def quartiles(values: list[float]) -> list[float]:
    """First quartile, median, third quartile."""
    return [round(value, 3) for value in statistics.quantiles(values, n=4)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--amount", type=float, default=0.3)
    parser.add_argument("--of", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--scope", choices=("group", "global"), default="group")
    parser.add_argument("--multiple", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()

    dense = session(str(args.model), args.threads)
    feed = feed_of(dense, args.batch)
    rivals: dict[str, tuple[pyflame_rt.InferenceSession, ChannelReport]] = {}
    for measure in args.of:
        source, report = pruned(args.model, Budget(args.amount, measure), args.scope, args.multiple)
        rivals[measure] = session(source, args.threads), report
    for model in (dense, *(model for model, _ in rivals.values())):
        for _ in range(3):
            model.run(None, feed)
    ratios: dict[str, list[tuple[float, float]]] = {measure: [] for measure in rivals}
    for _ in range(args.rounds):
        before = seconds(dense, feed)
        for measure, (model, _) in rivals.items():
            after = seconds(model, feed)
            ratios[measure].append((before[0] / after[0], before[1] / after[1]))
    rows = [
        {
            "of": measure,
            "channels": round(1 - report.after.channels / report.before.channels, 4),
            "parameters": round(1 - report.after.parameters / report.before.parameters, 4),
            "flops": round(1 - report.after.flops / report.before.flops, 4),
            "faster (CPU)": quartiles([cpu for cpu, _ in ratios[measure]]),
            "faster (wall)": quartiles([wall for _, wall in ratios[measure]]),
        }
        for measure, (_, report) in rivals.items()
    ]
    if args.json:
        print(json.dumps({"model": args.model.name, "batch": args.batch, "rows": rows}))
        return
    for row in rows:
        less = ", ".join(f"{row[name]:.1%} {name}" for name in MEASURES)
        cpu, wall = row["faster (CPU)"], row["faster (wall)"]
        print(f"{args.amount:.0%} of {row['of']}: {less} gone")
        print(f"  {cpu[1]:.2f} x faster in CPU time ({cpu[0]:.2f} to {cpu[2]:.2f}),", end=" ")
        print(f"{wall[1]:.2f} x in wall time ({wall[0]:.2f} to {wall[2]:.2f})")


if __name__ == "__main__":
    main()
