"""Sums of two quantized tensors that are quantized again: fewer roundings that give the same integers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.elementwise import AddOp
from pyflame_rt.passes.quantization.scales import Scale

Array = npt.NDArray[Any]

_NEAR = tuple(
    sorted(itertools.product(range(-2, 3), repeat=2), key=lambda steps: sum(map(abs, steps)))
)
"""Floats that are so many steps from two factors, the nearest first."""


@dataclass(frozen=True)
class Real:
    """What integers less their zero point, as f32, stand for."""

    centered: SSAValue
    scale: Scale


@dataclass(frozen=True)
class Total:
    """(a * ratio + b) * factor, of integers less their zero points, as f32."""

    a: SSAValue
    b: SSAValue
    ratio: np.float32
    factor: np.float32


def total(x: SSAValue, reals: Mapping[SSAValue, Real], y: Scale) -> Total | None:
    """What, rounded and bounded, is the same as the quotient of x and y's scale; None where x is no sum of
    two quantized tensors, or that would not be so for any two integers."""
    if not isinstance(x.owner, AddOp):
        return None
    found = [real for operand in x.owner.operands if (real := reals.get(operand)) is not None]
    if len(found) < 2:
        return None
    # One that others take too is likely to be older, and to have left the cache: it is read once.
    a, b = sorted(found, key=lambda real: len(tuple(real.centered.uses)))
    for one, other in ((a, b), (b, a)):
        factors = equal_factors(one.scale, other.scale, y)
        if factors is not None:
            return Total(one.centered, other.centered, *factors)
    return None


def equal_factors(a: Scale, b: Scale, y: Scale) -> tuple[np.float32, np.float32] | None:
    """f32 p and g with the same clip(round((i * p + j) * g)) as clip(round((i * a + j * b) / y)) for all
    integers i and j, less their zero points, that there are."""
    i, j = (np.arange(low, high + 1, dtype=np.float32) for low, high in (a.centered, b.centered))
    low, high = (np.float32(bound) for bound in y.centered)
    of_a, of_b, of_y = (scale.scale.astype(np.float32).reshape(()) for scale in (a, b, y))
    with np.errstate(all="ignore"):
        sums = (i * of_a)[:, None] + j * of_b
        wanted = np.rint(sums / of_y).clip(low, high)
        quotients = (of_a.astype(np.float64) / of_b, of_b.astype(np.float64) / of_y)
        near = [np.array(quotient, np.float32).view(np.int32) for quotient in quotients]
        for steps in _NEAR:
            p, g = (
                np.array(bits + step, np.int32).view(np.float32)
                for bits, step in zip(near, steps, strict=True)
            )
            found = np.rint(((i * p)[:, None] + j) * g).clip(low, high)
            if np.array_equal(found, wanted):
                return np.float32(p), np.float32(g)
    return None
