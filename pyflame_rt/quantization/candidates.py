"""A model quantized in one way after the other: some layers of it, and what each costs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import compiler, feeds
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.quantization.products import Outcome, Product, products
from pyflame_rt.quantization import improving
from pyflame_rt.quantization.calibrator import Calibrator
from pyflame_rt.quantization.config import QuantConfig, QuantMode
from pyflame_rt.quantization.params import GraphQuantInfo
from pyflame_rt.quantization.preparing import prepared
from pyflame_rt.quantization.quantizer import QuantizationResult, Quantizer
from pyflame_rt.quantization.rounded_weights import sqnr

Array: TypeAlias = npt.NDArray[Any]
Feed: TypeAlias = Mapping[str, Array]
Run: TypeAlias = Callable[[Feed], list[Array]]
"""Outputs by inputs."""


class Candidates:
    """A model of which any layers can be quantized; it is calibrated once."""

    def __init__(self, graph: Graph, config: QuantConfig, data: Sequence[Feed]) -> None:
        config.require_valid()
        if config.mode is QuantMode.None_:
            raise ValidationError("mode None_ quantizes nothing", where="QuantConfig")
        self._config, self._data, self._original = config, data, graph
        improved = improving.equalize_channels(graph) if config.equalize else graph
        is_static = config.mode is QuantMode.StaticInt8
        if is_static and config.smooth_quant:
            improved = improving.smooth_activations(improved, data, config.smooth_alpha)
        program = prepared(improved)
        _name(program)
        self.graph = Graph.of_program(program)
        """The float model, in which all layers have names."""
        found = products(program.module, config.exclude_ops, Outcome())
        self.layers: list[str] = [name_of(op) for op in found]
        """What can be quantized, by the names of results."""
        self._ranges: dict[str, tuple[float, float]] = {}
        self._info = GraphQuantInfo()
        if is_static:
            calibrator = Calibrator(self.graph, config)
            for feed in data:
                calibrator.observe(feed)
            self._ranges, self._info = calibrator.ranges(), calibrator.compute_quant_params()
        self.answers = [running(self.graph)(feed) for feed in data]
        """What the float model says of the data."""

    def quantized(self, floats: Collection[str] = ()) -> QuantizationResult:
        """The model with these layers as they are. Raises ValidationError when it fails."""
        config = replace(self._config, equalize=False, smooth_quant=False)
        config.exclude_ops = [*config.exclude_ops, *floats]
        quantizer = Quantizer(config)
        match config.mode:
            case QuantMode.FP16:
                result = quantizer.convert_to_fp16(self.graph)
            case QuantMode.BFloat16:
                result = quantizer.convert_to_bfloat16(self.graph)
            case QuantMode.DynamicInt8:
                result = quantizer.quantize_dynamic(self.graph)
            case _:
                result = quantizer.quantize_ranges(self.graph, self._ranges)
                result.quant_info.tensor_params.update(self._info.tensor_params)
                if config.bias_correction and result.quantized_graph is not None:
                    result.quantized_graph = improving.correct_biases(
                        result.quantized_graph, self.graph, self._data
                    )
        if not result.success:
            raise ValidationError(result.error_message, where="quantization")
        return result

    def alone(self, layer: str) -> QuantizationResult:
        """The model with this layer quantized and all others as they are."""
        return self.quantized([other for other in self.layers if other != layer])

    def noise(self, graph: Graph) -> float:
        """Noise over signal of a graph's outputs on the data; the sum of that of all outputs."""
        run = running(graph)
        signal, noise = np.zeros(len(self.answers[0])), np.zeros(len(self.answers[0]))
        for feed, wanted in zip(self._data, self.answers, strict=True):
            for index, (x, y) in enumerate(zip(wanted, run(feed), strict=True)):
                if x.dtype.kind != "f":
                    continue
                wide = x.astype(np.float64)
                signal[index] += np.square(wide).sum()
                noise[index] += np.square(wide - y.astype(np.float64)).sum()
        heard = signal > 0
        return float((noise[heard] / signal[heard]).sum())


def running(graph: Graph) -> Run:
    """A function that runs a graph on NumPy as a session would: a feed by name to the outputs."""
    program = graph.program()
    model = compiler.compile_module(program.module, program.ctx)
    return lambda feed: model.run(feeds.prepare(feed, model.inputs))


def decibels(noise: float) -> float:
    """Noise over signal as SQNR in dB."""
    return sqnr(1.0, noise)


def name_of(op: Product) -> str:
    """The name of an op's result, "" if it has none."""
    return "" if op.names is None else op.names.data[0]


def products_of(module: ModuleOp) -> dict[str, Product]:
    """The products of a module by name."""
    return {name_of(op): op for op in products(module, (), Outcome())}


def _name(program: Program) -> None:
    """Give every product a name that no other has."""
    seen: set[str] = set()
    for index, op in enumerate(products(program.module, (), Outcome())):
        if not (name := name_of(op)) or name in seen:
            name = f"{op.name.removeprefix('pfrt.')}@{index}"
            op.names = NamesAttr.of([name])
        seen.add(name)
