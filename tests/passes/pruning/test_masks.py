"""Masks have as many zeros as was asked for, where scores are lowest, in the pattern asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pyflame_rt import packed_nm
from pyflame_rt.passes.pruning import block, criteria, masks, nm

SCORES = npst.arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4).map(lambda n: 4 * n)),
    elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]),
)  # fmt: skip
SPARSITY = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])


@settings(deadline=None)
@given(SCORES, SPARSITY)
def test_exactly_as_many_go_and_none_that_is_above_one_that_stays(scores, sparsity):
    """Also where many scores are equal."""
    mask = masks.unstructured(scores, sparsity)
    assert mask.size - mask.sum() == round(sparsity * scores.size)
    if mask.any() and not mask.all():
        assert scores[~mask].max() <= scores[mask].min()


@settings(deadline=None)
@given(SCORES, SPARSITY)
def test_layers_together_lose_what_one_array_would(scores, sparsity):
    """A global budget is one of all weights, however they are cut into layers."""
    parts = [scores[:1], scores[1:]] if len(scores) > 1 else [scores]
    found = np.concatenate(masks.together(parts, sparsity))
    assert np.array_equal(found, masks.unstructured(scores, sparsity))


@settings(deadline=None)
@given(SCORES, st.sampled_from([(1, 4), (2, 4), (3, 4), (1, 2), (4, 4)]))
def test_n_of_m_stay_and_they_are_the_highest(scores, pattern):
    """Each group keeps exactly N: a pattern with fewer would give accuracy away."""
    n, m = pattern
    mask = nm.pattern(scores, n, m)
    groups, kept = scores.reshape(-1, m), mask.reshape(-1, m)
    assert (kept.sum(axis=1) == n).all()
    assert np.array_equal(np.sort(groups, 1)[:, m - n :], np.sort(groups[kept].reshape(-1, n), 1))
    assert packed_nm.holds(np.where(mask, 1.0, 0.0), n, m)


def test_a_pattern_is_seen_to_be_broken():
    """`holds` is what reports and packing rely on."""
    assert not packed_nm.holds(np.array([[1.0, 2, 3, 0]]), 2, 4)
    assert not packed_nm.holds(np.zeros((1, 6)), 2, 4)


@settings(deadline=None)
@given(SCORES, SPARSITY)
def test_blocks_stay_or_go_as_a_whole(scores, sparsity):
    """Blocks at the edges are smaller; the sparsity is that of blocks."""
    mask = block.pattern(scores, sparsity, 4, 4)
    for top in range(0, scores.shape[0], 4):
        for left in range(0, scores.shape[1], 4):
            assert len(set(mask[top : top + 4, left : left + 4].reshape(-1).tolist())) == 1
    count = -(-scores.shape[0] // 4) * (scores.shape[1] // 4)
    stay = block.sums(mask, 4, 4) > 0
    assert count - stay.sum() == round(sparsity * count)


@settings(deadline=None)
@given(npst.arrays(np.float32, (3, 4), elements=st.sampled_from([0.0, 0.5, -1.0, 2.0, -3.0])))
def test_lamp_is_its_formula(w):
    """w_u^2 over the sum of all w_v^2 that are not smaller; equal ones in some order."""
    scores = criteria.lamp(w)
    squares = np.square(w.astype(np.float64))
    order = np.argsort(scores, axis=None)
    assert (np.diff(squares.reshape(-1)[order]) >= 0).all()
    for score, square in zip(scores.flat, squares.flat, strict=True):
        above, level = squares[squares > square].sum(), (squares == square).sum()
        wanted = {square / (above + k * square) if square else 0.0 for k in range(1, level + 1)}
        assert min(abs(score - each) for each in wanted) < 1e-12


def test_movement_takes_what_moves_towards_zero():
    """A weight that the gradient makes smaller goes before a smaller one that grows."""
    scores = criteria.movement(np.array([[2.0, 0.1]]), np.array([[1.0, -1.0]]))
    assert scores[0, 0] < scores[0, 1]


@pytest.mark.parametrize("sparsity", [0.25, 0.5])
def test_wanda_looks_at_each_output_by_itself(sparsity):
    """An output of small weights keeps as many as one of large ones."""
    w = np.array([[1.0, 2, 3, 4], [100, 200, 300, 400]])
    mask = masks.of_rows(criteria.wanda(w, np.array([1.0, 1, 1, 1])), sparsity)
    assert (mask.sum(axis=1) == 4 - 4 * sparsity).all()
