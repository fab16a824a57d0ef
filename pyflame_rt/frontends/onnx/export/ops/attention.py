"""Attention in matrix products and a softmax, and rotations in products of halves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.attention import AttentionOp, RotaryEmbeddingOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, numpy_dtype, shape_of
from pyflame_rt.frontends.onnx.export.nodes import Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rank_of,
    rule,
)
from pyflame_rt.frontends.onnx.export.schemas import Target

_SINCE = 23
"""The opset with an operator for attention."""


@rule("attention")
def attention(op: Any, target: Target) -> Sequence[Node]:
    """Results have their places; what a mask of one key means has changed."""
    mask = None if op.mask is None else shape_of(op.mask)
    if op.mask is not None and (mask is None or mask[-1] in (1, DYNAMIC)):
        keys = op.extents().total
        if op.broadcast_mask and mask != (1,) * len(mask or ()) and keys != 1:
            raise Refused("Attention has no mask of one key for all")
        if target.opset < 24 and not op.broadcast_mask and keys != 1:
            raise Refused("Attention takes a mask of one key for that of all before opset 24")
    if _has_one_row(op):
        raise Refused("onnxruntime's Attention takes no mask of one query for all")
    parts = parts_of(op)
    properties = {
        name: value
        for name, value in parts.properties.items()
        if name not in ("broadcast_mask", "present")
    }
    result, *others = parts.results
    present = bool(op.present.value.data)
    results = (result, *(others[:2] if present else (None, None)), *others[2 if present else 0 :])
    return [fit(op, target, replace(parts, properties=properties, results=results))]


def _has_one_row(op: AttentionOp) -> bool:
    """Whether a mask has one row for several queries, which ONNX allows."""
    shape = None if op.mask is None else shape_of(op.mask)
    if shape is None:
        return False
    return (len(shape) < 2 or shape[-2] == 1) and op.extents().queries != 1


@expansion("attention")
def attention_in_products(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """softmax(scale * q @ k^T, capped and masked) @ v, for each head of each batch.

    Where there is an operator, all that it may need is a row of the mask for each query.
    """
    if e.target.opset >= _SINCE and _has_one_row(op):
        operands: list[SSAValue | None] = list(op.operand_slots())
        rows = e.vector([e.size(op.q, 1 if rank_of(op.q) == 3 else 2), 1])
        operands[3] = e.one("expand", op.mask, rows)
        hidden = ("names", "operandSegmentSizes")
        properties = {name: attr for name, attr in op.properties.items() if name not in hidden}
        return e.emit("attention", operands, properties)
    return _Attention(e, op).results()


class _Attention:
    """The steps of an attention."""

    def __init__(self, e: Expansion, op: AttentionOp):
        self.e, self.op = e, op
        self.extents = op.extents()
        self.packed = rank_of(op.q) == 3
        heads = self.extents.heads, self.extents.kv_heads
        if DYNAMIC in heads:
            raise Refused("the numbers of heads are not known")
        self.heads, self.kv_heads = heads
        self.q = self._split(op.q, self.heads)
        self.k = self._continued(op.past_key, self._split(op.k, self.kv_heads))
        self.v = self._continued(op.past_value, self._split(op.v, self.kv_heads))
        self.wide_q = e.wide(self.q)

    def results(self) -> list[SSAValue]:
        """The results in order."""
        e, op = self.e, self.op
        scores = self._scores()
        capped = scores
        if (cap := op.softcap.value.data) != 0:
            size = e.scalar(cap, scores)
            capped = e.one("mul", size, e.one("tanh", e.one("div", scores, size)))
        bias = self._bias()
        masked = capped if bias is None else e.one("add", capped, bias)
        kind = dtype_of(scores)
        precise = masked
        if op.softmax_precision is not None:
            precise = e.cast(masked, numpy_dtype(op.softmax_precision))
        weights = e.cast(e.one("softmax", precise, axis=-1), kind)
        if bias is not None:
            # A query that sees nothing has no weights, where a softmax of -inf has NaN.
            most = e.one("reduce_max", bias, None, axes=(-1,))
            blind = e.one("equal", most, e.scalar(-math.inf, bias))
            weights = e.one("where", blind, e.scalar(0, weights), weights)
        y = e.one("matmul", weights, self._for_each_head(e.cast(self.v, kind)))
        y = e.back(y, op.q)
        if self.packed:
            turned = e.transpose(y, (0, 2, 1, 3))
            y = e.one("reshape", turned, None, shape=(0, 0, -1))
        found = [y if y is not op.q else e.one("identity", y)]
        if op.present.value.data:
            found += [e.one("identity", self.k), e.one("identity", self.v)]
        if op.qk_matmul_output_mode is not None:
            stage = (scores, capped, masked, weights)[op.qk_matmul_output_mode.value.data]
            found.append(e.one("identity", e.back(stage, op.q)))
        return found

    def _split(self, value: SSAValue, heads: int) -> SSAValue:
        """(batch, length, heads * size) as (batch, heads, length, size)."""
        if not self.packed:
            return value
        parted = self.e.one("reshape", value, None, shape=(0, 0, heads, -1))
        return self.e.transpose(parted, (0, 2, 1, 3))

    def _continued(self, past: SSAValue | None, value: SSAValue) -> SSAValue:
        return value if past is None else self.e.one("concat", [past, value], axis=2)

    def _for_each_head(self, value: SSAValue) -> SSAValue:
        """Keys or values for each head of q: the same ones for consecutive heads."""
        if self.heads == self.kv_heads:
            return value
        places = np.arange(self.heads) // max(self.heads // max(self.kv_heads, 1), 1)
        return self.e.one("gather", value, self.e.ints(*places.tolist()), axis=1)

    def _scores(self) -> SSAValue:
        """q * root @ (k * root)^T, each factor taking half of the scale."""
        e, op, q = self.e, self.op, self.wide_q
        size = self.extents.size
        if op.scale is None and size == DYNAMIC:
            power = e.scalar(-0.25, q)
            left = right = e.one("pow", e.cast(_vector(e, self.q, 3), dtype_of(q)), power)
        else:
            scale = 1 / math.sqrt(max(size, 1)) if op.scale is None else op.scale.value.data
            root = math.sqrt(abs(scale))
            left, right = e.scalar(math.copysign(root, scale), q), e.scalar(root, q)
        keys = e.transpose(self._for_each_head(e.wide(self.k)), (0, 1, 3, 2))
        return e.one("matmul", e.one("mul", q, left), e.one("mul", keys, right))

    def _bias(self) -> SSAValue | None:
        """What is added to the scores: -inf where a key is not seen; None for nothing."""
        e = self.e
        seen, mask = self._seen(), self._mask()
        if mask is not None and dtype_of(mask) == np.bool_:
            seen = mask if seen is None else e.one("and", seen, mask)
            mask = None
        if seen is None:
            return None if mask is None else e.cast(mask, dtype_of(self.wide_q))
        zero, never = (e.scalar(number, self.wide_q) for number in (0, -math.inf))
        added = zero if mask is None else e.cast(mask, dtype_of(self.wide_q))
        return e.one("where", seen, added, never)

    def _mask(self) -> SSAValue | None:
        """The mask, continued where it ends before the keys do."""
        e, op = self.e, self.op
        if op.mask is None:
            return None
        rank, count = rank_of(op.mask), (shape_of(op.mask) or (DYNAMIC,))[-1]
        total = self.extents.total
        if (count == total and count != DYNAMIC) or (op.broadcast_mask and count == 1):
            return op.mask
        if op.broadcast_mask:
            raise Refused("whether its mask is for all keys is known only at run time")
        is_bool = dtype_of(op.mask) == np.bool_
        # Pad is defined on numbers in all opsets.
        value = e.cast(op.mask, dtype_of(self.wide_q))
        keys, have = _vector(e, self.k, 2), _vector(e, op.mask, -1)
        before = [e.ints(*[0] * (2 * rank - 1))]
        pads = e.one("concat", [*before, e.one("sub", keys, have)], axis=0)
        fill = 0.0 if is_bool else -math.inf
        padded = e.one("pad", value, pads, e.scalar(fill, value), None)
        return e.cast(padded, np.dtype(np.bool_)) if is_bool else padded

    def _seen(self) -> SSAValue | None:
        """Which keys a query may see, whatever the mask says; None for all."""
        e, op = self.e, self.op
        left, right = op.left_window_size.value.data, op.right_window_size.value.data
        ends = [end for end in (0 if op.is_causal.value.data else -1, right) if end >= 0]
        lengths = op.nonpad_kv_seqlen
        if left < 0 and not ends and lengths is None:
            return None
        keys = self._range(self.k, 2)
        queries = e.one("unsqueeze", self._range(self.q, 2), None, axes=(1,))
        if lengths is not None:
            lengths = e.one("reshape", lengths, None, shape=(-1, 1, 1, 1))
            offset = e.one("sub", lengths, _vector(e, self.q, 2))
        else:
            offset = e.ints(0) if op.past_key is None else _vector(e, op.past_key, 2)
        distance = e.one("sub", keys, e.one("add", queries, offset))
        found: list[SSAValue] = []
        if left >= 0:
            found.append(e.one("greater", distance, e.ints(-left - 1)))
        if ends:
            found.append(e.one("less", distance, e.ints(min(ends) + 1)))
        if lengths is not None:
            found.append(e.one("less", keys, lengths))
        seen = found[0]
        for more in found[1:]:
            seen = e.one("and", seen, more)
        return seen

    def _range(self, value: SSAValue, axis: int) -> SSAValue:
        """0, 1, … for each place along an axis."""
        size = self.e.size(value, axis)
        if isinstance(size, int):
            return self.e.ints(*range(size))
        zero, one = (self.e.constant(np.array(number, np.int64)) for number in (0, 1))
        limit = self.e.one("reshape", size, None, shape=())
        return self.e.one("range", zero, limit, one)


def _vector(e: Expansion, value: SSAValue, axis: int) -> SSAValue:
    """A size as a vector of one element."""
    size = e.size(value, axis)
    return e.ints(size) if isinstance(size, int) else size


@expansion("rotary_embedding")
def rotary_embedding(e: Expansion, op: RotaryEmbeddingOp) -> Sequence[SSAValue]:
    """(a, b) -> (cos * a - sin * b, sin * a + cos * b), for each pair of elements of a head."""
    x, packed, kind = e.wide(op.x), rank_of(op.x) == 3, dtype_of(op.x)
    if packed:
        parted = e.one("reshape", x, None, shape=(0, 0, op.num_heads.value.data, -1))
        x = e.transpose(parted, (0, 2, 1, 3))
    size = (shape_of(x) or (DYNAMIC,))[-1]
    turned = op.rotary_embedding_dim.value.data or size
    if turned == DYNAMIC or size == DYNAMIC:
        raise Refused("the size of its heads is not known")

    def some(value: SSAValue, start: int, end: int, step: int = 1) -> SSAValue:
        span = {"starts": (start,), "ends": (end,), "axes": (3,), "steps": (step,)}
        return e.one("slice", value, None, None, None, None, **span)

    def rows(cache: SSAValue) -> SSAValue:
        wide = e.wide(cache)
        found = wide if op.position_ids is None else e.one("gather", wide, op.position_ids, axis=0)
        return e.one("unsqueeze", found, None, axes=(1,))

    half = turned // 2
    interleaved = op.interleaved.value.data
    if interleaved:
        first, second = some(x, 0, turned, 2), some(x, 1, turned, 2)
    else:
        first, second = some(x, 0, half), some(x, half, turned)
    cos, sin = rows(op.cos_cache), rows(op.sin_cache)
    real = e.one("sub", e.one("mul", cos, first), e.one("mul", sin, second))
    imaginary = e.one("add", e.one("mul", sin, first), e.one("mul", cos, second))
    if interleaved:
        pairs = [e.one("unsqueeze", part, None, axes=(4,)) for part in (real, imaginary)]
        whole = e.one("concat", pairs, axis=4)
        y = e.one("reshape", whole, None, shape=(0, 0, 0, turned))
    else:
        y = e.one("concat", [real, imaginary], axis=3)
    if turned < size:
        y = e.one("concat", [y, some(x, turned, size)], axis=3)
    y = e.cast(y, kind)
    if packed:
        y = e.one("reshape", e.transpose(y, (0, 2, 1, 3)), None, shape=(0, 0, -1))
    return [y]


RULES: tuple[Rule, ...] = (attention,)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (attention_in_products, rotary_embedding)
"""The expansions of this family."""
