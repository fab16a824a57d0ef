"""Classifies the digits test set in every way there is; what `make demo` runs.

The session API first, then `pfrt-run` on each backend of this machine. Each way's count of right answers
stands beside the one that torch recorded; then an image on the simulated wafer, beside NumPy. The exit
code is 1 when any differs.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from pyflame_rt.backends.base import backend_names

FOLDER = Path(os.path.relpath(Path(__file__).resolve().parent))
SCRATCH = Path("build") / "demo"
COMMANDS = Path(sys.executable).parent
NEXT = f"""
What to try next
  pfrt-run {FOLDER}/cnn.onnx --inspect                     inputs, outputs, ops, parameters, flops
  pfrt-opt {FOLDER}/cnn.onnx                               the model as IR
  pfrt-opt {FOLDER}/cnn.onnx -p pfrt-fold-constants        ... after a pass
  pfrt-opt {FOLDER}/cnn.onnx -p convert-pfrt-to-plan       ... as the plan that the backend runs
  pfrt-run {FOLDER}/cnn.onnx --dim N=32 --bench            how fast it is
(after `. .venv/bin/activate`; docs/quickstart.md goes on from there)"""


def shown(*command: str) -> int:
    """Print a command as one would type it, run it, and give its exit code."""
    print(f"$ {shlex.join(command)}", flush=True)
    tool = COMMANDS / command[0]
    return subprocess.run([str(tool) if tool.exists() else command[0], *command[1:]]).returncode


def run_with(backend: str, name: str) -> bool:
    """Classify with pfrt-run on a backend; whether it gets as many right as torch did."""
    labels = np.load(FOLDER / "test.npz")["labels"]
    recorded = json.loads((FOLDER / "accuracy.json").read_text())[name]["correct"]
    inputs, outputs = SCRATCH / "images.npz", SCRATCH / f"{name}-{backend}.npz"
    model = str(FOLDER / f"{name}.onnx")
    files = ["--inputs", str(inputs), "--output", str(outputs)]
    if shown("pfrt-run", model, "--backend", backend, *files) != 0:
        return False
    right = int((np.argmax(np.load(outputs)["logits"], axis=1) == labels).sum())
    total = len(labels)
    print(f"{name}.onnx: {right} of {total} right ({right / total:.2%}); torch: {recorded}\n")
    return right == recorded


def run_on_the_wafer(name: str) -> bool:
    """Classify one image on 8 x 8 simulated elements; whether NumPy agrees."""
    options = ["--device", "wse2", "--grid", "8x8", "--inputs", str(SCRATCH / "image.npz")]
    page = SCRATCH / f"{name}-wafer.html"
    asked = ["--compare", "numpy", "--explain", "--report", str(page)]
    agrees = shown("pfrt-run", str(FOLDER / f"{name}.onnx"), *options, *asked) == 0
    print(f"cycles beside the bound of each step are above, a heat map of the elements in {page}\n")
    return agrees


def main() -> int:
    """Run everything; the exit code."""
    start = time.perf_counter()
    good = shown("python", str(FOLDER / "classify.py")) == 0
    print()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    images = np.load(FOLDER / "test.npz")["images"]
    np.savez(SCRATCH / "images.npz", images=images)
    np.savez(SCRATCH / "image.npz", images=images[:1])
    for backend in backend_names():
        for name in ("cnn", "mlp"):
            good &= run_with(backend, name)
    for name in ("mlp", "cnn"):
        good &= run_on_the_wafer(name)
    verdict = "as torch does" if good else "NOT as torch does"
    print(f"Every way classifies {verdict}; {time.perf_counter() - start:.1f} s.")
    print(NEXT)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
