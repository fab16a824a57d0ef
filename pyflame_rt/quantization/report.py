"""What quantization made of the model of a session."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyflame_rt.quantization.config import QuantMode
from pyflame_rt.quantization.quantizer import QuantizationResult


@dataclass(frozen=True)
class QuantizationReport:
    """The model before and after. Sizes are of constants as they are stored on disk, in MiB.

    In memory a session on NumPy keeps copies of integer weights as floats, which its products take.
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

    @staticmethod
    def of(mode: QuantMode, result: QuantizationResult) -> QuantizationReport:
        """The report of a quantization that succeeded."""
        stats, info = result.stats, result.quant_info
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
        )
