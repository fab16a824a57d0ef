"""Groups of ops for one target each that depend on each other in one direction only.

Every op gets a stage: the largest of its producers', and one more than that of a producer which
runs elsewhere. What leaves a group and comes back has passed through another target, so its stage
is higher: a group, the ops of one stage and target, never depends on itself, and it is as large as
can be when every op runs as early as possible. An attribute `pfrt.stage` of an op holds it back, so
that a device of a pipeline has one group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import ConstantLike, is_side_effect_free

HOST = ""

STAGE = "pfrt.stage"
"""The attribute that says the least stage of an op: later than it would be by what it needs."""


@dataclass(frozen=True)
class Group:
    """Ops of one target that run together, in order."""

    stage: int
    target: str
    ops: tuple[Operation, ...]


def grouped(block: Block, targets: Mapping[Operation, str], least: int) -> list[Group]:
    """The groups of a block's ops but constants and the terminator, in an order that they can run.

    `targets` says where ops run, the host where it says nothing. Groups of less than `least` ops
    are given to the host, which joins what was before and after them.
    """
    ops = [op for op in block.ops if op is not block.last_op and not op.has_trait(ConstantLike)]
    before = {op: tuple(_producers(op, block)) for op in ops}
    _keep_order_of_effects(ops, before)
    assigned = {op: targets.get(op, HOST) for op in ops}
    while True:
        groups = _groups(ops, before, assigned)
        small = [g for g in groups if g.target != HOST and len(g.ops) < least]
        if not small:
            return groups
        assigned.update({op: HOST for group in small for op in group.ops})


def operands_of(op: Operation) -> Iterator[SSAValue]:
    """What an op uses, in its regions too."""
    for nested in op.walk():
        yield from nested.operands


def _producers(op: Operation, block: Block) -> Iterator[Operation]:
    for value in operands_of(op):
        owner = value.owner
        if isinstance(owner, Operation) and owner.parent is block:
            yield owner


def _keep_order_of_effects(
    ops: Sequence[Operation], before: dict[Operation, tuple[Operation, ...]]
) -> None:
    last: Operation | None = None
    for op in ops:
        if not is_side_effect_free(op):
            if last is not None:
                before[op] += (last,)
            last = op


def _groups(
    ops: Sequence[Operation],
    before: Mapping[Operation, Sequence[Operation]],
    targets: Mapping[Operation, str],
) -> list[Group]:
    stages: dict[Operation, int] = {}
    members: defaultdict[tuple[int, str], list[Operation]] = defaultdict(list)
    for op in ops:
        floor = op.attributes.get(STAGE)
        stage = cast("IntegerAttr[Any]", floor).value.data if floor is not None else 0
        for producer in before[op]:
            # Constants have no stage: they are wherever they are needed.
            if producer in stages:
                stage = max(stage, stages[producer] + (targets[producer] != targets[op]))
        stages[op] = stage
        members[stage, targets[op]].append(op)
    return [
        Group(stage, target, tuple(found)) for (stage, target), found in sorted(members.items())
    ]
