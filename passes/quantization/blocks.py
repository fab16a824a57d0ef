"""Matrices as integers of few bits, with a scale for every so many columns of a row.

Either each number becomes the nearest integer, or columns are rounded one after the other, those to
come making up for the error: Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ: Accurate Post-Training
Quantization for Generative Pre-trained Transformers", ICLR 2023. The sweep is that of SparseGPT,
which is GPTQ's with zeros in the place of roundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import ml_dtypes
import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.quantization import dequantize_linear, parameters_of_range, quantize_linear
from pyflame_rt.passes.pruning import surgeon

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Blocked:
    """A matrix (rows x columns) of integers; scales and zero points are rows x blocks."""

    values: Array
    scale: Array
    zero_point: Array
    size: int

    def reals(self) -> Array:
        """What the integers stand for, in f32."""
        return dequantize_linear(
            self.values, self.scale, self.zero_point, axis=1, block_size=self.size
        )


@dataclass(frozen=True)
class BlockRounding:
    """Which integers, how many consecutive columns share a scale, whether it is around 0."""

    dtype: np.dtype[Any]
    size: int
    symmetric: bool = True

    def nearest(self, w: Array) -> Blocked:
        """Each number by itself."""
        starts = cast("Array", np.arange(0, w.shape[1], self.size))
        low, high = (f.reduceat(w, starts, axis=1) for f in (np.minimum, np.maximum))
        scale, zero_point = self._parameters(low, high)
        values = quantize_linear(
            w.astype(np.float32), scale, zero_point, axis=1, block_size=self.size
        )
        return Blocked(values, scale, zero_point, self.size)

    def with_feedback(self, w: Array, gram: Array) -> Blocked:
        """The columns in order, by the sum of x x^T over inputs x of the matrix.

        A block's scale is that of its columns as they are when its turn comes.
        """
        shape = (w.shape[0], -(-w.shape[1] // self.size))
        scale, zero_point = np.ones(shape, np.float32), np.zeros(shape, self.dtype)
        values = np.zeros(w.shape, np.float64)
        limits = ml_dtypes.iinfo(self.dtype)
        least, greatest = int(limits.min), int(limits.max)

        def enter(part: slice, columns: Array, pivots: Array) -> None:
            block = part.start // self.size
            found = self._parameters(columns.min(axis=1), columns.max(axis=1))
            scale[:, block], zero_point[:, block] = found

        def settle(index: int, column: Array) -> Array:
            factor = scale[:, index // self.size]
            shift = zero_point[:, index // self.size].astype(np.float64)
            quotient = column.astype(np.float32) / factor
            values[:, index] = np.clip(np.rint(quotient) + shift, least, greatest)
            return (values[:, index] - shift) * factor

        surgeon.sweep(w, gram, self.size, enter, settle)
        return Blocked(values.astype(np.int64).astype(self.dtype), scale, zero_point, self.size)

    def _parameters(self, low: Array, high: Array) -> tuple[Array, Array]:
        return parameters_of_range(low, high, self.dtype, symmetric=self.symmetric)
