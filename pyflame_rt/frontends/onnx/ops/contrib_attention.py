"""The rule for onnxruntime's attention of quantized data and weights (domain com.microsoft)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.ops.contrib_quantized import DOMAIN, scaled_product
from pyflame_rt.frontends.onnx.rules import Rule

_INPUT, _WEIGHT, _BIAS, _SCALE, _MASK, _ZERO, _PAST = 0, 1, 2, 3, 5, 6, 8
_INT, _REAL = np.dtype(np.int64), np.dtype(np.float32)
_HIDDEN: Final = -10000.0
"""What is added to scores of masked keys, unless the attribute says otherwise."""


def _q_attention(b: NodeBuilder) -> Sequence[SSAValue]:
    """softmax(q kᵀ scale + mask) v, where (q, k, v) is x w + bias of quantized x and w.

    The past is (keys and values, batch, heads, length, size), and so is what is present.
    """
    b.limit_inputs(9)
    heads = b.integer("num_heads")
    if heads is None:
        raise b.missing("num_heads")
    is_causal = b.flag("unidirectional", False)
    scale, hidden = b.number("scale", 0.0), b.number("mask_filter_value", _HIDDEN)
    b.integer("rotary_embedding_dim")
    if b.flag("do_rotary", False) or b.flag("past_present_share_buffer", False):
        raise b.unsupported("rotary embeddings and a shared buffer of the past are not supported")
    columns = (shape_of(b.operand(_WEIGHT)) or (DYNAMIC,))[-1]
    if columns == DYNAMIC or columns % 3:
        raise b.unsupported(f"weights of {columns} columns are not those of q, k and v")
    data = [b.operand(_INPUT), b.optional(_ZERO)]
    (made,) = scaled_product(b, data, b.operand(_SCALE), (1, 4, 7), _BIAS)
    parts = b.emit("split", [made, None], {"axis": 2, "split": (columns // 3,) * 3})
    past = b.optional(_PAST)
    before = [None, None] if past is None else [_half(b, past, k) for k in range(2)]
    mask = None if (given := b.optional(_MASK)) is None else _mask(b, given, parts[0], past, hidden)
    wants_present = len(b.node.outputs) > 1 and bool(b.node.outputs[1])
    properties = {
        "q_num_heads": heads, "kv_num_heads": heads, "is_causal": is_causal,
        "scale": scale or None, "present": wants_present,
    }  # fmt: skip
    results = b.emit("attention", [*parts, mask, *before, None], properties)
    if not wants_present:
        return [results[0]]
    halves = [b.emit("unsqueeze", [half, None], {"axes": (0,)})[0] for half in results[1:]]
    return [results[0], b.emit("concat", [halves], {"axis": 0})[0]]


def _half(b: NodeBuilder, past: SSAValue, which: int) -> SSAValue:
    """The keys (0) or the values (1) of the past."""
    return b.emit("gather", [past, b.constant(np.array(which, _INT))], {"axis": 0})[0]


def _mask(
    b: NodeBuilder, given: SSAValue, q: SSAValue, past: SSAValue | None, hidden: float
) -> SSAValue:
    """What is added to the scores: for each key, or query and key, or from lengths.

    A vector has the end of each batch's keys, and then, if it is twice as long, their beginnings.
    """
    shape = shape_of(given)
    if shape is None or not 1 <= len(shape) <= 3:
        raise b.unsupported(f"a mask of {'unknown' if shape is None else len(shape)} dimensions")
    if len(shape) > 1:
        seen = b.emit("greater", [given, b.constant(np.array(0, np.int32))])[0]
    else:
        seen = _between(b, given, q, past)
    axes = (1, 2) if len(shape) < 3 else (1,)
    (each,) = b.emit("unsqueeze", [seen, None], {"axes": axes})
    shown, rest = (b.constant(np.array(value, _REAL)) for value in (0.0, hidden))
    return b.emit("where", [each, shown, rest])[0]


def _between(b: NodeBuilder, given: SSAValue, q: SSAValue, past: SSAValue | None) -> SSAValue:
    """Whether a batch's key is before its end, and not before its beginning: (batch, keys)."""
    (count,) = b.emit("shape", [q], {"start": 1, "end": 2})
    if past is not None:
        count = b.emit("add", [count, b.emit("shape", [past], {"start": 3, "end": 4})[0]])[0]
    (count,) = b.emit("squeeze", [count, None], {"axes": (0,)})
    places = b.emit("range", [b.constant(np.array(0, _INT)), count, b.constant(np.array(1, _INT))])
    (limits,) = b.emit("cast", [given], {"to": _INT})
    (limits,) = b.emit("unsqueeze", [limits, None], {"axes": (1,)})
    size, batch = (shape_of(given) or (DYNAMIC,))[0], (shape_of(q) or (DYNAMIC,))[0]
    if DYNAMIC in (size, batch) or size != 2 * batch:
        return b.emit("less", [places[0], limits])[0]
    ends, starts = b.emit("split", [limits, None], {"axis": 0, "split": (batch, batch)})
    (is_before,) = b.emit("less", [places[0], ends])
    (is_after,) = b.emit("greater_or_equal", [places[0], starts])
    return b.emit("and", [is_before, is_after])[0]


RULES: tuple[Rule, ...] = (Rule("QAttention", 1, _q_attention, domain=DOMAIN),)
"""The rules of this family."""
