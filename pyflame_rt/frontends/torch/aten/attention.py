"""Attention, and the fused forms that torch's transformer layers take outside training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.linear import projected
from pyflame_rt.frontends.torch.aten.normalization import layer_normalized
from pyflame_rt.frontends.torch.aten.pieces import parts
from pyflame_rt.frontends.torch.aten.promotion import BOOL
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Value


def _heads(b: AtenBuilder, value: Value, batch: Sequence[Int]) -> Value:
    """(…, length, size) as (batch, heads, length, size)."""
    given = b.sizes(value)
    if len(given) == 4:
        return value
    if len(given) < 2:
        raise b.error("queries, keys and values have at least 2 dimensions")
    if len(given) < 4:
        return b.reshape(value, (*(1,) * (4 - len(given)), *given))
    return b.reshape(value, (sizes.product(batch[:-1]), batch[-1], *given[-2:]))


def _same_batch(b: AtenBuilder, values: Sequence[Value], grouped: bool) -> list[Value]:
    """Values whose leading dimensions of size 1 are those of the others; heads may be fewer."""
    leading = [b.sizes(value)[:-2] for value in values]
    if len({len(row) for row in leading}) > 1:
        raise b.unsupported("queries, keys and values of different ranks are not supported")
    count = len(leading[0]) - (1 if grouped else 0)
    wanted = [next((d for d in column if d != 1), 1) for column in zip(*leading, strict=True)]
    found: list[Value] = []
    for value, row in zip(values, leading, strict=True):
        shape = (*wanted[:count], *row[count:], *b.sizes(value)[-2:])
        needed = any(a == 1 and n != 1 for a, n in zip(row[:count], wanted, strict=False))
        found.append(b.expand(value, shape) if needed else value)
    return found


def attended(
    b: AtenBuilder,
    query: Value,
    key: Value,
    value: Value,
    mask: Value | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Value:
    """softmax(query @ key^T * scale + mask) @ value"""
    b.require_inference(dropout_p > 0)
    if mask is not None and is_causal:
        raise b.error("has a mask and is causal")
    query, key, value = _same_batch(b, (query, key, value), enable_gqa)
    leading = b.sizes(query)[:-2]
    q, k, v = (_heads(b, item, b.sizes(item)[:-2]) for item in (query, key, value))
    if mask is not None:
        if mask.dtype not in (BOOL, q.dtype):
            mask = b.cast(mask, q.dtype)
        if b.rank(mask) > 4:
            mask = _heads(b, mask, b.sizes(mask)[:-2])
        elif b.rank(mask) == 3 and len(leading) == 1:
            mask = b.one("unsqueeze", [mask, None], {"axes": (0,)})
    properties = {"is_causal": is_causal, "broadcast_mask": mask is not None, "scale": scale}
    y = b.one("attention", [q, k, v, mask], properties)
    shape = (*leading, b.sizes(query)[-2], b.sizes(value)[-1])
    batch = b.sizes(q)
    b.type_as(y, (batch[0], batch[1], *shape[-2:]))
    return b.reshape(y, shape)


@aten("scaled_dot_product_attention")
def scaled_dot_product_attention(
    b: AtenBuilder,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """softmax(query @ key^T * scale + mask) @ value"""
    return attended(b, query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)


@aten("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention_for_cpu(
    b: AtenBuilder,
    query: Value,
    key: Value,
    value: Value,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Value | None = None,
    scale: float | None = None,
) -> tuple[Value, Value]:
    """softmax(query @ key^T * scale + mask) @ value; the second result, for training, is empty"""
    y = attended(b, query, key, value, attn_mask, dropout_p, is_causal, scale, False)
    return y, b.constant(np.zeros(0, np.float32))


def _mask(b: AtenBuilder, mask: Value | None, mask_type: int | None) -> Value | None:
    """What may be seen, for (batch, heads, queries, keys), of a mask that says what may not."""
    if mask is None:
        return None
    hidden = b.one("not", [b.cast(mask, BOOL)])
    match mask_type:
        case 0:
            return hidden
        case 1:
            return b.one("unsqueeze", [hidden, None], {"axes": (1, 2)})
        case 2:
            return hidden
        case _:
            raise b.error("mask_type must be 0, 1 or 2")


def _multi_head(
    b: AtenBuilder,
    query: Value,
    key: Value,
    value: Value,
    width: int,
    num_head: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    mask: Value | None,
    weights: bool,
) -> tuple[Value, Value | None]:
    """Attention of projections, projected; and the weights of attention, if asked for."""
    if num_head < 1 or width % num_head:
        raise b.error(f"{width} elements have no {num_head} heads")
    if query.ssa is key.ssa and key.ssa is value.ssa:
        packed = projected(b, query, qkv_weight, qkv_bias)
        q, k, v = parts(b, packed, [width] * 3, 2)
    else:
        matrices = parts(b, qkv_weight, [width] * 3, 0)
        offsets = parts(b, qkv_bias, [width] * 3, 0)
        q, k, v = (
            projected(b, given, matrix, offset)
            for given, matrix, offset in zip((query, key, value), matrices, offsets, strict=True)
        )
    batch, length, _ = b.sizes(query)
    heads = [_split_heads(b, item, num_head, width // num_head) for item in (q, k, v)]
    properties = {
        "broadcast_mask": mask is not None,
        "qk_matmul_output_mode": 3 if weights else None,
    }
    results = b.emit("attention", [*heads, mask], properties)
    y = b.one("transpose", [results[0]], {"perm": (0, 2, 1, 3)})
    joined = b.reshape(
        b.type_as(y, (batch, length, num_head, width // num_head)), (batch, length, width)
    )
    return projected(b, joined, proj_weight, proj_bias), results[1] if weights else None


def _split_heads(b: AtenBuilder, value: Value, heads: int, size: int) -> Value:
    batch, length, _ = b.sizes(value)
    split = b.reshape(value, (batch, length, heads, size))
    return b.one("transpose", [split], {"perm": (0, 2, 1, 3)})


@aten("_native_multi_head_attention")
def native_multi_head_attention(
    b: AtenBuilder,
    query: Value,
    key: Value,
    value: Value,
    embed_dim: int,
    num_head: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    mask: Value | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> tuple[Value, Value | None]:
    """Attention of projections, projected; and its weights where they are needed"""
    y, weights = _multi_head(
        b, query, key, value, embed_dim, num_head, qkv_weight, qkv_bias, proj_weight, proj_bias,
        _mask(b, mask, mask_type), need_weights,
    )  # fmt: skip
    if weights is None:
        return y, None
    if average_attn_weights:
        weights = b.one("reduce_mean", [weights, None], {"axes": (1,), "keepdims": False})
    return y, weights


@aten("_transformer_encoder_layer_fwd")
def transformer_encoder_layer(
    b: AtenBuilder,
    src: Value,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Value,
    norm_bias_1: Value,
    norm_weight_2: Value,
    norm_bias_2: Value,
    ffn_weight_1: Value,
    ffn_bias_1: Value,
    ffn_weight_2: Value,
    ffn_bias_2: Value,
    mask: Value | None = None,
    mask_type: int | None = None,
) -> Value:
    """A layer of a transformer's encoder: attention and two projections, with residuals"""
    keep = _mask(b, mask, mask_type)

    def attention(x: Value) -> Value:
        return _multi_head(
            b,
            x,
            x,
            x,
            embed_dim,
            num_heads,
            qkv_weight,
            qkv_bias,
            proj_weight,
            proj_bias,
            keep,
            False,
        )[0]

    def feed_forward(x: Value) -> Value:
        inner = projected(b, x, ffn_weight_1, ffn_bias_1)
        return projected(
            b, b.one("gelu" if use_gelu else "relu", [inner]), ffn_weight_2, ffn_bias_2
        )

    def normalized(x: Value, weight: Value, bias: Value) -> Value:
        return layer_normalized(b, x, b.sizes(weight), weight, bias, eps)

    if norm_first:
        x = b.one("add", [src, attention(normalized(src, norm_weight_1, norm_bias_1))])
        return b.one("add", [x, feed_forward(normalized(x, norm_weight_2, norm_bias_2))])
    x = normalized(b.one("add", [src, attention(src)]), norm_weight_1, norm_bias_1)
    return normalized(b.one("add", [x, feed_forward(x)]), norm_weight_2, norm_bias_2)


RULES = rules_in(globals())
