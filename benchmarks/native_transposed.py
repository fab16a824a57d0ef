"""Speed of compiled transposed convolutions beside NumPy's plan and onnxruntime.

    python benchmarks/native_transposed.py [--cpu avx512 …] [--rounds 15]

Each between two convolutions of 3 x 3: microseconds of all three layers, and the others' time over it;
medians over rounds in which all take turns, by processor time of one thread. Runs without
OPENBLAS_CORETYPE, which would halve NumPy's speed, and with one thread of BLAS.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from interleaving import interleaved

_PINNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_SAMPLE = 2e-2


@dataclass(frozen=True)
class Case:
    """Channels, features, rows and columns of the image, of the window; stride, pads, what is added."""

    channels: int
    features: int
    size: int
    window: int
    stride: int
    pad: int = 0
    added: int = 0

    @property
    def result(self) -> int:
        """Rows and columns."""
        spread = (self.size - 1) * self.stride + self.window
        return spread - 2 * self.pad + self.added

    @property
    def name(self) -> str:
        """What it is."""
        window = f"{self.window} x {self.window}, stride {self.stride}"
        return f"{window}, {self.channels} to {self.features} channels of {self.size} x {self.size}"


CASES = (
    Case(64, 32, 64, 2, 2), Case(256, 128, 28, 2, 2), Case(64, 32, 32, 4, 2, 1),
    Case(64, 32, 32, 3, 2, 1, 1), Case(64, 64, 32, 3, 1, 1),
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cpu", nargs="+", help="kinds of code; the best one here by default")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    if any(name in os.environ for name in _PINNED) or "OPENBLAS_NUM_THREADS" not in os.environ:
        environment = {k: v for k, v in os.environ.items() if k not in _PINNED}
        environment["OPENBLAS_NUM_THREADS"] = "1"
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    from pyflame_rt.backends.native.processors import best

    for cpu in args.cpu or (best(),):
        print(f"{cpu}:")
        for case in CASES:
            print(_row(cpu, case, args.rounds), flush=True)


def _row(cpu: str, case: Case, rounds: int) -> str:
    data, x = _model(case)
    plan = "convert-pfrt-to-plan,{}plan-allocate"
    native = plan.format(f"convert-plan-to-native{{cpu={cpu}}},")
    ours = _plan(data, f"pfrt-layout{{compiled=true}},{native}")
    numpy = _plan(data, f"pfrt-layout,{plan.format('')}")
    theirs = _onnxruntime(data)
    found, wanted = ours([x])[0], theirs(x)
    runs = {
        "ours": lambda: ours([x]), "numpy": lambda: numpy([x]), "onnxruntime": lambda: theirs(x),
    }  # fmt: skip
    times = interleaved(runs, rounds, _SAMPLE)
    over = {
        name: statistics.median(b / a for a, b in zip(times["ours"], times[name], strict=True))
        for name in ("numpy", "onnxruntime")
    }
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    return (
        f"  {case.name:52} {statistics.median(times['ours']) * 1e6:7.0f} us; NumPy's plan over it "
        f"{over['numpy']:.2f}, onnxruntime {over['onnxruntime']:.2f}; apart by {error:.0e}"
    )


def _model(case: Case) -> tuple[bytes, Any]:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> Any:
        return (rng.standard_normal(shape) / 10).astype(np.float32)

    c, m, k = case.channels, case.features, case.window
    weights = {
        "w": drawn(c, m, k, k),
        "b": drawn(m),
        "u": drawn(c, c, 3, 3),
        "v": drawn(m, m, 3, 3),
    }
    nodes = [
        helper.make_node("Conv", ["x", "u"], ["i"], pads=[1] * 4),
        helper.make_node(
            "ConvTranspose", ["i", "w", "b"], ["o"], strides=[case.stride] * 2,
            pads=[case.pad] * 4, output_padding=[case.added] * 2,
        ),
        helper.make_node("Conv", ["o", "v"], ["y"], pads=[1] * 4),
    ]  # fmt: skip
    shapes = [(1, c, case.size, case.size), (1, m, case.result, case.result)]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip("xy", shapes, strict=True)
    ]
    held = [numpy_helper.from_array(w, name) for name, w in weights.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return made.SerializeToString(), drawn(*shapes[0])


def _plan(data: bytes, passes: str) -> Callable[[Any], Any]:
    from pyflame_rt import pipelines
    from pyflame_rt.backends.numpy_backend import NumpyBackend
    from pyflame_rt.frontends.onnx import import_onnx
    from pyflame_rt.universe import make_context

    module = import_onnx(data)
    pipelines.run(make_context(), module, pipelines.parse(f"pfrt-optimize{{level=2}},{passes}"))
    return NumpyBackend().compile(module).run


def _onnxruntime(data: bytes) -> Callable[[Any], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


if __name__ == "__main__":
    main()
