"""Elementwise calls that are compiled, into calls that pass over memory once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.plan.expressions import FUSED, MOST_OPERANDS, Body
from pyflame_rt.dialects.plan.ops import (
    AllocOp,
    CallOp,
    ConstantOp,
    NewOp,
    PartOp,
    ReshapeOp,
)
from pyflame_rt.dialects.plan.schedules import SCHEDULE, Schedule
from pyflame_rt.passes.conversion.native_elementwise import has_elementwise_code, single

_MOST_STEPS = 64


@dataclass(frozen=True)
class PlanFuseElementwisePass(ModulePass):
    """Makes one call of compiled elementwise calls that feed each other, and have one shape.

    Before: `plan.call @mul(%a, %b) into(%s) {plan.schedule = …} : …`,
    `plan.call @relu(%s) into(%y) {plan.schedule = …} : …`
    After: `plan.call @fused(%a, %b) into(%y) {params = {body = [{of = array<i64: 0, 1>, op = "mul"},
    {of = array<i64: 2>, op = "relu"}], results = array<i64: 3>}, plan.schedule = …} : …`

    What is between two functions stays in registers, and has no buffer unless something else reads
    it. The call stands where the last of them stood. Belongs after `convert-plan-to-native`, whose
    schedules say what is compiled, and before `plan-allocate`: every buffer is written once.
    """

    name = "plan-fuse-elementwise"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            for block in _blocks(function):
                for group in _groups(block):
                    _fuse(group)


def _blocks(op: Operation) -> Iterator[Block]:
    for region in op.regions:
        for block in region.blocks:
            yield block
            for inner in block.ops:
                yield from _blocks(inner)


@dataclass
class _Group:
    """Calls to be fused, last one first."""

    last: int
    calls: list[CallOp]


def _groups(block: Block) -> list[list[CallOp]]:
    """The calls of each group, in their order.

    From the last op to the first, a call joins the group of its first reader. A group stands where
    its last call stands, so every other reader comes after it.
    """
    positions = {op: index for index, op in enumerate(block.ops)}
    of: dict[Operation, _Group] = {}
    found: list[_Group] = []
    for op in reversed(positions):
        if not isinstance(op, CallOp) or not _is_candidate(op):
            continue
        places: dict[Operation, int] = {}
        for reader in _readers(op):
            reader = _in_block(reader, block)
            places[reader] = of[reader].last if reader in of else positions[reader]
        first = min(places, key=lambda reader: places[reader], default=None)
        group = None if first is None else of.get(first)
        if group is None or not _joins(op, group, positions):
            group = _Group(positions[op], [])
            found.append(group)
        group.calls.append(op)
        of[op] = group
    return [group.calls[::-1] for group in found if len(group.calls) > 1]


def _joins(op: CallOp, group: _Group, positions: dict[Operation, int]) -> bool:
    last = group.calls[0]
    if _shape(op.into[0]) != _shape(last.into[0]) or len(group.calls) >= _MOST_STEPS:
        return False
    if op.attributes[SCHEDULE] != last.attributes[SCHEDULE]:
        return False
    if any(_is_written_after(value, op, positions) for value in op.inputs):
        return False
    calls = (op, *group.calls)
    written = [call.into[0] for call in calls]
    read = {_key(value) for call in calls for value in call.inputs if value not in written}
    leaving = [v for v in written if any(r not in calls for r in _readers_of(v))]
    return len(read) + len(leaving) <= MOST_OPERANDS


def _is_candidate(call: CallOp) -> bool:
    """Whether there is code for a call, and its result is a whole buffer."""
    if Schedule.of(call) is None or len(call.into) != 1:
        return False
    if len(call.scratch) > 0 or call.absent is not None:
        return False
    if not isinstance(call.into[0].owner, AllocOp | NewOp):
        return False
    writers = [use.operation for use in call.into[0].uses if _writes(use.operation, call.into[0])]
    return len(writers) == 1 and has_elementwise_code(call)


def _shape(value: SSAValue) -> tuple[int, ...]:
    return cast("MemRefType[Any]", value.type).get_shape()


def _readers(call: CallOp) -> Iterator[Operation]:
    return _readers_of(call.into[0])


def _readers_of(buffer: SSAValue) -> Iterator[Operation]:
    return (use.operation for use in buffer.uses if not _writes(use.operation, buffer))


def _writes(op: Operation, buffer: SSAValue) -> bool:
    return isinstance(op, CallOp) and buffer in (*op.into, *op.scratch)


def _is_written_after(value: SSAValue, op: Operation, positions: dict[Operation, int]) -> bool:
    """Whether something writes to an operand of an op, or to what it is a part of, later on."""
    while isinstance(value.owner, ReshapeOp | PartOp):
        value = value.owner.source
    if not isinstance(value.owner, AllocOp | NewOp):
        # Constants, arguments and what a call owns are written once.
        return False
    pending = [value]
    while pending:
        buffer = pending.pop()
        for use in buffer.uses:
            user = use.operation
            if isinstance(user, ReshapeOp | PartOp):
                pending.append(user.result)
            elif _writes(user, buffer) and positions.get(user, 1 << 60) > positions[op]:
                return True
    return False


def _in_block(op: Operation, block: Block) -> Operation:
    while op.parent is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


def _key(value: SSAValue) -> Any:
    """What is the same for operands that are: single constants by what they are."""
    if single(value) is None:
        return value
    return (value.type, cast(ConstantOp, value.owner).value)


def _fuse(calls: Sequence[CallOp]) -> None:
    """Put one call in the place of several."""
    last, members = calls[-1], set[Operation](calls)
    made = {call.into[0] for call in calls}
    numbers: dict[Any, int] = {}
    operands: list[SSAValue] = []
    for call in calls:
        for value in call.inputs:
            if value not in made and _key(value) not in numbers:
                numbers[_key(value)] = len(operands)
                operands.append(value)
    body = Body(len(operands))
    for call in calls:
        of = [numbers[_key(value)] for value in call.inputs]
        numbers[call.into[0]] = body.add(call.algorithm, of, call.params)
    leaving = [
        call.into[0]
        for call in reversed(calls)
        if call is last or any(reader not in members for reader in _readers(call))
    ]
    params = body.params([numbers[value] for value in leaving])
    fused = CallOp(FUSED, operands, into=leaving, params=params, location=last.location)
    fused.attributes[SCHEDULE] = last.attributes[SCHEDULE]
    block = last.parent
    assert block is not None
    block.insert_op_before(fused, last)
    buffers = [call.into[0].owner for call in calls]
    for call in calls:
        call.detach()
        call.erase()
    for buffer in buffers:
        if isinstance(buffer, AllocOp | NewOp) and buffer.buffer.first_use is None:
            buffer.detach()
            buffer.erase()
