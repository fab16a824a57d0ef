"""Runs what a lowered function says: tensors to the PEs, the program, tensors back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
)
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.backends.base import Executable, only_block, require_count
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.backends.wse.loading.loader import load
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.runs import PartRun, Pass, Said, part_run
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.types import dtype_of, static_shape_of
from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.host import GatherOp, RunOp, ScatterOp, StreamOp
from pyflame_rt.dialects.wse.mapping import GRID, STRIPS, GridAttr
from pyflame_rt.dialects.wse.program import ProgramOp
from pyflame_rt.errors import BackendError

Array: TypeAlias = npt.NDArray[Any]


class WseExecutable(Executable):
    """A function whose work one program does. Each run has a machine of its own."""

    def __init__(
        self, module: ModuleOp, function: func.FuncOp, machine: Machine, trace: str
    ) -> None:
        block = only_block(function)
        self._machine, self._trace = machine, trace
        grid = function.attributes.get(GRID)
        self.grid = grid if isinstance(grid, GridAttr) else None
        """The rectangle and the type that it was placed for."""
        self.is_pipeline = STRIPS in function.attributes
        self._count = len(block.args)
        places: dict[SSAValue, int] = {arg: index for index, arg in enumerate(block.args)}
        self._weights: list[tuple[str, Array]] = []
        self._inputs: list[tuple[str, Array, int]] = []
        self._streams: list[_Stream] = []
        gathers: dict[SSAValue, GatherOp] = {}
        runs: list[RunOp] = []
        for op in block.ops:
            match op:
                case ScatterOp():
                    index = _index(op.index)
                    if (weight := constant_of(op.tensor)) is not None:
                        self._weights.append((op.names[1], _scattered(weight, index)))
                    elif op.tensor in places:
                        self._inputs.append((op.names[1], index, places[op.tensor]))
                    else:
                        raise BackendError("scatters what is neither an argument nor a constant")
                case StreamOp():
                    self._streams.append(_Stream.of(op))
                case RunOp():
                    runs.append(op)
                case GatherOp():
                    gathers[op.result] = op
                case func.ReturnOp():
                    self._outputs = [gathers[value] for value in op.operands]
                case _ if op.name == "pfrt.constant":
                    pass
                case _:
                    raise BackendError(f"the host of a wafer does not run {op.name}")
        if len(runs) != 1:
            raise BackendError(f"function @{function.sym_name.data} runs {len(runs)} programs")
        self._steps = steps_of(runs[0].steps)
        self._images, self._runs = number(runs[0].images, 1), number(runs[0].runs, 1)
        self.name = name_of(runs[0].program)
        program = _program(module, self.name)
        self._loaded = load(program, machine)
        # A row for each step of each image and PE, with which the default may not do.
        count = (len(self._steps) + 1) * self._images * len(self._loaded.image.placements)
        self._trace_rows = None if trace == "path" else max(1 << 14, 2 * count)
        self._lock = threading.Lock()
        self._last: PartRun | None = None

    @property
    def last(self) -> PartRun | None:
        """What the last run took; None before the first."""
        with self._lock:
            return self._last

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        require_count(inputs, self._count)
        results: list[list[Array]] = []
        passes: list[Pass] = []
        for turn in range(self._runs):
            found, took = self._run([_part(array, turn, self._runs) for array in inputs])
            results.append(found)
            passes.append(took)
        with self._lock:
            self._last = part_run(self.name, self._steps, self._images, passes)
        if self._runs == 1:
            return results[0]
        return [np.concatenate(arrays) for arrays in zip(*results, strict=True)]

    def _run(self, inputs: Sequence[Array]) -> tuple[list[Array], Pass]:
        """One run of the program."""
        runtime = Runtime(
            self._loaded, self._machine, trace=self._trace, trace_rows=self._trace_rows
        )
        for buffer, values in self._weights:
            _write(runtime, buffer, values)
        for buffer, index, argument in self._inputs:
            _write(runtime, buffer, _scattered(inputs[argument], index))
        for stream in self._streams:
            stream.feed(runtime)
        runtime.run()
        results = [_gathered(runtime, gather, self._runs) for gather in self._outputs]
        marks = [(event.cycle, event.x, event.y, event.text) for event in runtime.prints()]
        return results, Pass(_cycles(runtime), _begin(runtime), marks, runtime.simulator)


def _program(module: ModuleOp, name: str) -> ModuleOp:
    for op in module.ops:
        if isinstance(op, ProgramOp) and name_of(op.sym_name) == name:
            return ModuleOp([op.clone()])
    raise BackendError(f"the module has no program @{name}")


def _index(value: SSAValue) -> Array:
    index = constant_of(value)
    if index is None:
        raise BackendError("scatters or gathers by an index that is no constant")
    return index


def _scattered(tensor: Array, index: Array) -> Array:
    flat = np.append(np.asarray(tensor).reshape(-1), np.zeros(1, tensor.dtype))
    return flat[index]


def _write(runtime: Runtime, buffer: str, values: Array) -> None:
    """Write what a buffer has on each PE that exports it."""
    if buffer not in runtime.symbols:
        # No step reads it.
        return
    x, y, width, height = runtime.rectangle(buffer)
    runtime.write(buffer, values[y : y + height, x : x + width])


def _gathered(runtime: Runtime, op: GatherOp, runs: int) -> Array:
    index, buffer = _index(op.index), op.names[1]
    x, y, width, height = runtime.rectangle(buffer)
    index = index[y : y + height, x : x + width]
    read = runtime.read(buffer).reshape(index.shape)
    shape = static_shape_of(op.result) or ()
    # Of several runs each has its share of the first dimension.
    if runs > 1:
        shape = (next(iter(shape), 1) // runs, *shape[1:])
    flat = np.zeros(int(np.prod(shape)), dtype_of(op.result))
    inside = index >= 0
    flat[index[inside]] = read[inside]
    return flat.reshape(shape)


def _part(array: Array, turn: int, runs: int) -> Array:
    """What one of several runs takes of an input."""
    if runs == 1:
        return array
    each = array.shape[0] // runs
    return array[turn * each : (turn + 1) * each]


def _cycles(runtime: Runtime) -> int:
    """From the first PE's start to the last one's end."""
    ran = [e for e in runtime.statistics().elements if e.first >= 0]
    return max(e.last for e in ran) - min(e.first for e in ran) if ran else 0


def _begin(runtime: Runtime) -> int:
    """The cycle in which the first PE starts."""
    return min((e.first for e in runtime.statistics().elements if e.first >= 0), default=0)


@dataclass(frozen=True)
class _Stream:
    """Weights that the edge sends while the program runs."""

    buffer: str
    function: str
    counter: str
    index: Array
    weight: Array

    @classmethod
    def of(cls, op: StreamOp) -> _Stream:
        weight = constant_of(op.tensor)
        if weight is None:
            raise BackendError("streams what is no constant")
        buffer, function = op.names
        flat = np.append(np.asarray(weight).reshape(-1), np.zeros(1, weight.dtype))
        return cls(buffer, function, op.counter.data, _index(op.index), flat)

    def feed(self, runtime: Runtime) -> None:
        """Send all rounds."""
        for turn, index in enumerate(self.index, 1):
            runtime.feed(self.buffer, self.weight[index], self.function, self.counter, turn)


def steps_of(attribute: ArrayAttr[Attribute] | None) -> tuple[Said, ...]:
    """What a run says of its steps."""
    found: list[Said] = []
    for row in attribute or ():
        entries = cast(DictionaryAttr, row).data
        terms = entries.get("bound")
        bound = _terms(terms) if isinstance(terms, DictionaryAttr) else None
        found.append(
            Said(
                _text(entries.get("name")), _text(entries.get("kind")),
                _number(entries.get("predicted")), bound,
            )
        )  # fmt: skip
    return tuple(found)


def _text(attribute: Attribute | None) -> str:
    return attribute.data if isinstance(attribute, StringAttr) else ""


def _number(attribute: Attribute | None) -> float:
    return float(attribute.value.data) if isinstance(attribute, FloatAttr) else 0.0


def _terms(terms: DictionaryAttr) -> tuple[int, int, int]:
    def term(name: str) -> int:
        value = terms.data.get(name)
        return value.value.data if isinstance(value, IntegerAttr) else 0

    return term("compute"), term("words"), term("latency")
