"""Tensors stay where they are: importing a large model takes little more memory than its file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]

PROBE = """
import sys
from pathlib import Path
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.ops import rules

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(l for l in lines if l.startswith("VmHWM")).split()[1]) * 1024

operations(), rules()
before = peak()
source = sys.argv[1] if sys.argv[2] == "path" else Path(sys.argv[1]).read_bytes()
module = import_onnx(source)
imported = peak() - before
total = sum(op.array.sum(dtype=float) for op in module.walk() if op.name == "pfrt.constant")
print(imported, peak() - before, total)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to measure")
@pytest.mark.parametrize("source", ["path", "bytes"])
def test_peak_over_the_imported_libraries(tmp_path, source):
    """At most 1.15 times the model, even after every weight was read."""
    count = 12
    weights = [np.full((1024, 1024), i, np.float32) for i in range(count)]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(count)],
        "g",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["N", 1024])],
        [helper.make_tensor_value_info(f"x{count}", TensorProto.FLOAT, ["N", 1024])],
        [numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    size = path.stat().st_size
    run = subprocess.run(
        [sys.executable, "-c", PROBE, str(path), source],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported, read, total = map(float, run.stdout.split())
    assert imported <= 1.15 * size
    assert read <= 1.15 * size
    assert total == sum(range(count)) * 1024 * 1024
