"""Identities of arithmetic that hold for every bit pattern: NaN, infinities, -0.0, overflow."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from pyflame_rt.dialects.pfrt.activation import ReluOp
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.comparison import AndOp, OrOp, WhereOp
from pyflame_rt.dialects.pfrt.elementwise import (
    AbsOp,
    AddOp,
    CeilOp,
    DivOp,
    FloorOp,
    MaxOp,
    MinOp,
    MulOp,
    NegOp,
    NotOp,
    PowOp,
    RoundOp,
    SignOp,
    SqrtOp,
    SubOp,
)
from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.passes.simplification.driver import (
    become,
    broadcasts_into,
    forward,
    insert_constant,
    uniform,
)
from pyflame_rt.passes.simplification.ranges import is_never_minus_zero, is_plus

_MOST_ELEMENTS = 1 << 16
"""Larger constants are not calculated with: a weight would be copied."""


def _constant_side(op: AddOp | MulOp) -> tuple[SSAValue, SSAValue, Any] | None:
    """The other operand, the uniform constant that broadcasts into it, and its element."""
    for constant, other in ((op.rhs, op.lhs), (op.lhs, op.rhs)):
        element = uniform(constant)
        if element is not None and broadcasts_into(constant, other):
            return other, constant, element
    return None


def _is_real(value: SSAValue) -> bool:
    return dtype_of(value).kind in "fV"


class AddZero(RewritePattern):
    """x + 0 -> x of integers; x + -0.0 -> x; x + 0.0 -> x where x is never -0.0."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AddOp, rewriter: PatternRewriter, /) -> None:
        found = _constant_side(op)
        if found is None or found[2] != 0:
            return
        x, _, zero = found
        if not _is_real(x) or np.signbit(zero) or is_never_minus_zero(x):
            forward(rewriter, op, x)


class SubtractZero(RewritePattern):
    """x - 0 -> x; not x - -0.0, which turns -0.0 into 0.0; -0.0 - x -> neg(x), 0 - n -> neg(n)."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SubOp, rewriter: PatternRewriter, /) -> None:
        right, left = uniform(op.rhs), uniform(op.lhs)
        real = _is_real(op.lhs)
        if right is not None and right == 0 and broadcasts_into(op.rhs, op.lhs):
            if not real or not np.signbit(right):
                forward(rewriter, op, op.lhs)
            return
        signed = real or dtype_of(op.lhs).kind == "i"
        if left is None or left != 0 or not signed or not broadcasts_into(op.lhs, op.rhs):
            return
        if not real or np.signbit(left):
            become(rewriter, op, NegOp, [op.rhs])


class MultiplyByOne(RewritePattern):
    """x * 1 -> x, x * -1 -> neg(x)."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp, rewriter: PatternRewriter, /) -> None:
        found = _constant_side(op)
        if found is None:
            return
        x, _, factor = found
        if factor == 1:
            forward(rewriter, op, x)
        elif factor == -1 and dtype_of(x).kind != "u":
            become(rewriter, op, NegOp, [x])


class DivideByConstant(RewritePattern):
    """x / 1 -> x, x / -1 -> neg(x), x / c -> x * (1 / c) for floats and powers of two c.

    Not if 1 / c overflows.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: DivOp, rewriter: PatternRewriter, /) -> None:
        divisor = constant_of(op.rhs)
        if divisor is None or divisor.size == 0:
            return
        element = uniform(op.rhs)
        if element is not None and broadcasts_into(op.rhs, op.lhs):
            if element == 1:
                forward(rewriter, op, op.lhs)
                return
            if element == -1 and dtype_of(op.lhs).kind != "u":
                become(rewriter, op, NegOp, [op.lhs])
                return
        if not _is_real(op.lhs) or divisor.size > _MOST_ELEMENTS:
            return
        with np.errstate(all="ignore"):
            wide = divisor.astype(np.float64)
            inverse = (1 / wide).astype(divisor.dtype)
            mantissa = np.abs(np.frexp(wide)[0])
            exact = (mantissa == 0.5) & (inverse.astype(np.float64) * wide == 1)
        if exact.all():
            become(rewriter, op, MulOp, [op.lhs, insert_constant(rewriter, op, inverse)])


class PowerOfConstant(RewritePattern):
    """x ^ 1 -> x, x ^ 2 -> x * x, x ^ 0.5 -> sqrt(x) where x is +0 or more.

    The square root of -0.0 is -0.0 and that of -inf is NaN; their powers are 0.0 and inf.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: PowOp, rewriter: PatternRewriter, /) -> None:
        exponent = uniform(op.rhs)
        if exponent is None or not broadcasts_into(op.rhs, op.lhs):
            return
        if not _is_real(op.lhs) and _is_real(op.rhs):
            return
        if exponent == 1:
            forward(rewriter, op, op.lhs)
        elif exponent == 2:
            become(rewriter, op, MulOp, [op.lhs, op.lhs])
        elif exponent == 0.5 and is_plus(op.lhs):
            become(rewriter, op, SqrtOp, [op.lhs])


class SignsTogether(RewritePattern):
    """x + neg(y) -> x - y, neg(x) * neg(y) -> x * y, neg(x) * c -> x * -c for constants c."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AddOp | MulOp, rewriter: PatternRewriter, /) -> None:
        left, right = op.lhs.owner, op.rhs.owner
        if isinstance(op, MulOp):
            if isinstance(left, NegOp) and isinstance(right, NegOp):
                become(rewriter, op, MulOp, [left.operand, right.operand])
            return
        if isinstance(right, NegOp):
            become(rewriter, op, SubOp, [op.lhs, right.operand])
        elif isinstance(left, NegOp):
            become(rewriter, op, SubOp, [op.rhs, left.operand])


class SubtractNegative(RewritePattern):
    """x - neg(y) -> x + y"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SubOp, rewriter: PatternRewriter, /) -> None:
        if isinstance(negative := op.rhs.owner, NegOp):
            become(rewriter, op, AddOp, [op.lhs, negative.operand])


class NegatedFactor(RewritePattern):
    """neg(x) * c -> x * -c, neg(x * c) -> x * -c, for constants c."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp | NegOp, rewriter: PatternRewriter, /) -> None:
        inner = op.operand.owner if isinstance(op, NegOp) else op
        if not isinstance(inner, MulOp) or (inner is not op and not _has_one_use(inner)):
            return
        for factor, other in ((inner.rhs, inner.lhs), (inner.lhs, inner.rhs)):
            array = constant_of(factor)
            if array is None or array.dtype.kind not in "fVi" or array.size > _MOST_ELEMENTS:
                continue
            if inner is op:
                if not isinstance(other.owner, NegOp):
                    continue
                other = other.owner.operand
            with np.errstate(all="ignore"):
                negated = insert_constant(rewriter, op, np.negative(array))
            become(rewriter, op, MulOp, [other, negated])
            return


class IntegersTogether(RewritePattern):
    """(n + c) + d -> n + (c + d), (n * c) * d -> n * (c * d), for integers, which wrap."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AddOp | MulOp, rewriter: PatternRewriter, /) -> None:
        if _is_real(op.lhs):
            return
        outer = _split(op)
        inner = None if outer is None else outer[0].owner
        if outer is None or type(inner) is not type(op) or not isinstance(inner, AddOp | MulOp):
            return
        before = _split(inner)
        if before is None or not _has_one_use(inner):
            return
        c, d = before[1], outer[1]
        if math.prod(np.broadcast_shapes(c.shape, d.shape)) > _MOST_ELEMENTS:
            return
        with np.errstate(all="ignore"):
            merged = c + d if isinstance(op, AddOp) else c * d
        become(rewriter, op, type(op), [before[0], insert_constant(rewriter, op, merged)])


def _split(op: AddOp | MulOp) -> tuple[SSAValue, Any] | None:
    """The operand that is not constant and the array of the one that is, small as it is."""
    for constant, other in ((op.rhs, op.lhs), (op.lhs, op.rhs)):
        array = constant_of(constant)
        if array is not None and array.size <= _MOST_ELEMENTS and constant_of(other) is None:
            return other, array
    return None


def _has_one_use(op: PfrtOp) -> bool:
    return len(op.results) == 1 and op.results[0].has_one_use()


class WithItself(RewritePattern):
    """min(x, x, y) -> min(x, y), max(x, x) -> x; and(x, x) -> x, or(x, x) -> x.

    Of floats only neighbours: between them 0.0 and -0.0 may have taken each other's place.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: MinOp | MaxOp | AndOp | OrOp, rewriter: PatternRewriter, /
    ) -> None:
        operands = tuple(dict.fromkeys(op.operands))
        if _is_real(op.operands[0]):
            operands = tuple(value for value, _ in groupby(op.operands))
        if len(operands) == len(op.operands):
            return
        if len(operands) == 1:
            forward(rewriter, op, operands[0])
        else:
            become(rewriter, op, type(op), [operands])


class Idempotent(RewritePattern):
    """f(f(x)) -> f(x) for abs, ceil, floor, round, sign; abs(neg(x)) -> abs(x);
    abs(x), relu(x) -> x where x is +0 or more."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self,
        op: AbsOp | CeilOp | FloorOp | RoundOp | SignOp | ReluOp,
        rewriter: PatternRewriter,
        /,
    ) -> None:
        inner = op.operand.owner
        again = type(inner) is type(op)
        if again or (isinstance(op, AbsOp | ReluOp) and _is_plus_or_unsigned(op.operand)):
            forward(rewriter, op, op.operand)
        elif isinstance(op, AbsOp) and isinstance(inner, NegOp):
            become(rewriter, op, AbsOp, [inner.operand])


def _is_plus_or_unsigned(value: SSAValue) -> bool:
    return dtype_of(value).kind == "u" or (_is_real(value) and is_plus(value))


class WhereKnown(RewritePattern):
    """where(true, x, y) -> x, where(false, x, y) -> y, where(c, x, x) -> x,
    where(not(c), x, y) -> where(c, y, x)."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: WhereOp, rewriter: PatternRewriter, /) -> None:
        chosen = uniform(op.condition)
        if chosen is not None or op.x is op.y:
            value, other = (op.x, op.y) if chosen is None or chosen else (op.y, op.x)
            small = broadcasts_into(op.condition, value)
            if small and (other is value or broadcasts_into(other, value)):
                forward(rewriter, op, value)
            return
        if isinstance(inverse := op.condition.owner, NotOp):
            new = WhereOp.build(
                operands=[inverse.operand, op.y, op.x], result_types=[op.result.type]
            )
            replace(rewriter, op, new)


PATTERNS: tuple[RewritePattern, ...] = (
    AddZero(),
    SubtractZero(),
    MultiplyByOne(),
    DivideByConstant(),
    PowerOfConstant(),
    SignsTogether(),
    SubtractNegative(),
    NegatedFactor(),
    IntegersTogether(),
    WithItself(),
    Idempotent(),
    WhereKnown(),
)
"""All of them."""
