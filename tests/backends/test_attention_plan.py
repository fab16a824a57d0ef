"""Attention in blocks agrees with its kernel, for all it is told of heads, masks and pasts."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.backends.numpy_backend.algorithms import attention as prepared
from pyflame_rt.dialects.plan.algorithms import attention as planned


def floats(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Normal numbers."""
    drawn = np.random.default_rng(seed + sum(shape)).standard_normal(shape) * scale
    return drawn.astype(np.float32)


HEADS = {"q_num_heads": 4, "kv_num_heads": 4}
SHARED = {"q_num_heads": 4, "kv_num_heads": 2}
LOW = np.finfo(np.float32).min

CASES = {
    # q, k, v, mask, past key and value, properties
    "packed": (floats(2, 5, 32), floats(2, 7, 32), floats(2, 7, 24), None, None, HEADS),
    "by_head": (floats(2, 3, 5, 8), floats(2, 3, 7, 8), floats(2, 3, 7, 6), None, None, {}),
    "shared_heads": (floats(1, 5, 32), floats(1, 7, 16), floats(1, 7, 12), None, None, SHARED),
    "added_mask": (
        floats(2, 5, 32), floats(2, 7, 32), floats(2, 7, 32),
        np.where(np.arange(7) < 4, 0, LOW).astype(np.float32).reshape(1, 1, 1, 7), None, HEADS,
    ),
    "mask_by_head": (
        floats(2, 4, 5, 8), floats(2, 4, 7, 8), floats(2, 4, 7, 8), floats(2, 4, 5, 7), None, {},
    ),
    "truth_by_query": (
        floats(2, 5, 32), floats(2, 7, 32), floats(2, 7, 32),
        np.arange(35).reshape(5, 7) % 3 > 0, None, HEADS,
    ),
    "blind_query": (
        floats(1, 5, 32), floats(1, 7, 32), floats(1, 7, 32),
        np.arange(5)[:, None] * np.ones(7) > 1, None, HEADS,
    ),
    "causal": (
        floats(2, 6, 32), floats(2, 6, 32), floats(2, 6, 32), None, None,
        {**HEADS, "is_causal": True},
    ),
    "causal_of_one_query": (
        floats(2, 1, 32), floats(2, 6, 32), floats(2, 6, 32), None, None,
        {**HEADS, "is_causal": True},
    ),
    "past": (
        floats(2, 3, 32), floats(2, 3, 32), floats(2, 3, 32), None,
        (floats(2, 4, 5, 8), floats(2, 4, 5, 8, seed=1)), {**HEADS, "is_causal": True},
    ),
    "past_and_present": (
        floats(2, 1, 32), floats(2, 1, 32), floats(2, 1, 32), np.zeros((1, 6), np.float32),
        (floats(2, 4, 5, 8), floats(2, 4, 5, 8, seed=1)), {**HEADS, "present": True},
    ),
    "present_alone": (
        floats(1, 2, 32), floats(1, 2, 32), floats(1, 2, 32), None, None,
        {**HEADS, "present": True},
    ),
    "capped": (
        floats(1, 5, 32), floats(1, 7, 32), floats(1, 7, 32), None, None,
        {**HEADS, "softcap": 2.0, "scale": 0.5},
    ),
    "large_scores": (
        floats(1, 5, 32, scale=30), floats(1, 7, 32, scale=30), floats(1, 7, 32), None, None,
        HEADS,
    ),
    "heads_of_no_size": (
        floats(1, 2, 5, 0), floats(1, 2, 7, 0), floats(1, 2, 7, 3), None, None, {},
    ),
    "small_scores": (
        floats(1, 5, 32), floats(1, 7, 32), floats(1, 7, 32),
        np.full((1, 7), -50, np.float32), None, HEADS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("block", [1 << 16, 30, 8])
@pytest.mark.parametrize("name", CASES)
def test_attention(name: str, block: int, check_case, new_case, monkeypatch):
    """With blocks of all heads, of some, and of a few queries of one."""
    monkeypatch.setattr(planned, "_AT_ONCE", block)
    q, k, v, mask, past, properties = CASES[name]
    operands = [q, k, v, mask, *(past or (None, None)), None]
    check_case(new_case("attention", operands, properties), rtol=2e-5, atol=2e-6)


def test_common_scores_need_no_kernel(check_case, new_case, monkeypatch):
    """The way without maxima is the one that is taken."""

    def refuse(*_: object) -> None:
        raise AssertionError("the kernel ran")

    q, k, v, mask, _, properties = CASES["added_mask"]
    monkeypatch.setattr(prepared._Attention, "_by_kernel", refuse)
    check_case(new_case("attention", [q, k, v, mask, None, None, None], properties, (3,)))
