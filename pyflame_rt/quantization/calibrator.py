"""Calibration: which numbers the values of a model hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType

from pyflame_rt import compiler, feeds
from pyflame_rt.backends.base import find_function, only_block
from pyflame_rt.compiler import CompiledModel, Program
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.quantization.range_files import save_ranges
from pyflame_rt.quantization.config import CalibrationMethod, QuantConfig
from pyflame_rt.quantization.params import GraphQuantInfo, QuantParams
from pyflame_rt.quantization.preparing import name_of, prepared, taken
from pyflame_rt.quantization.statistics import CalibrationStats
from pyflame_rt.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]
Feed: TypeAlias = Mapping[str, "Array | Tensor"]
Provider: TypeAlias = Callable[[], Feed]


class Calibrator:
    """Collects the ranges of what the products of a model take, batch by batch.

    Memory is that of one run and of a histogram for each value, however many batches there are.
    """

    def __init__(self, graph: Graph, config: QuantConfig | None = None):
        self.config = QuantConfig.static_int8() if config is None else config
        self.config.require_valid()
        self._program = prepared(graph)
        self._values = taken(self._program)
        self._names = [name_of(self._program, value) for value in self._values]
        self._stats = {name: CalibrationStats() for name in self._names}
        self._model = _showing(self._program)
        self._batches = 0

    def observe(self, input_feed: Feed) -> None:
        """Run on a batch, by the names of inputs, and remember what the values held.

        Raises ValidationError for a wrong feed and errors of runs.
        """
        feed = {name: np.asarray(value) for name, value in input_feed.items()}
        results = self._model.run(feeds.prepare(feed, self._model.inputs))
        for name, array in zip(self._names, results[-len(self._names) :], strict=True):
            self._stats[name].update(array)
        self._batches += 1

    def calibrate(self, data_provider: Provider, num_batches: int) -> None:
        """Observe what a function gives, so many times; it may end early by StopIteration."""
        for _ in range(num_batches):
            try:
                feed = data_provider()
            except StopIteration:
                break
            self.observe(feed)

    def get_stats(self, tensor_name: str) -> CalibrationStats:
        """What was seen of a tensor. Raises KeyError for one that is not observed."""
        return self._stats[tensor_name]

    def all_stats(self) -> dict[str, CalibrationStats]:
        """What was seen, by the names of tensors."""
        return dict(self._stats)

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The range of each tensor by the config's method. Raises ValidationError before a batch."""
        if not self._batches:
            raise ValidationError("no batch has been observed", where="Calibrator")
        return {name: self._range(stats) for name, stats in self._stats.items()}

    def compute_quant_params(self) -> GraphQuantInfo:
        """The parameters of each tensor, by the config's method and type. Raises as `ranges`."""
        config = self.config
        info = GraphQuantInfo(activations_quantized=True)
        for name, (low, high) in self.ranges().items():
            params = QuantParams.compute_from_minmax(
                low, high, config.activation_dtype, config.symmetric
            )
            info.set_params(name, params)
        return info

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ranges to a JSON file, for `load_ranges` and `pfrt-opt --ranges`."""
        save_ranges(self.ranges(), path)

    def _range(self, stats: CalibrationStats) -> tuple[float, float]:
        match self.config.calibration_method:
            case CalibrationMethod.MinMax:
                return stats.minmax_range()
            case CalibrationMethod.Entropy:
                return stats.entropy_range()
            case CalibrationMethod.Percentile:
                return stats.percentile_range(self.config.percentile)
            case CalibrationMethod.MSE:
                return stats.mse_range()


def taken_from(data_provider: Provider, num_batches: int) -> list[Feed]:
    """What a function gives, so many times; it may end early by StopIteration."""
    feeds: list[Feed] = []
    with suppress(StopIteration):
        for _ in range(num_batches):
            feeds.append(data_provider())
    return feeds


def giving(given: Iterable[Feed]) -> Provider:
    """A function that gives one feed after the other."""
    return iter(given).__next__


def _showing(program: Program) -> CompiledModel:
    """The program with what its products take as further results."""
    module = program.module.clone()
    clone = Program(program.ctx, module, program.name)
    main = find_function(module, "main")
    block = only_block(main)
    terminator = block.last_op
    assert isinstance(terminator, func.ReturnOp)
    shown = taken(clone)
    results = [*terminator.operands, *shown]
    block.insert_op_before(func.ReturnOp(*results), terminator)
    terminator.detach()
    terminator.erase()
    main.function_type = FunctionType.from_lists(
        main.function_type.inputs.data, [v.type for v in results]
    )
    main.res_attrs = None
    return compiler.compile_module(module, program.ctx, "numpy", "")
