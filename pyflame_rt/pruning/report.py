"""What pruning did: parameters, bytes, flops, and how long runs take before and after."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import compiler, feeds, model_runs, random_inputs
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import is_string
from pyflame_rt.frontends.pfm.sparse import stored_bytes
from pyflame_rt.graph import Graph
from pyflame_rt.inspection import inspect_program
from pyflame_rt.packed_nm import PATTERNS, holds
from pyflame_rt.passes.pruning import records
from pyflame_rt.passes.pruning.layers import Layer, layers_of

Array: TypeAlias = npt.NDArray[Any]

_ROUNDS = 15


@dataclass(frozen=True)
class LayerSparsity:
    """A layer's weights: how many there are, how many are 0, and in which pattern."""

    name: str
    shape: tuple[int, ...]
    zeros: int
    bytes: int
    """As they are in memory."""
    stored: int
    """As they are in a `.pfm` file, which has zeros as bits."""
    pattern: str = ""
    """`2:4`, where no group of 4 has more; the granularity that was asked for."""

    @property
    def size(self) -> int:
        """How many weights."""
        return int(np.prod(self.shape))

    @property
    def sparsity(self) -> float:
        """The part that is 0."""
        return self.zeros / self.size if self.size else 0.0

    def as_json(self) -> dict[str, object]:
        """The fields."""
        fields = {n: getattr(self, n) for n in self.__dataclass_fields__}
        return {**fields, "shape": list(self.shape), "sparsity": self.sparsity}


@dataclass(frozen=True)
class Sizes:
    """A model in numbers; `flops` is None when shapes do not follow from sizes of 1."""

    parameters: int
    nonzero: int
    bytes: int
    stored: int
    flops: int | None


@dataclass(frozen=True)
class PruningStats:
    """A model before and after, and the layers that are left."""

    before: Sizes
    after: Sizes
    layers: tuple[LayerSparsity, ...]
    weights_before: int
    """Weights that are not 0 in the layers that can be pruned."""

    def actual_sparsity(self) -> float:
        """The part of those weights that is gone, as a zero or with its channel."""
        left = sum(layer.size - layer.zeros for layer in self.layers)
        return 1 - left / self.weights_before if self.weights_before else 0.0

    def compression_ratio(self) -> float:
        """Parameters before for each parameter after that is not 0."""
        return self.before.nonzero / self.after.nonzero if self.after.nonzero else float("inf")

    def lines(self) -> list[str]:
        """For people."""
        rows = (
            ("parameters", self.before.parameters, self.after.parameters),
            ("not zero", self.before.nonzero, self.after.nonzero),
            ("bytes", self.before.bytes, self.after.bytes),
            ("in a .pfm", self.before.stored, self.after.stored),
            ("flops", self.before.flops, self.after.flops),
        )
        return [
            f"{name:<11} {old:,} -> {new:,} ({new / old:.1%})"
            for name, old, new in rows
            if old and new is not None
        ]


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a run of each model, measured in turn: the least of several, and the ratio."""

    before: float
    after: float

    @property
    def speedup(self) -> float:
        """How many times as fast the second one is."""
        return self.before / self.after

    def __str__(self) -> str:
        return f"{self.before:.3f} ms -> {self.after:.3f} ms, {self.speedup:.2f} times as fast"


def sparsity_of(layer: Layer) -> LayerSparsity:
    """A layer's numbers."""
    array = layer.weights
    zeros = array.size - int(np.count_nonzero(array))
    return LayerSparsity(
        layer.name, array.shape, zeros, array.nbytes, stored_bytes(array), _pattern(layer, array)
    )


def statistics(before: Program, after: Program) -> PruningStats:
    """What is different between a model and its pruned one."""
    layers = tuple(sparsity_of(layer) for layer in layers_of(after.module))
    weights = sum(int(np.count_nonzero(each.weights)) for each in layers_of(before.module))
    return PruningStats(sizes_of(before), sizes_of(after), layers, weights)


def compare(before: Graph, after: Graph) -> PruningStats:
    """As `WeightPruner.get_stats`, for graphs from anywhere."""
    return statistics(before.program(), after.program())


def sizes_of(program: Program) -> Sizes:
    """A model in numbers."""
    found = inspect_program(program, {})
    arrays = list(_constants(program.module))
    nonzero = sum(int(np.count_nonzero(array)) for array in arrays)
    stored = sum(stored_bytes(array) for array in arrays)
    size = found.parameter_bytes or 0
    return Sizes(found.parameters, nonzero, size, stored, found.flops)


def measure(
    before: Graph | Program,
    after: Graph | Program,
    inputs: Mapping[str, Array] | None = None,
    *,
    dims: Mapping[str, int] | None = None,
) -> Latency:
    """Run both models in turn on the NumPy backend, and time them.

    On `inputs`, or on random ones where `dims` are sizes of symbolic dimensions (else 1).
    Raises as runs do.
    """
    runs = [_prepared(each, inputs, dims or {}) for each in (before, after)]
    best = [float("inf"), float("inf")]
    for _ in range(_ROUNDS):
        for index, (model, feed) in enumerate(runs):
            start = time.perf_counter()
            model.run(feed)
            best[index] = min(best[index], (time.perf_counter() - start) * 1e3)
    return Latency(*best)


def _prepared(
    model: Graph | Program, inputs: Mapping[str, Array] | None, dims: Mapping[str, int]
) -> tuple[compiler.CompiledModel, list[Any]]:
    program = model.program() if isinstance(model, Graph) else model
    specs = compiler.signature(program.module)[0]
    generator = np.random.default_rng(0)
    shapes = random_inputs.resolve_shapes(specs, dims)
    given = inputs or {
        spec.name: random_inputs.random_array(spec.dtype, shape, generator)
        for spec, shape in zip(specs, shapes, strict=True)
    }
    feed = feeds.prepare(given, specs)
    level = compiler.most_optimized(NumpyBackend(), 2)
    steps = model_runs.pipeline_for(specs, feed, level, specialize=True)
    compiled = model_runs.compile_program(program, "numpy", steps)
    compiled.run(feed)
    return compiled, feed


def _pattern(layer: Layer, array: Array) -> str:
    """The pattern that weights have, beside what was noted of them."""
    note = records.read(layer.constant)
    asked = "" if note is None else note.granularity
    if asked == "nm" and note is not None and len(note.pattern) == 2:
        asked = ":".join(map(str, note.pattern))
    elif asked == "block" and note is not None:
        asked = "block " + "x".join(map(str, note.pattern))
    matrix = layer.matrix(array)
    for n, m in PATTERNS:
        if layer.channels % m == 0 and holds(matrix, n, m):
            return f"{n}:{m}"
    return asked


def _constants(module: ModuleOp) -> Iterable[Array]:
    for op in module.walk():
        if isinstance(op, ConstantOp) and not is_string(op.result.type):
            array = constant_of(op.result)
            if array is not None:
                yield array
