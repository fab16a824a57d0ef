"""Peak memory of importing and lowering large ONNX models, as multiples of their files' sizes.

    python benchmarks/import_memory.py [--megabytes 100] [--json]
    python benchmarks/import_memory.py --networks [--json]

The model is a chain of matrix products; with --networks, ResNet-50 and BERT-base as
scripts/make_networks.py makes them, which needs torch. A fresh process imports the model, then
lowers it, and reports its peak resident set, pages of the mapped file included, and by how much
that rose over what it was with all code loaded and a tiny model of the kind lowered. Nothing has
run by then. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ("resnet50", "bert_base")
SIDE = 1024
CHILD = """
import sys, time
from pyflame_rt import compiler

def peak():
    # Not ru_maxrss: a process inherits that from the one which started it.
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

def lower(path):
    start = time.perf_counter()
    program = compiler.load(path)
    imported, between = peak(), time.perf_counter()
    lowered = compiler.compile_module(program.module, program.ctx)
    return program, lowered, imported, between - start, time.perf_counter() - between

lower(sys.argv[1])
before = peak()
*kept, imported, importing, lowering = lower(sys.argv[2])
print(before, imported, peak(), importing, lowering)
"""


def model(matrices: int, side: int) -> bytes:
    """x @ w0 @ w1 …, each w a square initializer of its own values."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((side, side), dtype=np.float32), f"w{i}")
        for i in range(matrices)
    ]
    names = ["x", *(f"t{i}" for i in range(1, matrices)), "y"]
    nodes = [
        helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(matrices)
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", side]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "products", values[:1], values[1:], weights)
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opsets).SerializeToString()


def measure(small: Path, large: Path) -> dict[str, float]:
    """Figures of one model, after another one of the same operators."""
    command = [sys.executable, "-c", CHILD, str(small), str(large)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, imported, peak, importing, lowering = (float(field) for field in output.split())
    size = large.stat().st_size
    return {
        "bytes": size,
        "import_rise": imported - before,
        "import_ratio": (imported - before) / size,
        "import_seconds": importing,
        "rise": peak - before,
        "rise_ratio": (peak - before) / size,
        "lowering_seconds": lowering,
        "total": peak,
        "total_ratio": peak / size,
    }


def products(folder: Path, megabytes: int) -> Iterator[tuple[str, Path, Path]]:
    """A chain of matrix products of that size: its name, a small one, and its file."""
    small, large = folder / "small.onnx", folder / "large.onnx"
    small.write_bytes(model(1, 8))
    large.write_bytes(model(max(1, megabytes * 2**20 // (SIDE * SIDE * 4)), SIDE))
    yield "products", small, large


def networks(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """ResNet-50 and BERT-base by both exporters, one on the disk at a time."""
    for name in NETWORKS:
        for exporter in ("torchscript", "dynamo"):
            options = ("--size", "full", "--folder", folder, "--only", name, "--exporter", exporter)
            script = ROOT / "scripts" / "make_networks.py"
            subprocess.run([sys.executable, script, *options], check=True, capture_output=True)
            large = folder / f"{name}.{exporter}.onnx"
            yield large.stem, ROOT / "tests" / "networks" / large.name, large
            large.unlink()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--networks", action="store_true", help="ResNet-50 and BERT-base")
    parser.add_argument("--json", action="store_true", help="figures as JSON, a line a model")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = networks(folder) if args.networks else products(folder, args.megabytes)
        for label, small, large in models:
            figures = measure(small, large)
            if args.json:
                print(json.dumps({"model": label, **figures}))
                continue
            print(
                f"{label}: {figures['bytes'] / 2**20:.1f} MiB, imported in "
                f"{figures['import_seconds'] * 1e3:.0f} ms, lowered in "
                f"{figures['lowering_seconds'] * 1e3:.0f} ms"
            )
            print(
                f"  peak rises by {figures['rise'] / 2**20:.1f} MiB, {figures['rise_ratio']:.3f} x "
                f"its size ({figures['import_ratio']:.3f} x by import alone)"
            )
            print(
                f"  peak of the process {figures['total'] / 2**20:.1f} MiB, "
                f"{figures['total_ratio']:.3f} x its size"
            )


if __name__ == "__main__":
    main()
