"""Weights that make a pruned layer's output what it was, as well as its mask allows.

Least squares on recorded inputs, each output by itself: the exact solution for a mask that Optimal
Brain Surgeon approaches weight by weight (Hassibi, Stork 1992; Frantar, Singh, Alistarh, "Optimal
Brain Compression", NeurIPS 2022). Inputs are those of the pruned model, outputs those of the dense
one, so that a layer also makes up for the ones before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]

_EXACT = 640
"""Columns up to which a system of equations is solved for each output whose mask is its own."""

_ITERATIONS = 60
_SMALL = 1e-10


@dataclass
class Sums:
    """What least squares needs of inputs x (samples x columns) and outputs y (samples x rows)."""

    count: int
    gram: Array
    """x^T x."""
    cross: Array
    """x^T y."""
    x: Array
    y: Array

    @staticmethod
    def empty(columns: int, rows: int) -> Sums:
        """Of no samples."""
        return Sums(
            0,
            np.zeros((columns, columns)),
            np.zeros((columns, rows)),
            np.zeros(columns),
            np.zeros(rows),
        )

    def add(self, x: Array, y: Array) -> None:
        """Count samples in, but for those that are not finite."""
        finite = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
        if not finite.all():
            x, y = x[finite], y[finite]
        self.count += len(x)
        self.gram += x.T @ x
        self.cross += x.T @ y
        self.x += x.sum(axis=0)
        self.y += y.sum(axis=0)

    def centered(self) -> tuple[Array, Array]:
        """Gram matrix and cross sums of x and y less their means."""
        gram = self.gram - np.outer(self.x, self.x) / self.count
        return gram, self.cross - np.outer(self.x, self.y) / self.count


@dataclass(frozen=True)
class Solution:
    """Weights (rows x columns), and the shift of the output: 0 where none was asked for."""

    weights: Array
    shift: Array


def solve(sums: Sums, w: Array, mask: Mask, *, shift: bool, damping: float = 1e-3) -> Solution:
    """min |x w^T + shift - y|^2 + damping |w - w_0|^2 over the weights of the mask.

    `w` are the weights before; `damping` is a part of the mean of x^2.
    """
    gram, cross = sums.centered() if shift else (sums.gram, sums.cross)
    diagonal = np.einsum("ii->i", gram := gram.copy())
    mean = float(diagonal.mean()) if diagonal.size else 0.0
    start = np.where(mask, w, 0.0).astype(np.float64)
    wanted = cross.T + damping * mean * start
    diagonal += damping * (mean or 1.0)
    rows, first = np.unique(mask, axis=0, return_inverse=True)
    if gram.shape[0] <= _EXACT or len(rows) <= mask.shape[0] // 8:
        found = start
        for index, row in enumerate(rows):
            alike = np.flatnonzero(first.reshape(-1) == index)
            taken = np.flatnonzero(row)
            if taken.size:
                part = np.linalg.solve(gram[np.ix_(taken, taken)], wanted[np.ix_(alike, taken)].T)
                found[np.ix_(alike, taken)] = part.T
    else:
        found = _conjugate_gradients(gram, wanted, start, mask)
    moved = (sums.y - found @ sums.x) / max(sums.count, 1) if shift else np.zeros(len(found))
    return Solution(found, moved)


def _conjugate_gradients(gram: Array, wanted: Array, start: Array, mask: Mask) -> Array:
    """The weights of all outputs at once, each in the space of its own mask."""
    scale = 1 / np.diagonal(gram)
    w = start.copy()
    rest = (wanted - w @ gram) * mask
    direction = rest * scale
    energy = np.einsum("ij,ij->i", rest, direction)
    least = _SMALL * np.maximum(energy, np.finfo(np.float64).tiny)
    for _ in range(_ITERATIONS):
        image = (direction @ gram) * mask
        curvature = np.einsum("ij,ij->i", direction, image)
        step = np.divide(energy, curvature, out=np.zeros_like(energy), where=curvature > 0)
        w += step[:, None] * direction
        rest -= step[:, None] * image
        ahead = rest * scale
        after = np.einsum("ij,ij->i", rest, ahead)
        if (after <= least).all():
            break
        turn = np.divide(after, energy, out=np.zeros_like(energy), where=energy > 0)
        direction = ahead + turn[:, None] * direction
        energy = after
    return w
