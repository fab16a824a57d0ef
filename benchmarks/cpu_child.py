"""One measurement of benchmarks/cpu.py: a model, a batch size and a number of threads, in a process
of its own, because BLAS reads its settings when it is loaded.

    python benchmarks/cpu_child.py '{"model": "mlp", "batch": 1, "threads": 1, …}'

Prints a line of JSON. A sample is as many runs of one peer as take long enough to be timed; peers
take turns. Of a round during which other processes had more than a fiftieth of a processor, or this
one less than it asked for, all samples are dropped.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from cpu_models import MODELS

import pyflame_rt
from pyflame_rt.backends.numpy_backend.blas import blas
from pyflame_rt.backends.watching import Step, Watch
from pyflame_rt.compiler import optimization_pipeline
from pyflame_rt.dialects.pfrt.base import PfrtOp

Run = Callable[[], Any]

SAMPLE = 0.15
"""Seconds of a sample, at least: what the system counts other processes' time in is 0.01 s."""
OTHERS = 0.02


def main() -> None:
    """Measure what the argument says."""
    task = json.loads(sys.argv[1])
    folder = Path(task["folder"])
    model = next(m for m in MODELS if m.name == task["model"])
    path, feed = model.path(folder), model.feed(folder, task["batch"])
    options = pyflame_rt.SessionOptions()
    options.num_threads = task["threads"]
    ours = pyflame_rt.InferenceSession(path, options)
    peers: dict[str, Run] = {"pyflame_rt": lambda: ours.run(None, feed)}
    for name, make in _PEERS.items():
        if name in task["peers"] and find_spec(name) is not None:
            peers[name] = make(path, feed, task["threads"])
    error = _warm(peers, ours)
    rounds = [sampled_round(peers, task) for _ in range(task["rounds"])]
    kept = [sample for sample in rounds if sample["quiet"]]
    steps, flops = _steps(ours, feed), _flops(ours, feed)
    peak = _peak()
    report: dict[str, Any] = {
        **{key: task[key] for key in ("model", "batch", "threads", "clock")},
        "blas": blas().kernel,
        "peak_gflops": peak,
        "gflop": flops / 1e9,
        "error": error,
        "rounds": len(rounds),
        "dropped": len(rounds) - len(kept),
        # Where nothing is quiet, processor time is the better guide.
        "peers": {name: _summary(kept or rounds, name, task["clock"]) for name in peers},
        "steps": steps,
    }
    seconds = report["peers"]["pyflame_rt"]["ms"] / 1e3
    report["fraction_of_peak"] = flops / seconds / 1e9 / (peak * task["threads"])
    print(json.dumps(report))


def _onnxruntime(path: Path, feed: dict[str, np.ndarray], threads: int) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)


def _openvino(path: Path, feed: dict[str, np.ndarray], threads: int) -> Run:
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
    model = core.read_model(path)
    model.reshape({name: list(array.shape) for name, array in feed.items()})
    compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()

    def run() -> list[np.ndarray]:
        found = request.infer(feed)
        return [found[port] for port in compiled.outputs]

    return run


def _torch(path: Path, feed: dict[str, np.ndarray], threads: int) -> Run:
    import torch

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
    from importlib import import_module

    name = path.name.partition(".")[0]
    torch.set_num_threads(threads)
    inputs = [torch.from_numpy(array) for array in feed.values()]
    if name == "mlp":
        layers: list[Any] = [torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)]
        module: Any = torch.nn.Sequential(*layers)
    elif name == "lenet":
        module = _torch_lenet(torch)
    else:
        module = import_module(f"networks.{name}").build("full").module
    module.eval()

    def run() -> Any:
        with torch.inference_mode():
            return module(*inputs)

    return run


def _torch_lenet(torch: Any) -> Any:
    nn = torch.nn
    convolutions = [
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    ]  # fmt: skip
    linear = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*convolutions, *linear)


_PEERS = {"onnxruntime": _onnxruntime, "openvino": _openvino, "torch": _torch}


def _warm(peers: dict[str, Run], ours: pyflame_rt.InferenceSession) -> float:
    """Run each peer a few times; how far our answer is from onnxruntime's, against the largest."""
    for _ in range(3):
        answers = {name: run() for name, run in peers.items()}
    # A signature that comes back is compiled by a thread of its own.
    ours._plans.settle()
    peers["pyflame_rt"]()
    if "onnxruntime" not in answers:
        return float("nan")
    pairs = zip(answers["pyflame_rt"], answers["onnxruntime"], strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) for a, b in pairs)


def sampled_round(peers: dict[str, Run], task: dict[str, Any]) -> dict[str, Any]:
    """A sample of each peer: seconds a run by the clock, and whether all was quiet."""
    found: dict[str, Any] = {"quiet": True}
    for name, run in peers.items():
        count = _counts.setdefault(name, _count(run))
        busy, wall, cpu = _busy(), time.perf_counter(), time.process_time()
        for _ in range(count):
            run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        others = _busy() - busy - cpu
        asked = cpu / wall if task["threads"] == 1 else 1.0
        found["quiet"] &= others < OTHERS * wall + 0.01 and asked > 1 - OTHERS
        found[name] = {"wall": wall / count, "cpu": cpu / count}
    return found


_counts: dict[str, int] = {}


def _count(run: Run) -> int:
    start = time.perf_counter()
    run()
    return max(1, round(SAMPLE / max(time.perf_counter() - start, 1e-7)))


def _busy() -> float:
    """Seconds that all processors have spent on anything so far."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _summary(rounds: list[dict[str, Any]], name: str, clock: str) -> dict[str, Any]:
    """Median time, and the median and quartiles of what it is of ours."""
    times = [sample[name][clock] for sample in rounds]
    ratios = [sample[name][clock] / sample["pyflame_rt"][clock] for sample in rounds]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return {"ms": statistics.median(times) * 1e3, "ratio": middle, "quartiles": [low, high]}


class _Times(Watch):
    """What each algorithm took, on all threads together."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._start: defaultdict[int, list[float]] = defaultdict(list)

    def enter(self, step: Step) -> None:
        self._start[threading.get_ident()].append(time.thread_time())

    def leave(self, step: Step) -> None:
        start = self._start[threading.get_ident()].pop()
        self.seconds[step.algorithm] += time.thread_time() - start
        self.calls[step.algorithm] += 1


def _plan(ours: Any, feed: dict[str, np.ndarray]) -> tuple[Any, list[np.ndarray]]:
    """The plan that a feed runs on, and the arrays it takes."""
    inputs = ours._plans.dynamic.inputs
    arrays = [np.ascontiguousarray(feed[spec.name]) for spec in inputs]
    return ours._plans.take(arrays), arrays


def _steps(ours: Any, feed: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Milliseconds of a run by algorithm, the longest first: the best of several runs for each."""
    plan, arrays = _plan(ours, feed)
    best: dict[str, float] = {}
    calls: Counter[str] = Counter()
    for _ in range(5):
        times = _Times()
        plan.executable.run_watched(arrays, times)
        calls = times.calls
        for name, seconds in times.seconds.items():
            best[name] = min(seconds, best.get(name, seconds))
    rows = sorted(best.items(), key=lambda row: -row[1])
    return [{"algorithm": n, "calls": calls[n], "ms": seconds * 1e3} for n, seconds in rows]


def _flops(ours: Any, feed: dict[str, np.ndarray]) -> int:
    """Operations of a run, as the ops count them; a multiply-add is two."""
    from pyflame_rt import compiler, pipelines

    program = ours._model.program
    module = program.module.clone()
    plan, arrays = _plan(ours, feed)
    shapes = [array.shape for array in arrays]
    fixed = compiler.specialization_pipeline(plan.inputs, shapes, 2)
    for text in (optimization_pipeline(2), fixed):
        pipelines.run(program.ctx, module, pipelines.parse(text))
    return sum(op.flops() or 0 for op in module.walk() if isinstance(op, PfrtOp))


def _peak() -> float:
    """GFLOP/s of NumPy's best product of large matrices, on one thread's share."""
    a, b = (np.random.default_rng(i).random((1024, 1024), np.float32) for i in range(2))
    out, best = np.empty_like(a), float("inf")
    for _ in range(12):
        start = time.process_time()
        np.matmul(a, b, out)
        best = min(best, time.process_time() - start)
    return 2 * 1024**3 / best / 1e9


if __name__ == "__main__":
    main()
