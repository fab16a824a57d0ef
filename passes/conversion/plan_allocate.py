"""One block of memory for all buffers of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.plan.algorithms import in_place
from pyflame_rt.dialects.plan.ops import (
    AllocOp,
    ArenaOp,
    CallOp,
    ParallelOp,
    PartOp,
    ReshapeOp,
    ViewOp,
    byte_size,
)
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.kernels.sizes import MAX_BYTES

_ALIGNMENT = 64

Spans: TypeAlias = dict[Operation, tuple[int, int]]
"""Number of an op, and of the last op inside of it."""


@dataclass(frozen=True)
class PlanAllocatePass(ModulePass):
    """Lays the buffers of each function in one arena, where buffers that are never needed at the
    same time share memory.

    Before: `%a = plan.alloc : memref<4xf32>`
    After: `%arena = plan.arena : memref<64xi8>`,
    `%a = plan.view %arena[0] : memref<64xi8> -> memref<4xf32>`

    A result takes the place of an input that dies at the call, if the algorithm computes in place.
    Offsets are given out in order of decreasing size, each to the smallest gap that fits among the
    buffers alive at the same time (greedy by size with best fit: Pisarchyk and Lee, "Efficient
    Memory Management for Deep Neural Net Inference", 2020). The regions of a `plan.parallel`, which
    run at the same time, have a stretch each, in which their own buffers are laid out likewise.
    """

    name = "plan-allocate"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                _allocate(function)


@dataclass(eq=False)
class Stretch:
    """A stretch of the arena, and the ops (by number, both included) from which to which it is in
    use. Several buffers share it when one is computed in the place of another."""

    size: int
    first: int
    last: int
    offset: int = 0


def _allocate(function: func.FuncOp) -> None:
    allocs = [op for op in function.walk() if isinstance(op, AllocOp)]
    if not allocs:
        return
    if arena := next((op for op in function.walk() if isinstance(op, ArenaOp)), None):
        raise failed(arena, "the function has an arena already, and new plan.alloc ops")
    spans = _numbered(function)
    stretches = _lifetimes(allocs, spans)
    _share_in_place(function, spans, stretches)
    lanes = _Lanes(function, spans, stretches)
    arena = ArenaOp(lanes.size)
    arena.location = function.location
    arena.arena.name_hint = "arena"
    Rewriter.insert_op(arena, InsertPoint.at_start(function.body.blocks[0]))
    for alloc in allocs:
        if alloc not in stretches:
            _erase(alloc)
            continue
        kind = cast("MemRefType[Any]", alloc.buffer.type)
        view = ViewOp(arena.arena, lanes.offset(alloc), kind)
        view.location = alloc.location
        view.buffer.name_hint = alloc.buffer.name_hint
        Rewriter.replace_op(alloc, view)


def _erase(op: Operation) -> None:
    """Erase a buffer that nothing touches, with its reshapes and parts."""
    for use in list(op.results[0].uses):
        _erase(use.operation)
    op.detach()
    op.erase()


class _Lanes:
    """Where buffers lie: those of a lane (a region of a `plan.parallel`) in the lane's own stretch."""

    def __init__(self, function: func.FuncOp, spans: Spans, stretches: dict[AllocOp, Stretch]):
        self._stretches = stretches
        self._whole: dict[Region, Stretch] = {}
        members: dict[Region | None, dict[Stretch, None]] = {}
        for alloc, stretch in stretches.items():
            members.setdefault(_lane_of(alloc), {})[stretch] = None
        # Inner ones first: what they take is known when the outer one is laid out.
        for op in reversed([op for op in function.walk() if isinstance(op, ParallelOp)]):
            first, last = spans[op]
            for lane in op.lanes:
                size = place(members.get(lane, ()))
                self._whole[lane] = Stretch(size, first, last)
                members.setdefault(_lane_of(op), {})[self._whole[lane]] = None
        self.size = place(members.get(None, ()))

    def offset(self, alloc: AllocOp) -> int:
        """Where a buffer lies in the arena."""
        offset, lane = self._stretches[alloc].offset, _lane_of(alloc)
        while lane is not None:
            offset += self._whole[lane].offset
            lane = _lane_of(cast(Operation, lane.parent_op()))
        return offset


def _lane_of(op: Operation) -> Region | None:
    """The region of the innermost `plan.parallel` that holds an op."""
    region = op.parent_region()
    while region is not None and (outer := region.parent_op()) is not None:
        if isinstance(outer, ParallelOp):
            return region
        region = outer.parent_region()
    return None


def _lifetimes(allocs: Sequence[AllocOp], spans: Spans) -> dict[AllocOp, Stretch]:
    """The stretch for each buffer that is used: from its first use to its last, seen from the block
    that it is allocated in, so that a use inside a region lasts as long as the op that holds it."""
    stretches: dict[AllocOp, Stretch] = {}
    for alloc in allocs:
        users = [spans[_in_block(user, cast(Block, alloc.parent))] for user in _users(alloc.buffer)]
        if users:
            if (size := byte_size(alloc.buffer.type)) > MAX_BYTES:
                raise failed(alloc, f"a buffer of {size} bytes is more than any tensor may have")
            first, last = min(span[0] for span in users), max(span[1] for span in users)
            stretches[alloc] = Stretch(_aligned(size), first, last)
    return stretches


def _numbered(function: func.FuncOp) -> Spans:
    """Numbers of an op and of the last op inside of it, in program order."""
    spans: Spans = {}

    def visit(block: Block) -> None:
        for op in block.ops:
            first = len(spans)
            spans[op] = (first, first)
            for region in op.regions:
                for inner in region.blocks:
                    visit(inner)
            spans[op] = (first, len(spans) - 1)

    for block in function.body.blocks:
        visit(block)
    return spans


def _users(buffer: SSAValue) -> Iterator[Operation]:
    """Ops that touch a buffer, under whatever shape, or a part of it."""
    pending = [buffer]
    while pending:
        for use in pending.pop().uses:
            if isinstance(use.operation, ReshapeOp | PartOp):
                pending.append(use.operation.result)
            else:
                yield use.operation


def _in_block(op: Operation, block: Block) -> Operation:
    """The op of a block that is, or holds, an op."""
    while op.parent is not block:
        op = cast(Operation, op.parent_op())
    return op


def _share_in_place(function: func.FuncOp, spans: Spans, stretches: dict[AllocOp, Stretch]) -> None:
    """Let results take the stretch of an input that their algorithm may overwrite, where the input
    is not needed afterwards."""
    for op in function.walk():
        if not isinstance(op, CallOp) or len(op.into) == 0:
            continue
        used = [_alloc_of(operand) for operand in op.operands]
        result = _alloc_of(op.into[0])
        if result is None or result.parent is not op.parent or used.count(result) != 1:
            continue
        now, target, slots = spans[op][0], stretches[result], op.slots()
        for position in in_place(op.algorithm):
            value = slots[position] if position < len(slots) else None
            source = None if value is None or _is_part(value) else _alloc_of(value)
            if source is None or source.parent is not op.parent or used.count(source) != 1:
                continue
            stretch = stretches[source]
            is_fit = _sizes(source) == _sizes(result)
            if is_fit and stretch.last == now == target.first:
                stretch.last = target.last
                stretches[result] = stretch
                break


def _sizes(alloc: AllocOp) -> tuple[int, int]:
    """Bytes and elements: fewer and larger ones would be read where others are written."""
    kind = cast("MemRefType[Any]", alloc.buffer.type)
    return byte_size(kind), kind.element_count()


def _alloc_of(value: SSAValue) -> AllocOp | None:
    """The alloc whose memory a value shows, all of it or a part."""
    while isinstance(value.owner, ReshapeOp | PartOp):
        value = value.owner.source
    return value.owner if isinstance(value.owner, AllocOp) else None


def _is_part(value: SSAValue) -> bool:
    while isinstance(value.owner, ReshapeOp):
        value = value.owner.source
    return isinstance(value.owner, PartOp)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def place(stretches: Iterable[Stretch]) -> int:
    """Give each stretch its offset; the size of the arena that holds them all."""
    ordered = sorted(stretches, key=lambda s: (-s.size, s.first, s.last))
    # Rows: offset, end, first, last of the stretches placed so far, in order of their offsets.
    placed = np.zeros((4, len(ordered)), np.int64)
    count = 0
    for stretch in ordered:
        if stretch.size == 0:
            continue
        begin, end, first, last = placed[:, :count]
        alive = (first <= stretch.last) & (last >= stretch.first)
        stretch.offset = _best_gap(begin[alive], end[alive], stretch.size)
        at = int(np.searchsorted(begin, stretch.offset))
        placed[:, at + 1 : count + 1] = placed[:, at:count].copy()
        span = (stretch.offset, stretch.offset + stretch.size, stretch.first, stretch.last)
        placed[:, at] = span
        count += 1
    return int(placed[1].max(initial=0))


def _best_gap(begins: npt.NDArray[Any], ends: npt.NDArray[Any], size: int) -> int:
    """The offset of the smallest gap of at least `size` bytes; behind everything if none is."""
    gap_begins = np.concatenate([[0], np.maximum.accumulate(ends)])
    room = np.append(begins, np.iinfo(np.int64).max) - gap_begins
    room[room < size] = np.iinfo(np.int64).max
    return int(gap_begins[np.argmin(room)])
