"""Elementwise ops, and the reductions between them, into regions that are computed together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of, elements, is_constant
from pyflame_rt.dialects.pfrt.control import YieldOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.reduction import ReduceOp
from pyflame_rt.dialects.pfrt.types import dtype_of, is_string, shape_of, static_shape_of
from pyflame_rt.dialects.rewriting import declined, describe
from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.symbolic.contents import visit_contents
from pyflame_rt.passes.symbolic.facts import Facts, Sizes
from pyflame_rt.passes.symbolic.shapes import visit_shapes

_NEVER = 1 << 60
"""The position of what comes after every op of a block."""

Space: TypeAlias = Sizes
"""The sizes that an op loops over: of an elementwise op its result's, of a reduction its operand's."""


@dataclass(frozen=True)
class PfrtFuseElementwisePass(ModulePass):
    """Puts elementwise ops that feed each other, and reductions between them, into `pfrt.fused`.

    Before:
    ```mlir
    %s = pfrt.mul %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %y = pfrt.sub %s, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    ```
    After:
    ```mlir
    %y = pfrt.fused(%a, %b, %c) -> (tensor<4xf32>) {
    ^bb0(%p: tensor<4xf32>, %q: tensor<4xf32>, %r: tensor<4xf32>):
      %s = pfrt.mul %p, %q : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      %d = pfrt.sub %s, %r : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      pfrt.yield %d : tensor<4xf32>
    } : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
    ```
    An op joins the region of its first user when all of its users are in it and the shapes that
    both loop over are equal, or one broadcasts to the other; sizes that are not known must be
    proved equal. Constants of one element move inside.

    A value that is used outside too becomes a further result where its other users come after the
    region, so that no value leaves and comes back; and only where the region keeps a value inside
    for each result beyond the first: else it would save the reading of a value and no memory.

    Arithmetic with integers of rank 0 and 1, and what is computed from it at that rank, is left
    alone: such are sizes and indices, of which other passes know more. Each op computes what it
    did; runs after everything that looks for single ops.
    """

    name = "pfrt-fuse-elementwise"

    max_ops: int = 64
    """The most ops in a region, not counting constants."""

    reductions: bool = True
    """Whether reductions join regions."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in functions(op):
            sizes = _Sizes(function)
            for block in function.body.blocks:
                self._fuse_block(block, sizes)

    def _fuse_block(self, block: Block, sizes: _Sizes) -> None:
        ops = tuple(block.ops)
        for op in ops:
            sizes.visit(op)
            if not isinstance(op, FusedOp):
                for region in op.regions:
                    for inner in region.blocks:
                        self._fuse_block(inner, sizes)
        grouping = _Grouping(self.max_ops, sizes, self._candidates(ops))
        for members in grouping.regions(block, ops):
            _outline(members)

    def _candidates(self, ops: Iterable[Operation]) -> dict[Operation, int]:
        """The ops that may join a region, with their positions."""
        candidates: dict[Operation, int] = {}
        small: set[SSAValue] = set()
        for position, op in enumerate(ops):
            if not isinstance(op, PfrtOp):
                continue
            if _is_small_arithmetic(op, small):
                small.update(op.results)
            elif self._is_candidate(op):
                candidates[op] = position
        return candidates

    def _is_candidate(self, op: PfrtOp) -> bool:
        if isinstance(op, ReduceOp):
            if not self.reductions or op.axes_value is not None:
                return False
        elif not op.ELEMENTWISE:
            return False
        values = (*op.operands, *op.results)
        return (
            len(op.results) == 1
            and op.results[0].first_use is not None
            and all(shape_of(v) is not None and not is_string(v.type) for v in values)
        )


def _is_small_arithmetic(op: PfrtOp, small: set[SSAValue]) -> bool:
    """Whether an op computes sizes or indices: from integers of rank 0 or 1, at such a rank."""
    if len(op.results) != 1 or not _is_small(op.results[0]):
        return False
    return any(value in small or (_is_small(value) and _is_integer(value)) for value in op.operands)


def _is_small(value: SSAValue) -> bool:
    shape = shape_of(value)
    return shape is not None and len(shape) <= 1


def _is_integer(value: SSAValue) -> bool:
    return not is_string(value.type) and dtype_of(value).kind in "iu"


class _Sizes:
    """The sizes of a function's values: symbols, too, only where a type does not say all."""

    def __init__(self, function: FuncOp) -> None:
        self._facts: Facts | None = None
        if any(not _is_static(op) for op in function.walk()):
            self._facts = Facts()
            self._facts.enter(function, trust_names=True)

    def visit(self, op: Operation) -> None:
        """Learn what follows from an op; to be called in order."""
        if self._facts is not None and isinstance(op, PfrtOp) and not op.regions:
            visit_shapes(self._facts, op)
            visit_contents(self._facts, op)

    def of(self, value: SSAValue) -> Sizes | None:
        """The sizes of a value; None when its rank is unknown."""
        shape = static_shape_of(value)
        if shape is not None or self._facts is None:
            return shape
        return self._facts.shape(value)

    def space(self, op: Operation) -> Space | None:
        """The sizes that an op loops over."""
        return self.of(op.operands[0] if isinstance(op, ReduceOp) else op.results[0])


def _is_static(op: Operation) -> bool:
    return all(static_shape_of(value) is not None for value in op.results)


@dataclass
class _Group:
    """The ops of a region to be, last one first."""

    space: Space
    last: int
    ops: list[PfrtOp] = field(default_factory=list[PfrtOp])
    leaving: int = 1


class _Grouping:
    """Decides which ops become a region, from the last op of a block to the first.

    A region stands where its last op stood. An op joins the first of its users: as every other
    user comes after that region, and every operand before the op, the order of the block remains
    an order of the regions, and no cycle arises.
    """

    def __init__(self, max_ops: int, sizes: _Sizes, candidates: dict[Operation, int]) -> None:
        self._max_ops = max_ops
        self._sizes = sizes
        self._candidates = candidates
        self._groups: dict[Operation, _Group] = {}

    def regions(self, block: Block, ops: Sequence[Operation]) -> list[tuple[PfrtOp, ...]]:
        """The ops of each region, in their order."""
        positions = {op: position for position, op in enumerate(ops)}
        found: list[_Group] = []
        for op, position in reversed(self._candidates.items()):
            assert isinstance(op, PfrtOp)
            space = self._sizes.space(op)
            if space is None:
                declined(op, "its shape is not known")
                continue
            group = self._joined(op, space, block, positions)
            if group is None:
                group = _Group(space, position)
                found.append(group)
            group.ops.append(op)
            self._groups[op] = group
        return [tuple(reversed(group.ops)) for group in reversed(found) if len(group.ops) > 1]

    def _joined(
        self, op: PfrtOp, space: Space, block: Block, positions: dict[Operation, int]
    ) -> _Group | None:
        """The group that an op becomes a part of; None when it is to begin its own."""
        first, others = self._first_user(op, block, positions)
        group = None if first is None else self._groups.get(first)
        if first is None or group is None:
            return None
        if len(group.ops) >= self._max_ops:
            declined(op, f"the region of {describe(first)} has {self._max_ops} ops")
            return None
        wider = _wider(group.space, space)
        result = self._sizes.of(op.results[0])
        if wider is None or result is None or _wider(wider, result) != wider:
            declined(op, f"its shape is not known to broadcast to that of {describe(first)}")
            return None
        leaving = group.leaving + others
        if others and len(group.ops) + 1 < 2 * leaving - 1:
            declined(op, f"it is not only used by {describe(first)}, and nothing stays inside")
            return None
        group.space, group.leaving = wider, leaving
        return group

    def _first_user(
        self, op: PfrtOp, block: Block, positions: dict[Operation, int]
    ) -> tuple[Operation | None, bool]:
        """The user whose region, or which itself, stands first; whether there are others."""
        first: Operation | None = None
        where = _NEVER
        places: set[int] = set()
        for use in op.results[0].uses:
            user = _in_block(use.operation, block)
            group = self._groups.get(user)
            place = positions[user] if group is None else group.last
            # Two groups do not have one last op, nor has a group that of an op of no group.
            places.add(place)
            if place < where:
                first, where = user, place
        return first, len(places) > 1


def _in_block(op: Operation, block: Block) -> Operation:
    """The op of a block in whose regions an op is, or itself."""
    while op.parent is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


def _wider(a: Space, b: Space) -> Space | None:
    """Of two shapes the one that the other broadcasts to; None when neither does."""
    if a == b or _broadcasts(b, a):
        return a
    return b if _broadcasts(a, b) else None


def _broadcasts(a: Space, b: Space) -> bool:
    if len(a) > len(b):
        return False
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(size in (1, other) for size, other in pairs)


def _outline(members: tuple[PfrtOp, ...]) -> None:
    """Put ops of a block into a region that stands where the last of them is."""
    last = members[-1]
    block, after = last.parent, last.next_op
    assert block is not None and after is not None
    body = Block()
    inside = _Inside(body)
    for op in members:
        inside.take(op)
    leaving = [value for op in members for value in op.results if _leaves(value, body)]
    body.add_op(YieldOp(leaving))
    inside.erase_unused()
    names = [_take_name(value.owner) for value in leaving]
    fused = FusedOp.get(inside.outside, Region(body), names=names, location=last.location)
    block.insert_op_before(fused, after)
    for value, result in zip(leaving, fused.results, strict=True):
        value.replace_uses_with_if(result, lambda use: use.operation.parent is not body)
        result.name_hint = value.name_hint


def _leaves(value: SSAValue, body: Block) -> bool:
    return any(use.operation.parent is not body for use in value.uses)


def _take_name(owner: Operation | Block) -> str:
    """The name of the value that leaves, which the region's result has from now on."""
    if not isinstance(owner, PfrtOp) or owner.names is None:
        return ""
    (name,) = owner.names.data
    owner.names = None
    return name


class _Inside:
    """The values that ops may use once they are in a region."""

    def __init__(self, body: Block) -> None:
        self._body = body
        self._known: dict[SSAValue, SSAValue] = {}
        self.outside: list[SSAValue] = []
        self._copied: list[Operation] = []

    def erase_unused(self) -> None:
        """Erase the constants that were copied into the region and that nothing uses outside."""
        for constant in self._copied:
            if constant.results[0].first_use is None:
                constant.detach()
                constant.erase()

    def take(self, op: PfrtOp) -> None:
        """Move an op into the region."""
        op.detach()
        for index, value in enumerate(op.operands):
            inner = self._value(value)
            if inner is not value:
                op.operands[index] = inner
        self._body.add_op(op)

    def _value(self, value: SSAValue) -> SSAValue:
        owner = value.owner
        if isinstance(owner, Operation) and owner.parent is self._body:
            return value
        if value not in self._known:
            self._known[value] = self._brought(value, owner)
        return self._known[value]

    def _brought(self, value: SSAValue, owner: Operation | Block) -> SSAValue:
        if (
            isinstance(owner, Operation)
            and is_constant(type(owner))
            and elements(value) == 1
            and constant_of(value) is not None
        ):
            constant = owner.clone()
            self._body.add_op(constant)
            self._copied.append(owner)
            return constant.results[0]
        self.outside.append(value)
        argument = self._body.insert_arg(value.type, len(self._body.args))
        argument.name_hint = value.name_hint
        return argument
