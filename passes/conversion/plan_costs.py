"""What calls of a plan take, roughly: whether it is worth to cut them."""

from __future__ import annotations

from pyflame_rt.dialects.plan.ops import CallOp, is_static
from pyflame_rt.passes.conversion.plan_pieces import Subject

_PRODUCTS = ("attention", "conv", "gemm", "matmul", "qlinear")
"""What the names of algorithms begin with that BLAS does most of the work of."""

_FLOPS_OF_PRODUCTS = 120.0
_FLOPS = 2.0
_BYTES = 20.0
"""Per nanosecond: of products, of other calls, and of memory that is read or written once. Measured on
one core with AVX-512 on the networks of benchmarks/cpu.py: 90 to 160, 0.3 to 4, and 10 to 25."""


def is_product(call: CallOp) -> bool:
    """Whether BLAS does most of the work of a call."""
    return call.algorithm.startswith(_PRODUCTS)


def nanoseconds(call: CallOp) -> float:
    """What a call takes on one thread; 0 where it is not known."""
    if not call.into or not all(is_static(value.type) for value in call.operands):
        return 0.0
    op = Subject(call).op()
    if op is None:
        return 0.0
    if call.algorithm == "attention":
        # Products of small matrices that lie apart, and copies of the past.
        flops, size = _FLOPS_OF_PRODUCTS / 2, _BYTES / 4
    else:
        flops, size = _FLOPS_OF_PRODUCTS if is_product(call) else _FLOPS, _BYTES
    return (op.flops() or 0) / flops + (op.bytes() or 0) / size
