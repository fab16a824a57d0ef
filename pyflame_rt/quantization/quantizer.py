"""Quantizing graphs as the documentation describes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import pipelines
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dtypes import by_numpy
from pyflame_rt.errors import PyFlameRTError, ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.quantization.products import Outcome
from pyflame_rt.passes.quantization.ranges import Bounds, record
from pyflame_rt.quantization import improving
from pyflame_rt.quantization.calibrator import Calibrator, Feed, Provider, giving, taken_from
from pyflame_rt.quantization.config import QuantConfig, QuantMode
from pyflame_rt.quantization.params import GraphQuantInfo
from pyflame_rt.quantization.preparing import prepared

_MEGABYTE = 1 << 20


@dataclass
class QuantizationStats:
    """What was quantized. Sizes are of constants, in the types that they are stored in."""

    nodes_quantized: int = 0
    nodes_skipped: int = 0
    weights_quantized: int = 0
    original_size_bytes: int = 0
    quantized_size_bytes: int = 0
    nodes_total: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The products that stay as they were, and why."""

    def compression_ratio(self) -> float:
        """Original size over quantized size."""
        if not self.quantized_size_bytes:
            return 1.0
        return self.original_size_bytes / self.quantized_size_bytes

    def original_size_mb(self) -> float:
        """In MiB."""
        return self.original_size_bytes / _MEGABYTE

    def quantized_size_mb(self) -> float:
        """In MiB."""
        return self.quantized_size_bytes / _MEGABYTE


@dataclass
class QuantizationResult:
    """A quantized graph, or why there is none."""

    success: bool
    quantized_graph: Graph | None = None
    quant_info: GraphQuantInfo = field(default_factory=GraphQuantInfo)
    error_message: str = ""
    stats: QuantizationStats = field(default_factory=QuantizationStats)
    reference: Graph | None = None
    """The float graph that was quantized: the one given, with norms and biases folded and what the
    config asks for done before; its values have the names of the quantized ones."""


class Quantizer:
    """Quantizes graphs by a config; a graph that is given stays as it is.

    What goes wrong is in the result's `error_message`, but for wrong arguments, which raise.
    """

    def __init__(self, config: QuantConfig | None = None):
        self.config = QuantConfig() if config is None else config

    def convert_to_fp16(self, graph: Graph) -> QuantizationResult:
        """Values in IEEE 754 half precision, whatever the config's mode is."""
        return self._quantize(graph, replace(self.config, mode=QuantMode.FP16), {})

    def convert_to_bfloat16(self, graph: Graph) -> QuantizationResult:
        """Values in brain floating point, whatever the config's mode is."""
        return self._quantize(graph, replace(self.config, mode=QuantMode.BFloat16), {})

    def quantize_dynamic(self, graph: Graph) -> QuantizationResult:
        """Integer weights, data rounded in each run, whatever the config's mode is."""
        config = replace(self.config, mode=QuantMode.DynamicInt8)
        return self._quantize(self._equalized(graph), config, {}, graph)

    def quantize(self, graph: Graph, quant_info: GraphQuantInfo) -> QuantizationResult:
        """Integer weights and data, these by known parameters (`Calibrator.compute_quant_params`)."""
        config = replace(self.config, mode=QuantMode.StaticInt8)
        ranges: dict[str, Bounds] = {}
        for name, params in quant_info.tensor_params.items():
            if not params.is_per_channel():
                ranges[name] = params.range
        result = self._quantize(graph, config, ranges)
        result.quant_info.tensor_params.update(quant_info.tensor_params)
        return result

    def quantize_ranges(self, graph: Graph, ranges: dict[str, Bounds]) -> QuantizationResult:
        """As `quantize`, by ranges (`Calibrator.ranges`, `load_ranges`) instead of parameters."""
        return self._quantize(graph, replace(self.config, mode=QuantMode.StaticInt8), ranges)

    def quantize_with_calibration(
        self, graph: Graph, data_provider: Provider, num_batches: int
    ) -> QuantizationResult:
        """As `quantize`, by what the values held on so many batches."""
        config = replace(self.config, mode=QuantMode.StaticInt8)
        feeds: list[Feed] = []
        try:
            if config.smooth_quant or config.bias_correction:
                # They run before or after calibration, on the same data.
                feeds = taken_from(data_provider, num_batches)
                data_provider, num_batches = giving(feeds), len(feeds)
            improved = self._equalized(graph)
            if config.smooth_quant:
                improved = improving.smooth_activations(improved, feeds, config.smooth_alpha)
            calibrator = Calibrator(improved, config)
            calibrator.calibrate(data_provider, num_batches)
            info = calibrator.compute_quant_params()
            ranges = calibrator.ranges()
            result = self._quantize(improved, config, ranges, graph)
            if config.bias_correction and result.quantized_graph and result.reference:
                result.quantized_graph = improving.correct_biases(
                    result.quantized_graph, result.reference, feeds
                )
        except PyFlameRTError as error:
            return QuantizationResult(False, error_message=str(error))
        result.quant_info.tensor_params.update(info.tensor_params)
        return result

    def _equalized(self, graph: Graph) -> Graph:
        return improving.equalize_channels(graph) if self.config.equalize else graph

    def _quantize(
        self,
        graph: Graph,
        config: QuantConfig,
        ranges: dict[str, Bounds],
        original: Graph | None = None,
    ) -> QuantizationResult:
        step = config.to_pass()
        if step is None:
            raise ValidationError("mode None_ quantizes nothing", where="QuantConfig")
        try:
            program = prepared(graph)
            reference = program.module.clone()
            record(program.module, ranges)
            outcome = step.quantize(program.ctx, program.module)
            return result_of(original or graph, program, reference, outcome)
        except PyFlameRTError as error:
            return QuantizationResult(False, error_message=str(error))


def result_of(
    original: Graph, program: Program, reference: ModuleOp, outcome: Outcome
) -> QuantizationResult:
    """The result of a quantization that was done. Raises when the program is not valid."""
    pipelines.run(program.ctx, program.module, pipelines.parse("pfrt-dce"))
    pipelines.verify_module(program.module)
    before = original.program()
    info = GraphQuantInfo(
        weights_quantized=outcome.weights > 0,
        activations_quantized=bool(outcome.quantized),
    )
    stats = QuantizationStats(
        nodes_quantized=len(outcome.quantized),
        nodes_skipped=len(outcome.skipped),
        weights_quantized=outcome.weights,
        original_size_bytes=stored_bytes(before.module),
        quantized_size_bytes=stored_bytes(program.module),
        nodes_total=_count(before),
        skipped=outcome.skipped,
    )
    floats = Graph.of_program(Program(program.ctx, reference, program.name))
    return QuantizationResult(True, Graph.of_program(program), info, "", stats, floats)


def stored_bytes(module: ModuleOp) -> int:
    """The bytes of a module's constants as they are stored: two of 4 bits in one."""
    total = 0
    for op in module.walk():
        if isinstance(op, ConstantOp) and (array := constant_of(op.result)) is not None:
            bits = by_numpy()[array.dtype].numpy.itemsize * 8
            if array.dtype.name in ("int4", "uint4", "float4_e2m1fn"):
                bits = 4
            total += (array.size * bits + 7) // 8
    return total


def _count(program: Program) -> int:
    ops = (op for op in program.module.walk() if isinstance(op, PfrtOp))
    return sum(not isinstance(op, ConstantOp) for op in ops)
