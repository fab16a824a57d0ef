"""Time from a file to a first answer with compiled kernels: none of them on disk yet, all, and without.

    python benchmarks/native_sessions.py [--models resnet50 …] [--folder FOLDER] [--rounds 3]

Each measurement is a process of its own, after imports; seconds until the session is there, until the
first answer, and until the first answer of the plan of that shape, wall time and processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cpu_models import MODELS, make

MODES = ("cold", "warm", "numpy")


def main() -> None:
    """Measure and print."""
    names = [model.name for model in MODELS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "networks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        _measure(args.measure, args.folder)
        return
    make(args.folder, args.models)
    for name in args.models:
        for mode in MODES:
            rows = [_run(name, mode, args.folder) for _ in range(args.rounds)]
            medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
            print(f"{name:14} {mode:6}", *(f"{k} {v:.3f}" for k, v in medians.items()), flush=True)


def _run(name: str, mode: str, folder: Path) -> dict[str, float]:
    """What a process of its own measures."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "PYFLAME_RT_JIT": "0" if mode == "numpy" else "1",
            "PYFLAME_RT_CACHE": cache,
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = [sys.executable, __file__, "--measure", name, "--folder", str(folder)]
        for _ in range(2 if mode == "warm" else 1):
            done = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
    return json.loads(done.stdout)


def _measure(name: str, folder: Path) -> None:
    import pyflame_rt

    model = next(m for m in MODELS if m.name == name)
    feed = model.feed(folder, 1)
    options = pyflame_rt.SessionOptions()
    options.num_threads = 1
    start, start_cpu = time.perf_counter(), time.process_time()
    session = pyflame_rt.InferenceSession(model.path(folder), options)
    made, made_cpu = time.perf_counter(), time.process_time()
    session.run(None, feed)
    first = time.perf_counter()
    while session._plans.last is session._plans.dynamic and not session._plans.is_static:
        session.run(None, feed)
        session._plans.settle()
    special, special_cpu = time.perf_counter(), time.process_time()
    found = {
        "session": made - start, "session_cpu": made_cpu - start_cpu, "first": first - start,
        "special": special - start, "special_cpu": special_cpu - start_cpu,
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
