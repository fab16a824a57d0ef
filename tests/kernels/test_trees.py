"""Ensembles of trees: walked one sample and one node at a time, in another way than the kernel's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyflame_rt.kernels.ensembles import Ensemble
from pyflame_rt.kernels.trees import tree_ensemble, tree_ensemble_classifier

MEMBER = 6


def ensemble(**changes: Any) -> dict[str, Any]:
    """One node that compares feature 0 with 0.5, its leaves voting 1 and 2 for target 0."""
    return {
        "tree_roots": np.array([0]),
        "nodes_modes": np.array([0], np.uint8),
        "nodes_featureids": np.array([0]),
        "nodes_splits": np.array([0.5], np.float32),
        "nodes_true": np.array([-1]),
        "nodes_false": np.array([-2]),
        "leaf_weights": np.array([1, 2], np.float32),
        "leaf_targetids": np.array([0, 0]),
        "n_targets": 1,
        **changes,
    }


def forest(rng: np.random.Generator, trees: int, depth: int, features: int) -> dict[str, Any]:
    """Full trees of every mode; leaves have none to three votes for three targets."""
    inner = 2**depth - 1
    nodes = np.arange(trees * inner)
    place = nodes % inner
    last = place >= inner // 2
    leaf = (nodes // inner) * (inner + 1) + 2 * place + 1 - inner
    modes = rng.integers(0, 7, nodes.size)
    sets = [rng.integers(-4, 5, rng.integers(1, 4)) for _ in range(np.count_nonzero(modes == 6))]
    votes = rng.integers(0, 4, trees * (inner + 1))
    return ensemble(
        tree_roots=np.arange(trees) * inner,
        nodes_modes=modes.astype(np.uint8),
        nodes_featureids=rng.integers(0, features, nodes.size),
        nodes_splits=rng.integers(-4, 5, nodes.size).astype(np.float32),
        nodes_true=np.where(last, -1 - leaf, nodes + place + 1),
        nodes_false=np.where(last, -2 - leaf, nodes + place + 2),
        nodes_missing_value_tracks_true=rng.random(nodes.size) < 0.5,
        membership_values=np.concatenate([*sets, []]).astype(np.float32),
        member_offsets=np.cumsum([0, *map(len, sets)]),
        leaf_weights=rng.integers(-8, 9, votes.sum()).astype(np.float32),
        leaf_targetids=rng.integers(0, 3, votes.sum()),
        leaf_offsets=np.cumsum([0, *votes]),
        n_targets=3,
    )


def votes_of(parts: dict[str, Any], sample: np.ndarray) -> list[tuple[int, float]]:
    """Target and weight of each vote for a sample."""
    sets = np.cumsum(parts["nodes_modes"] == MEMBER) - 1
    found = []
    for root in parts["tree_roots"]:
        at = int(root)
        while at >= 0:
            value, split = sample[parts["nodes_featureids"][at]], parts["nodes_splits"][at]
            start, end = (
                parts["member_offsets"][sets[at] : sets[at] + 2] if sets[at] >= 0 else (0, 0)
            )
            answers = (
                value <= split, value < split, value >= split, value > split, value == split,
                value != split, value in parts["membership_values"][start:end],
            )  # fmt: skip
            goes = answers[parts["nodes_modes"][at]]
            if np.isnan(value) and parts["nodes_missing_value_tracks_true"][at]:
                goes = True
            at = int(parts["nodes_true" if goes else "nodes_false"][at])
        first, last = parts["leaf_offsets"][[-1 - at, -at]]
        found += [(int(parts["leaf_targetids"][k]), float(parts["leaf_weights"][k]))
                  for k in range(first, last)]  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_each_sample_takes_its_way(seed, aggregate):
    """Modes, NaN and infinities, sets of members, leaves with any number of votes."""
    rng = np.random.default_rng(seed)
    parts = forest(rng, trees=int(rng.integers(1, 5)), depth=int(rng.integers(1, 5)), features=3)
    x = rng.integers(-5, 6, (40, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.1] = np.inf
    together = {"SUM": sum, "AVERAGE": lambda v: sum(v) / len(parts["tree_roots"]),
                "MIN": lambda v: min(v, default=0), "MAX": lambda v: max(v, default=0)}[aggregate]  # fmt: skip
    expected = [
        [together([w for to, w in votes_of(parts, sample) if to == target]) for target in range(3)]
        for sample in x
    ]
    actual = tree_ensemble(x, aggregate_function=aggregate, **parts)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, np.array(expected, np.float32), rtol=1e-6)


def test_many_walks_are_done_some_at_a_time(monkeypatch):
    """A batch too large for one go gives what its samples give one by one."""
    rng = np.random.default_rng(0)
    parts, x = forest(rng, 3, 3, 2), rng.integers(-5, 6, (50, 2)).astype(np.float64)
    whole = tree_ensemble(x, **parts)
    monkeypatch.setattr("pyflame_rt.kernels.ensembles._BLOCK", 10)
    assert np.array_equal(tree_ensemble(x, **parts), whole)
    assert np.array_equal(np.concatenate([tree_ensemble(row, **parts) for row in x]), whole)


def test_thresholds_are_compared_exactly():
    """A double that is not a float's threshold is on its own side of it."""
    split = np.float32(0.1)
    x = np.array([[split], [0.1], [np.nextafter(np.float64(split), 1)]])
    scores = tree_ensemble(x, **ensemble(nodes_splits=np.array([split])))
    assert scores.dtype == np.float64
    assert scores.ravel().tolist() == [1, 1, 2]


def test_no_samples_and_trees_of_one_leaf():
    """Zero rows give zero rows; a root may be a leaf."""
    parts = ensemble()
    assert tree_ensemble(np.zeros((0, 1), np.float32), **parts).shape == (0, 1)
    leaves = tree_ensemble(
        np.zeros((2, 1), np.float32), **{**parts, "tree_roots": np.array([-2, 0])}
    )
    assert leaves.ravel().tolist() == [3, 3]


def test_base_values_come_before_the_transform():
    """softmax(votes + base)."""
    parts = ensemble(leaf_targetids=np.array([0, 1]), n_targets=2)
    scores = tree_ensemble(np.array([[0.0]]), base_values=np.array([-1.0, 0.0]),
                           post_transform="SOFTMAX", **parts)  # fmt: skip
    np.testing.assert_allclose(scores, [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("weights", "labels", "scores"),
    [
        ([0.5, 0.75], [0, 1], [[0.5, 0.5], [0.25, 0.75]]),
        ([-0.25, 0.25], [0, 1], [[0.25, -0.25], [-0.25, 0.25]]),
    ],
)
def test_one_target_is_for_two_classes(weights, labels, scores):
    """Votes that are never negative are chances of the second class, others are for or against."""
    parts = ensemble(leaf_weights=np.array(weights, np.float32))
    chosen, found = tree_ensemble_classifier(np.array([[0], [1]], np.float32), **parts)
    assert chosen.tolist() == labels
    assert found.dtype == np.float32
    assert found.tolist() == scores


def test_the_first_of_equal_classes_is_chosen():
    """As argmax does."""
    parts = ensemble(
        leaf_weights=np.ones(2, np.float32), leaf_targetids=np.array([2, 1]), n_targets=4
    )
    chosen, scores = tree_ensemble_classifier(np.array([[0], [1]], np.float32), **parts)
    assert chosen.tolist() == [2, 1]
    assert scores.sum() == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nodes_true": np.array([0])}, "nodes_true leads from node 0 back to 0"),
        ({"nodes_false": np.array([1])}, "nodes_false leads out of the ensemble"),
        ({"nodes_false": np.array([-3])}, "nodes_false leads out of the ensemble"),
        ({"tree_roots": np.array([1])}, "tree_roots leads out of the ensemble"),
        ({"nodes_splits": np.zeros(2, np.float32)}, "nodes_splits has 2 elements for 1 nodes"),
        ({"nodes_modes": np.array([7], np.uint8)}, "modes are 0 to 6, got 7"),
        ({"nodes_featureids": np.array([-1])}, "there is no feature -1"),
        ({"leaf_targetids": np.array([0, 1])}, "votes for a target that is none of 1"),
        ({"leaf_offsets": np.array([0, 3, 2])}, "leaf_offsets must ascend"),
        ({"nodes_modes": np.array([6], np.uint8)}, "0 sets of members for 1 nodes"),
    ],
)
def test_broken_ensembles_are_refused(changes, why):
    """Before a walk that would not end, or end anywhere."""
    broken = Ensemble(**ensemble(**changes)).broken()
    assert broken is not None
    assert why in broken.text
    with pytest.raises(ValueError, match=why.split("(")[0]):
        tree_ensemble(np.zeros((1, 1), np.float32), **ensemble(**changes))


def test_samples_without_the_features_are_refused():
    """The features are counted before any is looked up."""
    with pytest.raises(ValueError, match="asks for feature 0 of samples with 0 features"):
        tree_ensemble(np.zeros((1, 0), np.float32), **ensemble())
