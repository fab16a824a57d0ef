"""Python overhead of an op on a specialised plan: a chain of tiny additions against raw NumPy.

    python benchmarks/overhead.py [--ops 1000] [--rounds 60] [--json]

The model is y = x + w + w + … on 8 floats, w being fed too; the rival is the same chain of `np.add(…, out=)` calls
in a Python loop. Both run in turn, round by round, so that the machine's moods hit both; the
figures are medians over rounds and the spread between the quartiles.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from onnx import TensorProto, helper

from pyflame_rt import compiler

WIDTH = 8


def chain(ops: int) -> bytes:
    """An ONNX model of that many additions, one after the other, that no pass can shorten."""
    names = ["x", *(f"t{i}" for i in range(1, ops)), "y"]
    # Fed, not constant: two additions of constants in a row might become one some day.
    nodes = [helper.make_node("Add", [a, "w"], [b]) for a, b in pairwise(names)]
    shape = [WIDTH]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "w")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    return model.SerializeToString()


def raw(ops: int, x: np.ndarray, w: np.ndarray) -> Callable[[], np.ndarray]:
    """The chain as a loop over prepared NumPy calls on two buffers."""
    buffers = (np.empty_like(x), np.empty_like(x))
    calls = [(x if i == 0 else buffers[i % 2], buffers[(i + 1) % 2]) for i in range(ops)]

    def run() -> np.ndarray:
        for source, target in calls:
            np.add(source, w, target)
        return calls[-1][1]

    return run


def microseconds(run: Callable[[], object], ops: int) -> float:
    """Time of one run, per op."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / ops * 1e6


def spread(values: list[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile."""
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ops", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()

    # It is what Python costs between calls of NumPy: compiled, the chain is one call.
    os.environ["PYFLAME_RT_JIT"] = "0"
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(WIDTH).astype(np.float32) for _ in range(2))
    program = compiler.load(chain(args.ops))
    model = compiler.compile_module(program.module, program.ctx, "numpy")
    plan, rival = lambda: model.run([x, w]), raw(args.ops, x, w)
    np.testing.assert_array_equal(plan()[0], rival())

    planned: list[float] = []
    direct: list[float] = []
    for _ in range(args.rounds):
        planned.append(microseconds(plan, args.ops))
        direct.append(microseconds(rival, args.ops))
    figures = {
        "plan, us an op": spread(planned),
        "numpy, us an op": spread(direct),
        "difference, us an op": spread([p - d for p, d in zip(planned, direct, strict=True)]),
        "ratio": spread([p / d for p, d in zip(planned, direct, strict=True)]),
    }
    if args.json:
        print(json.dumps({"ops": args.ops, "rounds": args.rounds, **figures}))
        return
    print(f"chain of {args.ops} additions of {WIDTH} floats, {args.rounds} rounds in turn")
    for name, (low, middle, high) in figures.items():
        print(f"{name:22} {middle:7.3f}   (quartiles {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
