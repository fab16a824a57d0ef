"""Attention: scores of some heads, or of some queries of one, while they are in the cache."""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import MemRefType

from pyflame_rt.dialects.pfrt.attention import AttentionOp
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, type_of
from pyflame_rt.dialects.plan.algorithms.base import FAST_FLOATS, Algorithm, Buffers, arithmetic

_AT_ONCE = 1 << 16
"""Scores: what a core's cache holds from their product with the keys to that with the values."""


def _plain(op: PfrtOp) -> bool:
    """Whether there is neither a window nor a length of each batch, and all is f32 or f64."""
    op = cast(AttentionOp, op)
    windows = op.left_window_size.value.data, op.right_window_size.value.data
    if windows != (-1, -1) or op.nonpad_kv_seqlen is not None or op.broadcast_mask.value.data:
        return False
    if op.softmax_precision is not None or op.qk_matmul_output_mode is not None:
        return False
    kinds = {dtype_of(v).name for v in (op.q, op.k, op.v, op.past_key) if v is not None}
    if len(kinds) != 1 or not kinds <= set(FAST_FLOATS):
        return False
    if DYNAMIC in (*op.extents(), op.extents().total) or 0 in op.extents()[:5]:
        return False
    return op.mask is None or _takes(op, kinds)


def _takes(op: AttentionOp, kinds: set[str]) -> bool:
    """Whether the mask has a place for each score, and is boolean or of the scores' type."""
    mask = op.mask
    assert mask is not None
    shape = shape_of(mask)
    whole = shape is not None and shape[-1:] == (op.extents().total,)
    return whole and dtype_of(mask).name in kinds | {"bool"}


def _scratch(op: PfrtOp) -> Buffers:
    """Scores and, for each row of them, its sum; keys and values with their past if it is one."""
    op = cast(AttentionOp, op)
    e, element = op.extents(), type_of(op.q).element_type
    group = e.heads // e.kv_heads
    heads, queries = at_once(e.kv_heads, group, e.queries, e.total)
    rows = heads * group * queries
    buffers = [MemRefType(element, [rows, e.total]), MemRefType(element, [rows])]
    if op.past_key is not None and not op.present.value.data:
        for size in (e.size, e.v_size):
            buffers.append(MemRefType(element, [e.batch, e.kv_heads, e.total, size]))
    return buffers


def at_once(heads: int, group: int, queries: int, keys: int) -> tuple[int, int]:
    """How many heads of k with how many queries make a block; a part of the queries for one."""
    one = group * queries * keys
    if one <= _AT_ONCE:
        return max(1, min(heads, _AT_ONCE // max(one, 1))), queries
    return 1, max(1, _AT_ONCE // (group * keys))


ATTENTION: tuple[Algorithm, ...] = (
    Algorithm(
        "attention", "pfrt.attention", late=True, applies=_plain, scratch=_scratch,
        strided=(0, 1, 2), cost=arithmetic,
    ),
)  # fmt: skip
"""The algorithms of this family."""
