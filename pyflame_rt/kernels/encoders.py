"""Values looked up among known ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]


def _positions(x: Array, keys: Array) -> Array:
    """Where each element is among the keys, the last where it is twice; -1 where it is not."""
    if x.dtype == np.object_:
        known = {key: at for at, key in enumerate(keys)}
        found = (known.get(item, -1) for item in x.reshape(-1))
        return np.fromiter(found, np.int64, x.size).reshape(x.shape)
    if keys.size == 0:
        return np.full(x.shape, -1, np.int64)
    # NaN comes last in the order, and is found there.
    order = np.argsort(keys, kind="stable")
    place = order[np.searchsorted(keys[order], x, side="right") - 1]
    key = keys[place]
    return np.where((key == x) | ((key != key) & (x != x)), place, -1)


def label_encoder(x: Array, *, keys: Array, values: Array, default: Array) -> Array:
    """The value beside the key that an element is, else the default."""
    at = _positions(x, keys)
    found = np.empty(at.shape, values.dtype)
    found[...] = np.concatenate([values, default.reshape(1)])[at]
    return found


def one_hot_encoder(x: Array, *, cats: Array, zeros: bool = True) -> Array:
    """1 at the place of the category that an element is, 0 at those of the others."""
    check_size((*x.shape, cats.size), np.dtype(np.float32))
    if x.dtype.kind == "f":
        at = _positions(np.trunc(x).astype(np.float64), cats.astype(np.float64))
    else:
        at = _positions(x, cats)
    if not zeros and (at < 0).any():
        raise ValueError(f"{x[at < 0].tolist()[0]!r} is none of the {cats.size} categories")
    return (at[..., None] == np.arange(cats.size)).astype(np.float32)
