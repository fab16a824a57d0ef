"""Numbers written as texts, and read from them."""

from __future__ import annotations

import math
import re
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from pyflame_rt.dtypes import STRING

Array = npt.NDArray[Any]


_NUMERAL = re.compile(
    r"\s*([+-]?)(?:(\d+)|(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|(inf|infinity|nan))\s*",
    re.ASCII | re.IGNORECASE,
)
_MOST_DIGITS = 400
"""More than any finite number has before its point."""


def written(x: Array) -> Array:
    """Each number as a text: integers in decimal, a bool as 1 or 0, floats with eight digits.

    Those are what ONNX Runtime writes: as `%.8g` does, or "NaN", "INF", "-INF".
    """
    is_float = x.dtype.kind in "fV" and "int" not in x.dtype.name
    numbers = x.astype(np.float64 if is_float else object).reshape(-1).tolist()
    result: Array = np.empty(x.size, STRING)
    result[:] = [_float_text(n) if is_float else str(int(n)) for n in numbers]
    return result.reshape(x.shape)


def _float_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "INF" if number > 0 else "-INF"
    return f"{number:.8g}"


def read_floats(x: Array) -> npt.NDArray[np.float64]:
    """The number that each text stands for: decimal, scientific, "INF" or "NaN" in any case.

    Raises ValueError for a text that is no number.
    """
    return np.fromiter(map(_float, x.flat), np.float64, x.size).reshape(x.shape)


def read_integers(x: Array, to: np.dtype[Any]) -> Array:
    """The integer of each text, without what is behind its point.

    Raises ValueError for a text that is no number, and one out of the type's range.
    """
    low, high = int(ml_dtypes.iinfo(to).min), int(ml_dtypes.iinfo(to).max)
    found: Array = np.empty(x.size, STRING)
    for index, text in enumerate(x.flat):
        number = _integer(text)
        if number is None or not low <= number <= high:
            raise ValueError(f"{_shown(text)} is no {to.name}")
        found[index] = number
    return found.astype(to).reshape(x.shape)


def _float(text: str) -> float:
    if _NUMERAL.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is no number")
    return float(text)


def _integer(text: str) -> int | None:
    """The integer part; None of infinity and NaN, and of more digits than any type holds."""
    found = _NUMERAL.fullmatch(text)
    if found is None:
        raise ValueError(f"{_shown(text)} is no number")
    if digits := found[2]:
        return int(text) if len(digits) < _MOST_DIGITS else None
    number = float(text)
    return int(number) if math.isfinite(number) else None


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else f"{text[:40]}…")
