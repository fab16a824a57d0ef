"""Ensembles of decision trees in the form that the trees family computes with.

Nodes are in an order in which the branches of each lead further on, or to a leaf: no walk from a
root can be endless. A reference that is not negative is a node, `-1 - k` is leaf k.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]

MODES = (
    "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ",
    "BRANCH_MEMBER",
)  # fmt: skip
"""The comparisons of a sample's feature with a node's split, by number."""

AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
"""How the votes for a target become its score, by number."""

MEMBER = MODES.index("BRANCH_MEMBER")
_COMPARISONS = (
    np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal,
)  # fmt: skip
_BLOCK = 1 << 20
"""Walks that are under way at a time: it bounds the memory that a large batch needs."""


@dataclass(frozen=True)
class Broken:
    """What is wrong, and in which part: "form", "nodes", "ways", "votes" or "members"."""

    part: str
    text: str


@dataclass(frozen=True)
class Ensemble:
    """Trees and the votes of their leaves.

    Leaf k has the votes `leaf_offsets[k]` to `leaf_offsets[k + 1]`, one each without offsets. The
    k-th node of mode BRANCH_MEMBER is for the members `member_offsets[k]` and on.
    """

    tree_roots: Array
    nodes_modes: Array
    nodes_featureids: Array
    nodes_splits: Array
    nodes_true: Array
    nodes_false: Array
    leaf_weights: Array
    leaf_targetids: Array
    n_targets: int
    nodes_missing_value_tracks_true: Array | None = None
    leaf_offsets: Array | None = None
    membership_values: Array | None = None
    member_offsets: Array | None = None

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return len(self.leaf_weights if self.leaf_offsets is None else self.leaf_offsets[1:])

    def broken(self) -> Broken | None:
        """The first thing that is wrong, so that evaluating it is safe when nothing is."""
        return next(self._findings(), None)

    def _findings(self) -> Iterator[Broken]:
        count = self.nodes_modes.size
        for name in (
            "tree_roots", "nodes_modes", "nodes_featureids", "nodes_splits", "nodes_true",
            "nodes_false", "leaf_weights", "leaf_targetids", "nodes_missing_value_tracks_true",
            "leaf_offsets", "membership_values", "member_offsets",
        ):  # fmt: skip
            array = getattr(self, name)
            if array is None:
                continue
            if array.ndim != 1:
                yield Broken("form", f"{name} must be a vector, got the shape {list(array.shape)}")
            kinds = "f" if name in ("nodes_splits", "leaf_weights", "membership_values") else "iub"
            if array.dtype.kind not in kinds:
                yield Broken("form", f"{name} cannot hold {array.dtype}")
            if name.startswith("nodes_") and array.size != count:
                yield Broken("form", f"{name} has {array.size} elements for {count} nodes")
        if self.nodes_modes.max(initial=0) > MEMBER or self.nodes_modes.min(initial=0) < 0:
            yield Broken("nodes", f"modes are 0 to {MEMBER}, got {int(self.nodes_modes.max())}")
        if self.nodes_featureids.min(initial=0) < 0:
            yield Broken("nodes", f"there is no feature {int(self.nodes_featureids.min())}")
        yield from self._misled()
        yield from self._lost_votes()
        yield from self._lost_members()

    def _misled(self) -> Iterator[Broken]:
        count = self.nodes_modes.size
        for name in ("tree_roots", "nodes_true", "nodes_false"):
            array = getattr(self, name)
            if array.max(initial=-1) >= count or array.min(initial=0) < -self.leaves:
                parts = f"{count} nodes and {self.leaves} leaves"
                yield Broken("ways", f"{name} leads out of the ensemble of {parts}")
        for name in ("nodes_true", "nodes_false"):
            array = getattr(self, name)
            back = (array >= 0) & (array <= np.arange(count))
            if back.any():
                at = int(np.flatnonzero(back)[0])
                yield Broken("ways", f"{name} leads from node {at} back to {int(array[at])}")

    def _lost_votes(self) -> Iterator[Broken]:
        votes, targets = self.leaf_weights.size, self.leaf_targetids
        if targets.size != votes:
            yield Broken("votes", f"{targets.size} targets for {votes} weights of leaves")
        if not _covers(self.leaf_offsets, votes):
            yield Broken("votes", f"leaf_offsets must ascend from 0 to the {votes} votes")
        if self.n_targets < 1:
            yield Broken("votes", f"n_targets is {self.n_targets}")
        if targets.max(initial=0) >= self.n_targets or targets.min(initial=0) < 0:
            yield Broken("votes", f"a leaf votes for a target that is none of {self.n_targets}")

    def _lost_members(self) -> Iterator[Broken]:
        sets = int(np.count_nonzero(self.nodes_modes == MEMBER))
        given = 0 if self.member_offsets is None else self.member_offsets.size - 1
        if (sets or given > 0) and (given != sets or self.membership_values is None):
            yield Broken(
                "members", f"{max(given, 0)} sets of members for {sets} nodes that ask for one"
            )
        if self.membership_values is not None and not _covers(
            self.member_offsets, self.membership_values.size
        ):
            yield Broken("members", "member_offsets must ascend from 0 to the number of members")

    def reached(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """The leaves that samples reach, some samples at a time: which, and (sample, tree) -> leaf.

        `x` is samples by features.
        """
        features, trees = x.shape[1], self.tree_roots.size
        if self.nodes_featureids.max(initial=-1) >= features:
            most = int(self.nodes_featureids.max())
            raise ValueError(f"a node asks for feature {most} of samples with {features} features")
        step = max(1, _BLOCK // max(trees, 1))
        for start in range(0, len(x), step):
            some = slice(start, min(start + step, len(x)))
            yield some, self._walk(x[some])

    def _walk(self, x: Array) -> Array:
        trees = self.tree_roots.size
        place = np.tile(self.tree_roots.astype(np.int64), len(x))
        walks = np.flatnonzero(place >= 0)
        while walks.size:
            node = place[walks]
            value = x[walks // trees, self.nodes_featureids[node]]
            goes = self._answers(node, value)
            place[walks] = np.where(goes, self.nodes_true[node], self.nodes_false[node])
            walks = walks[place[walks] >= 0]
        return -1 - place.reshape(len(x), trees)

    @cached_property
    def _used_modes(self) -> Array:
        return np.unique(self.nodes_modes)

    def _answers(self, node: Array, value: Array) -> Array:
        """Whether each walk that is at a node takes its true branch."""
        if self._used_modes.size == 1:
            answers = self._compare(int(self._used_modes[0]), node, value)
        else:
            modes = self.nodes_modes[node]
            answers = np.empty(node.size, np.bool_)
            for mode in self._used_modes:
                of_mode = modes == mode
                answers[of_mode] = self._compare(int(mode), node[of_mode], value[of_mode])
        tracks = self.nodes_missing_value_tracks_true
        return answers if tracks is None else answers | (np.isnan(value) & (tracks[node] != 0))

    def _compare(self, mode: int, node: Array, value: Array) -> Array:
        if mode != MEMBER:
            return _COMPARISONS[mode](value, self.nodes_splits[node])
        known, keys, which = self._members
        at = np.searchsorted(known, value)
        found = known.take(at, mode="clip") == value if known.size else np.zeros(at.shape, np.bool_)
        return found & np.isin(which[node] * known.size + at, keys)

    @cached_property
    def _members(self) -> tuple[Array, Array, Array]:
        """All members in order, a key for each that is in a set, and the set of each node."""
        values, offsets = self.membership_values, self.member_offsets
        if values is None or offsets is None:
            raise ValueError("there are no members to compare with")
        known, at = np.unique(values.astype(np.float64), return_inverse=True)
        sets = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
        which = np.cumsum(self.nodes_modes == MEMBER) - 1
        return known, sets * known.size + at.reshape(-1), which

    def scores(self, x: Array, aggregate: str) -> Array:
        """What the leaves that samples reach say of each target: (samples, targets) in f64."""
        check_size((len(x), self.n_targets), np.dtype(np.float64))
        found = np.zeros((len(x), self.n_targets))
        for some, leaves in self.reached(x):
            sample, vote = self._votes(leaves)
            place = sample * self.n_targets + self.leaf_targetids[vote].astype(np.int64)
            weights = self.leaf_weights[vote].astype(np.float64)
            found[some] = _AGGREGATES[aggregate](
                place, weights, len(leaves) * self.n_targets
            ).reshape(-1, self.n_targets)
        return found / max(self.tree_roots.size, 1) if aggregate == "AVERAGE" else found

    def _votes(self, leaves: Array) -> tuple[Array, Array]:
        """Each vote of the leaves that were reached, and the sample that it is for."""
        flat = leaves.reshape(-1)
        sample = np.repeat(np.arange(len(leaves)), leaves.shape[1])
        if self.leaf_offsets is None:
            return sample, flat
        first = self.leaf_offsets[flat].astype(np.int64)
        counts = self.leaf_offsets[flat + 1].astype(np.int64) - first
        ends = np.cumsum(counts)
        within = np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - counts, counts)
        return np.repeat(sample, counts), np.repeat(first, counts) + within


def _covers(offsets: Array | None, count: int) -> bool:
    """Whether offsets divide that many things; without any, each thing is on its own."""
    if offsets is None:
        return True
    ascends = offsets.size > 0 and bool((np.diff(offsets.astype(np.int64)) >= 0).all())
    return ascends and int(offsets[0]) == 0 and int(offsets[-1]) == count


def _total(place: Array, weights: Array, count: int) -> Array:
    return np.bincount(place, weights, count)


def _least(place: Array, weights: Array, count: int) -> Array:
    """The least vote, 0 where there is none."""
    found = np.full(count, np.inf)
    np.minimum.at(found, place, weights)
    return np.where(np.bincount(place, minlength=count) > 0, found, 0)


def _greatest(place: Array, weights: Array, count: int) -> Array:
    return -_least(place, -weights, count)


_AGGREGATES = {"AVERAGE": _total, "SUM": _total, "MIN": _least, "MAX": _greatest}
