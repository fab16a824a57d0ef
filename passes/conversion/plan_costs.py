"""What calls of a plan take, roughly: whether it is worth to cut them."""

from __future__ import annotations

import math
from typing import Any, cast

from xdsl.dialects.builtin import MemRefType, f32, f64

from pyflame_rt.dialects.pfrt.types import numpy_dtype
from pyflame_rt.dialects.plan.ops import CallOp, ConstantOp, is_static
from pyflame_rt.passes.conversion.plan_pieces import Subject

_PRODUCTS = ("attention", "conv", "gemm", "matmul", "qlinear")
"""What the names of algorithms begin with that BLAS does most of the work of."""

_DIVISIBLE = ("gemm", "matmul")
"""Products that can be divided in a run."""

_FLOPS_OF_PRODUCTS = 120.0
_FLOPS = 2.0
_BYTES = 20.0
"""Per nanosecond: of products, of other calls, and of memory that is read or written once. Measured on
one core with AVX-512 on the networks of benchmarks/cpu.py: 90 to 160, 0.3 to 4, and 10 to 25."""


def is_product(call: CallOp) -> bool:
    """Whether BLAS does most of the work of a call."""
    return call.algorithm.startswith(_PRODUCTS)


def divisible_nanoseconds(call: CallOp) -> float:
    """What a product with a constant matrix takes at least, on one thread, whose rows are not known
    and whose columns can be dealt out in a run; 0 for other calls."""
    if not call.owned or call.algorithm not in _DIVISIBLE:
        return 0.0
    weights = call.slots()[1]
    if weights is None or not isinstance(weights.owner, ConstantOp):
        return 0.0
    if call.algorithm == "gemm" and not _is_plain(call):
        return 0.0
    kind = cast("MemRefType[Any]", weights.type)
    if len(kind.get_shape()) != 2 or kind.element_type not in (f32, f64):
        return 0.0
    count = math.prod(kind.get_shape())
    return 2 * count / _FLOPS_OF_PRODUCTS + count * numpy_dtype(kind.element_type).itemsize / _BYTES


def _is_plain(call: CallOp) -> bool:
    """Whether a gemm is x @ w + c."""
    params = Subject(call).params
    is_scaled = params.get("alpha", 1.0) != 1 or params.get("beta", 1.0) != 1
    return not is_scaled and not params.get("trans_a")


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
