"""Matrix products, which go to BLAS."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import MemRefType, f64, i64

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of
from pyflame_rt.dialects.plan.algorithms.base import (
    Algorithm,
    Buffers,
    arithmetic,
    floats,
    native,
)

WORTH_CONVERTING = 1 << 15
"""Multiplications of integers from which BLAS computes them, in f64."""


def _as_floats(op: PfrtOp) -> Buffers:
    """Of a large product of integers: both operands and the result as f64, and that as i64."""
    a, b, y = (shape_of(value) or () for value in (*op.operands[:2], op.results[0]))
    if (
        dtype_of(op.results[0]).kind not in "iu"
        or len(op.operands) > 2
        or "activation" in (op.properties)
    ):
        return ()
    if len(a) < 2 or len(b) < 2 or a[-1] * math.prod(y) < WORTH_CONVERTING:
        return ()
    return (*(MemRefType(f64, shape) for shape in (a, b, y)), MemRefType(i64, y))


CONTRACTIONS: tuple[Algorithm, ...] = (
    Algorithm(
        "gemm", "pfrt.gemm", late=True, applies=floats, cost=arithmetic
    ),
    Algorithm(
        "matmul", "pfrt.matmul", late=True, applies=native, scratch=_as_floats, cost=arithmetic,
    ),
)  # fmt: skip
"""The algorithms of this family."""
