"""Matrices of an N:M pattern, packed: N values of each M consecutive ones, and where they were."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import ShapeMismatchError, ValidationError
from pyflame_rt.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]


PATTERNS = ((1, 4), (2, 4), (4, 8))
"""What is looked for in weights of which nobody says which pattern they have, sparsest first."""


def matrix_of(weights: Array, turned: bool) -> Array:
    """Weights as outputs x inputs, the channels of a convolution's tap together; `turned` says that
    those of a product are so already."""
    if weights.ndim > 2:
        return np.moveaxis(weights, 1, -1).reshape(len(weights), -1)
    return weights if turned else weights.T


def holds(matrix: Array, n: int, m: int) -> bool:
    """Whether no M consecutive elements of a row have more than N that are not 0."""
    if matrix.shape[-1] % m:
        return False
    return bool((np.count_nonzero(matrix.reshape(-1, m), axis=1) <= n).all())


def pattern_of(matrix: Array) -> tuple[int, int] | None:
    """The first of `PATTERNS` that a matrix has."""
    return next(((n, m) for n, m in PATTERNS if holds(matrix, n, m)), None)


@dataclass(frozen=True, eq=False)
class PackedNM:
    """rows x columns by `values` (rows, columns / M * N) and `places` of the same shape, 0 to M - 1.

    It takes N / M of the values and a byte for each. NumPy multiplies it more slowly than the dense
    matrix: hardware with units for the pattern is what it is for (docs/pruning.md has figures).
    """

    values: Array
    places: npt.NDArray[np.uint8]
    columns: int
    n: int
    m: int

    @staticmethod
    def from_dense(matrix: Tensor | Array, n: int = 2, m: int = 4) -> PackedNM:
        """Pack a matrix. Raises ValidationError when some M elements have more than N nonzeros."""
        array = np.asarray(matrix)
        if array.ndim != 2 or not 0 < n <= m <= 256 or not holds(array, n, m):
            raise ValidationError(
                f"has no pattern of {n}:{m}", where=f"matrix of {list(array.shape)}"
            )
        groups = array.reshape(array.shape[0], -1, m)
        # What is not 0 first, in order; then zeros to make it N.
        places = np.sort(np.argsort(groups == 0, axis=2, kind="stable")[..., :n], axis=2)
        values = np.take_along_axis(groups, places, axis=2)
        shape = (array.shape[0], -1)
        return PackedNM(
            values.reshape(shape), places.astype(np.uint8).reshape(shape), array.shape[1], n, m
        )

    @property
    def shape(self) -> tuple[int, int]:
        """That of the dense matrix."""
        return len(self.values), self.columns

    def to_dense(self) -> Tensor:
        """All elements."""
        array = np.zeros(self.shape, self.values.dtype)
        np.put_along_axis(array, self._index, self.values, axis=1)
        return Tensor.owning(array)

    def memory_bytes(self) -> int:
        """Bytes of values and places."""
        return self.values.nbytes + self.places.nbytes

    def compression_ratio(self) -> float:
        """Bytes of all elements for each byte held."""
        size = self.shape[0] * self.columns * self.values.itemsize
        return size / self.memory_bytes() if size else 1.0

    def matmul(self, x: Tensor | Array) -> Tensor:
        """The product with a vector or matrix. Raises ShapeMismatchError."""
        array = np.asarray(x)
        if array.ndim not in (1, 2) or len(array) != self.columns:
            raise ShapeMismatchError(
                f"{list(self.shape)} times {list(array.shape)}", where="PackedNM.matmul"
            )
        return Tensor.owning(self @ array)

    def __matmul__(self, x: Array) -> Array:
        """The same of arrays whose shapes are known to fit."""
        index, columns = self._index, x.reshape(self.columns, -1)
        if columns.shape[1] <= len(self.values):
            each = [np.einsum("ij,ij->i", self.values, column[index]) for column in columns.T]
            product = np.stack(each, axis=-1) if each else np.zeros((len(index), 0), x.dtype)
        else:
            # What one output meets lies in rows then.
            product = np.stack(
                [row @ columns[at] for row, at in zip(self.values, index, strict=True)]
            )
        return product.reshape(len(self.values), *x.shape[1:])

    @cached_property
    def _index(self) -> npt.NDArray[np.intp]:
        """The column of each value."""
        groups = np.arange(self.places.shape[1], dtype=np.intp) // self.n * self.m
        return self.places.astype(np.intp) + groups
