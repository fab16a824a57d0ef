"""The inside of an attention: scores of queries and keys, scaled and masked, through a softmax."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.patterns.matching import broadcasts_into, number_of
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.comparison import WhereOp
from pyflame_rt.dialects.pfrt.contraction import MatmulOp
from pyflame_rt.dialects.pfrt.data import CastOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, DivOp, IsNanOp, MulOp, NotOp
from pyflame_rt.dialects.pfrt.normalization import SoftmaxOp
from pyflame_rt.dialects.pfrt.shape import ReshapeOp, TransposeOp
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of
from pyflame_rt.passes.symbolic.facts import Facts, Sizes
from pyflame_rt.passes.symbolic.reshaping import given

Perm: TypeAlias = tuple[int, ...]

_DEEPEST = 6
"""How many ops may lie between the product and the softmax."""

_ABSORBING = 1e30
"""A number so large that adding a score to its negative changes nothing."""


@dataclass(frozen=True)
class Added:
    """A mask that is added to the scores."""

    value: SSAValue


@dataclass(frozen=True)
class Filled:
    """A mask that puts a number in the place of scores: where it holds, or where it does not."""

    condition: SSAValue
    holds: bool
    number: float


Mask: TypeAlias = Added | Filled


@dataclass(frozen=True)
class Turned:
    """A value whose dimensions are to be permuted; as it is if `perm` is None."""

    value: SSAValue
    perm: Perm | None = None


@dataclass(frozen=True)
class Core:
    """softmax(scale * q @ k^T, masked) @ v, as it was found.

    `ops` are all that compute it, from the last to the first; q, k and v are
    (…, length, size of a head).
    """

    root: MatmulOp
    scores: SSAValue
    q: Turned
    k: Turned
    v: Turned
    scale: float
    masks: tuple[Mask, ...]
    ops: tuple[PfrtOp, ...]


@dataclass(frozen=True)
class _Scores:
    """The product that scores come from, and what was done with it."""

    product: MatmulOp
    scale: float = 1.0
    masks: tuple[Mask, ...] = ()
    ops: tuple[PfrtOp, ...] = ()


def cores(root: MatmulOp, facts: Facts) -> Iterator[Core]:
    """Ways to see a product as the last op of an attention."""
    ops: list[PfrtOp] = [root]
    softmax = _softmax(root, ops)
    if softmax is None or not _same_rank(root):
        return
    for scores in _scores(softmax.operand, _DEEPEST):
        product = scores.product
        if not _same_rank(product) or any(op.parent is not root.parent for op in scores.ops):
            continue
        q, q_scale, q_ops = unscaled(product.lhs)
        k, k_scale, k_ops = _keys(product.rhs, facts)
        yield Core(
            root=root,
            scores=product.result,
            q=Turned(q),
            k=k,
            v=Turned(root.rhs),
            scale=scores.scale * q_scale * k_scale,
            masks=scores.masks,
            ops=(*ops, *scores.ops, *q_ops, *k_ops),
        )


def _same_rank(product: MatmulOp) -> bool:
    """Whether a product is a plain one of 3 or 4 dimensions on both sides."""
    left, right = shape_of(product.lhs), shape_of(product.rhs)
    alone = all(operand is None for operand in product.operand_slots()[2:])
    if getattr(product, "activation", None) is not None or not alone:
        return False
    return left is not None and right is not None and len(left) == len(right) in (3, 4)


def _softmax(root: MatmulOp, ops: list[PfrtOp]) -> SoftmaxOp | None:
    """The softmax that makes the weights of a product, through a guard against NaN and a cast."""
    value = root.lhs
    for _ in range(3):
        op = value.owner
        if not isinstance(op, PfrtOp) or op.parent is not root.parent:
            return None
        ops.append(op)
        match op:
            case SoftmaxOp():
                rank = len(shape_of(op.operand) or ())
                is_last = op.axis.value.data in (-1, rank - 1)
                return op if is_last else None
            case WhereOp(condition=condition, x=x, y=y):
                guard = condition.owner
                if not isinstance(guard, IsNanOp) or guard.operand is not y or number_of(x) != 0:
                    return None
                ops.append(guard)
                value = y
            case CastOp() if _narrows(op):
                value = op.operand
            case _:
                return None
    return None


def _narrows(op: CastOp) -> bool:
    """Whether a cast rounds f32 to a type that attention computes in f32."""
    return (dtype_of(op.operand).name, dtype_of(op.result).name) in (
        ("float32", "float16"),
        ("float32", "bfloat16"),
    )


def _scores(value: SSAValue, depth: int, *, is_scaled: bool = False) -> Iterator[_Scores]:
    """Ways to see a value as scores; masks are only found above factors, which would scale them."""
    op = value.owner
    if depth == 0 or not isinstance(op, PfrtOp):
        return
    match op:
        case MatmulOp():
            yield _Scores(op, ops=(op,))
        case MulOp() | DivOp() if (scaled := _factor(op)) is not None:
            inner, factor = scaled
            for found in _scores(inner, depth - 1, is_scaled=True):
                yield replace(found, scale=found.scale * factor, ops=(op, *found.ops))
        case CastOp() if (dtype_of(op.operand).name, dtype_of(op.result).name) in (
            ("float16", "float32"),
            ("bfloat16", "float32"),
        ):
            for found in _scores(op.operand, depth - 1, is_scaled=is_scaled):
                yield replace(found, ops=(op, *found.ops))
        case AddOp() if not is_scaled:
            for inner, mask in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
                yield from _masked(op, inner, Added(mask), depth)
        case WhereOp(condition=condition, x=x, y=y) if not is_scaled:
            for inner, other, holds in ((y, x, True), (x, y, False)):
                if (number := number_of(other)) is not None and number < 0:
                    yield from _masked(op, inner, Filled(condition, holds, number), depth)
        case _:
            return


def _masked(op: PfrtOp, inner: SSAValue, mask: Mask, depth: int) -> Iterator[_Scores]:
    for found in _scores(inner, depth - 1):
        yield replace(found, masks=(mask, *found.masks), ops=(op, *found.ops))


def _factor(op: MulOp | DivOp) -> tuple[SSAValue, float] | None:
    """What an op multiplies by a number, and the number."""
    pairs = [(op.lhs, op.rhs)] if isinstance(op, DivOp) else [(op.lhs, op.rhs), (op.rhs, op.lhs)]
    for value, other in pairs:
        number = number_of(other)
        if number is None or not broadcasts_into(other, value):
            continue
        factor = 1 / number if isinstance(op, DivOp) and number else number
        if math.isfinite(factor) and factor != 0:
            return value, factor
    return None


def unscaled(value: SSAValue) -> tuple[SSAValue, float, tuple[PfrtOp, ...]]:
    """What a value is a multiple of, the number, and the ops that multiply for it alone."""
    scale, ops = 1.0, list[PfrtOp]()
    while isinstance(op := value.owner, MulOp | DivOp) and value.has_one_use():
        scaled = _factor(op)
        if scaled is None:
            break
        ops.append(op)
        value, factor = scaled
        scale *= factor
    return value, scale, tuple(ops)


def _keys(value: SSAValue, facts: Facts) -> tuple[Turned, float, tuple[PfrtOp, ...]]:
    """The keys of a value that is their transpose: (…, size, length)."""
    rank = len(shape_of(value) or ())
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    value, outer, outer_ops = unscaled(value)
    perm: Perm = swapped
    ops: list[PfrtOp] = [*outer_ops]
    if value.has_one_use() and isinstance(turn := value.owner, TransposeOp):
        turned = turn.permutation()
        if turned is not None:
            perm = tuple(turned[axis] for axis in swapped)
            ops.append(turn)
            value = turn.operand
    elif (flat := _swapped_by_reshapes(value, facts)) is not None:
        perm = tuple(range(rank))
        ops += flat
        value = flat[-1].operands[0]
    value, inner, inner_ops = unscaled(value)
    is_turned = perm != tuple(range(rank))
    found = Turned(value, perm if is_turned else None)
    return found, outer * inner, (*ops, *inner_ops)


def _swapped_by_reshapes(value: SSAValue, facts: Facts) -> tuple[PfrtOp, ...] | None:
    """The ops that swap the last two of four dimensions as three, from the last to the first.

    reshape(transpose(reshape(x) {[b * h, l, d]}) {perm=[0, 2, 1]}) {[b, h, d, l]}
    """
    ops: list[PfrtOp] = []
    for kind in (ReshapeOp, TransposeOp, ReshapeOp):
        op = value.owner
        if not isinstance(op, kind) or not value.has_one_use():
            return None
        ops.append(op)
        value = cast(SSAValue, cast(Any, op).operand)
    last, turn, first = cast("tuple[ReshapeOp, TransposeOp, ReshapeOp]", tuple(ops))
    before, flat, after = facts.shape(value), _told(first, facts), _told(last, facts)
    if before is None or flat is None or after is None or turn.permutation() != (0, 2, 1):
        return None
    is_swap = len(before) == len(after) == 4 and len(flat) == 3
    batch, sizes = before[:2], before[2:]
    if is_swap and flat[1:] == sizes and after == (*batch, sizes[1], sizes[0]):
        return tuple(ops)
    return None


def _told(op: ReshapeOp, facts: Facts) -> Sizes | None:
    """The sizes that a reshape is told to give, none of which is 0: nothing is in an empty tensor
    to be told apart."""
    wanted, shape = given(facts, op, "shape"), facts.shape(op.result)
    if wanted is None or shape is None or len(wanted) != len(shape):
        return shape
    pairs = zip(wanted, shape, strict=True)
    return tuple(s if isinstance(w, int) and w <= 0 else w for w, s in pairs)


def why_not_filled(mask: Filled) -> str | None:
    """Why a mask that fills in a number cannot be one that is added; None if it can.

    Where all scores of a query are filled the chain gives each key the same weight. So does adding
    a number beside which no score counts; of an infinite one nothing is seen.
    """
    if mask.number <= -_ABSORBING:
        return None
    return f"its mask fills in {mask.number}, beside which scores would count if it were added"


def condition_of(mask: Filled) -> tuple[SSAValue, bool]:
    """A value, and whether its being true means that a key is not seen."""
    condition, holds = mask.condition, mask.holds
    while isinstance(op := condition.owner, NotOp):
        condition, holds = op.operand, not holds
    return condition, holds


def outside_user(ops: tuple[PfrtOp, ...], allowed: tuple[Operation, ...] = ()) -> Operation | None:
    """An op that uses a result of one of some ops, the first one aside, without being one."""
    inside = {*ops, *allowed}
    for op in ops[1:]:
        for result in op.results:
            for use in result.uses:
                if use.operation not in inside:
                    return use.operation
    return None
