"""Walks a function of pfrt and calls the kernel of each op.

The walk is decided once (`_Body`): kernels, properties as Python values, and which values die
where, so that a run holds no more than the values still needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from xdsl.dialects import func
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt import kernels
from pyflame_rt.backends.base import Executable, callee_of, only_block, require_count
from pyflame_rt.backends.iteration import is_true, run_loop, run_map, run_scan
from pyflame_rt.backends.runtime import (
    Array,
    ArrayType,
    ValueType,
    detached,
    failure,
    last_uses,
    value_type,
)
from pyflame_rt.dialects.check import ExpectOp, expect
from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.control import ControlOp, IfOp, LoopOp, YieldOp, yielded
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.scan import ScanOp, SequenceMapOp
from pyflame_rt.dialects.pfrt.types import ConstantValue, constant_array, from_properties
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.errors import BackendError

Observer: TypeAlias = Callable[[PfrtOp, tuple[str, ...], Sequence[Array]], None]
"""Called after each pfrt op but constants: the op, its results' names ("" where unnamed), values."""

_Callers: TypeAlias = tuple[func.FuncOp, ...]
_Values: TypeAlias = dict[SSAValue, Array]
_Evaluate: TypeAlias = Callable[[_Values, Observer | None], Sequence[Array]]


class Interpreter(Executable):
    """A function of pfrt, run op by op."""

    def __init__(self, function: func.FuncOp):
        block = only_block(function)
        self._arguments = block.args
        missing = sorted(_unsupported(function))
        if missing:
            raise BackendError(f"the reference backend has no kernel for {', '.join(missing)}")
        self._body = _Body(block, (function,))

    def run(self, inputs: Sequence[Array], observer: Observer | None = None) -> list[Array]:
        """As `Executable.run`; `observer` sees every op's results, those inside regions too."""
        require_count(inputs, len(self._arguments))
        values: _Values = dict(zip(self._arguments, inputs, strict=True))
        with np.errstate(all="ignore"):
            outputs = self._body.run(values, observer)
        return detached(outputs, inputs)


@dataclass(frozen=True)
class _Node:
    op: Operation
    evaluate: _Evaluate
    types: tuple[ValueType, ...]
    names: tuple[str, ...]
    dead: tuple[SSAValue, ...]


class _Body:
    """The ops of a block, ready to run."""

    def __init__(self, block: Block, callers: _Callers):
        terminator = block.last_op
        dead = last_uses(block)
        self._results = () if terminator is None else tuple(terminator.operands)
        self._nodes = [_node(op, dead[op], callers) for op in block.ops if op is not terminator]
        self._left = (*block.args, *(v for v in self._results if v.owner in dead))

    def run(self, values: _Values, observer: Observer | None) -> list[Array]:
        """What the block's terminator returns, given its arguments and the values around it."""
        for node in self._nodes:
            op = node.op
            try:
                results = node.evaluate(values, observer)
                arrays = [kind.require(r) for kind, r in zip(node.types, results, strict=True)]
            except Exception as error:
                raise failure(describe(op), error) from error
            values.update(zip(op.results, arrays, strict=True))
            if observer is not None and isinstance(op, PfrtOp) and not op.has_trait(ConstantLike):
                observer(op, node.names, arrays)
            for value in node.dead:
                del values[value]
        results = [values[value] for value in self._results]
        for value in self._left:
            values.pop(value, None)
        return results


def _node(op: Operation, dead: tuple[SSAValue, ...], callers: _Callers) -> _Node:
    names = op.names.data if isinstance(op, PfrtOp) and op.names is not None else ()
    return _Node(
        op,
        _evaluator(op, callers),
        tuple(value_type(result.type) for result in op.results),
        names or ("",) * len(op.results),
        dead,
    )


def _evaluator(op: Operation, callers: _Callers) -> _Evaluate:
    match op:
        case ExpectOp():
            return _expectation(op)
        case IfOp():
            return _branch(op, callers)
        case LoopOp():
            return _loop(op, callers)
        case ScanOp():
            return _scan(op, callers)
        case FusedOp():
            return _fused(op, callers)
        case SequenceMapOp():
            return _sequence_map(op, callers)
        case func.CallOp():
            return _function_call(op, callers)
        case PfrtOp() if not op.has_trait(ConstantLike):
            return _kernel_call(op)
        case _:
            return _constant(op)


def _kernel_call(op: PfrtOp) -> _Evaluate:
    kernel = kernels.find(_kernel_name(op))
    assert kernel is not None
    slots = op.operand_slots()
    properties = from_properties(op.kernel_properties())

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        result = kernel(*[None if s is None else values[s] for s in slots], **properties)
        return cast("tuple[Array, ...]", result) if isinstance(result, tuple) else (result,)

    return evaluate


def _constant(op: Operation) -> _Evaluate:
    value = cast(ConstantValue, op.properties["value"])

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        array = value.data.array if isinstance(value, WeightAttr) else constant_array(value)
        return (cast(Array, array),)

    return evaluate


def _expectation(op: ExpectOp) -> _Evaluate:
    tolerances, where = op.arguments(), describe(op)

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        expect(values[op.actual], values[op.expected], **tolerances, where=where)
        return ()

    return evaluate


def _branch(op: IfOp, callers: _Callers) -> _Evaluate:
    then, otherwise = (_Body(region.block, callers) for region in (op.then_region, op.else_region))

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        chosen = then if is_true(values[op.condition]) else otherwise
        return chosen.run(values, observer)

    return evaluate


def _function_call(op: func.CallOp, callers: _Callers) -> _Evaluate:
    function = callee_of(op, callers)
    block = only_block(function)
    body = _Body(block, (*callers, function))

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        arguments = zip(block.args, op.operands, strict=True)
        values.update({argument: values[operand] for argument, operand in arguments})
        return body.run(values, observer)

    return evaluate


def _loop(op: LoopOp, callers: _Callers) -> _Evaluate:
    body, arguments = _Body(op.body.block, callers), op.body.block.args
    trip_count, condition, carried = op.trip_count, op.condition, tuple(op.carried)
    yielded = op.body.block.last_op
    assert isinstance(yielded, YieldOp)
    scans = [ArrayType.of(value.type) for value in yielded.values[1 + len(carried) :]]

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        def iterate(number: Array, proceed: Array, state: Sequence[Array]) -> Sequence[Array]:
            values.update(zip(arguments, (number, proceed, *state), strict=True))
            return body.run(values, observer)

        return run_loop(
            None if trip_count is None else values[trip_count],
            None if condition is None else values[condition],
            [values[value] for value in carried],
            scans,
            iterate,
        )

    return evaluate


def _scan(op: ScanOp, callers: _Callers) -> _Evaluate:
    body, arguments = _Body(op.body.block, callers), op.body.block.args
    carried, scanned = tuple(op.carried), tuple(op.scanned)
    scans = [ArrayType.of(value.type) for value in yielded(op.body)[len(carried) :]]
    axes, directions = op.per_input("axes"), op.per_input("directions")
    places = list(zip(op.per_output("axes"), op.per_output("directions"), strict=True))

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        def iterate(state: Sequence[Array]) -> Sequence[Array]:
            values.update(zip(arguments, state, strict=True))
            return body.run(values, observer)

        over, initial = ([values[value] for value in group] for group in (scanned, carried))
        return run_scan(over, initial, scans, axes, directions, places, iterate)

    return evaluate


def _sequence_map(op: SequenceMapOp, callers: _Callers) -> _Evaluate:
    body, arguments = _Body(op.body.block, callers), op.body.block.args
    sequences, count = tuple(op.sequences), len(op.results)

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        def iterate(items: Sequence[Array]) -> Sequence[Array]:
            values.update(zip(arguments, items, strict=True))
            return body.run(values, observer)

        lists = [cast("list[Array]", values[value]) for value in sequences]
        return cast("Sequence[Array]", run_map(lists, count, iterate))

    return evaluate


def _fused(op: FusedOp, callers: _Callers) -> _Evaluate:
    body, arguments, inputs = _Body(op.body.block, callers), op.body.block.args, tuple(op.inputs)

    def evaluate(values: _Values, observer: Observer | None) -> Sequence[Array]:
        values.update({a: values[v] for a, v in zip(arguments, inputs, strict=True)})
        return body.run(values, observer)

    return evaluate


def _kernel_name(op: Operation) -> str:
    return op.name.removeprefix("pfrt.")


def _unsupported(function: func.FuncOp) -> set[str]:
    known = (func.FuncOp, func.ReturnOp, func.CallOp, YieldOp, ControlOp, ExpectOp)
    return {
        op.name
        for op in function.walk()
        if not isinstance(op, known)
        and not op.has_trait(ConstantLike)
        and not (isinstance(op, PfrtOp) and kernels.find(_kernel_name(op)) is not None)
    }
