"""One measurement of benchmarks/quant.py: a network, machine code or NumPy, and a number of threads, in
a process of its own.

    python benchmarks/quant_child.py '{"model": "bert_base", "form": "native", "threads": 1, …}'

Prints a line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from cpu_child import sampled_round
from cpu_models import MODELS

import pyflame_rt
from pyflame_rt.quantization import QuantConfig, Quantizer

_WARM = 8
"""Runs before the first sample: sessions make plans of sizes that come back."""

_RATIOS = (("onnxruntime int8", "int8"), ("int8", "float"), ("fp16", "float"))


def main() -> None:
    """Measure what the argument says."""
    task = json.loads(sys.argv[1])
    folder = Path(task["folder"])
    model = next(m for m in MODELS if m.name == task["model"])
    feed = model.feed(folder, 1)
    floats = str(model.path(folder))

    def ours(source: Any) -> pyflame_rt.InferenceSession:
        options = pyflame_rt.SessionOptions()
        options.num_threads = task["threads"]
        return pyflame_rt.InferenceSession(source, options)

    def theirs(path: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads, options.inter_op_num_threads = task["threads"], 1
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    narrow = Quantizer(QuantConfig()).convert_to_fp16(pyflame_rt.load_model(floats))
    assert narrow.success, narrow.error_message
    sessions = {
        "int8": ours(task["integers"]),
        "float": ours(floats),
        "fp16": ours(narrow.quantized_graph),
        "onnxruntime int8": theirs(task["integers"]),
    }
    for session in sessions.values():
        for _ in range(_WARM):
            session.run(None, feed)
    results = [sessions[name].run(None, feed) for name in ("onnxruntime int8", "int8")]
    runs = {name: lambda s=session: s.run(None, feed) for name, session in sessions.items()}
    rounds = [sampled_round(runs, task) for _ in range(task["rounds"])]
    quiet = [one for one in rounds if one["quiet"]]
    # Where nothing is quiet, processor time is the better guide.
    kept, clock = quiet or rounds, task["clock"]
    ratios = {
        f"{over} / {under}": _quartiles([one[over][clock] / one[under][clock] for one in kept])
        for over, under in _RATIOS
    }
    report: dict[str, Any] = {
        **{key: task[key] for key in ("model", "form", "threads", "clock")},
        "rounds": len(rounds),
        "dropped": len(rounds) - len(quiet),
        "milliseconds": {
            name: statistics.median(one[name][clock] for one in kept) * 1e3 for name in runs
        },
        "ratios": ratios,
        "sqnr": [_sqnr(wanted, found) for wanted, found in zip(*results, strict=True)],
    }
    print(json.dumps(report))


def _quartiles(ratios: Sequence[float]) -> list[float]:
    return [float(q) for q in np.quantile(ratios, (0.25, 0.5, 0.75))]


def _sqnr(wanted: np.ndarray, found: np.ndarray) -> float:
    wanted, found = wanted.astype(np.float64), found.astype(np.float64)
    noise = max(float(((wanted - found) ** 2).sum()), 1e-300)
    return 10 * float(np.log10((wanted**2).sum() / noise))


if __name__ == "__main__":
    main()
