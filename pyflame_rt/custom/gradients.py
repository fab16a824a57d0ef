"""Gradients against finite differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.custom.operators import CustomOp
from pyflame_rt.dialects.custom.evaluation import array_of
from pyflame_rt.errors import ValidationError

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class GradientCheck:
    """How far an operator's gradient is from finite differences; true when it is close enough.

    `worst` is the largest difference, relative to the tolerance: up to 1 is close enough. It is of
    the gradient of input `input` at `index`.
    """

    worst: float
    input: int
    index: tuple[int, ...]
    analytic: float
    numeric: float

    def __bool__(self) -> bool:
        return self.worst <= 1

    def __str__(self) -> str:
        said = "agrees" if self else "DIFFERS"
        place = f"input {self.input} at {list(self.index)}"
        return f"gradient {said}: {place} is {self.analytic:.6g}, by differences {self.numeric:.6g}"


def gradcheck(
    op: CustomOp,
    inputs: Sequence[object],
    attrs: Mapping[str, object] | None = None,
    *,
    eps: float = 1e-6,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    seed: int = 0,
) -> GradientCheck:
    """Compare an operator's gradient with central differences of width 2 * `eps`.

    Float inputs are taken as float64, so the operator must compute in it; the outputs are weighted
    by random numbers. For n elements of all float inputs the operator runs 2n times.
    Raises ValidationError when it has no gradient, or nothing to differentiate by.
    """
    arrays = [_wide(value) for value in inputs]
    chosen = [k for k, a in enumerate(arrays) if a is not None and a.dtype.kind == "f" and a.size]
    if not chosen:
        raise ValidationError(
            "none of the inputs holds floats", where=f'custom operator "{op.full_name()}"'
        )
    outputs: list[Array] = op.execute(arrays, attrs)
    generator = np.random.default_rng(seed)
    weights = [
        np.asarray(0.5 + generator.random(y.size), y.dtype).reshape(y.shape) for y in outputs
    ]
    gradients = op.gradient(arrays, weights, attrs)

    def loss() -> float:
        results = op.execute(arrays, attrs)
        pairs = zip(results, weights, strict=True)
        return float(sum(np.sum(y * w, dtype=np.float64) for y, w in pairs))

    worst: GradientCheck | None = None
    for position in chosen:
        array, given = arrays[position], gradients[position]
        assert array is not None
        for index in np.ndindex(array.shape):
            analytic = 0.0 if given is None else float(given[index])
            numeric = _slope(loss, array, index, eps)
            distance = abs(analytic - numeric) / (atol + rtol * abs(numeric))
            distance = np.inf if np.isnan(distance) else distance
            if worst is None or distance > worst.worst:
                worst = GradientCheck(float(distance), position, index, analytic, numeric)
    assert worst is not None
    return worst


def _wide(value: object) -> Array | None:
    if value is None:
        return None
    array = array_of(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _slope(loss: Any, array: Array, index: tuple[int, ...], eps: float) -> float:
    before = array[index]
    array[index] = before + eps
    above = loss()
    array[index] = before - eps
    below = loss()
    array[index] = before
    return (above - below) / (2 * eps)
