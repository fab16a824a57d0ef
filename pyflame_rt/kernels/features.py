"""Features on their way into a model: scaled, filled in, put together, encoded as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.encoders import label_encoder, one_hot_encoder
from pyflame_rt.kernels.maps import cast_map, dict_vectorizer, zip_map
from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]

__all__ = [
    "array_feature_extractor", "binarizer", "cast_map", "dict_vectorizer", "feature_vectorizer",
    "imputer", "label_encoder", "normalizer", "one_hot_encoder", "scaler", "zip_map",
]  # fmt: skip

NORMS = ("MAX", "L1", "L2")
"""What a sample can be divided by."""


def binarizer(x: Array, *, threshold: float = 0.0) -> Array:
    """1 where a feature is greater than the threshold, else 0."""
    return (x > np.float64(threshold)).astype(x.dtype)


def imputer(x: Array, *, imputed_values: Array, replaced_value: float) -> Array:
    """x with another number for each one that stands for a missing value."""
    missing = np.isnan(x) if np.isnan(replaced_value) else x == x.dtype.type(replaced_value)
    return np.where(missing, imputed_values.astype(x.dtype), x)


def normalizer(x: Array, *, norm: str = "MAX") -> Array:
    """Each sample divided by its norm, where that is not 0."""
    wide = x.astype(np.float64)
    axis = -1 if x.ndim else None
    with np.errstate(all="ignore"):
        match norm:
            case "MAX":
                size = wide.max(axis=axis, keepdims=True, initial=-np.inf)
            case "L1":
                size = np.abs(wide).sum(axis=axis, keepdims=True)
            case "L2":
                size = np.sqrt((wide * wide).sum(axis=axis, keepdims=True))
            case _:
                raise ValueError(f'there is no norm "{norm}"')
        return np.where(size == 0, wide, wide / size).astype(np.float32)


def scaler(x: Array, *, offset: Array | None = None, scale: Array | None = None) -> Array:
    """(x - offset) * scale."""
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        wide = wide if offset is None else wide - offset
        return (wide if scale is None else wide * scale).astype(np.float32)


def feature_vectorizer(*inputs: Array, inputdimensions: Sequence[int] | None = None) -> Array:
    """The features of all operands side by side; a vector is one sample."""
    matrices = [x[None] if x.ndim == 1 else x.reshape(len(x), -1 if x.size else 0) for x in inputs]
    samples = len(matrices[0])
    if any(len(matrix) != samples for matrix in matrices):
        raise ValueError(f"operands of {sorted({len(m) for m in matrices})} samples")
    counts = [m.shape[1] for m in matrices] if inputdimensions is None else list(inputdimensions)
    check_size((samples, sum(counts)), np.dtype(np.float32))
    found = np.zeros((samples, sum(counts)), np.float32)
    start = 0
    for matrix, count in zip(matrices, counts, strict=True):
        taken = min(count, matrix.shape[1])
        with np.errstate(over="ignore"):
            found[:, start : start + taken] = matrix[:, :taken]
        start += count
    return found


def array_feature_extractor(x: Array, indices: Array) -> Array:
    """The features of x at some indices; a vector is one sample."""
    features, flat = x.shape[-1], indices.reshape(-1)
    outside = (flat < 0) | (flat >= features)
    if outside.any():
        raise ValueError(f"index {int(flat[outside][0])} is outside of {features} features")
    check_size((*x.shape[:-1], flat.size), x.dtype)
    found = np.take(x, flat, axis=-1)
    return found[None] if x.ndim == 1 else found
