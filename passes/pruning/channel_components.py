"""Which of many numbers are connected by pairs of them, with arrays instead of single steps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pyflame_rt.passes.pruning.relations.slots import Positions


def components(count: int, pairs: Iterable[tuple[Positions, Positions]]) -> Positions:
    """A label for each of `count` numbers: the same for those that pairs connect, from 0 on.

    Each number takes the label of the smallest one it knows of, by hooking roots onto smaller ones
    and halving paths, until nothing changes (Shiloach and Vishkin, An O(log n) parallel
    connectivity algorithm, 1982).
    """
    labels = np.arange(count, dtype=np.int64)
    listed = list(pairs)
    left = np.concatenate([a for a, _ in listed]) if listed else labels[:0]
    right = np.concatenate([b for _, b in listed]) if listed else labels[:0]
    while len(left):
        mine, theirs = labels[left], labels[right]
        open_pairs = mine != theirs
        left, right = left[open_pairs], right[open_pairs]
        mine, theirs = mine[open_pairs], theirs[open_pairs]
        np.minimum.at(labels, np.maximum(mine, theirs), np.minimum(mine, theirs))
        _flatten(labels)
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _flatten(labels: Positions) -> None:
    """Let each number have the label of its root."""
    while True:
        roots = labels[labels]
        if np.array_equal(roots, labels):
            return
        labels[:] = roots
