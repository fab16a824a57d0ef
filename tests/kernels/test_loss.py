"""Losses against their definition element by element, and what is no class."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels.loss import negative_log_likelihood_loss


def by_element(x: Any, target: Any, weight: Any, ignored: int | None, reduction: str) -> Any:
    """ONNX's definition, an element at a time, in Python's floats."""
    losses, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(*target.shape):
        label = int(target[place])
        if label == ignored:
            continue
        share = 1.0 if weight is None else float(weight[label])
        losses[place] = -float(x[(place[0], label, *place[1:])]) * share
        total += share
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / total


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple),
    reduction=st.sampled_from(("mean", "none", "sum")),
    ignored=st.sampled_from((None, -1, 0, 2**40)),
    weighted=st.booleans(),
)
def test_loss_is_its_definition(
    data: st.DataObject, shape: tuple[int, ...], reduction: str, ignored: int | None, weighted: bool
):
    """Weights, targets that do not count, inside and outside the classes, and each reduction."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.normal(size=(shape[0], 4, *shape[1:])).astype(np.float32)
    target = rng.integers(1, 4, shape)
    if ignored is not None:
        target[rng.random(shape) < 0.3] = ignored
    target.reshape(-1)[0] = 1
    weight = rng.random(4).astype(np.float32) + np.float32(0.5) if weighted else None
    got = negative_log_likelihood_loss(x, target, weight, ignore_index=ignored, reduction=reduction)
    assert got.dtype == np.float32
    want = by_element(x, target, weight, ignored, reduction)
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_sums_of_narrow_floats_are_of_f32(dtype: Any):
    """4096 times -1/2: beyond what additions in the type itself would reach."""
    x, target = np.full((4096, 1), -0.5, dtype), np.zeros(4096, np.int32)
    got = negative_log_likelihood_loss(x, target, reduction="sum")
    assert got.dtype == dtype
    assert float(got) == 2048


def test_what_does_not_count_is_not_read():
    """NaN at an ignored place costs nothing; a mean of nothing is NaN, without a warning."""
    x, target = np.array([[np.nan, 1.0]], np.float32), np.array([-1])
    assert negative_log_likelihood_loss(x, target, ignore_index=-1, reduction="sum") == 0
    assert np.isnan(negative_log_likelihood_loss(x, target, ignore_index=-1))
    nothing = np.zeros((1, 0), np.float32)
    assert negative_log_likelihood_loss(nothing, target, ignore_index=-1, reduction="none") == [0]


X = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("target", "weight", "why"),
    [
        ([0, 3], None, "target 3 is none of 3 classes"),
        ([-1, 0], None, "target -1 is none of 3 classes"),
        ([0], None, "do not suit"),
        ([0, 1], np.zeros(2, np.float32), "3 classes have weights"),
    ],
)
def test_values_that_make_no_sense_are_refused(target: list[int], weight: Any, why: str):
    with pytest.raises(ValueError, match=why):
        negative_log_likelihood_loss(X, np.array(target), weight)
