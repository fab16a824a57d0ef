"""Which scores of an attention count, as numbers that are added to them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pyflame_rt.dialects.pfrt.attention import AttentionOp
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.types import shape_of

LEAST: Final = -3e4
"""What is added to a score that does not count: small beside all that do, and a number in half precision."""


def mask_of(op: AttentionOp) -> npt.NDArray[np.float32] | str | None:
    """Heads (or one for all) x queries x keys; None when all count, and a reason for what is no constant.

    The operands are one sequence, without a past.
    """
    length = (shape_of(op.q) or (1, 1, 1))[-2]
    given = None if op.mask is None else constant_of(op.mask)
    if op.mask is not None and given is None:
        return "its mask is no constant"
    found = np.zeros((1, length, length), np.float32)
    if given is not None:
        added = _added(given)
        while added.ndim > 3 and added.shape[0] == 1:
            added = added[0]
        if added.ndim > 3 or added.shape[-1] not in (1, length):
            return "its mask is not one of its heads"
        if added.shape[-1] != length and op.broadcast_mask.value.data == 0:
            return "its mask is not one of its heads"
        found = found + np.broadcast_to(added, np.broadcast_shapes(added.shape, found.shape))
    found = np.where(_seen(op, length), found, LEAST)
    found = np.maximum(found, LEAST).astype(np.float32)
    if (found <= LEAST).all(-1).any():
        return "its mask leaves a query nothing"
    return found if found.any() else None


def _added(mask: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if mask.dtype == np.bool_:
        return np.where(mask, 0.0, LEAST).astype(np.float32)
    return np.maximum(mask.astype(np.float32), LEAST)


def _seen(op: AttentionOp, length: int) -> npt.NDArray[np.bool_]:
    """Queries x keys: what `is_causal` and the windows leave."""
    distance = np.arange(length) - np.arange(length)[:, None]
    seen = np.ones((length, length), np.bool_)
    if op.is_causal.value.data:
        seen &= distance <= 0
    left, right = op.left_window_size.value.data, op.right_window_size.value.data
    if left >= 0:
        seen &= distance >= -left
    if right >= 0:
        seen &= distance <= right
    return seen
