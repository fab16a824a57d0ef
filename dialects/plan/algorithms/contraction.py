"""Matrix products, which go to BLAS."""

from __future__ import annotations

from pyflame_rt.dialects.plan.algorithms.base import Algorithm, arithmetic, floats, native

CONTRACTIONS: tuple[Algorithm, ...] = (
    Algorithm(
        "gemm", "pfrt.gemm", late=True, applies=floats, cost=arithmetic
    ),
    Algorithm(
        "matmul", "pfrt.matmul", late=True, applies=native, cost=arithmetic,
    ),
)  # fmt: skip
"""The algorithms of this family."""
