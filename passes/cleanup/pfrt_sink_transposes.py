"""Transposes that meet their opposites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i64
from xdsl.ir import Attribute, Block, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.shape import TransposeOp
from pyflame_rt.dialects.pfrt.types import shape_of, tensor, type_of
from pyflame_rt.dialects.rewriting import carry
from pyflame_rt.passes.shape_inference import functions, update_signature
from pyflame_rt.passes.simplification.groups import Group, Kind, Member, cancels, groups
from pyflame_rt.passes.simplification.transposition import (
    Perm,
    compose,
    inverse,
    is_identity,
)


@dataclass(frozen=True)
class PfrtSinkTransposesPass(ModulePass):
    """Moves transposes below the ops that follow, where there are fewer of them then.

    Before: `%a = pfrt.transpose %x {perm = array<i64: 0, 2, 3, 1>}`, `%b = pfrt.relu %a`,
    `%y = pfrt.transpose %b {perm = array<i64: 0, 3, 1, 2>}`
    After: `%y = pfrt.relu %x`

    Below elementwise ops (whose other operands are transposed the same way, constants or numbers),
    reductions, softmax, concatenations, pads and slices, transposes meet others that undo them, or a
    reduction of what they moved. Groups of such ops change together, and only if that leaves fewer
    transposes than before. The values inside lose their names: they are others now.
    """

    name = "pfrt-sink-transposes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for block in _blocks(op):
            order = {inner: index for index, inner in enumerate(block.ops)}
            # Each group is sought when those before it are done: what they moved may be part of it.
            for group in groups(block):
                group.shrink()
                if group.members and group.added() < 0:
                    _sink(group, order)
        for function in functions(op):
            update_signature(function)


def _blocks(module: ModuleOp) -> list[Block]:
    return [
        block
        for op in module.walk()
        for region in op.regions
        for block in region.blocks
        if not isinstance(op, ModuleOp)
    ]


def _sink(group: Group, order: dict[Operation, int]) -> None:
    plain: dict[SSAValue, SSAValue] = {t.result: t.operand for t in group.transposes}
    members = sorted(group.members.values(), key=lambda member: order[member.op])
    for member in members:
        moved = _moved(member, plain)
        order[moved.op] = order[member.op]
        plain[member.op.results[0]] = moved
    for member in members:
        _leave(group, member, plain[member.op.results[0]])
    for member in reversed(members):
        _erase(member.op)
    for transpose in group.transposes:
        # One that is of an op in the group too may be gone already.
        if transpose.parent is not None and transpose.result.first_use is None:
            _erase(transpose)


def _moved(member: Member, plain: dict[SSAValue, SSAValue]) -> OpResult:
    """The result of the op on operands that are not transposed."""
    old = member.op
    new = old.clone()
    new.properties.update(member.sunk.properties)
    new.properties.pop("names", None)
    for index, (operand, kind) in enumerate(zip(old.operands, member.kinds, strict=True)):
        match kind:
            case Kind.TRANSPOSED:
                new.operands[index] = plain[operand]
            case Kind.CONSTANT:
                new.operands[index] = _constant(old, operand, member.before)
            case Kind.OUTSIDE:
                new.operands[index] = _transposed(old, operand, inverse(member.before))
            case Kind.SCALAR:
                pass
    cast(Block, old.parent).insert_op_before(new, old)
    result = old.results[0]
    shape = cast("tuple[int, ...]", shape_of(result))
    kind = tensor(type_of(result).element_type, [shape[axis] for axis in inverse(member.sunk.perm)])
    return cast(OpResult, Rewriter.replace_value_with_new_type(new.results[0], kind))


def _leave(group: Group, member: Member, value: SSAValue) -> None:
    """Give what is outside the group the value it had."""
    result, perm = member.op.results[0], member.sunk.perm
    transposes, others = group.exits(result)
    for transpose in transposes:
        second = cast(Perm, transpose.permutation())
        if cancels(perm, transpose):
            carry(transpose, [value])
            transpose.result.replace_all_uses_with(value)
        else:
            composed = _transposed(transpose, value, compose(perm, second))
            carry(transpose, [composed])
            transpose.result.replace_all_uses_with(composed)
        _erase(transpose)
    if others:
        left = value if is_identity(perm) else _transposed(member.op, value, perm)
        carry(member.op, [left])
        result.replace_uses_with_if(left, lambda use: use.operation not in group.members)


def _transposed(op: Operation, value: SSAValue, perm: Perm) -> SSAValue:
    """A transpose of a value right before an op."""
    shape = cast("tuple[int, ...]", shape_of(value))
    properties: dict[str, Attribute] = {"perm": DenseArrayBase.from_list(i64, perm)}
    kind = tensor(type_of(value).element_type, [shape[axis] for axis in perm])
    new = TransposeOp.build(operands=[value], properties=properties, result_types=[kind])
    new.location = op.location
    cast(Block, op.parent).insert_op_before(new, op)
    return new.result


def _constant(op: PfrtOp, value: SSAValue, perm: Perm) -> SSAValue:
    array = cast("np.ndarray[tuple[int, ...], np.dtype[np.generic]]", constant_of(value))
    ranked = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
    moved = np.transpose(ranked, inverse(perm))
    if any(array.strides):
        moved = np.ascontiguousarray(moved)
    new = ConstantOp.get(moved, location=op.location)
    cast(Block, op.parent).insert_op_before(new, op)
    return new.result


def _erase(op: Operation) -> None:
    op.detach()
    op.erase()
