"""Least squares and Optimal Brain Surgeon against what their definitions say."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from pyflame_rt import packed_nm
from pyflame_rt.passes.pruning import masks, nm, reconstruction, surgeon
from pyflame_rt.passes.pruning.reconstruction import Sums, solve

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 12)) @ RNG.standard_normal((12, 12)) + 0.5
W = RNG.standard_normal((5, 12))
MASK = RNG.random((5, 12)) < 0.5


def sums(y: np.ndarray) -> Sums:
    """Those of X and an output, in two batches."""
    found = Sums.empty(12, 5)
    found.add(X[:150], y[:150])
    found.add(X[150:], y[150:])
    return found


@pytest.mark.parametrize("exact", [True, False])
def test_the_weights_of_a_mask_are_those_of_lstsq(exact, monkeypatch):
    """Each output is a problem of its own over the inputs that its mask leaves; by elimination as
    by conjugate gradients."""
    if not exact:
        monkeypatch.setattr(reconstruction, "_EXACT", 0)
    y = X @ W.T
    found = solve(sums(y), W, MASK, shift=False, damping=0)
    assert not found.weights[~MASK].any()
    for row, mask, target in zip(found.weights, MASK, y.T, strict=True):
        best = np.linalg.lstsq(X[:, mask], target, rcond=None)[0]
        np.testing.assert_allclose(row[mask], best, rtol=1e-5, atol=1e-6)


def test_a_bias_moves_along():
    """With a shift the columns have a constant one more."""
    y = X @ W.T + 3
    found = solve(sums(y), W, MASK, shift=True, damping=0)
    for row, move, mask, target in zip(found.weights, found.shift, MASK, y.T, strict=True):
        best = np.linalg.lstsq(np.c_[X[:, mask], np.ones(len(X))], target, rcond=None)[0]
        np.testing.assert_allclose([*row[mask], move], best, rtol=1e-5, atol=1e-6)


def test_what_inputs_say_nothing_of_stays():
    """A dead input leaves its weight where it was, instead of making the system singular."""
    x = X.copy()
    x[:, 3] = 0
    some = Sums.empty(12, 5)
    some.add(x, x @ W.T)
    found = solve(some, W, np.ones_like(MASK), shift=False)
    np.testing.assert_allclose(found.weights, W, rtol=1e-6)


def test_surgery_is_optimal_for_the_last_column_that_goes():
    """One weight that goes in the first column: what the others become is the least squares'."""
    gram = X.T @ X
    mask = np.ones(W.shape, bool)
    mask[:, 0] = False
    found, _ = surgeon.prune(W, gram, partial(masks.unstructured, sparsity=0.5), 0, mask)
    damped = gram + surgeon.DAMPING * np.diag(gram).mean() * np.eye(12)
    for row, w in zip(found, W, strict=True):
        best = np.linalg.solve(damped[1:, 1:], (damped @ w)[1:])
        np.testing.assert_allclose(row[1:], best, rtol=1e-6)


def test_surgery_keeps_patterns_and_beats_mere_zeros():
    """2:4 exactly, and less error at the output than magnitude's zeros leave."""
    found, mask = surgeon.prune(W, X.T @ X, partial(nm.pattern, n=2, m=4), 4)
    assert packed_nm.holds(found, 2, 4)
    assert (mask.reshape(-1, 4).sum(axis=1) == 2).all()
    plain = np.where(nm.pattern(np.abs(W), 2, 4), W, 0)
    assert np.square(X @ (found - W).T).sum() < np.square(X @ (plain - W).T).sum()


def test_inputs_that_were_never_there_do_no_harm():
    """A Gram matrix of zeros is damped to something that can be inverted."""
    found, mask = surgeon.prune(W, np.zeros((12, 12)), partial(masks.unstructured, sparsity=0.5))
    assert np.isfinite(found).all()
    assert mask.sum() == 30
