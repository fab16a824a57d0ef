"""How much of a model's weights is 0, layer by layer; beside another model, what that changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflame_rt import compiler
from pyflame_rt.compiler import Program
from pyflame_rt.passes.pruning.layers import layers_of
from pyflame_rt.pruning.report import (
    Latency,
    LayerSparsity,
    PruningStats,
    measure,
    sizes_of,
    sparsity_of,
    statistics,
)


@dataclass(frozen=True)
class SparsityReport:
    """The layers that can be pruned; with a model to compare with, sizes and times of both."""

    layers: Sequence[LayerSparsity]
    stored: int
    """Bytes of all constants in a `.pfm` file."""
    stats: PruningStats | None = None
    latency: Latency | None = None

    @property
    def sparsity(self) -> float:
        """The part of the layers' weights that is 0."""
        size = sum(layer.size for layer in self.layers)
        return sum(layer.zeros for layer in self.layers) / size if size else 0.0

    def lines(self) -> list[str]:
        """For people."""
        rows = [
            f"{layer.name}: {'x'.join(map(str, layer.shape))}, {layer.sparsity:.1%} zeros"
            f"{', ' + layer.pattern if layer.pattern else ''}, "
            f"{layer.bytes:,} bytes, {layer.stored:,} in a .pfm"
            for layer in self.layers
        ]
        found = [
            f"{'layers' if i == 0 else '':<11} {row}" for i, row in enumerate(rows or ["none"])
        ]
        found.append(f"zeros       {self.sparsity:.1%} of the weights of layers")
        if self.stats is None:
            found.append(f"in a .pfm   {self.stored:,} bytes of constants")
        else:
            found += ["before -> after", *self.stats.lines()]
        if self.latency is not None:
            found.append(f"latency     {self.latency}")
        return found

    def as_json(self) -> dict[str, object]:
        """For programs; times in milliseconds."""
        found: dict[str, object] = {
            "sparsity": self.sparsity,
            "stored": self.stored,
            "layers": [layer.as_json() for layer in self.layers],
        }
        if self.stats is not None:
            found["before"], found["after"] = vars(self.stats.before), vars(self.stats.after)
        if self.latency is not None:
            found["latency"] = {**vars(self.latency), "speedup": self.latency.speedup}
        return found


def inspect_sparsity(
    path: str | os.PathLike[str],
    before: str | os.PathLike[str] | None,
    dims: Mapping[str, int],
    weights: str | None = None,
) -> SparsityReport:
    """Inspect a model's weights; with the model that it was, both are run and timed.

    Raises as loading and running do.
    """
    program = compiler.load(path, weights=weights)
    if before is None:
        return _of_program(program)
    other = compiler.load(before)
    stats = statistics(other, program)
    latency = measure(other, program, dims=dims)
    return SparsityReport(stats.layers, stats.after.stored, stats, latency)


def _of_program(program: Program) -> SparsityReport:
    layers = [sparsity_of(layer) for layer in layers_of(program.module)]
    return SparsityReport(layers, sizes_of(program).stored)
