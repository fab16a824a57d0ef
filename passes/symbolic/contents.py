"""The integers in small tensors, from those in an op's operands and from the operands' sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from xdsl.dialects.builtin import i1, i32, i64
from xdsl.ir import Operation

from pyflame_rt.dialects.pfrt import comparison
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import (
    CastOp,
    ConstantOfShapeOp,
    ConstantOp,
    RangeOp,
    ShapeOp,
    SizeOp,
)
from pyflame_rt.dialects.pfrt.elementwise import (
    AbsOp,
    AddOp,
    DivOp,
    MaxOp,
    MinOp,
    MulOp,
    NegOp,
    NotOp,
    SubOp,
)
from pyflame_rt.dialects.pfrt.parameters import known_ints
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, GatherOp, SliceOp, SplitOp
from pyflame_rt.dialects.pfrt.reduction import (
    ReduceMaxOp,
    ReduceMinOp,
    ReduceOp,
    ReduceProdOp,
    ReduceSumOp,
)
from pyflame_rt.dialects.pfrt.shape import (
    ExpandOp,
    FlattenOp,
    IdentityOp,
    ReshapeOp,
    SqueezeOp,
    UnsqueezeOp,
)
from pyflame_rt.dialects.pfrt.types import constant_array, type_of
from pyflame_rt.kernels.shape import slice_range
from pyflame_rt.passes.symbolic.facts import Facts, Partial, Sizes, element_count
from pyflame_rt.passes.symbolic.sizes import (
    Size,
    add,
    divide,
    is_never_negative,
    is_positive,
    larger,
    multiply,
    order,
    product,
    smaller,
    subtract,
    symbol_of,
    total,
)

Rule: TypeAlias = Callable[[Facts, Any], Partial | None]
Binary: TypeAlias = Callable[[Size, Size], "Size | None"]


def visit_contents(facts: Facts, op: PfrtOp) -> None:
    """Record the elements of an op's results, as far as they are known.

    An element that is not becomes an unknown of its own, so that sums of it can be compared.
    """
    if isinstance(op, ConstantOp):
        return
    if isinstance(op, SplitOp):
        _split(facts, op)
        return
    count = element_count(op.results[0])
    if count is None:
        return
    rule = _RULES.get(type(op))
    known = None if rule is None else rule(facts, op)
    if known is None or len(known) != count:
        known = (None,) * count
    element = type_of(op.results[0]).element_type
    if element == i1 and None in known:
        return
    fits = _fits_32 if element == i32 else _fits_64
    facts.set_contents(
        op.results[0],
        [facts.unknown() if size is None or not fits(size) else size for size in known],
    )


def _operands(facts: Facts, op: PfrtOp) -> list[Sizes] | None:
    """The elements of all operands, scalars repeated to the length of the vectors."""
    known = [facts.contents(operand) for operand in op.operands]
    if None in known:
        return None
    found = cast("list[Sizes]", known)
    length = element_count(op.results[0])
    return [c * cast(int, length) if len(c) == 1 else c for c in found]


def _pairwise(combine: Binary) -> Rule:
    def rule(facts: Facts, op: PfrtOp) -> Partial | None:
        operands = _operands(facts, op)
        if operands is None:
            return None
        result: list[Size | None] = list(operands[0])
        for other in operands[1:]:
            pairs = zip(result, other, strict=True)
            result = [None if a is None else combine(a, b) for a, b in pairs]
        return result

    return rule


def _divided(a: Size, b: Size) -> Size | None:
    # By 0, which a size may be, the quotient is 0.
    return divide(a, b) if is_positive(b) and is_never_negative(a) else None


def _compared(holds: Callable[[int], bool]) -> Binary:
    def combine(a: Size, b: Size) -> Size | None:
        sign = order(a, b)
        return None if sign is None else int(holds(sign))

    return combine


def _equal(a: Size, b: Size) -> Size | None:
    sign = order(a, b)
    return None if sign is None else int(sign == 0)


def _negated(facts: Facts, op: NegOp) -> Partial | None:
    operand = facts.contents(op.operand)
    return None if operand is None else [subtract(0, size) for size in operand]


def _magnitude(facts: Facts, op: AbsOp) -> Partial | None:
    operand = facts.contents(op.operand)
    return None if operand is None else [s if is_never_negative(s) else None for s in operand]


def _not(facts: Facts, op: NotOp) -> Partial | None:
    operand = facts.contents(op.operand)
    return None if operand is None else [subtract(1, size) for size in operand]


def _where(facts: Facts, op: comparison.WhereOp) -> Partial | None:
    operands = _operands(facts, op)
    if operands is None:
        return None
    return [x if c == 1 else y if c == 0 else None for c, x, y in zip(*operands, strict=True)]


def _same(facts: Facts, op: PfrtOp) -> Partial | None:
    return facts.contents(op.operands[0])


def _cast(facts: Facts, op: CastOp) -> Partial | None:
    operand, target = facts.contents(op.operand), op.to
    if operand is None:
        return None
    if target == i1:
        return [None if (sign := order(size, 0)) is None else abs(sign) for size in operand]
    return operand


def _fits_64(size: Size) -> bool:
    return not isinstance(size, int) or -(2**63) <= size < 2**63


def _fits_32(size: Size) -> bool:
    """Whether 32 bits hold it: no dimension of a tensor is too large, but products of some are."""
    if isinstance(size, int):
        return -(2**31) <= size < 2**31
    symbol = symbol_of(size)
    return symbol is not None and symbol.is_size


def _shape(facts: Facts, op: ShapeOp) -> Partial | None:
    shape = facts.shape(op.operand)
    end = None if op.end is None else op.end.value.data
    return None if shape is None else shape[op.start.value.data : end]


def _size(facts: Facts, op: SizeOp) -> Partial | None:
    shape = facts.shape(op.operand)
    return None if shape is None else [product(shape)]


def _gather(facts: Facts, op: GatherOp) -> Partial | None:
    operand, indices = facts.contents(op.operand), facts.contents(op.indices)
    if operand is None or indices is None:
        return None
    positions = [i for i in indices if isinstance(i, int) and -len(operand) <= i < len(operand)]
    return [operand[i] for i in positions] if len(positions) == len(indices) else None


def _slice(facts: Facts, op: SliceOp) -> Partial | None:
    operand = facts.contents(op.operand)
    starts, ends = known_ints(op, "starts"), known_ints(op, "ends")
    steps = (1,) if op.steps is None and op.steps_value is None else known_ints(op, "steps")
    if operand is None or starts is None or ends is None or steps is None:
        return None
    if not len(starts) == len(ends) == len(steps) == 1:
        return None
    return [operand[i] for i in slice_range(starts[0], ends[0], steps[0], len(operand))]


def _split(facts: Facts, op: SplitOp) -> None:
    operand, start = facts.contents(op.operand), 0
    for part in op.results:
        count = element_count(part)
        if operand is None or count is None:
            return
        facts.set_contents(part, operand[start : start + count])
        start += count


def _concat(facts: Facts, op: ConcatOp) -> Partial | None:
    result: list[Size | None] = []
    for operand in op.operands:
        count, known = element_count(operand), facts.contents(operand)
        if count is None:
            return None
        result += (None,) * count if known is None else known
    return result


def _filled(facts: Facts, op: ConstantOfShapeOp) -> Partial | None:
    count = element_count(op.results[0])
    array = None if op.value is None else constant_array(cast(Any, op.value))
    if count is None or array is None:
        return None
    return [int(array.reshape(-1)[0])] * count


def _expanded(facts: Facts, op: ExpandOp) -> Partial | None:
    operand, count = facts.contents(op.operand), element_count(op.results[0])
    if operand is None or count is None:
        return None
    return operand * count if len(operand) == 1 else operand


def _range(facts: Facts, op: RangeOp) -> Partial | None:
    start, delta = facts.contents(op.start), facts.contents(op.delta)
    count = element_count(op.results[0])
    if start is None or delta is None or count is None:
        return None
    steps = [multiply(index, delta[0]) for index in range(count)]
    return [None if step is None else add(start[0], step) for step in steps]


def _folded(combine: Callable[[Sequence[Size]], Size | None]) -> Rule:
    def rule(facts: Facts, op: ReduceOp) -> Partial | None:
        operand = facts.contents(op.operand)
        whole = operand is not None and element_count(op.results[0]) == 1
        if not whole or len(op.operands) > 1 or op.noop_with_empty_axes.value.data:
            return None
        return [combine(cast(Sizes, operand))]

    return rule


def _extreme(combine: Binary) -> Callable[[Sequence[Size]], Size | None]:
    def fold(sizes: Sequence[Size]) -> Size | None:
        result: Size | None = sizes[0] if sizes else None
        for size in sizes[1:]:
            result = None if result is None else combine(result, size)
        return result

    return fold


def as_array(sizes: Sizes, op_result: Any) -> np.ndarray[Any, Any] | None:
    """The array of a value all of whose elements are numbers, which must fit its type; else None."""
    if not all(isinstance(size, int) for size in sizes):
        return None
    kind = type_of(op_result)
    dtype = {i1: np.bool_, i32: np.int32, i64: np.int64}[kind.element_type]
    if dtype is not np.bool_:
        limits = np.iinfo(cast(Any, dtype))
        if any(not limits.min <= cast(int, size) <= limits.max for size in sizes):
            return None
    return np.array(sizes, dtype).reshape(cast(Any, kind).get_shape())


_RULES: dict[type[Operation], Rule] = {
    AbsOp: _magnitude,
    AddOp: _pairwise(add),
    CastOp: _cast,
    ConcatOp: _concat,
    ConstantOfShapeOp: _filled,
    DivOp: _pairwise(_divided),
    ExpandOp: _expanded,
    FlattenOp: _same,
    GatherOp: _gather,
    IdentityOp: _same,
    MaxOp: _pairwise(larger),
    MinOp: _pairwise(smaller),
    MulOp: _pairwise(multiply),
    NegOp: _negated,
    NotOp: _not,
    RangeOp: _range,
    ReduceMaxOp: _folded(_extreme(larger)),
    ReduceMinOp: _folded(_extreme(smaller)),
    ReduceProdOp: _folded(product),
    ReduceSumOp: _folded(total),
    ReshapeOp: _same,
    ShapeOp: _shape,
    SizeOp: _size,
    SliceOp: _slice,
    SqueezeOp: _same,
    SubOp: _pairwise(subtract),
    UnsqueezeOp: _same,
    comparison.EqualOp: _pairwise(_equal),
    comparison.GreaterOp: _pairwise(_compared(lambda sign: sign > 0)),
    comparison.GreaterOrEqualOp: _pairwise(_compared(lambda sign: sign >= 0)),
    comparison.LessOp: _pairwise(_compared(lambda sign: sign < 0)),
    comparison.LessOrEqualOp: _pairwise(_compared(lambda sign: sign <= 0)),
    comparison.WhereOp: _where,
}
