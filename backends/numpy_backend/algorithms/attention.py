"""Attention, some heads at a time: what is between its two products stays in the cache.

The softmax leaves out to subtract the row's maximum, which takes longer than all the rest of it.
That is as exact as long as no power overflows and no row's powers are all small; what their sums
show otherwise is computed again by the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.attention import at_once

_LEAST, _MOST = 1e-7, 1e30
"""Between these sums of powers, rounding a score costs no more than rounding what it is less its
row's maximum."""


@dataclass(frozen=True)
class _Block:
    """Some heads of k and v, with all heads of q that they serve, and some queries, of a batch."""

    batch: int
    heads: slice
    queries: slice

    @property
    def index(self) -> tuple[int, slice, slice, slice]:
        """Of (batch, heads of k, group, queries, …)."""
        return self.batch, self.heads, slice(None), self.queries


@dataclass(frozen=True)
class _Attention:
    """The function of a call: its extents and what is known of it."""

    heads: int
    kv_heads: int
    past: int
    scale: float
    softcap: float
    masked: bool
    future: Array | None
    """What is added to scores (queries, keys) for `is_causal`."""
    present: bool

    def __call__(
        self,
        q: Array,
        k: Array,
        v: Array,
        mask: Array | None,
        past_key: Array | None,
        past_value: Array | None,
        _lengths: None,
        out: Array,
        *rest: Array,
    ) -> None:
        q, y = _grouped(q, self.heads, self.kv_heads), _grouped(out, self.heads, self.kv_heads)
        k, v = _by_head(k, self.kv_heads), _by_head(v, self.kv_heads)
        scores, sums = rest[2:4] if self.present else rest[:2]
        if past_key is not None and past_value is not None:
            keys, values = rest[:2] if self.present else rest[2:4]
            k, v = self._continued(past_key, k, keys), self._continued(past_value, v, values)
        elif self.present:
            np.copyto(rest[0], k)
            np.copyto(rest[1], v)
        bias = self._bias(mask, scores.dtype)
        for block in self._blocks(q.shape, k.shape[2]):
            self._compute(block, q, k, v, bias, y, scores, sums)

    def _continued(self, past: Array, x: Array, whole: Array) -> Array:
        np.copyto(whole[:, :, : self.past], past)
        np.copyto(whole[:, :, self.past :], x)
        return whole

    def _bias(self, mask: Array | None, dtype: np.dtype[Any]) -> Array | None:
        """What is added to all scores, as (batch, heads, queries, keys); None for nothing."""
        bias = self.future
        if self.masked and mask is not None and (added := _additive(mask, dtype)).any():
            bias = added if bias is None else added + bias
        return None if bias is None else bias.reshape((1,) * (4 - bias.ndim) + bias.shape)

    def _blocks(self, shape: tuple[int, ...], keys: int) -> Iterator[_Block]:
        batches, heads, group, queries, _ = shape
        some, few = at_once(heads, group, queries, keys)
        for batch in range(batches):
            for head in range(0, heads, some):
                taken = slice(head, min(head + some, heads))
                for query in range(0, queries, few):
                    yield _Block(batch, taken, slice(query, min(query + few, queries)))

    def _compute(
        self,
        block: _Block,
        q: Array,
        k: Array,
        v: Array,
        bias: Array | None,
        y: Array,
        scores: Array,
        sums: Array,
    ) -> None:
        q, y = q[block.index], y[block.index]
        k, v = k[block.batch, block.heads], v[block.batch, block.heads]
        shape = (*q.shape[:3], k.shape[1])
        rows = q.shape[0] * q.shape[1] * q.shape[2]
        flat, total = scores[:rows], sums[:rows]
        s = flat.reshape(shape)
        np.matmul(q, k.swapaxes(1, 2)[:, None], s)
        np.multiply(flat, flat.dtype.type(self.scale), flat)
        if self.softcap:
            np.divide(flat, flat.dtype.type(self.softcap), flat)
            np.tanh(flat, flat)
            np.multiply(flat, flat.dtype.type(self.softcap), flat)
        if bias is not None:
            bias = self._part(bias, block, q.shape[1])
            np.add(s, bias, s)
        np.exp(flat, flat)
        np.add.reduce(flat, 1, out=total)
        if not (total.min() > _LEAST and total.max() < _MOST):
            np.copyto(y, self._by_kernel(q, k, v, bias))
            return
        np.matmul(s, v[:, None], y)
        np.divide(y, total.reshape(*shape[:3], 1), y)

    def _part(self, bias: Array, block: _Block, group: int) -> Array:
        """The bias of a block, as (heads of k, group, queries, keys)."""
        part = bias[block.batch if bias.shape[0] > 1 else 0]
        if part.shape[1] > 1:
            part = part[:, block.queries]
        if part.shape[0] == 1:
            return part[:, None]
        return part.reshape(-1, group, *part.shape[1:])[block.heads]

    def _by_kernel(self, q: Array, k: Array, v: Array, bias: Array | None) -> Array:
        """The block as the kernel computes it."""
        shape, keys = q.shape, k.shape[1]
        heads = shape[0] * shape[1]
        mask = None
        if bias is not None:
            mask = np.broadcast_to(bias, (*shape[:3], keys)).reshape(1, heads, shape[2], keys)
        y = kernels.table()["attention"](
            q.reshape(1, heads, *shape[2:]), k[None], v[None], mask,
            scale=self.scale, softcap=self.softcap,
        )  # fmt: skip
        return y.reshape(*shape[:3], v.shape[2])


def _additive(mask: Array, dtype: np.dtype[Any]) -> Array:
    """What a mask adds to scores: itself, or -inf where it is false."""
    if mask.dtype != np.bool_:
        return mask
    added: Array = np.zeros(mask.shape, dtype)
    added[~mask] = -np.inf
    return added


def _by_head(x: Array, heads: int) -> Array:
    """(batch, heads, length, size) of what may be packed."""
    if x.ndim == 4:
        return x
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def _grouped(x: Array, heads: int, kv_heads: int) -> Array:
    """(batch, heads of k, group, length, size) of what may be packed."""
    if x.ndim == 4:
        return x.reshape(x.shape[0], kv_heads, heads // kv_heads, *x.shape[2:])
    batch, length, _ = x.shape
    return x.reshape(batch, length, kv_heads, heads // kv_heads, -1).transpose(0, 2, 3, 1, 4)


def _attention(call: Call) -> Function | None:
    params = call.params
    q, k, v = (call.input_types[i] for i in range(3))
    assert q is not None and k is not None and v is not None
    fast = q.dtype.kind == "f" and q.dtype.itemsize in (4, 8) and q.dtype == k.dtype == v.dtype
    if not fast or _is_unusual(params) or len(call.scratch_types) < 2 or call.has(6):
        return None
    past = call.shape(4)[2] if call.has(4) else 0
    if len(q.static_shape) == 4:
        heads, kv_heads = q.static_shape[1], k.static_shape[1]
        queries, size = q.static_shape[2:]
    else:
        heads, kv_heads = params["q_num_heads"], params["kv_num_heads"]
        queries, size = q.static_shape[1], q.static_shape[2] // heads
    keys = call.scratch_types[0].static_shape[1]
    mask = call.input_types[3]
    masked = mask is not None
    if mask is not None and (
        mask.static_shape[-1] != keys or mask.dtype not in (q.dtype, np.bool_)
    ):
        return None
    scale = params.get("scale")
    return _Attention(
        heads, kv_heads, past,
        max(size, 1) ** -0.5 if scale is None else float(scale),
        float(params["softcap"]),
        masked,
        # With one key more than the past no query sees what comes after it.
        _future(call, queries, keys, past) if params["is_causal"] and keys > past + 1 else None,
        bool(params["present"]),
    )  # fmt: skip


def _own_attention(call: Call) -> Function | None:
    """As `_attention`, for operands of any shape; what it does not take goes to the kernel."""
    params, present = call.params, bool(call.params["present"])
    kinds = [kind for kind in (*call.input_types[:3], call.input_types[4]) if kind is not None]
    if not call.computes_all(kinds) or _is_unusual(params) or call.has(6):
        return None
    kernel = partial(kernels.table()["attention"], **params)

    def run(*arrays: Any) -> Any:
        q, k, v, mask, past_key, *_ = arrays
        heads, kv_heads = params["q_num_heads"], params["kv_num_heads"]
        if q.ndim == 4 and k.ndim == 4:
            heads, kv_heads = q.shape[1], k.shape[1]
        if not agree(heads, kv_heads, *arrays[:6]):
            return kernel(*arrays)
        past = 0 if past_key is None else past_key.shape[2]
        four = q.ndim == 4
        batch, queries, length = q.shape[0], q.shape[2 if four else 1], k.shape[2 if four else 1]
        size, v_size = (
            x.shape[3] if four else x.shape[2] // n for x, n in ((q, heads), (v, kv_heads))
        )
        total = past + length
        scale = params.get("scale")
        function = _Attention(
            heads, kv_heads, past,
            max(size, 1) ** -0.5 if scale is None else float(scale),
            float(params["softcap"]),
            mask is not None,
            _masked_future(queries, total, past, q.dtype)
            if params["is_causal"] and length > 1 else None,
            present,
        )  # fmt: skip
        some, few = at_once(kv_heads, heads // kv_heads, queries, total)
        rows = some * (heads // kv_heads) * few
        out = np.empty(
            (batch, heads, queries, v_size) if four else (batch, queries, heads * v_size), q.dtype
        )
        scratch = [np.empty((rows, total), q.dtype), np.empty(rows, q.dtype)]
        whole: list[Array] = []
        if present or past_key is not None:
            whole = [np.empty((batch, kv_heads, total, n), q.dtype) for n in (size, v_size)]
        results = (out, *whole) if present else (out,)
        function(*arrays, *results, *scratch, *(() if present else whole))
        return results if present else out

    return run


def agree(
    heads: int,
    kv_heads: int,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    past_key: Array | None,
    past_value: Array | None,
) -> bool:
    """Whether the shapes go together and nothing is empty; the kernel says what is wrong."""
    if not q.ndim == k.ndim == v.ndim or q.ndim not in (3, 4):
        return False
    if min(heads, kv_heads) < 1 or heads % kv_heads or 0 in (q.size, k.size, v.size):
        return False
    if q.ndim == 3 and (q.shape[2] % heads or k.shape[2] % kv_heads or v.shape[2] % kv_heads):
        return False
    q, k, v = _by_head(q, heads), _by_head(k, kv_heads), _by_head(v, kv_heads)
    same = q.shape[0] == k.shape[0] and k.shape[:3] == v.shape[:3] and q.shape[3] == k.shape[3]
    total = k.shape[2]
    for past, x in ((past_key, k), (past_value, v)):
        if past is not None:
            same = same and (*past.shape[:2], past.shape[-1]) == (*x.shape[:2], x.shape[3])
    if past_key is not None and past_value is not None:
        same = same and past_key.ndim == 4 and past_key.shape[:3] == past_value.shape[:3]
        total += past_key.shape[2]
    if mask is None or not same:
        return same
    if mask.ndim > 4 or mask.ndim < 1 or mask.dtype not in (q.dtype, np.bool_):
        return False
    leading = zip(reversed(mask.shape[:-1]), reversed(q.shape[:3]), strict=False)
    return mask.shape[-1] == total and all(dim in (1, other) for dim, other in leading)


def _is_unusual(params: dict[str, Any]) -> bool:
    windows = params["left_window_size"], params["right_window_size"]
    stages = params.get("qk_matmul_output_mode"), params.get("softmax_precision")
    return windows != (-1, -1) or stages != (None, None) or bool(params["broadcast_mask"])


def _future(call: Call, queries: int, keys: int, past: int) -> Array:
    """-inf for the keys after each query's place, 0 for the others; made once."""
    return call.packed("future", partial(_masked_future, queries, keys, past, call.dtype))


def _masked_future(queries: int, keys: int, past: int, dtype: np.dtype[Any]) -> Array:
    future: Array = np.zeros((queries, keys), dtype)
    future[np.arange(keys) > np.arange(queries)[:, None] + past] = -np.inf
    return future


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late(
        "attention", _attention, "broadcast_mask", "is_causal", "kv_num_heads", "left_window_size",
        "present", "q_num_heads", "qk_matmul_output_mode", "right_window_size", "scale", "softcap",
        "softmax_precision", arity=7, own=_own_attention,
    ),
)  # fmt: skip
