"""Large calls of a plan as pieces for several threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.plan.ops import (
    BLAS_THREADS,
    SHARES,
    AllocOp,
    ArenaOp,
    CallOp,
    ConstantOp,
    NewOp,
    ParallelOp,
    PartOp,
    ReshapeOp,
    ViewOp,
    YieldOp,
)
from pyflame_rt.dialects.plan.places import Box, Place, place_of, shape_of_buffer
from pyflame_rt.dialects.plan.schedules import SCHEDULE
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.conversion.plan_branches import run_side_by_side
from pyflame_rt.passes.conversion.plan_costs import (
    divisible_nanoseconds,
    is_product,
    nanoseconds,
)
from pyflame_rt.passes.conversion.plan_pieces import Subject, Way, part_type, ways

_MEMORY = (AllocOp, ArenaOp, ConstantOp, NewOp, PartOp, ReshapeOp, ViewOp)
"""Ops that name memory: it does not matter when."""

_FEW = 4
"""So many calls may be as short as they like; of more, a piece must take its share of what is worth
it: in shorter ones threads wait for the interpreter's lock."""


@dataclass(frozen=True)
class PlanSplitPass(ModulePass):
    """Cuts large calls into pieces along batches, rows or heads, one for each thread.

    Before: `plan.call @relu(%x) into(%y) : (memref<8x65536xf32>) into(memref<8x65536xf32>)`
    After: `plan.parallel {`, `%0 = plan.part %x[0, 0] : memref<8x65536xf32> -> memref<4x65536xf32>`,
    `…`, `plan.call @relu(%0) into(%1) : …`, `plan.yield`, `} {`, the same from row 4 on, `}`

    Calls in a row stay in one `plan.parallel` as long as each piece needs only what the same thread
    has made, and buffers that nobody else needs become those of a thread. BLAS is then to use one
    thread only, and with `limit` also no more than `threads` in a function without such calls.

    A product with a constant matrix whose rows are not known is told how many threads may divide it
    in a run (`plan.shares`), where all products that BLAS computes are such.

    With `branches` calls that do not need each other go to regions of their own, where those take
    about the same time: all that is between two calls through which everything goes is dealt out.

    A call that is compiled (`plan.schedule`) is left alone: machine code has a way of its own.

    To be run before `plan-allocate`.
    """

    name = "plan-split"

    threads: int = 2
    """How many threads there are."""

    branches: bool = False
    """Whether threads also run parts of the graph that do not need each other."""

    limit: bool = False
    """Whether BLAS uses no more threads either, where calls are not cut."""

    worth: int = 50_000
    """Nanoseconds, as estimated, that each thread must have to do. Handing work over and waiting for
    the end takes 10,000 to 20,000 on two cores."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.threads < 1:
            raise PassFailed(f"plan-split: threads = {self.threads} is less than 1")
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                if view := next((o for o in function.walk() if isinstance(o, ViewOp)), None):
                    raise failed(view, "buffers lie in an arena already: plan-split comes before")
                is_split = self.threads > 1 and self._split(function)
                if is_split or self.limit:
                    count = 1 if is_split else self.threads
                    function.attributes[BLAS_THREADS] = IntegerAttr(count, i64)

    def _split(self, function: func.FuncOp) -> bool:
        """Whether any work is done by several threads now."""
        beside = False
        if self.branches:
            for block in list(_blocks(function)):
                beside |= run_side_by_side(block, self.threads, 2 * self.worth, _MEMORY)
        return _split(function, self.threads, self.worth) or beside


@dataclass(frozen=True, eq=False)
class _Cut:
    """A call, and how it is cut."""

    subject: Subject
    way: Way
    cost: float

    @property
    def call(self) -> CallOp:
        """The call."""
        return self.subject.call


class _Group:
    """Calls in a row that threads can go through without waiting for each other."""

    def __init__(self) -> None:
        self.cuts: list[_Cut] = []
        self._made: dict[SSAValue, tuple[Place, ...]] = {}
        """What each thread makes of a buffer."""
        self._seen: set[SSAValue] = set()

    @property
    def cost(self) -> float:
        """Nanoseconds of all calls on one thread."""
        return sum(cut.cost for cut in self.cuts)

    def sized(self, worth: float) -> _Group | None:
        """The group for as many threads as have enough to do; None if not even two have."""
        count = len(self.cuts[0].way)
        if not worth:
            return self
        fitting = int(self.cost / (worth * max(1, len(self.cuts) / _FEW)))
        if fitting >= count:
            return self
        if fitting < 2:
            return None
        smaller = _Group()
        for cut in self.cuts:
            found = (_Cut(cut.subject, way, cut.cost) for way in ways(cut.subject, fitting))
            if not any(smaller.add(candidate) for candidate in found):
                return None
        return smaller

    def add(self, cut: _Cut) -> bool:
        """Append a call, if each thread has what its piece needs; whether it was appended."""
        call, slots = cut.call, cut.call.slots()
        if self.cuts and len(cut.way) != len(self.cuts[0].way):
            return False
        written = [place_of(value).root for value in call.into]
        if len(set(written)) < len(written) or not self._seen.isdisjoint(written):
            return False
        for index, piece in enumerate(cut.way):
            for value, box in zip(slots, piece.inputs, strict=True):
                if value is None:
                    continue
                needed = place_of(value, box)
                if needed.root in written:
                    return False
                if (made := self._made.get(needed.root)) and not made[index].covers(needed):
                    return False
        for result, value in enumerate(call.into):
            places = tuple(place_of(value, piece.into[result]) for piece in cut.way)
            self._made[places[0].root] = places
        self._seen.update(place_of(value).root for value in call.operands)
        self.cuts.append(cut)
        return True


def _split(function: func.FuncOp, threads: int, worth: int) -> bool:
    """Cut what is worth it; whether that is most of the work there is."""
    groups: list[_Group] = []
    left = 0.0
    for block in _blocks(function):
        for found in _groups(block, threads):
            group = found.sized(worth) if isinstance(found, _Group) else None
            if group is not None:
                groups.append(group)
            else:
                # BLAS would have used several threads for it.
                left += found.cost if isinstance(found, _Group) else found
    shared, rest = _shared(function, threads, worth)
    won = sum(group.cost for group in groups) + sum(cost for _, _, cost in shared)
    if not (groups or shared) or rest or (worth and left > won):
        return False
    for group in groups:
        _Writer(group).write()
    for call, count, _ in shared:
        call.attributes[SHARES] = IntegerAttr(count, i64)
    return True


def _shared(
    function: func.FuncOp, threads: int, worth: int
) -> tuple[list[tuple[CallOp, int, float]], bool]:
    """Calls of shapes that are not known that can be divided in a run, between how many and what
    they cost; and whether there are large ones that cannot, for which BLAS had better have threads."""
    found: list[tuple[CallOp, int, float]] = []
    rest = False
    for op in function.walk():
        if not isinstance(op, CallOp) or not op.owned:
            continue
        cost = divisible_nanoseconds(op)
        count = min(threads, int(cost / worth)) if worth else threads * bool(cost)
        if count > 1:
            found.append((op, count, cost))
        else:
            rest |= op.algorithm.startswith("conv")
    return found, rest


def _blocks(function: func.FuncOp) -> Iterator[Block]:
    pending: list[Operation] = [function]
    while pending:
        for region in pending.pop().regions:
            for block in region.blocks:
                yield block
                pending += [op for op in block.ops if not isinstance(op, ParallelOp)]


def _groups(block: Block, threads: int) -> Iterator[_Group | float]:
    """Calls of a block that can be cut, in groups; what others cost that BLAS computes."""
    group = _Group()
    for op in block.ops:
        if isinstance(op, _MEMORY):
            continue
        candidates: Sequence[_Cut] = ()
        if isinstance(op, CallOp) and SCHEDULE not in op.attributes:
            subject, cost = Subject(op), nanoseconds(op)
            candidates = [_Cut(subject, way, cost) for way in _ways(subject, threads)]
            if not candidates and is_product(op):
                yield cost
        if any(group.add(cut) for cut in candidates):
            continue
        if group.cuts:
            yield group
        group = _Group()
        if candidates:
            group.add(candidates[0])
    if group.cuts:
        yield group


def _ways(subject: Subject, threads: int) -> list[Way]:
    """The ways to cut a call into as many pieces as there are threads, or into fewer."""
    for count in range(threads, 1, -1):
        if found := list(ways(subject, count)):
            return found
    return []


class _Writer:
    """Puts a `plan.parallel` into the place of a group's calls."""

    def __init__(self, group: _Group):
        self._cuts = group.cuts
        self._count = len(group.cuts[0].way)
        calls = {cut.call for cut in group.cuts}
        self._own = {
            alloc for cut in group.cuts for value in cut.call.into
            if (alloc := _own_buffer(value, calls)) is not None
        }  # fmt: skip
        self._own -= set(self._not_whole())

    def write(self) -> None:
        last = self._cuts[-1].call
        regions = [Region(self._lane(index)) for index in range(self._count)]
        new = ParallelOp(regions)
        new.location = last.location
        Rewriter.insert_op(new, InsertPoint.before(last))
        scratch = [value.owner for cut in self._cuts for value in cut.call.scratch]
        views = [v.owner for cut in self._cuts for v in cut.call.operands]
        for cut in self._cuts:
            cut.call.detach()
            cut.call.erase()
        for op in (*views, *scratch):
            _erase_unused(op)

    def _lane(self, index: int) -> Block:
        block = Block()
        own: dict[AllocOp, SSAValue] = {}
        for cut in self._cuts:
            call, piece = cut.call, cut.way[index]
            slots = call.slots()
            inputs = [
                None if value is None else self._part(block, own, value, box)
                for value, box in zip(slots, piece.inputs, strict=True)
            ]
            into = [
                self._part(block, own, value, box)
                for value, box in zip(call.into, piece.into, strict=True)
            ]
            scratch: list[SSAValue] = []
            for kind in cut.subject.scratch(piece):
                alloc = AllocOp(kind)
                alloc.location = call.location
                block.add_op(alloc)
                scratch.append(alloc.buffer)
            params = {**({} if call.params is None else call.params.data), **piece.params}
            block.add_op(
                CallOp(
                    call.algorithm, inputs, into=into, scratch=scratch, params=params,
                    location=call.location,
                )
            )  # fmt: skip
        block.add_op(YieldOp([]))
        return block

    def _part(
        self, block: Block, own: dict[AllocOp, SSAValue], value: SSAValue, box: Box | None
    ) -> SSAValue:
        """What a piece takes of a buffer, in the lane's own memory if that is where it lies."""
        kind = part_type(value, box)
        alloc = _alloc_of(value)
        if alloc is not None and alloc in self._own:
            if alloc not in own:
                # The first use is the call that fills it.
                new = AllocOp(kind)
                new.location = alloc.location
                new.buffer.name_hint = alloc.buffer.name_hint
                block.add_op(new)
                own[alloc] = new.buffer
            found = own[alloc]
            if found.type == kind:
                return found
            return _added(block, ReshapeOp(found, kind), value)
        if box is None or box == Box.whole(shape_of_buffer(value)):
            return value
        return _added(block, PartOp(value, box.offsets, kind), value)

    def _not_whole(self) -> Iterator[AllocOp]:
        """Buffers of which a piece takes another part than what its thread makes of it."""
        made: dict[AllocOp, tuple[Place, ...]] = {}
        for cut in self._cuts:
            call = cut.call
            for index, piece in enumerate(cut.way):
                for value, box in zip(call.slots(), piece.inputs, strict=True):
                    alloc = None if value is None else _alloc_of(value)
                    if value is None or alloc is None or alloc not in made:
                        continue
                    needed = place_of(value, box)
                    if not (needed.exact and needed.covers(made[alloc][index])):
                        yield alloc
            for result, value in enumerate(call.into):
                if (alloc := _alloc_of(value)) is not None:
                    places = tuple(place_of(value, piece.into[result]) for piece in cut.way)
                    made[alloc] = places
                    if not all(place.is_run for place in places):
                        yield alloc


def _added(block: Block, view: PartOp | ReshapeOp, of: SSAValue) -> SSAValue:
    view.result.name_hint = of.name_hint
    block.add_op(view)
    return view.result


def _alloc_of(value: SSAValue) -> AllocOp | None:
    root = place_of(value).root.owner
    return root if isinstance(root, AllocOp) else None


def _own_buffer(value: SSAValue, calls: set[CallOp]) -> AllocOp | None:
    """The buffer that is filled, if only calls of a group use it."""
    alloc = _alloc_of(value)
    if alloc is None:
        return None
    pending = [alloc.buffer]
    while pending:
        for use in pending.pop().uses:
            user = use.operation
            if isinstance(user, ReshapeOp | PartOp):
                pending.append(user.result)
            elif user not in calls:
                return None
    return alloc


def _erase_unused(op: Operation | Block) -> None:
    """Erase an op that names memory which nobody uses, and then those whose memory it showed."""
    while isinstance(op, AllocOp | PartOp | ReshapeOp) and op.parent is not None:
        if any(result.uses for result in op.results):
            return
        source = None if isinstance(op, AllocOp) else op.source.owner
        op.detach()
        op.erase()
        if source is None:
            return
        op = source
