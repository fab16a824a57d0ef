"""plan-allocate: no two buffers in use at one time share bytes, and the arena is no larger than
need be."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects import func
from xdsl.dialects import test as test_dialect
from xdsl.dialects.builtin import MemRefType, ModuleOp, f32, i1
from xdsl.ir import Block, Operation, Region, SSAValue

from pyflame_rt.dialects.plan.algorithms import ALGORITHMS
from pyflame_rt.dialects.plan.ops import (
    AllocOp,
    ArenaOp,
    CallOp,
    IfOp,
    NewOp,
    ReshapeOp,
    ViewOp,
    YieldOp,
    byte_size,
)
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.conversion.plan_allocate import PlanAllocatePass, Stretch, place
from pyflame_rt.universe import make_context


class Plans:
    """Builds random plans: chains of calls on earlier buffers, reshapes, and regions."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def module(self, calls: int) -> ModuleOp:
        condition = MemRefType(i1, [])
        block = Block(arg_types=[condition])
        self.fill(block, [], calls, block.args[0], depth=0)
        block.add_op(func.ReturnOp())
        function = func.FuncOp("main", ([condition], []), Region(block))
        return ModuleOp([function])

    def fill(
        self, block: Block, seen: list[SSAValue], calls: int, condition: SSAValue, depth: int
    ) -> None:
        seen = list(seen)
        for _ in range(calls):
            choice = self.random.random()
            if choice < 0.1 and depth < 2:
                regions = [Region(Block()), Region(Block())]
                for region in regions:
                    self.fill(region.block, seen, self.random.randint(0, 4), condition, depth + 1)
                    region.block.add_op(YieldOp([]))
                block.add_op(IfOp.get(condition, [], *regions))
                continue
            if choice < 0.25 and seen:
                source = self.random.choice(seen)
                view = ReshapeOp(source, MemRefType(f32, [source.type.element_count(), 1]))
                block.add_op(view)
                seen.append(view.result)
                continue
            inputs = self.random.choices(seen, k=self.random.randint(0, 2)) if seen else []
            size = inputs[0].type.element_count() if inputs else self.random.choice([0, 1, 16, 40])
            allocs = [AllocOp(MemRefType(f32, [size]))]
            if self.random.random() < 0.3:
                allocs.append(AllocOp(MemRefType(f32, [self.random.randint(0, 64)])))
            block.add_ops(allocs)
            into, *scratch = [alloc.buffer for alloc in allocs]
            callee = "add" if len(inputs) == 2 else "relu" if inputs else "fill"
            block.add_op(CallOp(callee, inputs, into=[into], scratch=scratch))
            seen.append(into)


def base(value: SSAValue) -> SSAValue:
    """The alloc or view behind a value."""
    while isinstance(value.owner, ReshapeOp):
        value = value.owner.source
    return value


def touched(op: Operation) -> set[SSAValue]:
    """The buffers that an op or anything in its regions touches."""
    return {
        base(value)
        for nested in op.walk()
        if not isinstance(nested, ReshapeOp | ViewOp)
        for value in nested.operands
        if isinstance(base(value).owner, AllocOp | ViewOp)
    }


def live_sets(block: Block) -> list[tuple[Operation, set[SSAValue]]]:
    """For each op of a block, the buffers of the block that hold something during it: a plain
    walk that shares nothing with the pass."""
    ops = list(block.ops)
    rows = [touched(op) for op in ops]
    own = [op.results[0] for op in ops if isinstance(op, AllocOp | ViewOp)]
    alive: list[set[SSAValue]] = [set() for _ in ops]
    for buffer in own:
        used = [i for i, row in enumerate(rows) if buffer in row]
        for index in range(used[0], used[-1] + 1) if used else ():
            alive[index].add(buffer)
    return list(zip(ops, alive, strict=True))


def moments(block: Block, outer: frozenset[SSAValue]) -> list[tuple[Operation, set[SSAValue]]]:
    """Every op of a function with all buffers alive during it, those of outer blocks included."""
    found: list[tuple[Operation, set[SSAValue]]] = []
    for op, alive in live_sets(block):
        found.append((op, alive | outer))
        for region in op.regions:
            found += moments(region.block, frozenset(alive | outer))
    return found


def aligned(size: int) -> int:
    return -(-size // 64) * 64


def offset(buffer: SSAValue) -> int:
    view = buffer.owner
    assert isinstance(view, ViewOp)
    return view.offset.value.data


def may_share(op: Operation, a: SSAValue, b: SSAValue) -> bool:
    """Whether two buffers alive at a call are its result and an input it may overwrite."""
    if not isinstance(op, CallOp) or op.algorithm not in ALGORITHMS:
        return False
    pair = {a, b}
    result = base(op.into[0])
    inputs = {base(op.inputs[i]) for i in ALGORITHMS[op.algorithm].in_place if i < len(op.inputs)}
    return result in pair and bool(pair & inputs) and offset(a) == offset(b)


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32), calls=st.integers(1, 40))
def test_buffers_alive_together_do_not_overlap(seed: int, calls: int) -> None:
    """Whatever is alive during an op lies apart, except a result computed in place."""
    module = Plans(seed).module(calls)
    (function,) = module.ops
    assert isinstance(function, func.FuncOp)
    used = set().union(*(row for _, row in moments(function.body.block, frozenset())))
    total = sum(aligned(byte_size(buffer.type)) for buffer in used)
    PlanAllocatePass().apply(make_context(), module)
    module.verify()
    arenas = [op for op in module.walk() if isinstance(op, ArenaOp)]
    assert not any(isinstance(op, AllocOp) for op in module.walk())
    peak = 0
    for op, alive in moments(function.body.block, frozenset()):
        spans = sorted(
            ((offset(b), offset(b) + byte_size(b.type), b) for b in alive), key=lambda s: s[:2]
        )
        spans = [span for span in spans if span[0] < span[1]]
        for (_, end, a), (begin, _, b) in pairwise(spans):
            assert end <= begin or may_share(op, a, b)
        peak = max(peak, sum(aligned(size) for size in {s[0]: s[1] - s[0] for s in spans}.values()))
    if arenas:
        assert peak <= byte_size(arenas[0].arena.type) <= total


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 30), st.integers(0, 8)), min_size=1, max_size=40
    )
)
def test_place_keeps_overlapping_lifetimes_apart(rows: list[tuple[int, int, int]]) -> None:
    """Stretches whose lifetimes meet get disjoint bytes, within the sum of all."""
    stretches = [Stretch(64 * size, first, first + length) for size, first, length in rows]
    arena = place(stretches)
    assert arena <= sum(s.size for s in stretches)
    for i, a in enumerate(stretches):
        for b in stretches[:i]:
            if a.first <= b.last and b.first <= a.last and a.size and b.size:
                assert a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


def test_long_chain_needs_two_buffers() -> None:
    """A chain of calls that are never in place alternates between two buffers."""
    block = Block()
    kind = MemRefType(f32, [16])
    previous = None
    for _ in range(2000):
        alloc = AllocOp(kind)
        block.add_op(alloc)
        block.add_op(CallOp("selu", [] if previous is None else [previous], into=[alloc.buffer]))
        previous = alloc.buffer
    block.add_op(func.ReturnOp())
    module = ModuleOp([func.FuncOp("main", ([], []), Region(block))])
    PlanAllocatePass().apply(make_context(), module)
    (arena,) = [op for op in module.walk() if isinstance(op, ArenaOp)]
    assert byte_size(arena.arena.type) == 128


def test_many_reshapes_in_a_row() -> None:
    """A long chain of reshapes is followed without recursion."""
    block = Block()
    alloc = AllocOp(MemRefType(f32, [16]))
    block.add_op(alloc)
    value = alloc.buffer
    for index in range(3000):
        view = ReshapeOp(value, MemRefType(f32, [16, 1] if index % 2 else [1, 16]))
        block.add_op(view)
        value = view.result
    block.add_op(CallOp("fill", [], into=[value]))
    block.add_op(func.ReturnOp())
    module = ModuleOp([func.FuncOp("main", ([], []), Region(block))])
    PlanAllocatePass().apply(make_context(), module)
    module.verify()


def test_second_allocation_is_an_error() -> None:
    """Buffers added after allocation cannot be laid out: the arena is taken."""
    block = Block()
    arena, alloc = ArenaOp(64), AllocOp(MemRefType(f32, [4]))
    block.add_ops([arena, alloc, NewOp(MemRefType(f32, [4])), func.ReturnOp()])
    module = ModuleOp([func.FuncOp("main", ([], []), Region(block))])
    with pytest.raises(PassFailed, match="has an arena already"):
        PlanAllocatePass().apply(make_context(), module)


def test_a_buffer_that_no_machine_has_is_an_error() -> None:
    """Sizes that a file declares are added up only where they can be."""
    kind = MemRefType(f32, [2**62])
    alloc = AllocOp(kind)
    block = Block([alloc, test_dialect.TestOp([alloc.buffer]), func.ReturnOp()])
    module = ModuleOp([func.FuncOp("main", ((), ()), Region(block))])
    with pytest.raises(PassFailed, match="more than any tensor may have"):
        PlanAllocatePass().apply(make_context(), module)
