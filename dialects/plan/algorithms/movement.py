"""Algorithms that move elements without computing."""

from __future__ import annotations

from typing import cast

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.resizing import ResizeOp
from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.dialects.plan.algorithms.base import EVERY, FAST_FLOATS, Algorithm, native

_FLOATS = frozenset(("bfloat16", *FAST_FLOATS, "float16"))
_MOVES = ("concat", "expand", "gather", "pad", "slice", "transpose")


def _known_parameters(op: PfrtOp) -> bool:
    """Whether nothing but data is an operand: what an algorithm prepares depends on the rest."""
    return all(getattr(op, f"{name}_value", None) is None for name in op.DYNAMIC_PROPERTIES)


def _converts(op: PfrtOp) -> bool:
    """Whether a backend converts between the types in one pass: NumPy's, and narrow floats."""
    kinds = {dtype_of(value).name for value in (*op.operands, *op.results)}
    return native(op) or kinds <= _FLOATS


def _takes_nearest(op: PfrtOp) -> bool:
    """Whether elements are taken as they are, from places that are known."""
    return cast(ResizeOp, op).mode.data == "nearest" and _known_parameters(op) and native(op)


MOVEMENTS: tuple[Algorithm, ...] = (
    Algorithm("copy", "pfrt.identity", late=True, applies=lambda op: True, strided=EVERY),
    Algorithm("cast", "pfrt.cast", late=True, applies=_converts),
    Algorithm("resize", "pfrt.resize", late=True, applies=_takes_nearest),
    *(
        Algorithm(n, f"pfrt.{n}", late=True, applies=_known_parameters, strided=EVERY)
        for n in _MOVES
    ),
)
"""The algorithms of this family."""
