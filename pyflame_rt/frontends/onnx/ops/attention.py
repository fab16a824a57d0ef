"""Rules for attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.constraints import is_float
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder, Scope
from pyflame_rt.frontends.onnx.rules import (
    Rule,
    attribute_rows,
    inputs,
    onnx_op,
    read_attributes,
    row,
)

_ATTENTION = (
    "is_causal: flag, kv_num_heads: int, q_num_heads: int, scale: float, softcap: float, "
    "softmax_precision: dtype"
)
_LINEAR = attribute_rows("kv_num_heads: int!, q_num_heads: int!, scale: float, update_rule: string")
_ROTARY = "interleaved: flag, num_heads: int, rotary_embedding_dim: int"
_WINDOWS = "left_window_size: int, right_window_size: int"
_PRECISIONS = ("float16", "bfloat16", "float32", "float64")


def _attention(since: int, most: int, more: str = "") -> Rule:
    """Attention with that many inputs, and attributes beside those that all versions have."""
    rows = attribute_rows(f"{_ATTENTION}, {more}")

    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        b.limit_inputs(most)
        operands, _ = inputs(b, "attention")
        if since == 23:
            operands[3] = _whole_mask(b)
        mode = b.integer("qk_matmul_output_mode", 0)
        _, *asked = (bool(name) for name in (*b.node.outputs, "", "", "", "")[:4])
        properties = read_attributes(b, rows)
        properties["present"] = any(asked[:2])
        properties["qk_matmul_output_mode"] = mode if asked[2] else None
        results = b.emit("attention", operands, properties)
        # The place of results that nobody asked for is taken by something that has its name.
        absent = () if any(asked[:2]) else (b.operand(0),) * 2
        return [results[0], *absent, *results[1:]]

    return Rule("Attention", since, build)


def _whole_mask(b: NodeBuilder) -> SSAValue | None:
    """Until opset 24 a mask for one key is for all; then it is for the first alone."""
    mask = b.optional(3)
    shape = None if mask is None else shape_of(mask)
    if mask is None or shape == () or (shape is not None and shape[-1] not in (1, DYNAMIC)):
        return mask
    (count,) = b.emit("shape", [b.operand(1)], {"start": -2, "end": -1})
    if (past := b.optional(4)) is not None:
        (before,) = b.emit("shape", [past], {"start": -2, "end": -1})
        (count,) = b.emit("add", [before, count])
    return b.emit("expand", [mask, count])[0]


@onnx_op("LinearAttention", since=27)
def linear_attention(b: NodeBuilder) -> Sequence[SSAValue]:
    """How many steps are taken at once is no concern of the model's."""
    b.integer("chunk_size")
    operands, properties = inputs(b, "linear_attention")
    return b.emit("linear_attention", operands, {**properties, **read_attributes(b, _LINEAR)})


@onnx_op("FlexAttention", domain="ai.onnx.preview")
def flex_attention(b: NodeBuilder) -> Sequence[SSAValue]:
    """Matrix products and a softmax, with the subgraphs' nodes before and after it."""
    b.limit_inputs(3)
    q, k, v = (b.operand(index) for index in range(3))
    for value in (q, k, v):
        shape = shape_of(value)
        fits = (shape is None or len(shape) == 4) and is_float(value)
        if not fits or dtype_of(value) != dtype_of(q):
            raise b.error(f"needs floats of one type and 4 dimensions, got {value.type}")
    exact = np.promote_types(dtype_of(q), np.float32)
    precision = b.dtype("softmax_precision") or exact
    if precision.name not in _PRECISIONS:
        raise b.error(f"softmax_precision cannot be {precision.name}")
    k, v = (_head_for_each(b, value, q) for value in (k, v))
    left, right = _roots(b, q, exact)
    (left,) = b.emit("mul", [_cast(b, q, exact), left])
    (turned,) = b.emit("transpose", [_cast(b, k, exact)], {"perm": (0, 1, 3, 2)})
    (right,) = b.emit("mul", [turned, right])
    (scores,) = b.emit("matmul", [left, right])
    scores = _modified(b, "score_mod", _cast(b, scores, precision))
    (weights,) = b.emit("softmax", [scores], {"axis": -1})
    weights = _modified(b, "prob_mod", weights)
    (y,) = b.emit("matmul", [weights, _cast(b, v, precision)])
    return [_cast(b, y, dtype_of(q))]


def _cast(b: NodeBuilder, value: SSAValue, dtype: np.dtype[Any]) -> SSAValue:
    return value if dtype_of(value) == dtype else b.emit("cast", [value], {"to": dtype})[0]


def _head_for_each(b: NodeBuilder, value: SSAValue, q: SSAValue) -> SSAValue:
    """Keys or values with a head for each of q: the same one for consecutive heads."""
    shape, wanted = shape_of(value), shape_of(q)
    if shape is None or wanted is None or DYNAMIC in (shape[1], wanted[1]):
        heads, count = (b.emit("shape", [x], {"start": 1, "end": 2})[0] for x in (q, value))
        zero, one = (b.constant(np.array(number, np.int64)) for number in (0, 1))
        (limit,) = b.emit("reshape", [heads, None], {"shape": ()})
        (places,) = b.emit("range", [zero, limit, one])
        (places,) = b.emit("div", [b.emit("mul", [places, count])[0], heads])
        return b.emit("gather", [value, places], {"axis": 1})[0]
    if shape[1] == wanted[1]:
        return value
    if shape[1] == 0 or wanted[1] % shape[1]:
        raise b.error(f"{wanted[1]} heads of q are no multiple of {shape[1]}")
    indices = np.arange(wanted[1]) // (wanted[1] // shape[1])
    return b.emit("gather", [value, b.constant(indices)], {"axis": 1})[0]


def _roots(b: NodeBuilder, q: SSAValue, dtype: np.dtype[Any]) -> tuple[SSAValue, SSAValue]:
    """Factors of q and k whose product is the scale, each half of it so that none overflows."""
    scale, shape = b.number("scale"), shape_of(q)
    if scale is None and (shape is None or shape[3] == DYNAMIC):
        (size,) = b.emit("shape", [q], {"start": 3, "end": 4})
        power = b.constant(np.array(-0.25, dtype))
        (root,) = b.emit("pow", [_cast(b, size, dtype), power])
        return root, root
    if scale is None and shape is not None:
        scale = 1 / math.sqrt(max(shape[3], 1))
    factor = 0.0 if scale is None else scale
    root = math.sqrt(abs(factor))
    left: npt.NDArray[Any] = np.array(math.copysign(root, factor), dtype)
    return b.constant(left), b.constant(np.array(root, dtype))


def _modified(b: NodeBuilder, name: str, value: SSAValue) -> SSAValue:
    """What a subgraph, if there is one of that name, makes of a value; its nodes come here."""
    if name not in b.node.attributes:
        return value
    graph = b.graph(name)
    if (len(graph.inputs), len(graph.outputs)) != (1, 1):
        counts = f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
        raise b.error(f"{name} has {counts}, not one of each")
    scope = Scope(b.scope.block, b.scope, loops=b.scope.loops)
    scope.define(graph.inputs[0].name, value)
    (result,) = b.build_graph(graph, scope)
    if not compatible(result.type, value.type):
        raise b.error(f"{name} must keep the type {value.type}, it gives {result.type}")
    return result


RULES: tuple[Rule, ...] = (
    _attention(23, 6),
    _attention(24, 7),
    _attention(25, 7, _WINDOWS),
    flex_attention,
    linear_attention,
    row("RotaryEmbedding", 23, _ROTARY),
)
"""The rules of this family."""
