"""Time and memory from a model's file to a ready session and its first outputs, beside onnxruntime's.

    python benchmarks/first_answer.py [FILE.onnx …] [--rounds 5] [--json]

Without files it makes ResNet-50 and BERT-base with scripts/make_networks.py, which needs torch.
Every measurement is a process of its own, the two libraries in turn, one thread each, the file in
the page cache. "session" is its creation alone and "first answer" that and the first run, with all
code loaded and a tiny model of the same operators (or the model itself) run before; "from start" is the whole process
with its imports. "memory" is how far the resident size rises above that of the imports at its peak,
in MB, over the session and five runs. Medians over rounds, and the median of the ratio of neighbours.
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

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "tests" / "networks"
NAMES = ("resnet50", "bert_base")
WHAT = ("session", "first_answer", "from_start", "memory")
BOUND = {"batch": 1, "sequence": 32, "past": 16, "N": 1}
CHILD = """
import sys, time
import numpy as np

if sys.argv[1] == "onnxruntime":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    def session(path):
        return onnxruntime.InferenceSession(path, options)
else:
    from pyflame_rt import InferenceSession as session

def resident(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024

def answer(path, feed, runs=1):
    inputs = dict(np.load(feed))
    start = time.perf_counter()
    ready = session(path)
    created = time.perf_counter() - start
    outputs = ready.run(None, inputs)
    answered = time.perf_counter() - start
    assert all(np.isfinite(output).all() for output in outputs)
    for _ in range(runs - 1):
        ready.run(None, inputs)
    if hasattr(ready, "settle"):
        ready.settle()
    return created, answered

if len(sys.argv) > 4:
    answer(*sys.argv[4:6])
imported = resident("VmRSS")
print(*answer(*sys.argv[2:4], 5), resident("VmHWM") - imported)
"""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def write_feed(model: Path, path: Path) -> Path:
    """Inputs for a model, all ones, which any index or mask may be; symbols as in BOUND."""
    import onnxruntime

    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    inputs = onnxruntime.InferenceSession(model).get_inputs()
    np.savez(
        path,
        **{
            given.name: np.ones(
                [BOUND.get(d, 1) if isinstance(d, str) else d for d in given.shape],
                kinds[given.type],
            )
            for given in inputs
        },
    )
    return path


def run(library: str, *paths: Path) -> tuple[float, float, float, float]:
    """Seconds to a ready session, to the first answer, and of the whole process; MB."""
    start = time.perf_counter()
    output = subprocess.run(
        [sys.executable, "-c", CHILD, library, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_THREAD},
    ).stdout
    whole = time.perf_counter() - start
    created, answered, memory = map(float, output.split())
    return created, answered, whole, memory


def compare(model: Path, folder: Path, rounds: int) -> dict[str, object]:
    """Figures of one model."""
    feed = write_feed(model, folder / f"{model.stem}.npz")
    small = TINY / model.name
    small = small if small.exists() else model
    warm = (small, write_feed(small, folder / "small.npz"))
    rows: dict[str, list[tuple[float, float]]] = {what: [] for what in WHAT}
    for _ in range(rounds):
        ours, theirs = (run(library, model, feed, *warm) for library in ("pyflame", "onnxruntime"))
        rows["session"].append((ours[0], theirs[0]))
        rows["first_answer"].append((ours[1], theirs[1]))
        ours, theirs = (run(library, model, feed) for library in ("pyflame", "onnxruntime"))
        rows["from_start"].append((ours[2], theirs[2]))
        rows["memory"].append((ours[3], theirs[3]))
    figures: dict[str, object] = {"model": model.stem, "bytes": model.stat().st_size}
    for name, pairs in rows.items():
        figures[name] = {
            "ours": statistics.median(ours for ours, _ in pairs),
            "onnxruntime": statistics.median(theirs for _, theirs in pairs),
            "ratio": statistics.median(ours / theirs for ours, theirs in pairs),
        }
    return figures


def make(folder: Path) -> list[Path]:
    """The networks of NAMES by the exporter that most files come from."""
    script = ROOT / "scripts" / "make_networks.py"
    options = ("--size", "full", "--folder", str(folder), "--exporter", "torchscript")
    subprocess.run(
        [sys.executable, str(script), *options, "--only", *NAMES], check=True, capture_output=True
    )
    return [folder / f"{name}.torchscript.onnx" for name in NAMES]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="FILE.onnx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in args.models or make(folder):
            figures = compare(model, folder, args.rounds)
            if args.json:
                print(json.dumps(figures))
                continue
            for what in WHAT:
                row = figures[what]
                unit = "MB" if what == "memory" else "s"
                print(
                    f"{figures['model']:24} {what.replace('_', ' '):13} {row['ours']:8.3f} {unit}, "
                    f"onnxruntime {row['onnxruntime']:8.3f} {unit}, ratio {row['ratio']:.2f}"
                )


if __name__ == "__main__":
    main()
