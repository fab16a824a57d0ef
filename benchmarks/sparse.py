"""Sparse products and convolutions against dense ones: weights that are mostly 0.

    python benchmarks/sparse.py [--size 4096] [--rounds 30] [--rows 1 8 64] [--json]

Each layer is compiled three times, as sessions of level 2 do: without any zeros, by the sparse
algorithm, and with zeros but without being told. All run in turn, round by
round, so that the machine's moods hit all; figures are the least wall time of each and the ratio of
dense to sparse. Exit code 1 when what was chosen is slower than dense by more than noise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr

from pyflame_rt import Graph, compiler, pruning
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.plan import algorithms
from pyflame_rt.dialects.plan.algorithms import ALGORITHM

NOISE = 0.9
"""A ratio below is a loss."""

CASES = (
    ("csr", 0.8), ("csr", 0.9), ("csr", 0.95), ("csr", 0.99),
    ("bsr", 0.8), ("bsr", 0.9), ("bsr", 0.95),
)  # fmt: skip
CONVOLUTIONS = ((256, 256, 3, 14), (128, 128, 3, 28), (512, 2048, 1, 7), (256, 256, 1, 28))
OF_CONVOLUTIONS = (("csr", 0.9), ("csr", 0.95), ("csr", 0.98), ("bsr", 0.95), ("nm", 0.5))


def product(weights: np.ndarray, rows: int) -> Graph:
    """A model of one product and a bias."""
    depth, columns = weights.shape
    graph = Graph("layer")
    graph.add_input("x", [rows, depth])
    graph.add_initializer("w", weights)
    graph.add_initializer("c", np.ones(columns, np.float32))
    graph.add_node("product", "Gemm", ["x", "w", "c"], ["y"])
    graph.add_output("y", [rows, columns])
    return graph


def convolution(weights: np.ndarray, size: int) -> Graph:
    """A model of one convolution of an image of that size, with borders, and a bias."""
    features, channels, window, _ = weights.shape
    graph = Graph("layer")
    graph.add_input("x", [1, channels, size, size])
    graph.add_initializer("w", weights)
    graph.add_initializer("c", np.ones(features, np.float32))
    graph.add_node("conv", "Conv", ["x", "w", "c"], ["y"], pads=[window // 2] * 4)
    graph.add_output("y", [1, features, size, size])
    return graph


def layer_of(module: ModuleOp) -> PfrtOp:
    """The product or convolution of a model."""
    kinds = ("pfrt.gemm", "pfrt.conv")
    return next(op for op in module.walk() if isinstance(op, PfrtOp) and op.name in kinds)


def compiled(graph: Graph, algorithm: str | None) -> tuple[compiler.CompiledModel, str]:
    """The model, by that algorithm or by the one that is chosen, and its name."""
    program = graph.program()
    module = program.module.clone()
    if algorithm is not None:
        layer_of(module).attributes[ALGORITHM] = StringAttr(algorithm)
    found = algorithms.choose(layer_of(module))
    assert found is not None
    return compiler.compile_module(module, program.ctx), found.name


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
    """The model with single weights, blocks, or all but N of M that are 0."""
    granularities = {
        "csr": pruning.PruningGranularity.UNSTRUCTURED,
        "bsr": pruning.PruningGranularity.BLOCK,
        "nm": pruning.PruningGranularity.NM,
    }
    config = pruning.PruningConfig(target_sparsity=sparsity, granularity=granularities[form])
    return pruning.WeightPruner(config).prune(graph)


def measured(name: str, graph: Graph, form: str, sparsity: float, rounds: int) -> dict[str, object]:
    """One case, as a row of the table."""
    sparse = pruned(graph, form, sparsity)
    op = layer_of(graph.program().module).name.removeprefix("pfrt.")
    (dense, usual), (told, _) = compiled(graph, None), compiled(sparse, f"{op}_{form}")
    chosen, automatic = compiled(sparse, None)
    models = {"dense": dense, "sparse": told}
    if automatic != usual:
        models["chosen"] = chosen
    shape = compiler.signature(graph.program().module)[0][0].shape
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    times = in_turn({n: lambda m=m: m.run([x]) for n, m in models.items()}, rounds)
    # What is chosen is the dense one itself otherwise.
    times.setdefault("chosen", times["dense"])
    return {
        "layer": name, "form": form, "sparsity": sparsity, **times,
        "ratio": times["dense"] / times["sparse"],
        "automatic": automatic,
        "automatic_ratio": times["dense"] / times["chosen"],
    }  # fmt: skip


def cases(size: int, rows: Sequence[int]) -> Iterator[tuple[str, Graph, str, float]]:
    """What a layer is called, the dense model, and how it is pruned."""
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((size, size)).astype(np.float32)
    for count in rows:
        for form, sparsity in CASES:
            yield f"{count} rows" if count > 1 else "1 row", product(weights, count), form, sparsity
    yield "1 row", product(weights, 1), "nm", 0.5
    for features, channels, window, image in CONVOLUTIONS:
        shape = (features, channels, window, window)
        kernels = generator.standard_normal(shape).astype(np.float32)
        name = f"{channels}-{features}, {window}x{window}, {image}x{image}"
        for form, sparsity in OF_CONVOLUTIONS:
            yield name, convolution(kernels, image), form, sparsity


def show(row: dict[str, object], is_json: bool) -> None:
    """Print a row of the table, unless it is for programs."""
    if not is_json:
        print(
            f"| {row['layer']} | {row['form']} | {row['sparsity']:.0%} | {row['dense']:.2f} | "
            f"{row['sparse']:.2f} | {row['ratio']:.2f} | {row['automatic']} | "
            f"{row['automatic_ratio']:.2f} |",
            flush=True,
        )


def main() -> int:
    """Measure and print; 1 when something chosen is a loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 8, 64])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.json:
        print("| layer | form | zeros | dense ms | sparse ms | ratio | chosen by itself | ratio |")
        print("|---|---|---|---|---|---|---|---|")
    found: list[dict[str, object]] = []
    for case in cases(options.size, options.rows):
        rounds = options.rounds if case[2] != "nm" else max(3, options.rounds // 6)
        found.append(measured(*case, rounds))
        show(found[-1], options.json)
    if options.json:
        print(json.dumps(found, indent=1))
    return int(any(row["automatic_ratio"] < NOISE for row in found))


if __name__ == "__main__":
    sys.exit(main())
