"""Speed of compiled matrix products beside NumPy's.

    python benchmarks/native.py [--cpu avx512 …] [--rounds 15] [--json FILE]

On shapes of ResNet-50, BERT-base and an MLP, with bias and relu: GFLOP/s of machine code, of
`np.matmul` alone, and of `np.matmul` with the two passes that machine code does in registers; medians
over rounds in which all take turns, with quartiles of the first, by processor time of one thread. The
peak is what multiply-adds on registers reach in the same process. Without OPENBLAS_CORETYPE,
which would halve NumPy's speed, and with one thread of BLAS.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interleaving import interleaved

SHAPES: dict[str, list[tuple[int, int, int]]] = {
    "ResNet-50": [
        (3136, 64, 64), (3136, 64, 256), (3136, 256, 64), (784, 512, 128), (784, 128, 512),
        (196, 1024, 256), (196, 256, 1024), (49, 2048, 512), (49, 512, 2048), (1, 2048, 1000),
    ],
    "BERT-base": [(128, 768, 768), (128, 768, 3072), (128, 3072, 768), (1, 768, 768)],
    "MLP": [(1, 784, 256), (64, 784, 256)],
    "square": [(1024, 1024, 1024)],
}  # fmt: skip
"""Rows, depth, columns."""

_PINNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_SAMPLE = 5e-3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", nargs="+", help="kinds of code; all that run here by default")
    parser.add_argument(
        "--elements", nargs="?", const="", help="functions, reductions, copies; of this name"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    if any(name in os.environ for name in _PINNED) or "OPENBLAS_NUM_THREADS" not in os.environ:
        environment = {k: v for k, v in os.environ.items() if k not in _PINNED}
        environment["OPENBLAS_NUM_THREADS"] = "1"
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    rows = list(_measured(args))
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


def _measured(args: argparse.Namespace) -> Any:
    import native_elements

    from pyflame_rt.backends.native.processors import supported

    for cpu in args.cpu or supported():
        if args.elements is not None:
            print(f"{cpu}:")
            yield from native_elements.measured(cpu, args.rounds, args.elements)
            continue
        peak = _peak(cpu)
        print(f"{cpu}: peak {peak:.0f} GFLOP/s")
        for network, shapes in SHAPES.items():
            for shape in shapes:
                row = {
                    "cpu": cpu,
                    "network": network,
                    "peak": peak,
                    **_row(cpu, shape, args.rounds),
                }
                low, high = row["quartiles"]
                print(
                    f"  {network:10} {'x'.join(map(str, shape)):15} {row['native']:6.1f} "
                    f"({low:.1f} to {high:.1f}), {row['native'] / peak:4.0%} of peak; matmul "
                    f"{row['matmul']:6.1f}, with bias and relu {row['passes']:6.1f}; "
                    f"{row['microseconds']:.1f} us, error {row['error']:.0e}",
                    flush=True,
                )
                yield row


def _row(cpu: str, shape: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    """Figures of one shape."""
    import numpy as np

    rows, depth, columns = shape
    generator = np.random.default_rng(0)
    x, w = (generator.standard_normal(s, np.float32) for s in ((rows, depth), (depth, columns)))
    bias = generator.standard_normal(columns, np.float32)
    y, z = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32)
    native = _product(cpu, x, w, bias, y)

    def passes() -> None:
        np.matmul(x, w, z)
        np.add(z, bias, z)
        np.maximum(z, 0, out=z)

    native()
    exact = np.maximum(x.astype(np.float64) @ w + bias, 0)
    runs = {"native": native, "matmul": lambda: np.matmul(x, w, z), "passes": passes}
    seconds = interleaved(runs, rounds, _SAMPLE)
    flops = 2.0 * rows * depth * columns
    speeds = [flops / s / 1e9 for s in seconds["native"]]
    low, _, high = statistics.quantiles(speeds, n=4)
    medians = {name: flops / statistics.median(s) / 1e9 for name, s in seconds.items()}
    return {
        "shape": shape, **medians, "quartiles": [low, high],
        "microseconds": statistics.median(seconds["native"]) * 1e6,
        "error": float(np.abs(exact - y).max() / np.abs(exact).max()),
    }  # fmt: skip


def _product(cpu: str, x: Any, w: Any, bias: Any, y: Any) -> Callable[[], None]:
    from pyflame_rt.backends.native.floats.products import Finish, Layout, Product, pack, pack_bias
    from pyflame_rt.dialects.plan.schedules import SCHEDULES

    schedule = SCHEDULES[cpu]
    layout = Layout(x.shape[0], w.shape[1], w.shape[0], x.strides[0], y.strides[0])
    packed, packed_bias = pack(schedule.columns, w), pack_bias(schedule.columns, bias)
    product = Product.of(schedule, layout, packed, packed_bias, Finish("relu"))
    return product.on(x, y, None)


def _peak(cpu: str) -> float:
    """GFLOP/s of multiply-adds on registers that do not wait for each other."""
    import ctypes

    import numpy as np
    from xdsl.dialects.builtin import ModuleOp, i64

    from pyflame_rt.backends.native import compiling, printing, processors
    from pyflame_rt.backends.native.writing.builder import POINTER, Builder
    from pyflame_rt.dialects.plan.schedules import SCHEDULES

    kind, lanes, chains = processors.instructions(cpu), SCHEDULES[cpu].lanes, 12
    assert kind is not None
    b = Builder("peak", [POINTER, i64], public=True, fused=kind.has_fma)
    out, turns = b.arguments
    factor = b.load_vector(out, lanes)

    def turn(values: Any) -> Any:
        return [b.multiply_add(v, factor, factor) for v in values]

    for index, value in enumerate(b.loop(turns, [factor] * chains, turn)):
        b.store(value, b.at(out, 4 * lanes * index))
    text = printing.to_text(ModuleOp([b.finish()]))
    code = compiling.to_object(text, kind)
    loaded = compiling.load(code, "peak", [ctypes.c_void_p, ctypes.c_int64])
    room, turns_made = np.zeros(lanes * chains, np.float32), 20_000
    best = min(
        interleaved({"peak": lambda: loaded.call(room.ctypes.data, turns_made)}, 40, _SAMPLE)[
            "peak"
        ]
    )
    return 2.0 * lanes * chains * turns_made / best / 1e9


if __name__ == "__main__":
    main()
