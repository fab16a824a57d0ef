"""Finding the greatest elements: one search for each of a few, where the kernel sorts all of them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.numerics import lowest

_FEW = 16
"""More are found sooner by sorting."""


def _top_k(call: Call) -> Function | None:
    shape, params = call.shape(0), call.params
    k, axis = params.get("k"), int(params.get("axis", -1))
    kind = call.dtype.kind
    if k is None or call.has(1) or not shape or axis % len(shape) != len(shape) - 1:
        return None
    largest = bool(params.get("largest", True))
    native = kind == "f" and call.dtype.itemsize in (4, 8)
    # The opposite of an integer may be none.
    if not (native or (kind in "iu" and largest)) or not 0 < k <= min(_FEW, shape[-1]):
        return None
    rows, size = math.prod(shape[:-1]), shape[-1]
    kernel = partial(kernels.table()["top_k"], **params)
    own = None if call.has_scratch(shape) else np.empty(shape, call.dtype)
    each, none = np.arange(rows), lowest(call.dtype)

    def run(x: Array, _k: None, values: Array, indices: Array, *scratch: Array) -> None:
        work = (scratch[0] if own is None else own).reshape(rows, size)
        np.copyto(work, x.reshape(rows, size))
        if not largest:
            np.negative(work, work)
        found, places = values.reshape(rows, k), indices.reshape(rows, k)
        for at in range(k):
            places[:, at] = work.argmax(1)
            best = work[each, places[:, at]]
            if _may_be_taken(best, none):
                _sorted(x, values, indices)
                return
            found[:, at] = best
            work[each, places[:, at]] = none
        if not largest:
            np.negative(values, values)

    def _sorted(x: Array, *out: Array) -> None:
        for target, result in zip(out, kernel(x), strict=True):
            np.copyto(target, result)

    return run


def _may_be_taken(best: Array, none: Any) -> bool:
    """Whether what stands for a taken element is found, or what is not ordered."""
    return not bool((best > none).all())


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("top_k", _top_k, "k", "axis", "largest", "sorted", arity=2),
)
