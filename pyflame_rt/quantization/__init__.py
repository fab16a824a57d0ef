"""Quantization: models of few bits, and what that costs.

```
from pyflame_rt.quantization import QuantConfig, Quantizer

result = Quantizer(QuantConfig.dynamic_int8()).quantize_dynamic(session.graph())
```
Everything here runs `pfrt-quantize`; docs/quantization.md has the formulas.
"""

from __future__ import annotations

from pyflame_rt.passes.quantization.range_files import load_ranges, save_ranges
from pyflame_rt.quantization.calibrator import Calibrator
from pyflame_rt.quantization.config import (
    CalibrationMethod,
    QuantConfig,
    QuantGranularity,
    QuantMode,
)
from pyflame_rt.quantization.improving import (
    correct_biases,
    equalize_channels,
    smooth_activations,
)
from pyflame_rt.quantization.mixing import MixedPrecision, mix
from pyflame_rt.quantization.params import GraphQuantInfo, QuantParams
from pyflame_rt.quantization.quantizer import (
    QuantizationResult,
    QuantizationStats,
    Quantizer,
)
from pyflame_rt.quantization.report import QuantizationReport
from pyflame_rt.quantization.searching import SearchResult, search
from pyflame_rt.quantization.statistics import CalibrationStats
from pyflame_rt.quantization.weights_only import quantize_weights

__all__ = [
    "CalibrationMethod",
    "CalibrationStats",
    "Calibrator",
    "GraphQuantInfo",
    "MixedPrecision",
    "QuantConfig",
    "QuantGranularity",
    "QuantMode",
    "QuantParams",
    "QuantizationReport",
    "QuantizationResult",
    "QuantizationStats",
    "Quantizer",
    "SearchResult",
    "correct_biases",
    "equalize_channels",
    "load_ranges",
    "mix",
    "quantize_weights",
    "save_ranges",
    "search",
    "smooth_activations",
]
