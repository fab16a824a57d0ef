"""From plan IR to a `Program`: read once, so that frames need no IR."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Block, Operation, SSAValue

from pyflame_rt.backends.base import Executable, callee_of, only_block
from pyflame_rt.backends.numpy_backend.program import (
    Body,
    Branch,
    Constant,
    External,
    Instruction,
    Invoke,
    Loop,
    New,
    Parallel,
    Part,
    Program,
    Ref,
    Release,
    Reshape,
    Slot,
    Subroutine,
    View,
)
from pyflame_rt.backends.runtime import ArrayType, last_uses, value_type
from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.types import ConstantValue, constant_array, from_properties
from pyflame_rt.dialects.plan import ops as plan
from pyflame_rt.dialects.plan.convolution_schedules import ConvolutionSchedule
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.dialects.rewriting import describe, location_text
from pyflame_rt.errors import BackendError


def decode(
    function: func.FuncOp, parts: Mapping[str, Executable] | None = None, *, compiled: bool = True
) -> Program:
    """The program of a function of plan IR; `parts` are functions compiled elsewhere, by name.

    Without `compiled` the schedules of calls are left out, so that NumPy computes them.

    Raises BackendError for an op that is no plan, MissingWeightsError for absent values.
    """
    return _Decoder(parts or {}, compiled).program(function)


class _Decoder:
    def __init__(self, parts: Mapping[str, Executable], compiled: bool) -> None:
        self._parts = parts
        self._compiled = compiled
        self._refs: dict[SSAValue, Ref] = {}
        self._storages: list[int] = []
        self._slots = 0
        self._callers: list[func.FuncOp] = []

    def program(self, function: func.FuncOp) -> Program:
        arguments, body = self._function(function)
        count = blas_threads(function)
        return Program(arguments, tuple(self._storages), self._slots, body, count)

    def _function(self, function: func.FuncOp) -> tuple[tuple[Slot, ...], Body]:
        self._callers.append(function)
        block = only_block(function)
        arguments = self._new_slots(block.args)
        body = self._body(block)
        self._callers.pop()
        return arguments, body

    def _body(self, block: Block) -> Body:
        instructions: list[Instruction] = []
        dead = last_uses(block)
        terminator = block.last_op
        for op in block.ops:
            if op is terminator:
                break
            instruction = self._instruction(op)
            if instruction is not None:
                instructions.append(instruction)
            if released := self._late(dead[op]):
                instructions.append(Release(released))
        if not isinstance(terminator, func.ReturnOp | plan.YieldOp):
            raise BackendError("a block of a plan ends with func.return or plan.yield")
        return Body(tuple(instructions), self._all(terminator.operands))

    def _instruction(self, op: Operation) -> Instruction | None:
        """What an op does in a run; None for one that only names memory."""
        match op:
            case plan.ConstantOp():
                self._refs[op.result] = _constant(op)
            case plan.AllocOp():
                self._storage(op.buffer)
            case plan.ArenaOp():
                self._storage(op.arena)
            case plan.ViewOp():
                self._view(op)
            case plan.NewOp():
                return New(self._slot(op.buffer), describe(op))
            case plan.ReshapeOp():
                return self._reshape(op)
            case plan.PartOp():
                return self._part(op)
            case plan.CallOp():
                return self._invoke(op)
            case plan.ParallelOp():
                return Parallel(tuple(self._body(lane.block) for lane in op.lanes))
            case plan.IfOp():
                return self._branch(op)
            case plan.LoopOp():
                return self._loop(op)
            case func.CallOp() if part := self._parts.get(op.callee.root_reference.data):
                inputs, owned = self._all(op.arguments), self._new_slots(op.results)
                return External(inputs, owned, part.run, describe(op))
            case func.CallOp():
                arguments, body = self._function(callee_of(op, self._callers))
                inputs, owned = self._all(op.arguments), self._new_slots(op.results)
                return Subroutine(inputs, arguments, owned, body, describe(op))
            case _:
                raise BackendError(
                    "is not part of a plan",
                    where=describe(op),
                    hint="lower with convert-pfrt-to-plan first",
                )
        return None

    def _storage(self, buffer: SSAValue) -> None:
        self._refs[buffer] = View(len(self._storages), 0, ArrayType.of(buffer.type))
        self._storages.append(plan.byte_size(buffer.type))

    def _view(self, op: plan.ViewOp) -> None:
        arena = self._refs[op.arena]
        if not isinstance(arena, View):
            raise BackendError("views something that is no arena", where=describe(op))
        offset = arena.offset + op.offset.value.data
        self._refs[op.buffer] = View(arena.storage, offset, ArrayType.of(op.buffer.type))

    def _reshape(self, op: plan.ReshapeOp) -> Instruction | None:
        kind = ArrayType.of(op.result.type)
        match self._refs[op.source]:
            case Constant(array, packs):
                self._refs[op.result] = Constant(array.reshape(kind.static_shape), packs)
            case View(storage, offset, _, None):
                self._refs[op.result] = View(storage, offset, kind)
            case View():
                raise BackendError("reshapes what does not lie together", where=describe(op))
            case Slot() as source:
                return Reshape(source, self._slot(op.result))
        return None

    def _part(self, op: plan.PartOp) -> Instruction | None:
        kind, index = ArrayType.of(op.result.type), op.index
        match self._refs[op.source]:
            case Constant(array, _, None) as whole:
                self._refs[op.result] = Constant(array[index], whole=whole, index=index)
            case Constant(array):
                self._refs[op.result] = Constant(np.ascontiguousarray(array[index]))
            case View(storage, offset, whole, None) if op.is_contiguous:
                first = [part.start for part in index]
                place = (
                    int(np.ravel_multi_index(first, whole.static_shape))
                    if math.prod(kind.static_shape)
                    else 0
                )
                place = offset + place * kind.dtype.itemsize
                self._refs[op.result] = View(storage, place, kind)
            case View(storage, offset, whole, None):
                self._refs[op.result] = View(storage, offset, kind, index, whole.static_shape)
            case View(storage, offset, _, outer, whole) if outer is not None:
                begins = (part.start for part in outer)
                inner = tuple(
                    slice(begin + part.start, begin + part.stop)
                    for begin, part in zip(begins, index, strict=True)
                )
                self._refs[op.result] = View(storage, offset, kind, inner, whole)
            case Slot() as source:
                return Part(source, self._slot(op.result), index)
            case View():
                raise AssertionError("a view with an index has none")
        return None

    def _invoke(self, op: plan.CallOp) -> Invoke:
        if any(_is_argument(buffer) for buffer in (*op.into, *op.scratch)):
            # It may be the caller's own array.
            raise BackendError("writes to an argument", where=describe(op))
        place = location_text(op)
        return Invoke(
            op.algorithm,
            tuple(None if value is None else self._refs[value] for value in op.slots()),
            self._all(op.into),
            self._all(op.scratch),
            self._new_slots(op.owned),
            cast("dict[str, Any]", from_properties(op.params.data)) if op.params else {},
            f"{op.algorithm} ({place})" if place else op.algorithm,
            schedule=_schedule(op) if self._compiled else None,
            shares=op.shares,
        )

    def _branch(self, op: plan.IfOp) -> Branch:
        then, otherwise = self._body(op.then_region.block), self._body(op.else_region.block)
        condition = self._refs[op.condition]
        return Branch(condition, self._new_slots(op.owned), then, otherwise, describe(op))

    def _loop(self, op: plan.LoopOp) -> Loop:
        block = op.body.block
        arguments = tuple(self._slot(argument) for argument in block.args)
        body = self._body(block)
        yielded = () if block.last_op is None else block.last_op.operands
        return Loop(
            None if op.trip_count is None else self._refs[op.trip_count],
            None if op.condition is None else self._refs[op.condition],
            self._all(op.carried),
            self._new_slots(op.owned),
            arguments,
            tuple(ArrayType.of(value.type) for value in yielded[1 + len(op.carried) :]),
            body,
            describe(op),
        )

    def _slot(self, value: SSAValue) -> Slot:
        slot = Slot(self._slots, value_type(value.type))
        self._slots += 1
        self._refs[value] = slot
        return slot

    def _new_slots(self, values: Sequence[SSAValue]) -> tuple[Slot, ...]:
        return tuple(self._slot(value) for value in values)

    def _all(self, values: Sequence[SSAValue]) -> tuple[Ref, ...]:
        return tuple(self._refs[value] for value in values)

    def _late(self, values: Sequence[SSAValue]) -> tuple[int, ...]:
        refs = (self._refs[value] for value in values)
        return tuple(ref.index for ref in refs if isinstance(ref, Slot))


def _schedule(op: plan.CallOp) -> Schedule | IntegerSchedule | None:
    return ConvolutionSchedule.of(op) or Schedule.of(op) or IntegerSchedule.of(op)


def blas_threads(function: func.FuncOp) -> int:
    """How many threads a plan wants BLAS to use; 0 if it does not say."""
    count = function.attributes.get(plan.BLAS_THREADS)
    return max(0, count.value.data) if isinstance(count, IntegerAttr) else 0


def _is_argument(buffer: SSAValue) -> bool:
    while isinstance(buffer.owner, plan.ReshapeOp | plan.PartOp):
        buffer = buffer.owner.source
    return isinstance(buffer.owner, Block)


def _constant(op: plan.ConstantOp) -> Constant:
    value = cast(ConstantValue, op.value)
    if isinstance(value, WeightAttr):
        return Constant(value.data.array, value.data.packs)
    array = constant_array(value)
    assert array is not None
    # A splat is stored as one element, and BLAS wants the others too.
    whole = array if array.flags.c_contiguous else array.copy()
    whole = whole.view()
    whole.flags.writeable = False
    return Constant(whole)
