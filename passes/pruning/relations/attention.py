"""Attention: whole heads go, those of keys and values with all heads of queries that they serve."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.attention import AttentionOp, RotaryEmbeddingOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, to_property
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.passes.pruning.relations.links import Links, Rule


def _attention(op: AttentionOp, links: Links) -> None:
    e, shape = op.extents(), shape_of(op.q)
    if shape is None or DYNAMIC in (e.heads, e.kv_heads):
        return
    if len(shape) == 3:
        _packed(op, links)
        return
    shared = e.heads // e.kv_heads
    where = np.arange(e.heads)
    links.blocks(op.q, 1, shared)
    if e.kv_heads > 1:
        links.tie(op.q, 1, where, op.k, 1, where // shared)
    else:
        links.fix(op.q, 1, "all heads share one of the keys")
    links.same(op.k, 1, op.v, 1)
    links.same(op.q, 1, op.result, 1)
    links.same(op.v, 3, op.result, 3)
    _around(op, links, 2)
    for value in _with_past(op):
        links.same(value, 1, op.k, 1)
    mask = None if op.mask is None else shape_of(op.mask)
    if op.mask is not None and mask is not None and len(mask) >= 3:
        links.same(op.mask, -3, op.result, 1)


def _with_past(op: AttentionOp) -> list[SSAValue]:
    """What else holds a part for each head of keys and values."""
    others = op.others[:2] if op.present.value.data else ()
    return [v for v in (op.past_key, op.past_value, *others) if v is not None]


def _packed(op: AttentionOp, links: Links) -> None:
    """Heads that lie one after another in the last dimension."""
    e = op.extents()
    if DYNAMIC in (e.size, e.v_size):
        return
    shared, heads = e.heads // e.kv_heads, np.arange(e.heads)
    sizes = ((op.q, e.size), (op.k, e.size), (op.v, e.v_size), (op.result, e.v_size))
    for value, size in sizes:
        links.blocks(value, 2, size)
    for value, size, served in ((op.k, e.size, shared), (op.v, e.v_size, shared)):
        links.tie(op.q, 2, heads * e.size, value, 2, heads // served * size)
    links.tie(op.q, 2, heads * e.size, op.result, 2, heads * e.v_size)
    kept = np.arange(e.kv_heads)
    for value in _with_past(op):
        if e.kv_heads > 1:
            links.tie(value, 1, kept, op.k, 2, kept * e.size)
    mask = None if op.mask is None else shape_of(op.mask)
    if op.mask is not None and mask is not None and len(mask) >= 3 and mask[-3] == e.heads > 1:
        links.tie(op.mask, -3, heads, op.q, 2, heads * e.size)
    _around(op, links, 1)


def _around(op: AttentionOp, links: Links, length: int) -> None:
    """Batches, and the numbers of queries."""
    for value in (op.k, op.v, op.result):
        links.same(op.q, 0, value, 0)
    links.same(op.q, length, op.result, length)


def _fewer_heads(op: AttentionOp, kept: Kept) -> None:
    e, rank = op.extents(), len(shape_of(op.q) or ())
    numbers = (("q_num_heads", op.q, e.size), ("kv_num_heads", op.k, e.size))
    for name, value, size in numbers:
        count = kept.count(value, 2) // size if rank == 3 else kept.count(value, 1)
        if getattr(op, name).value.data:
            op.properties[name] = to_property(count)


def _rotary(op: RotaryEmbeddingOp, links: Links) -> None:
    """Pairs of elements of a head mix, heads do not."""
    shape = shape_of(op.operands[0])
    if shape is None or len(shape) != 4:
        return
    data: SSAValue = op.operands[0]
    for index in range(3):
        links.same(data, index, op.results[0], index)


RULES: dict[type, Rule] = {
    AttentionOp: Rule(_attention, _fewer_heads, costs_properties=True),
    RotaryEmbeddingOp: Rule(_rotary),
}
