"""The ranges of values: recorded in the IR by those who measured them, and what follows from these.

`pfrt.ranges = array<f32: lo, hi, …>` on an op says between which numbers each of its results lies,
`pfrt.range = array<f32: lo, hi>` in the attributes of an argument of a function the same of that;
a pair of NaN says nothing. They are bounds that were seen, or chosen to be worth a scale: values
outside of them saturate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np
from xdsl.analysis.dataflow import DataFlowSolver
from xdsl.analysis.dead_code_analysis import DeadCodeAnalysis
from xdsl.analysis.sparse_analysis import Lattice, SparseForwardDataFlowAnalysis
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    f32,
)
from xdsl.ir import Attribute, BlockArgument, Operation, OpResult, SSAValue

from pyflame_rt.dialects.pfrt.activation import ClipOp
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.passes.quantization.scales import MOVEMENTS

RANGES: Final = "pfrt.ranges"
RANGE: Final = "pfrt.range"

Bounds: TypeAlias = "tuple[float, float]"


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`; none if low is the greater, all of them if nothing is known."""

    low: float = math.inf
    high: float = -math.inf

    @classmethod
    def initial_value(cls) -> Interval:
        """No numbers: nothing has been seen yet."""
        return cls()

    def join(self, other: Interval) -> Interval:
        """The least interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def meet(self, other: Interval) -> Interval:
        """What is in both."""
        return Interval(max(self.low, other.low), min(self.high, other.high))

    @property
    def bounds(self) -> Bounds | None:
        """Both ends, if they are finite."""
        known = math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high
        return (self.low, self.high) if known else None


ANY: Final = Interval(-math.inf, math.inf)

_FIXED: Final[Mapping[str, Interval]] = {
    "softmax": Interval(0.0, 1.0),
    "sigmoid": Interval(0.0, 1.0),
    "hard_sigmoid": Interval(0.0, 1.0),
    "tanh": Interval(-1.0, 1.0),
    "softsign": Interval(-1.0, 1.0),
    "erf": Interval(-1.0, 1.0),
    "sin": Interval(-1.0, 1.0),
    "cos": Interval(-1.0, 1.0),
}
"""Ops whose results lie in a range whatever their operands are."""

_MEANS: Final = frozenset(
    ("average_pool", "global_average_pool", "global_max_pool", "reduce_mean", "resize")
)
"""Ops whose results lie between elements of their first operand (resizing: but for cubic)."""


def _clipped(op: ClipOp, x: Interval) -> Interval:
    low = -math.inf if op.min is None else float(op.min.value.data)
    high = math.inf if op.max is None else float(op.max.value.data)
    if op.min_value is not None or op.max_value is not None or low > high:
        return ANY
    return Interval(min(max(x.low, low), high), min(max(x.high, low), high))


def _transferred(op: PfrtOp, operands: Sequence[Interval]) -> Interval:
    """The range of an op's result by those of its operands."""
    name = op.name.removeprefix("pfrt.")
    if (fixed := _FIXED.get(name)) is not None:
        return fixed
    if not operands:
        return ANY
    x = operands[0]
    if name == "concat":
        joined = Interval()
        for each in operands:
            joined = joined.join(each)
        return joined
    if op.name in MOVEMENTS or name in _MEANS:
        return x
    rule = _RULES.get(name)
    return ANY if rule is None else rule(op, x)


_RULES: Final[Mapping[str, Callable[[Any, Interval], Interval]]] = {
    "clip": _clipped,
    "neg": lambda _op, x: Interval(-x.high, -x.low),
    "relu": lambda _op, x: Interval(max(x.low, 0.0), max(x.high, 0.0)),
    "split": lambda _op, x: x,
}
"""How the range of an op's first operand becomes that of its result."""


class _Range(Lattice[Interval]):
    value_cls = Interval


class _RangeAnalysis(SparseForwardDataFlowAnalysis[_Range]):
    """What is recorded of a value counts; of others, what follows from those it is made of."""

    def __init__(self, solver: DataFlowSolver):
        super().__init__(solver, _Range)

    def visit_operation(self, op: Operation) -> None:
        if op.regions:
            # What regions do is not followed.
            for result in op.results:
                self._found(self.get_lattice_element(result), recorded(result) or ANY)
            return
        super().visit_operation(op)

    def visit_operation_impl(
        self, op: Operation, operands: list[_Range], results: list[_Range]
    ) -> None:
        for result, lattice in zip(op.results, results, strict=True):
            known = recorded(result)
            if known is None and (array := constant_of(result)) is not None:
                known = _of_array(array)
            if known is None and isinstance(op, PfrtOp):
                known = _transferred(op, [operand.value for operand in operands])
            self._found(lattice, known or ANY)

    def set_to_entry_state(self, lattice: _Range) -> None:
        self._found(lattice, recorded(lattice.anchor) or ANY)

    def _found(self, lattice: _Range, interval: Interval) -> None:
        self.propagate_if_changed(lattice, lattice.join(_Range(lattice.anchor, interval)))


def _of_array(array: np.ndarray[Any, Any]) -> Interval | None:
    if array.size == 0 or array.dtype.kind not in "fiu":
        return None
    low, high = float(array.min()), float(array.max())
    return None if math.isnan(low) or math.isnan(high) else Interval(low, high)


class Ranges:
    """The ranges of the values of a module, recorded or derived."""

    def __init__(self, ctx: Context, module: ModuleOp) -> None:
        self._solver = DataFlowSolver(ctx)
        self._solver.load(DeadCodeAnalysis)
        self._solver.load(_RangeAnalysis)
        for op in module.body.ops:
            if isinstance(op, func.FuncOp) and op.body.first_block is not None:
                self._solver.initialize_and_run(op)

    def of(self, value: SSAValue) -> Bounds | None:
        """Between which numbers a value lies; None if nothing is known."""
        state = self._solver.lookup_state(value, _Range)
        return None if state is None else state.value.bounds


def recorded(value: SSAValue) -> Interval | None:
    """The range that the IR records of a value."""
    if isinstance(value, BlockArgument):
        function = value.owner.parent_op()
        if not isinstance(function, func.FuncOp) or function.arg_attrs is None:
            return None
        return _interval(list(function.arg_attrs)[value.index].data.get(RANGE), 0)
    if not isinstance(value, OpResult):
        return None
    return _interval(value.owner.attributes.get(RANGES), value.index)


def _interval(attr: Attribute | None, index: int) -> Interval | None:
    if not isinstance(attr, DenseArrayBase):
        return None
    numbers = cast("tuple[float, ...]", attr.get_values())
    if len(numbers) < 2 * index + 2:
        return None
    low, high = float(numbers[2 * index]), float(numbers[2 * index + 1])
    return None if math.isnan(low) or math.isnan(high) else Interval(low, high)


def record(module: ModuleOp, ranges: Mapping[str, Bounds]) -> set[str]:
    """Record ranges by the model's names of values; the names for which there is no value."""
    missing = set(ranges)
    for op in module.walk():
        if isinstance(op, func.FuncOp) and op.body.first_block is not None:
            _record_arguments(op, ranges, missing)
        if not isinstance(op, PfrtOp) or op.names is None:
            continue
        found = [ranges.get(name) for name in op.names.data]
        if any(bounds is not None for bounds in found):
            missing -= set(op.names.data)
            flat = [n for bounds in found for n in (bounds or (math.nan, math.nan))]
            op.attributes[RANGES] = DenseArrayBase.from_list(f32, flat)
    return missing


def _record_arguments(
    function: func.FuncOp, ranges: Mapping[str, Bounds], missing: set[str]
) -> None:
    if function.arg_attrs is None:
        return
    rows: list[DictionaryAttr] = []
    for row in function.arg_attrs:
        name = row.data.get("pfrt.name")
        if isinstance(name, StringAttr) and name.data in ranges:
            missing.discard(name.data)
            bounds = DenseArrayBase.from_list(f32, list(ranges[name.data]))
            row = DictionaryAttr({**row.data, RANGE: bounds})
        rows.append(row)
    function.arg_attrs = ArrayAttr(rows)
