"""Outputs against expected ones: which differ, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.dialects.check import difference

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Tolerance:
    """Elements agree when |actual - expected| <= atol + rtol * |expected|."""

    rtol: float = 1e-3
    atol: float = 1e-5


@dataclass(frozen=True)
class Difference:
    """One value against the expected one.

    `absolute` is max |actual - expected|, `relative` that over max |expected|; both are None when
    shapes or dtypes differ, and NaN where only one side is NaN. `why` is empty when they agree.
    """

    name: str
    absolute: float | None
    relative: float | None
    why: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the value is within tolerance."""
        return not self.why

    def as_json(self) -> dict[str, object]:
        """The fields, for a report; JSON has no NaN and infinities: they are null."""
        fields = asdict(self)
        for name in ("absolute", "relative"):
            if fields[name] is not None and not np.isfinite(fields[name]):
                fields[name] = None
        return {**fields, "agrees": self.agrees}

    def __str__(self) -> str:
        if self.absolute is None:
            return f"{self.name}: {self.why}"
        sizes = f"max |Δ| {self.absolute:.3g}, relative to max |expected| {self.relative:.3g}"
        return f"{self.name}: {sizes}" + (f"; {self.why}" if self.why else "")


def compare(name: str, actual: Array, expected: Array, tolerance: Tolerance) -> Difference:
    """Compare two arrays."""
    why = difference(actual, expected, rtol=tolerance.rtol, atol=tolerance.atol) or ""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return Difference(name, None, None, why)
    if actual.size == 0:
        return Difference(name, 0.0, 0.0, why)
    wide = np.complex128 if actual.dtype.kind == "c" else np.float64
    left, right = actual.astype(wide), expected.astype(wide)
    with np.errstate(all="ignore"):
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        gap = np.where(same, 0.0, np.abs(left - right))
        scale = float(np.max(np.abs(right), where=np.isfinite(right), initial=0.0))
    absolute = float(np.max(gap))
    return Difference(name, absolute, absolute / scale if scale else absolute, why)


def compare_all(
    actual: Mapping[str, Array], expected: Mapping[str, Array], tolerance: Tolerance
) -> tuple[Difference, ...]:
    """Compare every expected value that there is; in the order of `expected`."""
    return tuple(
        compare(name, actual[name], array, tolerance)
        for name, array in expected.items()
        if name in actual
    )


def worst(differences: tuple[Difference, ...]) -> Difference | None:
    """The largest relative difference, those of shape or dtype and NaN being larger than any."""

    def size(d: Difference) -> float:
        return float("inf") if d.relative is None or np.isnan(d.relative) else d.relative

    return max(differences, key=size, default=None)
