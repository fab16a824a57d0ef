"""Attention: each query's mean of the values, weighted by how well their keys suit it.

Everything is computed in float32 at least and rounded once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.normalization import softmax
from pyflame_rt.kernels.numerics import rounding_once, widened
from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]
Shape = tuple[int, int, int, int]

__all__ = ["attention", "linear_attention", "rotary_embedding"]

UPDATE_RULES = ("linear", "gated", "delta", "gated_delta")
"""How the state of a linear attention goes on."""


def attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    past_key: Array | None = None,
    past_value: Array | None = None,
    nonpad_kv_seqlen: Array | None = None,
    *,
    broadcast_mask: bool = False,
    is_causal: bool = False,
    kv_num_heads: int = 0,
    left_window_size: int = -1,
    present: bool = False,
    q_num_heads: int = 0,
    qk_matmul_output_mode: int | None = None,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: np.dtype[Any] | None = None,
) -> Array | tuple[Array, ...]:
    """scores -> softcap -> mask -> softmax -> @ v, for each head of each batch.

    q, k and v are (batch, heads, length, size), or (batch, length, heads * size). A head of k and v
    serves as many consecutive heads of q as there are for each.
    """
    is_packed = q.ndim == 3
    q = split_heads(q, q_num_heads)
    k = _continued(past_key, split_heads(k, kv_num_heads))
    v = _continued(past_value, split_heads(v, kv_num_heads))
    _check_shapes(q, k, v)
    shape = (*q.shape[:3], k.shape[2])
    check_size(shape, np.dtype(np.float32))
    past = 0 if past_key is None else past_key.shape[2]
    offset = _offset(shape, past, nonpad_kv_seqlen)

    with np.errstate(all="ignore"):
        scores = _scores(q, k, scale)
        capped = scores if softcap == 0 else softcap * np.tanh(scores / softcap)
        ends = [end for end in (0 if is_causal else -1, right_window_size) if end >= 0]
        seen = _seen(shape, offset, left_window_size, min(ends, default=None), nonpad_kv_seqlen)
        bias = _bias(shape, seen, mask, scores.dtype, broadcast=broadcast_mask)
        masked = capped + bias
        precise = masked.astype(softmax_precision or masked.dtype, copy=False)
        weights = softmax(precise, axis=-1).astype(scores.dtype, copy=False)
        # Of a query that sees nothing all exponents are -inf, or NaN where scores are.
        blind = np.max(bias, axis=-1, keepdims=True, initial=-np.inf) == -np.inf
        weights = np.where(blind, weights.dtype.type(0), weights)
        y = _weighted(weights, v).astype(q.dtype, copy=False)

        results = [join_heads(y) if is_packed else y]
        if present:
            results += [k, v]
        if qk_matmul_output_mode is not None:
            stage = (scores, capped, masked, weights)[qk_matmul_output_mode]
            results.append(stage.astype(q.dtype, copy=False))
    return results[0] if len(results) == 1 else tuple(results)


def split_heads(x: Array, heads: int) -> Array:
    """(batch, length, heads * size) as (batch, heads, length, size), which it may be already."""
    if x.ndim == 4:
        return x
    if x.ndim != 3 or heads < 1 or x.shape[2] % heads:
        raise ValueError(f"{list(x.shape)} does not hold {heads} heads")
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).swapaxes(1, 2)


def join_heads(x: Array) -> Array:
    """(batch, heads, length, size) as (batch, length, heads * size)."""
    batch, heads, length, size = x.shape
    return x.swapaxes(1, 2).reshape(batch, length, heads * size)


def _continued(past: Array | None, x: Array) -> Array:
    """The past, if there is any, and then the present along the third dimension."""
    if past is None:
        return x
    if (*past.shape[:2], *past.shape[3:]) != (*x.shape[:2], x.shape[3]):
        raise ValueError(f"a past of {list(past.shape)} does not suit {list(x.shape)}")
    return np.concatenate((past, x), axis=2)


def _check_shapes(q: Array, k: Array, v: Array) -> None:
    """Raise ValueError unless there is a value for each key, and keys for each head of q."""
    batches, sizes = q.shape[0] == k.shape[0] == v.shape[0], q.shape[3] == k.shape[3]
    heads = q.shape[1] % k.shape[1] == 0 if k.shape[1] else q.shape[1] == 0
    if not (batches and sizes and heads and k.shape[1:3] == v.shape[1:3]):
        shapes = f"{list(q.shape)}, {list(k.shape)} and {list(v.shape)}"
        raise ValueError(f"queries, keys and values of {shapes} do not go together")


def _offset(shape: Shape, past: int, lengths: Array | None) -> Array:
    """How many keys come before the first query: of each batch, or of all."""
    batch, _, queries, keys = shape
    if lengths is None:
        return np.full((1, 1, 1, 1), past)
    if lengths.shape != (batch,):
        raise ValueError(f"lengths of {list(lengths.shape)} for a batch of {batch}")
    if np.any((lengths < 0) | (lengths > keys)):
        raise ValueError(f"lengths {lengths.tolist()} are not all among 0 to {keys}")
    return lengths.reshape(batch, 1, 1, 1) - queries


def _scores(q: Array, k: Array, scale: float | None) -> Array:
    """scale * q @ k^T, each factor taking half of the scale so that none overflows before it."""
    factor = 1 / math.sqrt(max(q.shape[3], 1)) if scale is None else scale
    root = math.sqrt(abs(factor))
    left = widened(q) * math.copysign(root, factor)
    right = widened(k).swapaxes(2, 3) * root
    return (_grouped(left, k.shape[1]) @ right[:, :, None]).reshape(*q.shape[:3], k.shape[2])


def _weighted(weights: Array, v: Array) -> Array:
    """The sum of the values, each with its weight."""
    sums = _grouped(weights, v.shape[1]) @ widened(v)[:, :, None]
    return sums.reshape(*weights.shape[:3], v.shape[3])


def _grouped(x: Array, heads: int) -> Array:
    """(batch, heads, group, …): with the heads of q that share one of the keys together."""
    return x.reshape(x.shape[0], heads, x.shape[1] // max(heads, 1), *x.shape[2:])


def _seen(
    shape: Shape, offset: Array, left: int, right: int | None, lengths: Array | None
) -> Array | None:
    """Which keys a query may see at all, whatever the mask says; None for all."""
    if left < 0 and right is None and lengths is None:
        return None
    keys = np.arange(shape[3])
    distance = keys - (np.arange(shape[2])[:, None] + offset)
    seen = np.ones_like(distance, np.bool_)
    if left >= 0:
        seen &= distance >= -left
    if right is not None:
        seen &= distance <= right
    if lengths is not None:
        seen &= keys < lengths.reshape(-1, 1, 1, 1)
    return seen


def _bias(
    shape: Shape,
    seen: Array | None,
    mask: Array | None,
    dtype: np.dtype[Any],
    *,
    broadcast: bool = False,
) -> Array:
    """What is added to the scores: -inf where a key is not seen."""
    bias = np.zeros((1, 1, 1, shape[3]), dtype) if seen is None else _unless(seen, dtype)
    if mask is None:
        return bias
    missing = shape[3] - mask.shape[-1] if mask.ndim else -1
    leading = zip(reversed(mask.shape[:-1]), reversed(shape[:3]), strict=False)
    if mask.ndim > 4 or missing < 0 or any(dim not in (1, other) for dim, other in leading):
        raise ValueError(f"a mask of {list(mask.shape)} does not suit scores of {list(shape)}")
    added = _unless(mask, dtype) if mask.dtype == np.bool_ else mask.astype(dtype)
    if missing and not (broadcast and mask.shape[-1] == 1):
        ends = [(0, 0)] * (mask.ndim - 1) + [(0, missing)]
        added = np.pad(added, ends, constant_values=-np.inf)
    return bias + added


def _unless(seen: Array, dtype: np.dtype[Any]) -> Array:
    """0 where a key is seen, -inf elsewhere."""
    bias: Array = np.full(seen.shape, -np.inf, dtype)
    bias[seen] = 0
    return bias


@rounding_once
def rotary_embedding(
    x: Array,
    cos_cache: Array,
    sin_cache: Array,
    position_ids: Array | None = None,
    *,
    interleaved: bool = False,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Array:
    """Pairs of the first elements of each head turned by the angle for their position."""
    heads = split_heads(x, num_heads)
    batch, _, length, size = heads.shape
    turned = rotary_embedding_dim or size
    if turned % 2 or not 0 <= turned <= size:
        raise ValueError(f"cannot turn {turned} elements of heads of {size}")
    cos, sin = (
        _rows(cache, position_ids, (batch, length, turned // 2)) for cache in (cos_cache, sin_cache)
    )
    y = np.array(heads)
    # Both are views of y.
    first, second = (
        (y[..., 0:turned:2], y[..., 1:turned:2])
        if interleaved
        else (y[..., : turned // 2], y[..., turned // 2 : turned])
    )
    real, imaginary = cos * first - sin * second, sin * first + cos * second
    first[...], second[...] = real, imaginary
    return join_heads(y) if x.ndim == 3 else y


def _rows(cache: Array, positions: Array | None, shape: tuple[int, int, int]) -> Array:
    """A cache's row for each position, for all heads. Raises ValueError where there is none."""
    found = cache
    if positions is not None:
        if cache.ndim != 2 or positions.shape != shape[:2]:
            at = f"{list(positions.shape)} positions"
            raise ValueError(f"a cache of {list(cache.shape)} and {at} do not suit {list(shape)}")
        if np.any((positions < 0) | (positions >= len(cache))):
            raise ValueError(f"positions are not all among the {len(cache)} of the cache")
        found = cache[positions]
    if found.shape != shape:
        raise ValueError(f"a cache of {list(cache.shape)} does not suit {list(shape)}")
    return found[:, None]


def linear_attention(
    q: Array,
    k: Array,
    v: Array,
    past_state: Array | None = None,
    decay: Array | None = None,
    beta: Array | None = None,
    *,
    kv_num_heads: int,
    q_num_heads: int,
    scale: float = 0.0,
    update_rule: str = "gated_delta",
) -> tuple[Array, Array]:
    """scale * q @ state at each step, and the last state; steps are taken one after another."""
    kept = (q if past_state is None else past_state).dtype
    heads = split_heads(widened(q), q_num_heads)
    keys, values = (split_heads(widened(x), kv_num_heads) for x in (k, v))
    _check_shapes(heads, keys, values)
    batch, _, length, size = heads.shape
    if keys.shape[2] != length:
        raise ValueError(f"{length} queries and {keys.shape[2]} keys")
    shape = (batch, kv_num_heads, size, values.shape[3])
    if past_state is not None and past_state.shape != shape:
        raise ValueError(f"a state of {list(past_state.shape)}, not {list(shape)}")
    state = np.zeros(shape, heads.dtype) if past_state is None else widened(past_state)
    rates = _gates(beta, keys, (kv_num_heads, 1))
    decays = _gates(decay, keys, (kv_num_heads, kv_num_heads * size))
    with np.errstate(all="ignore"):
        factors = None if decays is None else np.exp(decays)
        y = np.empty((*heads.shape[:3], shape[3]), heads.dtype)
        for step in range(length):
            key, value = keys[:, :, step, :, None], values[:, :, step, None]
            if factors is not None:
                state = state * factors[:, :, step, :, None]
            if rates is not None:
                value = rates[:, :, step, None] * (value - key.swapaxes(2, 3) @ state)
            state = state + key * value
            query = _grouped(heads[:, :, step, None], kv_num_heads)
            y[:, :, step] = (query @ state[:, :, None]).reshape(batch, -1, shape[3])
        y *= scale or 1 / math.sqrt(max(size, 1))
        return join_heads(y).astype(q.dtype, copy=False), state.astype(kept, copy=False)


def _gates(x: Array | None, keys: Array, columns: tuple[int, int]) -> Array | None:
    """(batch, heads or 1, length, …) of decay or beta, which have one of two numbers of columns."""
    if x is None:
        return None
    batch, heads, length, _ = keys.shape
    if x.ndim != 3 or x.shape[:2] != (batch, length) or x.shape[2] not in columns:
        raise ValueError(f"gates of {list(x.shape)} do not suit keys of {list(keys.shape)}")
    return split_heads(widened(x), 1 if x.shape[2] == 1 else heads)
