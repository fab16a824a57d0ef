"""What quantization costs in accuracy and SQNR: the digits' networks, every mode and calibrator.

    python benchmarks/digits_quantization.py [--json FILE]

Calibrated on the first 100 test images in batches of 10; points of accuracy are of all test images,
SQNR that of their logits. Figures are deterministic. What is lost is judged: a drop of at
most 0.3 points for floats of 16 bits, of 1 point for every int8 mode and of 3 points for weights of
4 bits; exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt import Graph, InferenceSession, load_model
from pyflame_rt.quantization import (
    CalibrationMethod,
    QuantConfig,
    QuantGranularity,
    QuantizationResult,
    Quantizer,
    quantize_weights,
)
from pyflame_rt.quantization.report import memory_bytes

Array = npt.NDArray[Any]

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits"
CALIBRATED, BATCHES = 100, 10


@dataclass(frozen=True)
class Row:
    """A way to quantize a model, and what it costs."""

    model: str
    way: str
    allowed: float
    """Points of accuracy."""
    drop: float
    sqnr: float
    ratio: float
    """How much smaller constants are on disk, and in a session's memory."""
    in_memory: float

    @property
    def good(self) -> bool:
        """Whether the drop is within what is allowed."""
        return self.drop <= self.allowed


def configs() -> Iterator[tuple[str, float, QuantConfig]]:
    """Every mode with every granularity and calibrator; then what makes static ones better."""
    yield "fp16", 0.3, QuantConfig.fp16()
    yield "bf16", 0.3, QuantConfig.bfloat16()
    for granularity in QuantGranularity:
        what = "tensor" if granularity is QuantGranularity.PerTensor else "channel"
        dynamic = QuantConfig.dynamic_int8()
        dynamic.granularity = granularity
        yield f"dynamic, {what}", 1.0, dynamic
        for method in CalibrationMethod:
            config = QuantConfig.static_int8()
            config.granularity, config.calibration_method = granularity, method
            yield f"static, {what}, {method.name}", 1.0, config
    for name in ("equalize", "smooth_quant", "bias_correction"):
        config = QuantConfig.static_int8()
        setattr(config, name, True)
        yield f"static, tensor, MinMax, {name}", 1.0, config
    config = QuantConfig.static_int8()
    config.equalize = config.bias_correction = True
    yield "static, tensor, MinMax, equalize and bias_correction", 1.0, config


def quantized(graph: Graph, config: QuantConfig, images: Array) -> QuantizationResult:
    """The graph quantized as a config says."""
    quantizer = Quantizer(config)
    match config.mode.name:
        case "FP16":
            return quantizer.convert_to_fp16(graph)
        case "BFloat16":
            return quantizer.convert_to_bfloat16(graph)
        case "DynamicInt8":
            return quantizer.quantize_dynamic(graph)
        case _:
            batches = iter(np.split(images[:CALIBRATED], BATCHES))
            return quantizer.quantize_with_calibration(
                graph, lambda: {"images": next(batches)}, BATCHES
            )


def rows(model: str, images: Array, labels: Array) -> Iterator[Row]:
    """One way after the other."""
    graph = load_model(DIGITS / f"{model}.onnx")
    (wanted,) = InferenceSession(graph).run(None, {"images": images})
    exact = (wanted.argmax(1) == labels).mean()
    floats = memory_bytes(graph.program())

    def row(way: str, allowed: float, result: QuantizationResult) -> Row:
        assert result.quantized_graph is not None, result.error_message
        (found,) = InferenceSession(result.quantized_graph).run(None, {"images": images})
        drop = float(exact - (found.argmax(1) == labels).mean()) * 100
        noise = np.square(wanted.astype(np.float64) - found).sum() / np.square(wanted).sum()
        ratio = result.stats.compression_ratio()
        smaller = floats / memory_bytes(result.quantized_graph.program())
        return Row(model, way, allowed, drop, float(-10 * np.log10(noise)), ratio, smaller)

    for way, allowed, config in configs():
        yield row(way, allowed, quantized(graph, config, images))
    for method in ("nearest", "gptq"):
        data = {"images": images[:CALIBRATED]} if method == "gptq" else None
        for symmetric in (True, False):
            result = quantize_weights(graph, 4, 32, data, method, symmetric=symmetric)
            signs = "symmetric" if symmetric else "zero points"
            yield row(f"weights of 4 bits in blocks of 32, {method}, {signs}", 3.0, result)


def main() -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    args = parser.parse_args()
    data = np.load(DIGITS / "test.npz")
    images, labels = data["images"].astype(np.float32), data["labels"]
    found = {m: list(rows(m, images, labels)) for m in ("cnn", "mlp")}
    lines = [
        "| | CNN drop | SQNR | on disk | in memory | MLP drop | SQNR | on disk | in memory |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for pair in zip(*found.values(), strict=True):
        cells = "".join(
            f" {r.drop:.1f} | {r.sqnr:.1f} dB | {r.ratio:.2f} × | {r.in_memory:.2f} × |"
            for r in pair
        )
        lines.append(f"| {pair[0].way} |{cells}")
    sys.stdout.write("\n".join(lines) + "\n")
    every = [row for table in found.values() for row in table]
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in every], indent=1) + "\n")
    return 0 if all(row.good for row in every) else 1


if __name__ == "__main__":
    sys.exit(main())
