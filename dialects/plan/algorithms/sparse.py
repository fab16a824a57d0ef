"""Products and convolutions with constant weights that are mostly 0.

How much must be 0 before they pay depends on the machine and on how many rows (of a convolution:
positions) are multiplied at once. The cost model is on the safe side; `pfrt-run --tune` measures.
"""

from __future__ import annotations

import math
from typing import Any, cast

from xdsl.dialects.builtin import MemRefType, StringAttr

from pyflame_rt import packed_nm
from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import numpy_dtype, shape_of, static_shape_of, type_of
from pyflame_rt.dialects.plan.algorithms.base import (
    ALGORITHM,
    Algorithm,
    Buffers,
    bytes_moved,
    channels_first,
    floats,
)
from pyflame_rt.dialects.plan.algorithms.window import is_pointwise, padded
from pyflame_rt.weights import Weight

_LEAST = 1 << 16
"""Elements of a matrix below which calls take longer than products."""

_LEAST_POSITIONS = 16
"""Of a convolution that is no matter of calls."""

CANDIDATE = 0.7
"""Zeros without which nobody need measure whether a sparse product is faster."""

_EACH, _EACH_ROW = 20.0, 60.0
_BLOCK_EACH, _BLOCK_EACH_ROW = 8.0, 42.0
"""What a weight that is there costs, in the unit of the dense product's bytes and flops: once, and
for each row that is multiplied. Measured on 4096 x 4096 with 1, 8 and 64 rows: 39, 298 and less by
rows, 27, 241 and less by blocks. A third is added, as dense products may have more threads."""

_EACH_POSITION, _BLOCK_EACH_POSITION = 55.0, 150.0
"""The same for each position of a convolution, whose columns lie as SciPy wants them. Measured on an
idle machine with 49 to 784 positions: 28 to 47 by rows, the most for windows of one element, whose
dense form is the fastest; 70 to 125 by blocks."""


_MUCH = 1e15
"""Flops that no convolution has."""


def weight_of(op: PfrtOp) -> Weight | None:
    """The large constant that an op multiplies rows or positions with, if that is all it does but
    for bias, residual and activation."""
    weight = _constant(op)
    if weight is None:
        return None
    times = min(_LEAST_POSITIONS, _rows(op)) if isinstance(op, ConvOp) else 1
    return weight if weight.size * times >= _LEAST else None


def saved(op: PfrtOp) -> float:
    """What a sparse form of a convolution surely saves of its dense flops; 0 if that is nothing,
    much if one is asked for."""
    if not isinstance(op, ConvOp):
        return 0.0
    if any(_asked(op, form) is not None for form in ("csr", "bsr", "nm")):
        return _MUCH
    if not _by_rows(op):
        return 0.0
    return max(0.0, float(op.flops() or 0) - _of_each(op, _EACH, _EACH_POSITION))


def _constant(op: PfrtOp) -> Weight | None:
    """The constant of whatever size."""
    if not isinstance(op, GemmOp | MatmulOp | ConvOp):
        return None
    if not isinstance(op.operands[1].owner, ConstantOp):
        return None
    value, left = op.operands[1].owner.value, static_shape_of(op.operands[0])
    if not isinstance(value, WeightAttr) or not value.data.is_present or not left or not floats(op):
        return None
    match op:
        case ConvOp():
            fits = op.group.value.data == 1 and channels_first(op)
            fits = fits and static_shape_of(op.results[0]) is not None
        case GemmOp():
            scaled = op.alpha.value.data != 1 or (op.c is not None and op.beta.value.data != 1)
            fits = not scaled and not op.trans_a.value.data
        case MatmulOp():
            fits = len(value.data.shape) == 2
    return value.data if fits and value.data.size else None


def _by_rows(op: PfrtOp) -> bool:
    weight = weight_of(op)
    if weight is None or weight.sparsity < CANDIDATE:
        return _asked(op, "csr") is not None
    return True


def _by_blocks(op: PfrtOp) -> bool:
    weight = weight_of(op)
    if weight is None or not weight.sparsity >= CANDIDATE <= weight.block_sparsity:
        weight = _asked(op, "bsr")
        return weight is not None and weight.has_blocks
    return True


def _packed(op: PfrtOp) -> bool:
    """Only where it is asked for: NumPy has nothing that multiplies such a pattern quickly."""
    if (weight := _asked(op, "nm")) is None:
        return False
    turned = isinstance(op, GemmOp) and bool(op.trans_b.value.data)
    return packed_nm.pattern_of(packed_nm.matrix_of(weight.array, turned)) is not None


def _asked(op: PfrtOp, form: str) -> Weight | None:
    """The weights of an op that asks for a form, which it has then however few or dense they are."""
    asked = op.attributes.get(ALGORITHM)
    wanted = f"{op.name.removeprefix('pfrt.')}_{form}"
    return _constant(op) if isinstance(asked, StringAttr) and asked.data == wanted else None


def _never(op: PfrtOp) -> float:
    return math.inf


def _cost_by_rows(op: PfrtOp) -> float:
    if isinstance(op, ConvOp):
        return _moved(op) + _of_each(op, _EACH, _EACH_POSITION)
    return _of_each(op, _EACH, _EACH_ROW)


def _cost_by_blocks(op: PfrtOp) -> float:
    if isinstance(op, ConvOp):
        return _moved(op) + _of_each(op, _BLOCK_EACH, _BLOCK_EACH_POSITION, blocks=True)
    return _of_each(op, _BLOCK_EACH, _BLOCK_EACH_ROW, blocks=True)


def _of_each(op: PfrtOp, each: float, each_row: float, *, blocks: bool = False) -> float:
    weight = cast(Weight, _constant(op))
    held = (1 - (weight.block_sparsity if blocks else weight.sparsity)) * weight.array.size
    return held * (each + each_row * _rows(op)) * weight.array.itemsize / 4


def _rows(op: PfrtOp) -> int:
    """Rows of a product, positions of a convolution."""
    shape = static_shape_of(op.results[0]) or (1,)
    return shape[0] * math.prod(shape[2:]) if isinstance(op, ConvOp) else math.prod(shape[:-1])


def _moved(op: ConvOp) -> float:
    """Bytes that are moved beside the product: columns are written and read."""
    columns = 0 if is_pointwise(op) else math.prod(_columns(op).get_shape())
    images = (shape_of(op.x) or (1,))[0]
    return bytes_moved(op) + 2 * images * columns * numpy_dtype(type_of(op.x).element_type).itemsize


def _columns(op: ConvOp) -> MemRefType[Any]:
    """Window x channels x output positions of an image: channels of a tap lie together."""
    channels = (shape_of(op.x) or (1, 0))[1]
    shape = (*(op.window or ()), channels, *(op.output_sizes() or ()))
    return MemRefType(type_of(op.x).element_type, shape)


def _scratch(op: PfrtOp) -> Buffers:
    return () if is_pointwise(op) else (*padded(op), _columns(cast(ConvOp, op)))


SPARSE: tuple[Algorithm, ...] = (
    Algorithm("gemm_csr", "pfrt.gemm", late=True, applies=_by_rows, cost=_cost_by_rows),
    Algorithm("gemm_bsr", "pfrt.gemm", late=True, applies=_by_blocks, cost=_cost_by_blocks),
    Algorithm("gemm_nm", "pfrt.gemm", late=True, applies=_packed, cost=_never),
    Algorithm("matmul_csr", "pfrt.matmul", late=True, applies=_by_rows, cost=_cost_by_rows),
    Algorithm("matmul_bsr", "pfrt.matmul", late=True, applies=_by_blocks, cost=_cost_by_blocks),
    Algorithm("matmul_nm", "pfrt.matmul", late=True, applies=_packed, cost=_never),
    Algorithm(
        "conv_csr", "pfrt.conv", late=False, applies=_by_rows, scratch=_scratch, cost=_cost_by_rows,
    ),
    Algorithm(
        "conv_bsr", "pfrt.conv", late=False, applies=_by_blocks, scratch=_scratch,
        cost=_cost_by_blocks,
    ),
    Algorithm(
        "conv_nm", "pfrt.conv", late=False, applies=_packed, scratch=_scratch, cost=_never,
    ),
)  # fmt: skip
"""The algorithms of this family."""
