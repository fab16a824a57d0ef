"""Groups of ops that could run on operands that are not transposed, and what that would save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import cast

from xdsl.ir import Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.shape import TransposeOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.passes.simplification.transposition import (
    Perm,
    Sunk,
    compose,
    is_identity,
    sink,
)

_MOST_ELEMENTS = 1 << 20
"""Larger constants are not transposed: a second copy of a weight may stay beside the first."""


def _is_transpose_of_its_own(value: SSAValue) -> bool:
    """Whether another transpose of a value can become one with the transpose that it is."""
    return isinstance(value.owner, TransposeOp) and value.has_one_use()


_MOST_USES = 64
"""Values of more uses stay as they are: each use is looked at once for every other."""


class Kind(Enum):
    """What an operand of an op in a group is."""

    TRANSPOSED = "transposed"
    """The result of a transpose that the group removes, or of another op of the group."""
    CONSTANT = "constant"
    """Transposed at compile time."""
    SCALAR = "scalar"
    """Nothing to transpose."""
    OUTSIDE = "outside"
    """Transposed before the group."""


@dataclass
class Member:
    """An op of a group: what changes, and how the result is then to be transposed."""

    op: PfrtOp
    sunk: Sunk
    before: Perm
    kinds: tuple[Kind, ...]


@dataclass
class Group:
    """Transposes, and the ops that they could sink below."""

    transposes: dict[TransposeOp, Perm] = field(default_factory=dict[TransposeOp, Perm])
    members: dict[Operation, Member] = field(default_factory=dict[Operation, Member])

    def perm_of(self, value: SSAValue) -> Perm | None:
        """How a value of the group is transposed; None for any other value."""
        owner = value.owner
        if isinstance(owner, TransposeOp):
            return self.transposes.get(owner)
        member = self.members.get(cast(Operation, owner))
        return None if member is None else member.sunk.perm

    def exits(self, value: SSAValue) -> tuple[list[TransposeOp], bool]:
        """Transposes of a value of the group outside of it, and whether anything else uses it."""
        transposes: list[TransposeOp] = []
        others = False
        for use in value.uses:
            user = use.operation
            if user in self.members:
                continue
            if isinstance(user, TransposeOp) and user.parent is cast(Operation, value.owner).parent:
                transposes.append(user)
            else:
                others = True
        return transposes, others

    def added(self) -> int:
        """How many transposes more there are when these sink; negative if there are fewer."""
        outside = {
            (operand, member.before)
            for member in self.members.values()
            for operand, kind in zip(member.op.operands, member.kinds, strict=True)
            if kind is Kind.OUTSIDE and not _is_transpose_of_its_own(operand)
        }
        count = len(outside)
        for transpose in self.transposes:
            users, others = self.exits(transpose.result)
            count -= not users and not others
        return count + sum(self._added_behind(member) for member in self.members.values())

    def _added_behind(self, member: Member) -> int:
        perm = member.sunk.perm
        transposes, others = self.exits(member.op.results[0])
        cancelled = [t for t in transposes if cancels(perm, t)]
        return int(others and not is_identity(perm)) - len(cancelled)

    def shrink(self) -> None:
        """Leave out ops at the end of the group that add as much as they save."""
        for op in reversed(tuple(self.members)):
            member = self.members[op]
            if any(use.operation in self.members for use in op.results[0].uses):
                continue
            before = self._added_behind(member) + sum(kind is Kind.OUTSIDE for kind in member.kinds)
            after = 0
            for operand, kind in zip(op.operands, member.kinds, strict=True):
                if kind is Kind.TRANSPOSED and not self._is_needed(operand):
                    after += 1
            if after <= before:
                del self.members[op]
        for transpose in tuple(self.transposes):
            if not any(use.operation in self.members for use in transpose.result.uses):
                del self.transposes[transpose]

    def _is_needed(self, value: SSAValue) -> bool:
        """Whether a value is needed transposed whatever its users in the group do."""
        transposes, others = self.exits(value)
        return others or (isinstance(value.owner, TransposeOp) and bool(transposes))


def cancels(perm: Perm, transpose: TransposeOp) -> bool:
    """Whether a transpose undoes a permutation."""
    second = transpose.permutation()
    return second is not None and is_identity(compose(perm, second))


def groups(block: Block) -> Iterator[Group]:
    """The groups of a block, none of which has an op of another.

    One may be rewritten before the next is asked for.
    """
    claimed: set[Operation] = set()
    for op in tuple(block.ops):
        free = isinstance(op, TransposeOp) and op not in claimed and op.parent is block
        if free and cast(TransposeOp, op).permutation() is not None:
            group = _grown(cast(TransposeOp, op), claimed)
            if group.members:
                yield group


def _grown(start: TransposeOp, claimed: set[Operation]) -> Group:
    group = Group()
    pending = [_claim(group, start, claimed)]
    while pending:
        value = pending.pop()
        if sum(1 for _ in islice(value.uses, _MOST_USES + 1)) > _MOST_USES:
            continue
        perm = cast(Perm, group.perm_of(value))
        for use in tuple(value.uses):
            user = use.operation
            if user in claimed or not isinstance(user, PfrtOp):
                continue
            if isinstance(user, TransposeOp) or user.parent is not start.parent:
                continue
            member = _member(group, user, perm, claimed)
            if member is None:
                continue
            claimed.add(user)
            group.members[user] = member
            pending.append(user.results[0])
            pending += [
                _claim(group, operand.owner, claimed)
                for operand, kind in zip(user.operands, member.kinds, strict=True)
                if kind is Kind.TRANSPOSED
                and isinstance(operand.owner, TransposeOp)
                and operand.owner not in group.transposes
            ]
    return group


def _claim(group: Group, op: TransposeOp, claimed: set[Operation]) -> SSAValue:
    claimed.add(op)
    group.transposes[op] = cast(Perm, op.permutation())
    return op.result


def _member(group: Group, op: PfrtOp, perm: Perm, claimed: set[Operation]) -> Member | None:
    sunk = sink(op, perm)
    if sunk is None or shape_of(op.results[0]) is None:
        return None
    kinds: list[Kind] = []
    for index, operand in enumerate(op.operands):
        if sunk.first_only and index > 0:
            kinds.append(Kind.SCALAR)
            continue
        kind = _kind(group, op, operand, perm, claimed)
        if kind is None:
            return None
        kinds.append(kind)
    if Kind.TRANSPOSED not in kinds[:1] and sunk.first_only:
        return None
    return Member(op, sunk, perm, tuple(kinds))


def _kind(
    group: Group, op: PfrtOp, operand: SSAValue, perm: Perm, claimed: set[Operation]
) -> Kind | None:
    shape, known = shape_of(operand), group.perm_of(operand)
    if shape is None:
        return None
    if known is not None:
        return Kind.TRANSPOSED if known == perm else None
    owner = operand.owner
    free = isinstance(owner, TransposeOp) and owner not in claimed and owner.parent is op.parent
    if free and cast(TransposeOp, owner).permutation() == perm:
        return Kind.TRANSPOSED
    if not shape or (op.ELEMENTWISE and shape == (1,) and perm):
        return Kind.SCALAR
    array = constant_of(operand)
    if array is not None:
        return Kind.CONSTANT if array.size <= _MOST_ELEMENTS and len(shape) <= len(perm) else None
    return Kind.OUTSIDE if len(shape) == len(perm) else None
