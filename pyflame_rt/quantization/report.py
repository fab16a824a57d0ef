"""What quantization made of the model of a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from pyflame_rt import compiler, pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.plan.ops import ConstantOp, byte_size, is_static
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.pruning.feeding import Feeds
from pyflame_rt.quantization.config import QuantMode
from pyflame_rt.quantization.debug import Comparison, LayerQuality, compare, table
from pyflame_rt.quantization.quantizer import QuantizationResult
from pyflame_rt.random_inputs import resolve_shapes

_MEGABYTE = 1 << 20
_PRODUCTS = ("conv", "gemm", "matmul")


@dataclass(frozen=True)
class QuantizationReport:
    """The model before and after. Sizes are of constants as they are stored on disk, in MiB.

    `str` is the report for people.
    """

    mode: QuantMode
    nodes_quantized: int
    nodes_total: int
    compression_ratio: float
    original_size_mb: float
    quantized_size_mb: float
    weights_quantized: bool
    activations_quantized: bool
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The products that stay as they were, and why."""
    layers: list[LayerQuality] = field(default_factory=list[LayerQuality])
    """The products, with the SQNR of their weights; of static quantization that calibrated, of
    their results on the first batch too."""
    outputs: dict[str, float] = field(default_factory=dict[str, float])
    """The SQNR of the outputs on that batch, in dB."""
    _program: Program | None = field(default=None, repr=False, compare=False)

    @staticmethod
    def of(
        mode: QuantMode, result: QuantizationResult, data: Feeds | None = None
    ) -> QuantizationReport:
        """The report of a quantization that succeeded; values are compared on `data`, if given."""
        stats, info = result.stats, result.quant_info
        found, graph = Comparison(), result.quantized_graph
        if result.reference is not None and graph is not None and stats.nodes_quantized:
            found = compare(result.reference, graph, data, _PRODUCTS)
        return QuantizationReport(
            mode,
            stats.nodes_quantized,
            stats.nodes_total,
            stats.compression_ratio(),
            stats.original_size_mb(),
            stats.quantized_size_mb(),
            info.weights_quantized,
            info.activations_quantized,
            stats.skipped,
            found.layers,
            found.outputs,
            None if graph is None else graph.program(),
        )

    @cached_property
    def memory_size_mb(self) -> float:
        """MiB of constants in a session on the NumPy backend, lowered as at level 2 for inputs whose
        sizes are known: what the model leaves open is 1.

        More than on disk where products take integers as floats, of which there are copies; machine
        code takes integers.
        """
        return 0.0 if self._program is None else memory_bytes(self._program) / _MEGABYTE

    def __str__(self) -> str:
        ratio = f"{self.compression_ratio:.2f} times smaller"
        lines = [
            f"mode       {self.mode.name}",
            f"nodes      {self.nodes_quantized} of {self.nodes_total} quantized, "
            f"{len(self.skipped)} skipped",
            f"on disk    {self.original_size_mb:.3f} -> {self.quantized_size_mb:.3f} MiB, {ratio}",
            f"in memory  {self.memory_size_mb:.3f} MiB on the NumPy backend",
        ]
        lines += [f"skipped    {name}: {why}" for name, why in self.skipped]
        return "\n".join([*lines, table(self.layers, self.outputs)] if self.layers else lines)


def memory_bytes(program: Program, level: int = 2) -> int:
    """The bytes of the constants of a program as the NumPy backend has them at a level."""
    backend = get_backend("numpy", None)
    lowering = backend.lowering(level)
    module = program.module.clone()
    try:
        inputs, _ = compiler.signature(module)
        shapes = resolve_shapes(inputs, {})
        optimize = compiler.specialization_pipeline(inputs, shapes, level)
        pipelines.run(program.ctx, module, pipelines.parse(compiler.join(optimize, lowering)))
    except PyFlameRTError:
        # For no such sizes: those of all.
        module = program.module.clone()
        optimize = compiler.optimization_pipeline(level)
        pipelines.run(program.ctx, module, pipelines.parse(compiler.join(optimize, lowering)))
    sizes = {
        op.value: byte_size(op.result.type)
        for op in module.walk()
        if isinstance(op, ConstantOp) and is_static(op.result.type)
    }
    return sum(sizes.values())
