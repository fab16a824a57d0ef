"""Maps are dicts from `int` or `str` to numbers or `str`. They are never written to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.dtypes import STRING
from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]
Key: TypeAlias = int | str
Value: TypeAlias = float | int | str


def _text(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:f}"


_CASTS: dict[str, tuple[Callable[[Any], Value], np.dtype[Any], Value]] = {
    "TO_FLOAT": (float, np.dtype(np.float32), 0.0),
    "TO_INT64": (int, np.dtype(np.int64), 0),
    "TO_STRING": (_text, STRING, "0.f"),
}
"""How a value is cast, to what, and what stands where there is none."""


def cast_map(
    x: Mapping[int, Value],
    *,
    cast_to: str = "TO_FLOAT",
    map_form: str = "DENSE",
    max_map: int = 1,
) -> Array:
    """The values of a map in the order of their keys, or at the places that those are."""
    cast, dtype, nothing = _CASTS[cast_to]
    try:
        values = {key: cast(x[key]) for key in sorted(x)}
    except (OverflowError, ValueError) as error:
        raise ValueError(f"a map's value cannot be cast {cast_to.lower()}: {error}") from error
    if map_form == "DENSE":
        return _row(list(values.values()), dtype)
    if values and not 0 <= min(values) <= max(values) < max_map:
        raise ValueError(f"a map's keys {min(values)} to {max(values)} are not below {max_map}")
    check_size((max_map,), dtype)
    return _row([values.get(place, nothing) for place in range(max_map)], dtype)


def dict_vectorizer(x: Mapping[Key, Value], *, vocabulary: Array, dtype: np.dtype[Any]) -> Array:
    """A map's values in the order of a vocabulary; 0 or "" for what it does not have."""
    nothing = "" if dtype == np.object_ else 0
    return _row([x.get(word, nothing) for word in vocabulary.tolist()], dtype)


def zip_map(x: Array, *, labels: Array) -> list[dict[Key, float]]:
    """A map for each sample, from the labels of classes to their scores."""
    samples = x if x.ndim == 2 else x[None]
    if samples.shape[1] != labels.size:
        raise ValueError(f"{labels.size} labels for {samples.shape[1]} scores")
    keys = labels.tolist()
    return [dict(zip(keys, row, strict=True)) for row in samples.tolist()]


def _row(values: list[Value], dtype: np.dtype[Any]) -> Array:
    row = np.empty((1, len(values)), dtype)
    with np.errstate(over="ignore"):
        row[0] = values
    return row
