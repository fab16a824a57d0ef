"""Sparse products against dense ones: a layer y = x w + c with weights that are mostly 0.

    python benchmarks/sparse.py [--size 4096] [--rounds 30] [--rows 1 8 64] [--json]

Each model is compiled three times: by the dense algorithm, by the sparse one, and as it is compiled
without being told. All run in turn, round by round, so that the machine's moods hit all; figures are
the least wall time of each and the ratio of dense to sparse. N:M patterns are multiplied packed. Exit code 1
when what was chosen is slower than dense by more than noise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np
from xdsl.dialects.builtin import StringAttr

from pyflame_rt import Graph, compiler, pruning
from pyflame_rt.dialects.plan import algorithms
from pyflame_rt.dialects.plan.algorithms import ALGORITHM

NOISE = 0.9
"""A ratio below is a loss."""

CASES = (
    ("csr", 0.8), ("csr", 0.9), ("csr", 0.95), ("csr", 0.99),
    ("bsr", 0.8), ("bsr", 0.9), ("bsr", 0.95),
)  # fmt: skip


def layer(weights: np.ndarray, rows: int) -> Graph:
    """A model of one product and a bias."""
    depth, columns = weights.shape
    graph = Graph("layer")
    graph.add_input("x", [rows, depth])
    graph.add_initializer("w", weights)
    graph.add_initializer("c", np.ones(columns, np.float32))
    graph.add_node("product", "Gemm", ["x", "w", "c"], ["y"])
    graph.add_output("y", [rows, columns])
    return graph


def compiled(graph: Graph, algorithm: str | None) -> compiler.CompiledModel:
    """The model, its product by that algorithm, or by the one that is chosen."""
    program = graph.program()
    module = program.module.clone()
    for op in module.walk():
        if op.name == "pfrt.gemm" and algorithm is not None:
            op.attributes[ALGORITHM] = StringAttr(algorithm)
    return compiler.compile_module(module, program.ctx)


def chosen(graph: Graph) -> str:
    """What the cost model takes for the product."""
    found = (op for op in graph.program().module.walk() if op.name == "pfrt.gemm")
    return algorithms.modelled(next(found)).name  # pyright: ignore[reportArgumentType]


def in_turn(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least milliseconds of each function: what the machine does beside only adds to them."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            # Whoever ran before leaves threads that wait for work, and weights in the cache.
            run()
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: min(found) for name, found in times.items()}


def pruned(graph: Graph, form: str, sparsity: float) -> Graph:
    """The model with single weights, or with blocks, that are 0."""
    blocks = pruning.PruningGranularity.BLOCK
    single = pruning.PruningGranularity.UNSTRUCTURED
    config = pruning.PruningConfig(
        target_sparsity=sparsity, granularity=blocks if form == "bsr" else single
    )
    return pruning.WeightPruner(config).prune(graph)


def measured(form: str, sparsity: float, size: int, rows: int, rounds: int) -> dict[str, object]:
    """One case, as a row of the table."""
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((size, size)).astype(np.float32)
    x = generator.standard_normal((rows, size)).astype(np.float32)
    graph = pruned(layer(weights, rows), form, sparsity)
    models = {
        "dense": compiled(graph, "gemm"),
        "sparse": compiled(graph, f"gemm_{form}"),
    }
    automatic = chosen(graph)
    if automatic != "gemm":
        models["chosen"] = compiled(graph, None)
    times = in_turn({n: lambda m=m: m.run([x]) for n, m in models.items()}, rounds)
    # What is chosen is the dense one itself otherwise.
    times.setdefault("chosen", times["dense"])
    return {
        "form": form, "sparsity": sparsity, "rows": rows, **times,
        "ratio": times["dense"] / times["sparse"],
        "automatic": automatic,
        "automatic_ratio": times["dense"] / times["chosen"],
    }  # fmt: skip


def measured_nm(size: int, rounds: int) -> dict[str, object]:
    """2:4 packed against dense, one row."""
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((size, size)).astype(np.float32)
    weights.reshape(-1, 4)[:, ::2] = 0
    packed = pruning.PackedNM.from_dense(weights)
    x = generator.standard_normal(size).astype(np.float32)
    times = in_turn({"dense": lambda: weights @ x, "sparse": lambda: packed.matmul(x)}, rounds)
    return {
        "form": "2:4", "sparsity": 0.5, "rows": 1, **times, "chosen": times["dense"],
        "ratio": times["dense"] / times["sparse"], "automatic": "gemm", "automatic_ratio": 1.0,
    }  # fmt: skip


def show(row: dict[str, object], is_json: bool) -> None:
    """Print a row of the table, unless it is for programs."""
    if not is_json:
        print(
            f"| {row['form']} | {row['sparsity']:.0%} | {row['rows']} | {row['dense']:.2f} | "
            f"{row['sparse']:.2f} | {row['ratio']:.2f} | {row['automatic']} | "
            f"{row['automatic_ratio']:.2f} |",
            flush=True,
        )


def main() -> int:
    """Measure and print; 1 when something chosen is a loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.json:
        print("| form | zeros | rows | dense ms | sparse ms | ratio | chosen by itself | ratio |")
        print("|---|---|---|---|---|---|---|---|")
    found: list[dict[str, object]] = []
    for rows in options.rows:
        for form, sparsity in CASES:
            found.append(measured(form, sparsity, options.size, rows, options.rounds))
            show(found[-1], options.json)
    found.append(measured_nm(options.size, max(3, options.rounds // 6)))
    show(found[-1], options.json)
    if options.json:
        print(json.dumps(found, indent=1))
    return int(any(row["automatic_ratio"] < NOISE for row in found))


if __name__ == "__main__":
    sys.exit(main())
