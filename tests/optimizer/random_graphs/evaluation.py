"""What an op gives on arrays: its kernel, and for ops with regions what the regions give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt import kernels
from pyflame_rt.backends.iteration import run_loop, run_scan
from pyflame_rt.backends.runtime import ArrayType
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.control import IfOp, LoopOp, yielded
from pyflame_rt.dialects.pfrt.scan import ScanOp
from pyflame_rt.dialects.pfrt.types import from_properties

Array = np.ndarray
Values = Mapping[SSAValue, Array]


def evaluate(op: Operation, values: Values) -> Sequence[Array]:
    """The op's results, given every value that is visible to it."""
    match op:
        case IfOp():
            chosen = op.then_region if values[op.condition].reshape(-1)[0] else op.else_region
            return _run(chosen.block, values)
        case LoopOp():
            return _loop(op, values)
        case ScanOp():
            return _scan(op, values)
        case PfrtOp() if not op.has_trait(ConstantLike):
            kernel = kernels.table()[op.name.removeprefix("pfrt.")]
            slots = [None if slot is None else values[slot] for slot in op.operand_slots()]
            with np.errstate(all="ignore"):
                result: Any = kernel(*slots, **from_properties(op.kernel_properties()))
            return result if isinstance(result, tuple) else (result,)
        case _:
            array = constant_of(op.results[0])
            assert array is not None
            return (array,)


def _run(block: Block, values: Values) -> list[Array]:
    known = dict(values)
    for op in block.ops:
        if op is not block.last_op:
            known.update(zip(op.results, evaluate(op, known), strict=True))
    assert block.last_op is not None
    return [known[value] for value in block.last_op.operands]


def _loop(op: LoopOp, values: Values) -> Sequence[Array]:
    block, count = op.body.block, len(op.carried)
    scans = [ArrayType.of(value.type) for value in yielded(op.body)[1 + count :]]

    def body(number: Array, proceed: Array, state: Sequence[Array]) -> Sequence[Array]:
        given = dict(zip(block.args, (number, proceed, *state), strict=True))
        return _run(block, {**values, **given})

    return run_loop(
        None if op.trip_count is None else values[op.trip_count],
        None if op.condition is None else values[op.condition],
        [values[value] for value in op.carried],
        scans,
        body,
    )


def _scan(op: ScanOp, values: Values) -> Sequence[Array]:
    block, count = op.body.block, len(op.carried)
    scans = [ArrayType.of(value.type) for value in yielded(op.body)[count:]]
    places = list(zip(op.per_output("axes"), op.per_output("directions"), strict=True))
    over, initial = ([values[v] for v in group] for group in (op.scanned, op.carried))

    def body(state: Sequence[Array]) -> Sequence[Array]:
        return _run(block, {**values, **dict(zip(block.args, state, strict=True))})

    return run_scan(
        over, initial, scans, op.per_input("axes"), op.per_input("directions"), places, body
    )
