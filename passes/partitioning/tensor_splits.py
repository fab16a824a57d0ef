"""Which layers the devices of a group share, each computing columns of their results.

A layer whose operand is whole is cut by its columns (filters); what follows works on the slices as
long as it can, and the next layer, which contracts what is cut, leaves a sum: two layers, one
all-reduce.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of, is_constant
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, shape_of
from pyflame_rt.passes.partitioning.cuts import Cut, Layout, column_sharing, reshaped_cut, sharing
from pyflame_rt.passes.partitioning.nodes import Nodes
from pyflame_rt.passes.partitioning.plan_files import Split

_LAYERS = {"pfrt.conv": 1, "pfrt.gemm": 1, "pfrt.matmul": -1}
"""Ops with weights as second operand, and the axis of their columns in the result."""


def choose(nodes: Nodes, count: int, stages: Mapping[str, int]) -> list[Split]:
    """The layers that groups of `count` devices share; `stages` says which nodes a group has."""
    layouts: dict[SSAValue, Layout] = {}
    found: list[Split] = []
    for name, op in nodes.ops.items():
        if not isinstance(op, PfrtOp) or op.regions:
            continue
        slots = op.operand_slots()
        lying = [None if slot is None else layouts.get(slot) for slot in slots]
        cut = _columns(nodes, op, lying, count, stages)
        share = column_sharing(op, cut, lying) if cut is not None else sharing(op, lying)
        if cut is not None and share is not None and share.results == (cut,):
            found.append(Split(name, cut.axis, list(cut.sizes)))
        elif cut is not None:
            share = sharing(op, lying)
        if share is not None and not share.sums:
            layouts.update(zip(op.results, share.results, strict=True))
    return found


def _columns(
    nodes: Nodes, op: PfrtOp, lying: list[Layout], count: int, stages: Mapping[str, int]
) -> Cut | None:
    """The slices of a layer's result for each device; None for an op that stays whole or cut as
    its operands are."""
    if op.name not in _LAYERS or any(lying) or not _has_weights(op):
        return None
    result = shape_of(op.results[0])
    if result is None or len(result) < 2:
        return None
    axis = _LAYERS[op.name] % len(result)
    columns = result[axis]
    if columns == DYNAMIC:
        return None
    unit = _unit(nodes, op.results[0], axis, stages[nodes.names[op]], stages)
    units = columns // unit if columns % unit == 0 else 0
    if units < count:
        return None
    share, more = divmod(units, count)
    return Cut(axis, tuple((share + (rank < more)) * unit for rank in range(count)))


def _has_weights(op: PfrtOp) -> bool:
    owner = op.operands[1].owner
    return (
        isinstance(owner, Operation)
        and is_constant(type(owner))
        and constant_of(op.operands[1]) is not None
    )


def _unit(nodes: Nodes, value: SSAValue, axis: int, stage: int, stages: Mapping[str, int]) -> int:
    """How many columns must stay together: those of a head, where a reshape makes heads of them."""
    for _ in range(8):
        users = list(dict.fromkeys(use.operation for use in value.uses))
        if len(users) != 1 or users[0] not in nodes.names or stages[nodes.names[users[0]]] != stage:
            return 1
        op = users[0]
        before = shape_of(value) if is_tensor(value.type) else None
        after = shape_of(op.results[0]) if op.results and is_tensor(op.results[0].type) else None
        if before is None or after is None:
            return 1
        if op.name == "pfrt.reshape":
            ones = Cut(axis, (1,))
            for unit in range(1, before[axis] + 1):
                if before[axis] % unit == 0 and reshaped_cut(before, after, Cut(axis, (unit,))):
                    return unit
            return 1 if reshaped_cut(before, after, ones) else before[axis]
        if (
            not cast(PfrtOp, op).ELEMENTWISE
            or len(after) != len(before)
            or after[axis] != before[axis]
        ):
            return 1
        value = op.results[0]
    return 1
