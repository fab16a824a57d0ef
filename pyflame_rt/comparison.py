"""Outputs against expected ones: which differ, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, cast

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
    """Compare two arrays; strings agree when they are equal."""
    why = difference(actual, expected, rtol=tolerance.rtol, atol=tolerance.atol) or ""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return Difference(name, None, None, why)
    if actual.size == 0:
        return Difference(name, 0.0, 0.0, why)
    if actual.dtype == np.object_:
        return Difference(name, None if why else 0.0, None if why else 0.0, why)
    wide = np.complex128 if actual.dtype.kind == "c" else np.float64
    left, right = actual.astype(wide), expected.astype(wide)
    with np.errstate(all="ignore"):
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        gap = np.where(same, 0.0, np.abs(left - right))
        scale = float(np.max(np.abs(right), where=np.isfinite(right), initial=0.0))
    absolute = float(np.max(gap))
    return Difference(name, absolute, absolute / scale if scale else absolute, why)


def compare_all(
    actual: Mapping[str, Any], expected: Mapping[str, Any], tolerance: Tolerance
) -> tuple[Difference, ...]:
    """Compare every expected value that there is, in the order of `expected`.

    Of sequences and maps each item is compared: `s[0]` of the sequence `s`.
    """
    return tuple(
        difference
        for name, value in expected.items()
        if name in actual
        for difference in _compare(name, actual[name], value, tolerance)
    )


def _compare(
    name: str, actual: object, expected: object, tolerance: Tolerance
) -> Iterator[Difference]:
    kinds = [_kind(value) for value in (actual, expected)]
    if kinds[0] != kinds[1]:
        yield Difference(name, None, None, f"got {kinds[0]}, expected {kinds[1]}")
        return
    match expected:
        case list():
            pairs = zip(cast("list[object]", actual), cast("list[object]", expected), strict=True)
            for number, (left, right) in enumerate(pairs):
                yield from _compare(f"{name}[{number}]", left, right, tolerance)
        case dict():
            for key, value in cast("dict[object, object]", expected).items():
                left = cast("dict[object, object]", actual).get(key)
                yield from _compare(f"{name}[{key!r}]", left, value, tolerance)
        case None:
            yield Difference(name, 0.0, 0.0)
        case _:
            left, right = (_array(value) for value in (actual, expected))
            yield compare(name, left, right, tolerance)


def _array(value: object) -> Array:
    """An array; of a map's value one without dimensions."""
    return np.array(value, np.object_) if isinstance(value, str) else np.asarray(value)


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case list():
            return f"a sequence of {len(cast('list[object]', value))}"
        case dict():
            return f"a map of {len(cast('dict[object, object]', value))}"
        case _:
            return "a tensor"


def worst(differences: tuple[Difference, ...]) -> Difference | None:
    """The largest relative difference, those of shape or dtype and NaN being larger than any."""

    def size(d: Difference) -> float:
        return float("inf") if d.relative is None or np.isnan(d.relative) else d.relative

    return max(differences, key=size, default=None)
