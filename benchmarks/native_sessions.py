"""Time from a file to a session that is ready: nothing on disk yet, all of it, and without machine code.

    python benchmarks/native_sessions.py [--models resnet50 …] [--folder FOLDER] [--rounds 3] [--static]

Each measurement is a process of its own, when code is loaded: by a session of another model. Ready is a
session whose plan for the model's shape, or the first that is fed, has run once. With --static the
shapes are in the model. `cold` compiles, and keeps kernels and plans on disk; `warm` finds them;
`kernels` finds kernels alone; `numpy` has neither. Seconds by the clock and of the processor.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import onnx
from cpu_models import MODELS, Model, make

MODES = ("cold", "kernels", "warm", "numpy")


def main() -> None:
    """Measure and print."""
    names = [model.name for model in MODELS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "networks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of runs")
    parser.add_argument("--static", action="store_true", help="have shapes in the models")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        _measure(_model(args.measure), args.file, args.folder, args.threads)
        return
    make(args.folder, [*args.models, "lenet"])
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.models:
            file = _model(name).path(args.folder)
            if args.static:
                file = _static(_model(name), args.folder, Path(scratch))
            rows: dict[str, list[dict[str, float]]] = {mode: [] for mode in args.modes}
            for _ in range(args.rounds):
                for mode in args.modes:
                    rows[mode].append(_run(name, file, mode, args.folder, args.threads))
            for mode, found in rows.items():
                medians = {key: statistics.median(row[key] for row in found) for key in found[0]}
                figures = "  ".join(f"{key} {value:.3f}" for key, value in medians.items())
                print(f"{name:14} {mode:8} {figures}", flush=True)


def _model(name: str) -> Model:
    return next(model for model in MODELS if model.name == name)


def _static(model: Model, folder: Path, scratch: Path) -> Path:
    """The model with the shapes of its feed."""
    proto = onnx.load(model.path(folder))
    feed = model.feed(folder, 1)
    for value in proto.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, feed[value.name].shape, strict=True):
            dim.dim_value = size
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.ClearField("dim_param")
    onnx.save(proto, scratch / f"{model.name}.onnx")
    return scratch / f"{model.name}.onnx"


def _run(name: str, file: Path, mode: str, folder: Path, threads: int) -> dict[str, float]:
    """What a process of its own measures."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "PYFLAME_RT_JIT": "0" if mode == "numpy" else "1",
            "PYFLAME_RT_CACHE": cache,
            "OPENBLAS_NUM_THREADS": str(threads),
        }
        command = [
            sys.executable, __file__, "--measure", name, "--file", str(file),
            "--folder", str(folder), "--threads", str(threads),
        ]  # fmt: skip
        if mode in ("kernels", "warm"):
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        if mode == "kernels":
            shutil.rmtree(Path(cache) / "plans", ignore_errors=True)
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return json.loads(done.stdout)


def _measure(model: Model, file: str, folder: Path, threads: int) -> None:
    import pyflame_rt

    options = pyflame_rt.SessionOptions()
    options.num_threads = threads
    _load_code(folder, options)
    feed = model.feed(folder, 1)
    start, start_cpu = time.perf_counter(), time.process_time()
    session = pyflame_rt.InferenceSession(file, options)
    made, made_cpu = time.perf_counter(), time.process_time()
    session.run(None, feed)
    first, first_cpu = time.perf_counter(), time.process_time()
    while not session._plans.is_static and session._plans._last_plan is None:
        session.run(None, feed)
        session._plans.settle()
    ready, ready_cpu = time.perf_counter(), time.process_time()
    found = {
        "session": made - start, "first": first - start, "ready": ready - start,
        "session_cpu": made_cpu - start_cpu, "first_cpu": first_cpu - start_cpu,
        "ready_cpu": ready_cpu - start_cpu,
    }  # fmt: skip
    print(json.dumps(found))


def _load_code(folder: Path, options: object) -> None:
    """Import what a session imports when it is made, with no kernel compiled and nothing kept."""
    import pyflame_rt
    from pyflame_rt.backends import native

    if os.environ["PYFLAME_RT_JIT"] == "1":
        for module in pkgutil.iter_modules(native.__path__):
            importlib.import_module(f"{native.__name__}.{module.name}")
        native.llvm.binding()
    before = {name: os.environ[name] for name in ("PYFLAME_RT_JIT", "PYFLAME_RT_CACHE")}
    os.environ |= {"PYFLAME_RT_JIT": "0", "PYFLAME_RT_CACHE": ""}
    lenet = _model("lenet")
    session = pyflame_rt.InferenceSession(lenet.path(folder), options)
    session.run(None, lenet.feed(folder, 1))
    os.environ |= before


if __name__ == "__main__":
    main()
