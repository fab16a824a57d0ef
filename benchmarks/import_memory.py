"""Peak memory of importing a large ONNX model, as a multiple of its file's size.

    python benchmarks/import_memory.py [--megabytes 100] [--json]

The model is a chain of matrix products. A fresh process imports it and reports its peak resident
set, pages of the mapped file included, and by how much that rose over what it was with all code
loaded and a tiny model imported. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIDE = 1024
CHILD = """
import sys, time
from pyflame_rt import compiler

def peak():
    # Not ru_maxrss: a process inherits that from the one which started it.
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

compiler.load(sys.argv[1])
before, start = peak(), time.perf_counter()
program = compiler.load(sys.argv[2])
print(before, peak(), time.perf_counter() - start)
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.onnx", Path(folder) / "large.onnx"
        small.write_bytes(model(1, 8))
        large.write_bytes(model(max(1, args.megabytes * 2**20 // (SIDE * SIDE * 4)), SIDE))
        size = large.stat().st_size
        command = [sys.executable, "-c", CHILD, str(small), str(large)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, peak, seconds = (float(field) for field in output.split())
    figures = {
        "bytes": size,
        "rise": int(peak - before),
        "rise_ratio": (peak - before) / size,
        "total": int(peak),
        "total_ratio": peak / size,
        "seconds": seconds,
    }
    if args.json:
        print(json.dumps(figures))
        return
    print(f"model {size / 2**20:.1f} MiB, imported in {seconds * 1e3:.0f} ms")
    print(
        f"peak rises by {(peak - before) / 2**20:.1f} MiB, {(peak - before) / size:.3f} x its size"
    )
    print(f"peak of the process {peak / 2**20:.1f} MiB, {peak / size:.3f} x its size")


if __name__ == "__main__":
    main()
