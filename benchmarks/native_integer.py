"""Speed of compiled products of bytes beside onnxruntime's.

    python benchmarks/native_integer.py [--only matmul conv] [--cpu avx512vnni …] [--rounds 15]
                                        [--json FILE]

GOPS (a multiplication and an addition are two) of one core at shapes of BERT-base and ResNet-50: of
QLinearMatMul, MatMulInteger and QLinearConv, u8 x s8, requantized where they are. Medians over rounds in
which all take turns, by processor time. The peak is what multiply-adds on registers reach in the same
process. With times to write and to compile the kernel of each shape.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from interleaving import interleaved

MATMULS = [
    (128, 768, 768), (128, 768, 3072), (128, 3072, 768), (1, 768, 768), (1, 2048, 1000),
    (3136, 64, 256), (784, 512, 128), (196, 1024, 256), (49, 2048, 512), (1024, 1024, 1024),
]  # fmt: skip
"""Rows, depth, columns."""

CONVOLUTIONS = [
    (224, 3, 64, 7, 2), (56, 64, 64, 1, 1), (56, 64, 64, 3, 1), (56, 64, 256, 1, 1),
    (56, 256, 128, 1, 1), (56, 128, 128, 3, 2), (28, 128, 128, 3, 1), (28, 128, 512, 1, 1),
    (28, 512, 256, 1, 1), (14, 256, 256, 3, 1), (14, 256, 1024, 1, 1), (7, 512, 512, 3, 1),
    (7, 512, 2048, 1, 1), (56, 144, 0, 3, 1), (14, 576, 0, 3, 1),
]  # fmt: skip
"""Rows and columns of an image, channels, features (0: each channel by itself), window, stride."""

_SAMPLE = 5e-3
Run = Callable[[], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", nargs="+", help="kinds of code; the fastest that runs by default")
    parser.add_argument("--only", nargs="+", choices=("matmul", "conv"), default=("matmul", "conv"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    os.environ["PYFLAME_RT_CACHE"] = ""
    from pyflame_rt.backends.native.integers import processors

    rows: list[dict[str, Any]] = []
    for cpu in args.cpu or [processors.best()]:
        peak = _peak(cpu)
        sys.stdout.write(f"{cpu}: peak {peak:.0f} GOPS\n")
        for row in _rows(cpu, args):
            rows.append({"cpu": cpu, "peak": peak, **row})
            sys.stdout.write(_line(rows[-1]) + "\n")
            sys.stdout.flush()
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


def _rows(cpu: str, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    if "matmul" in args.only:
        for shape in MATMULS:
            yield _matmul(cpu, shape, args.rounds)
    if "conv" in args.only:
        for shape in CONVOLUTIONS:
            yield _convolution(cpu, shape, args.rounds)


def _line(row: dict[str, Any]) -> str:
    found = [f"  {row['what']:6} {'x'.join(map(str, row['shape'])):18}"]
    for name, speed in row["gops"].items():
        share = f" ({speed / row['peak']:3.0%})" if name.startswith("native") else ""
        found.append(f"{name} {speed:6.0f}{share}")
    ratios = (f"{name} {ratio:.2f}" for name, ratio in row["ratios"].items())
    emitted, compiled = row["milliseconds"]
    return f"{'  '.join(found)}; ratio {', '.join(ratios)}; {emitted:.0f} + {compiled:.0f} ms"


def _matmul(cpu: str, shape: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    import numpy as np

    from pyflame_rt.backends.native.integers.products import (
        Epilogue,
        IntegerProduct,
        Weights,
        Windows,
        limits_of,
    )
    from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES

    rows, depth, columns = shape
    r = np.random.default_rng(0)
    x = r.integers(0, 256, (rows, depth)).astype(np.uint8)
    w = r.integers(-127, 128, (depth, columns)).astype(np.int8)
    zero, schedule = np.array(113, np.uint8), INTEGER_SCHEDULES[cpu]
    weights = Weights.of(schedule.columns, w)
    y, sums = np.zeros((rows, columns), np.uint8), np.zeros((rows, columns), np.int32)
    factors = np.full(columns, 1e-5, np.float32)
    endings = (Epilogue("bytes", None, factors, limits=limits_of(0, 255, 128)), Epilogue())
    runs: dict[str, Run] = {}
    with _Watch() as watch:
        for name, target, ending in zip(("native", "native-i32"), (y, sums), endings, strict=True):
            layout = Windows(rows, columns, depth, depth, target.strides[0])
            product = IntegerProduct.of(schedule, layout, weights, ending, signed=False)
            runs[name] = product.on(x, target, zero)
    runs["QLinearMatMul"] = _peer(
        "QLinearMatMul", {}, x, [1.0, zero, w, 1e-5, np.int8(0), 1.0, np.uint8(128)]
    )
    runs["MatMulInteger"] = _peer("MatMulInteger", {}, x, [w, zero])
    speeds = _speeds(runs, 2.0 * rows * depth * columns, rounds)
    assert int(np.abs(y.astype(int) - _result_of(runs["QLinearMatMul"])).max()) <= 1
    assert (sums == _result_of(runs["MatMulInteger"])).all()
    ratios = {
        "QLinearMatMul": speeds["native"] / speeds["QLinearMatMul"],
        "MatMulInteger": speeds["native-i32"] / speeds["MatMulInteger"],
    }
    return {
        "what": "matmul", "shape": shape, "gops": speeds, "ratios": ratios,
        "milliseconds": watch.milliseconds,
    }  # fmt: skip


def _convolution(cpu: str, shape: tuple[int, int, int, int, int], rounds: int) -> dict[str, Any]:
    import numpy as np

    from pyflame_rt.backends.native.integers.convolutions import Geometry, IntegerConvolution
    from pyflame_rt.backends.native.integers.products import Epilogue, bound, limits_of
    from pyflame_rt.backends.native.steps import Place
    from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES

    size, channels, features, kernel, stride = shape
    group = 1 if features else channels
    features, pad = features or channels, kernel // 2
    r = np.random.default_rng(0)
    x = r.integers(0, 256, (1, channels, size, size)).astype(np.uint8)
    w = r.integers(-127, 128, (features, channels // group, kernel, kernel)).astype(np.int8)
    zero, out = np.array(113, np.uint8), (size + 2 * pad - kernel) // stride + 1
    geometry = Geometry(
        1, (size, size), channels, features, (kernel, kernel), (out, out), (pad, pad),
        (stride, stride), group=group,
    )  # fmt: skip
    factors = np.full(features, 1e-4, np.float32)
    epilogue = Epilogue("bytes", None, factors, limits=limits_of(0, 255, 128))
    with _Watch() as watch:
        convolution = IntegerConvolution.of(
            INTEGER_SCHEDULES[cpu], geometry, w, None, epilogue, signed=False
        )
        steps = convolution.steps(Place(0), Place(1), Place(2), zero=Place(3))
    y, room = np.zeros((out, out, features), np.uint8), np.zeros(geometry.room + 1, np.uint8)
    lying = np.ascontiguousarray(x[0].transpose(1, 2, 0))
    calls = [bound(step, (lying, y, room, zero)) for step in steps]

    def native() -> None:
        for call in calls:
            call()

    attributes = {"pads": [pad] * 4, "strides": [stride] * 2, "group": group}
    given = [1.0, zero, w, 1e-4, np.int8(0), 1.0, np.uint8(128)]
    runs: dict[str, Run] = {
        "native": native,
        "QLinearConv": _peer("QLinearConv", attributes, x, given),
    }
    speeds = _speeds(runs, 2.0 * out * out * w.size, rounds)
    other = _result_of(runs["QLinearConv"])[0].transpose(1, 2, 0)
    assert int(np.abs(y.astype(int) - other).max()) <= 1
    return {
        "what": "conv", "shape": shape, "gops": speeds,
        "ratios": {"QLinearConv": speeds["native"] / speeds["QLinearConv"]},
        "milliseconds": watch.milliseconds,
    }  # fmt: skip


def _peer(name: str, attributes: dict[str, Any], x: Any, given: list[Any]) -> Run:
    """One operator of onnxruntime on one thread; all but x are constants."""
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    arrays = [np.asarray(a, np.float32) if isinstance(a, float) else np.asarray(a) for a in given]
    names = [f"c{k}" for k in range(len(arrays))]
    constants = [numpy_helper.from_array(a, n) for a, n in zip(arrays, names, strict=True)]
    kind = TensorProto.INT32 if name == "MatMulInteger" else TensorProto.UINT8
    graph = helper.make_graph(
        [helper.make_node(name, ["x", *names], ["y"], **attributes)],
        "peer",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y")

    def run() -> Any:
        session.run_with_iobinding(binding)
        return binding

    return run


def _result_of(run: Run) -> Any:
    (value,) = cast("Any", run()).get_outputs()
    return value.numpy()


def _speeds(runs: dict[str, Run], operations: float, rounds: int) -> dict[str, float]:
    """GOPS of each."""
    found = interleaved(runs, rounds, _SAMPLE)
    return {name: operations / statistics.median(s) / 1e9 for name, s in found.items()}


class _Watch:
    """Processor time to write kernels and to compile them."""

    def __enter__(self) -> _Watch:
        from pyflame_rt.backends.native import compiling

        self._original, self.compiled = compiling.to_object, 0.0

        def timed(*given: Any) -> bytes:
            start = time.process_time()
            found = self._original(*given)
            self.compiled += time.process_time() - start
            return found

        compiling.to_object = timed
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        from pyflame_rt.backends.native import compiling

        compiling.to_object = self._original
        self._all = time.process_time() - self._start

    @property
    def milliseconds(self) -> tuple[float, float]:
        """All but compiling, compiling."""
        return (self._all - self.compiled) * 1e3, self.compiled * 1e3


def _peak(cpu: str) -> float:
    """GOPS of products on registers that do not wait for each other."""
    import ctypes

    import numpy as np
    from xdsl.dialects.builtin import ModuleOp, i64

    from pyflame_rt.backends.native import compiling, printing
    from pyflame_rt.backends.native.integers import processors
    from pyflame_rt.backends.native.integers.vectors import Integers
    from pyflame_rt.backends.native.writing.builder import POINTER, Builder
    from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES

    lanes, chains = INTEGER_SCHEDULES[cpu].lanes, 10
    b = Builder("peak", [POINTER, i64], public=True)
    out, turns = b.arguments
    v = Integers(b, lanes, processors.dot_of(cpu))
    start = v.load(out)
    left, right = v.left(start), v.right(start)

    def turn(values: Any) -> Any:
        return [v.dot(value, left, right) for value in values]

    for index, value in enumerate(b.loop(turns, [start] * chains, turn)):
        v.put(value, b.at(out, 4 * lanes * index), None, 4)
    text = printing.to_text(ModuleOp([b.finish()]))
    code = compiling.to_object(text, processors.known()[cpu])
    loaded = compiling.load(code, "peak", [ctypes.c_void_p, ctypes.c_int64])
    room, turns_made = np.zeros(lanes * chains, np.int32), 20_000
    times: list[float] = []
    for _ in range(60):
        begin = time.process_time()
        loaded.call(room.ctypes.data, turns_made)
        times.append(time.process_time() - begin)
    return 8.0 * lanes * chains * turns_made / min(times) / 1e9


if __name__ == "__main__":
    main()
