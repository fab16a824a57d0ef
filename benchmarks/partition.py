"""Throughput of two processes beside one, and what sending a value between processes takes.

    python benchmarks/partition.py [--models resnet50 bert_base] [--devices 2] [--transport processes]
                                   [--rounds 9] [--runs 12] [--folder FOLDER] [--json FILE]

A network (made by scripts/make_networks.py, which needs torch, unless the folder has it) runs with
one thread in this process, and as a pipeline in which each device has one thread, with micro-batches
of one image or sentence, as many in flight as the pipeline takes. Both take turns in each round;
the ratio is the time of one process over that of the pipeline, its median and quartiles over rounds.
It is planned with what the ops take in this process and with what sending was measured to take, so
that the times that the plan predicts for its stages can be compared with those that they took.

Beside the wall's clock, processors' time is told: a pipeline cannot be faster than its busiest
process, so `bound` is what the ratio would be if nothing else used the processors.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before NumPy is loaded: what is compared has one thread each, with the kernels of this processor.
os.environ.pop("OPENBLAS_CORETYPE", None)
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from cpu_models import MODELS, Model, make

from pyflame_rt import compiler, model_runs, pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.compiler import CompiledModel, Program
from pyflame_rt.partition import (
    CostModel,
    DeviceSpec,
    GraphPartitioner,
    Link,
    PartitionConfig,
    PartitionedExecutor,
    PartitionPlan,
)
from pyflame_rt.partition.transports.measuring import measure
from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass

SENT = 1 << 20
_PROFILED = 15
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["resnet50", "bert_base"])
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--transport", default="processes", choices=("processes", "threads", "ray"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--runs", type=int, default=12, help="in each round")
    parser.add_argument("--folder", type=Path, default=_default_folder())
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    known = {model.name: model for model in MODELS}
    make(args.folder, args.models)
    sending = measure(args.transport, rounds=101)
    print(
        f"{args.transport}: {sending.times[SENT] / 1e3:.3f} ms for 1 MB "
        f"({sending.alpha_us:.0f} us and {1e6 * sending.beta_us:.0f} us a MB)"
    )
    reports: list[dict[str, Any]] = [{"transport": args.transport, "times_us": sending.times}]
    link = Link(sending.alpha_us, sending.beta_us)
    for name in args.models:
        reports.append(_pipelined(known[name], link, args))
        if args.json is not None:
            args.json.write_text(json.dumps(reports, indent=1) + "\n")


def _pipelined(model: Model, link: Link, args: argparse.Namespace) -> dict[str, Any]:
    program, feed = _fixed(compiler.load(str(model.path(args.folder))), model.feed(args.folder, 1))
    one = _single(program)
    arrays = [feed[spec.name] for spec in one.inputs]
    expected = one.run(arrays)
    plan = _planned(program, one, arrays, link, args.devices)
    with _opened(plan, args) as pipeline:
        results = pipeline.execute(feed)
        same = all(
            np.array_equal(results[spec.name], array)
            for spec, array in zip(one.outputs, expected, strict=True)
        )
        figures = _rounds(one, arrays, pipeline, feed, args)
        stages = [stage.as_json() for stage in pipeline.profile()]
    for stage, partition in zip(stages, plan.partitions, strict=True):
        stage["predicted_us"] = partition.compute_us
    figures |= {"model": model.name, "devices": args.devices, "bit_equal": same, "stages": stages}
    figures |= {"gap": plan.gap, "explanation": plan.explanation}
    _print(figures)
    return figures


def _planned(
    program: Program, one: CompiledModel, arrays: Sequence[Any], link: Link, devices: int
) -> PartitionPlan:
    """A pipeline for what the ops take here."""
    config = PartitionConfig(devices=[DeviceSpec(device_id=k) for k in range(devices)])
    partitioner = GraphPartitioner(config)
    costs = CostModel(link=link)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "profile.json"
        model_runs.profiled(one, arrays, _PROFILED).write(str(trace))
        costs.use_profile(trace)
    partitioner.set_cost_model(costs)
    return partitioner.partition_pipeline(program, devices)


def _opened(plan: PartitionPlan, args: argparse.Namespace) -> PartitionedExecutor:
    return PartitionedExecutor(
        plan, transport=args.transport, micro_batches=1, threads=args.devices
    )


def _rounds(
    one: CompiledModel,
    arrays: Sequence[Any],
    pipeline: PartitionedExecutor,
    feed: dict[str, Any],
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Times of a run in seconds: interleaved rounds of both."""
    workers = getattr(pipeline.transport, "processes", [])
    alone: list[float] = []
    piped: list[float] = []
    bounds: list[float] = []
    used_by: list[list[float]] = []
    pipeline.execute(feed)
    pipeline.reset_profile()
    for _ in range(args.rounds):
        began, used = time.perf_counter(), time.process_time()
        for _ in range(args.runs):
            one.run(arrays)
        alone.append((time.perf_counter() - began) / args.runs)
        single = time.process_time() - used
        before = [_processor_time(pid) for pid in workers]
        began = time.perf_counter()
        for future in [pipeline.execute_async(feed) for _ in range(args.runs)]:
            future.result()
        piped.append((time.perf_counter() - began) / args.runs)
        busy = [_processor_time(pid) - t for pid, t in zip(workers, before, strict=True)]
        if busy:
            bounds.append(single / max(busy))
            used_by.append([1e3 * t / args.runs for t in busy])
    ratios = [a / p for a, p in zip(alone, piped, strict=True)]
    return {
        "one_ms": 1e3 * statistics.median(alone),
        "pipeline_ms": 1e3 * statistics.median(piped),
        "ratio": statistics.median(ratios),
        "quartiles": [statistics.quantiles(ratios, n=4)[k] for k in (0, 2)],
        "bound": statistics.median(bounds) if bounds else None,
        "processor_ms": [statistics.median(row) for row in zip(*used_by, strict=True)],
    }


def _print(figures: dict[str, Any]) -> None:
    low, high = figures["quartiles"]
    bound = "" if figures["bound"] is None else f", bound {figures['bound']:.2f}"
    print(
        f"{figures['model']}: one process {figures['one_ms']:.1f} ms, {figures['devices']} devices "
        f"{figures['pipeline_ms']:.1f} ms a run: {figures['ratio']:.2f} x ({low:.2f} to {high:.2f}"
        f"{bound}); {'same bits' if figures['bit_equal'] else 'OTHER BITS'}"
    )
    if figures["processor_ms"]:
        times = " + ".join(f"{t:.1f}" for t in figures["processor_ms"])
        print(f"    processor time of the workers: {times} ms a run")
    for stage in figures["stages"]:
        print(
            f"    {stage['stage']:24} {stage['compute_us'] / 1e3:9.2f} ms (least "
            f"{stage['least_us'] / 1e3:.2f}, predicted {stage['predicted_us'] / 1e3:.2f}), waits "
            f"{stage['wait_us'] / 1e3:.2f} ms, sends {stage['bytes_out'] / 1e6:.2f} MB"
        )
    sys.stdout.flush()


def _fixed(program: Program, feed: dict[str, Any]) -> tuple[Program, dict[str, Any]]:
    """The model for just such inputs, and these."""
    inputs, _ = compiler.signature(program.module)
    shapes = tuple(f"{s.name}={'x'.join(map(str, feed[s.name].shape))}" for s in inputs)
    module = program.module.clone()
    pipelines.run(program.ctx, module, (PfrtSpecializeShapesPass(shapes=shapes),))
    return Program(program.ctx, module, program.name), feed


def _single(program: Program) -> CompiledModel:
    return compiler.compile_module(
        program.module, program.ctx, "numpy", compiler.optimization_pipeline(2),
        threads=Threads(1, limit=True),
    )  # fmt: skip


def _processor_time(pid: int) -> float:
    """Seconds that a process has used processors; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _default_folder() -> Path:
    return Path(tempfile.gettempdir()) / "pyflame_rt_networks"


if __name__ == "__main__":
    main()
