"""Parts of a plan that do not need each other, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.plan.ops import (
    AllocOp,
    CallOp,
    ParallelOp,
    PartOp,
    ReshapeOp,
    YieldOp,
    is_static,
)
from pyflame_rt.dialects.plan.places import place_of
from pyflame_rt.passes.conversion.plan_costs import nanoseconds

_BALANCED = 0.7
"""What the longest lane may take of all, so that it is worth it."""


@dataclass(frozen=True, eq=False)
class _Node:
    """A call, and the buffers that it touches and writes."""

    call: CallOp

    @cached_property
    def touched(self) -> frozenset[SSAValue]:
        """Buffers that are read or written, but for constants."""
        return frozenset(place_of(value).root for value in self.call.operands)

    @cached_property
    def written(self) -> frozenset[SSAValue]:
        """Buffers that are written."""
        into = (*self.call.into, *self.call.scratch)
        return frozenset(place_of(value).root for value in into)

    @cached_property
    def cost(self) -> float:
        """Nanoseconds on one thread."""
        return nanoseconds(self.call)


def run_side_by_side(block: Block, threads: int, worth: float, memory: Sequence[type]) -> bool:
    """Put branches that are worth it into lanes; whether there were any. `memory` are ops that only
    name memory."""
    found = [
        lanes
        for nodes in _rows(block, memory)
        for part in _between_waists(nodes)
        if (lanes := _lanes(part, threads, worth)) is not None
    ]
    for lanes in found:
        _write(lanes)
    return bool(found)


def _rows(block: Block, memory: Sequence[type]) -> Iterator[list[_Node]]:
    """Calls on buffers of static shape, with nothing in between that runs."""
    row: list[_Node] = []
    for op in block.ops:
        if isinstance(op, CallOp) and op.into and all(is_static(v.type) for v in op.operands):
            row.append(_Node(op))
        elif not isinstance(op, tuple(memory)):
            if row:
                yield row
            row = []
    if row:
        yield row


def _between_waists(row: Sequence[_Node]) -> Iterator[list[_Node]]:
    """The calls between two through which all goes that later ones need of earlier ones."""
    last: dict[SSAValue, int] = {}
    for index, node in enumerate(row):
        last.update(dict.fromkeys(node.touched, index))
    part: list[_Node] = []
    needed: dict[SSAValue, int] = {}
    for index, node in enumerate(row):
        needed.update({root: last[root] for root in node.written})
        needed = {root: end for root, end in needed.items() if end > index}
        if needed.keys() <= node.written:
            yield part
            part = []
        else:
            part.append(node)
    yield part


def _lanes(part: Sequence[_Node], threads: int, worth: float) -> list[list[_Node]] | None:
    """The branches of a part, dealt out to threads; None if that is not worth it."""
    total = sum(node.cost for node in part)
    if len(part) < 2 or total < worth:
        return None
    branches = sorted(_branches(part), key=lambda nodes: -sum(node.cost for node in nodes))
    if len(branches) < 2:
        return None
    lanes: list[list[_Node]] = [[] for _ in range(min(threads, len(branches)))]
    times = [0.0] * len(lanes)
    for nodes in branches:
        index = times.index(min(times))
        lanes[index] += nodes
        times[index] += sum(node.cost for node in nodes)
    if worth and max(times) > _BALANCED * total:
        return None
    order = {node: index for index, node in enumerate(part)}
    return [sorted(lane, key=order.__getitem__) for lane in lanes]


def _branches(part: Sequence[_Node]) -> list[list[_Node]]:
    """Calls that have nothing to do with those of other branches: none writes what another touches."""
    written = frozenset[SSAValue]().union(*(node.written for node in part))
    first: dict[SSAValue, int] = {}
    leader = list(range(len(part)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    for index, node in enumerate(part):
        for root in node.touched & written:
            leader[find(index)] = find(first.setdefault(root, index))
    branches: dict[int, list[_Node]] = {}
    for index, node in enumerate(part):
        branches.setdefault(find(index), []).append(node)
    return list(branches.values())


def _write(lanes: Sequence[Sequence[_Node]]) -> None:
    """Move the calls of each lane, and the buffers that only they use, into its region."""
    calls = [{node.call for node in lane} for lane in lanes]
    last = _last_of([call for lane in calls for call in lane])
    new = ParallelOp([Region(Block()) for _ in lanes])
    new.location = last.location
    Rewriter.insert_op(new, InsertPoint.after(last))
    for region, lane in zip(new.lanes, lanes, strict=True):
        _fill(region.block, [node.call for node in lane])


def _fill(block: Block, calls: Sequence[CallOp]) -> None:
    """Calls, after the memory that only they use."""
    own = set[Operation](calls)
    for call in calls:
        for value in call.operands:
            alloc = place_of(value).root.owner
            if not isinstance(alloc, AllocOp) or alloc.parent is block:
                continue
            views = _views(alloc, own)
            for op in () if views is None else (alloc, *views):
                op.detach()
                block.add_op(op)
    for call in calls:
        call.detach()
        block.add_op(call)
    block.add_op(YieldOp([]))


def _views(alloc: AllocOp, calls: set[Operation]) -> list[Operation] | None:
    """The ops that show parts of a buffer, if nobody uses them but some calls."""
    views: list[Operation] = []
    pending = [alloc.buffer]
    while pending:
        for use in pending.pop().uses:
            user = use.operation
            if isinstance(user, ReshapeOp | PartOp):
                views.append(user)
                pending.append(user.result)
            elif user not in calls:
                return None
    return views


def _last_of(calls: Sequence[CallOp]) -> CallOp:
    """The one that comes last in its block."""
    block = calls[0].parent
    assert block is not None
    wanted = set(calls)
    return [op for op in block.ops if isinstance(op, CallOp) and op in wanted][-1]
