"""Quantization of the model of a session, by its options."""

from __future__ import annotations

from pyflame_rt.compiler import Program
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.quantization.calibrator import Feed, Provider
from pyflame_rt.quantization.config import QuantConfig, QuantMode
from pyflame_rt.quantization.quantizer import Quantizer
from pyflame_rt.quantization.report import QuantizationReport


def quantized(
    program: Program, config: QuantConfig, data: Provider | None, batches: int
) -> tuple[Program, QuantizationReport]:
    """The quantized program, and what was done; `batches` 0: as many as the config says.

    Raises ValidationError for settings that contradict each other, and what calibration raises.
    """
    first: list[Feed] = []
    graph, quantizer = Graph.of_program(program), Quantizer(config)
    match config.mode:
        case QuantMode.FP16:
            result = quantizer.convert_to_fp16(graph)
        case QuantMode.BFloat16:
            result = quantizer.convert_to_bfloat16(graph)
        case QuantMode.DynamicInt8:
            result = quantizer.quantize_dynamic(graph)
        case QuantMode.StaticInt8:
            if data is None:
                raise ValidationError(
                    "static quantization needs data to calibrate on",
                    where="SessionOptions",
                    hint="set calibration_data to a function that returns a feed",
                )
            count = batches or config.calibration_samples
            result = quantizer.quantize_with_calibration(graph, _keeping(data, first), count)
        case QuantMode.None_:
            raise ValidationError("mode None_ quantizes nothing", where="QuantConfig")
    if not result.success or result.quantized_graph is None:
        raise ValidationError(result.error_message, where="quantization")
    return result.quantized_graph.program(), QuantizationReport.of(
        config.mode, result, first or None
    )


def _keeping(data: Provider, first: list[Feed]) -> Provider:
    """The same function, which puts the first of what it gives into a list."""

    def given() -> Feed:
        feed = data()
        if not first:
            first.append(feed)
        return feed

    return given
