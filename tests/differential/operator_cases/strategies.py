"""Small strategies that those of operators are made of.

A seed draws the elements of an array and hypothesis the seed: shapes and attributes shrink, and
drawing an array costs the same whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import onnx.defs
from hypothesis import strategies as st

from operator_cases.case import Array, Case

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Cases: TypeAlias = st.SearchStrategy[Case]
Shape: TypeAlias = tuple[int, ...]

FLOATS = "f4 f8 f2"
INTEGERS = "i1 i2 i4 i8 u1 u2 u4 u8"
ANY = f"{FLOATS} {INTEGERS} ?"

NEWEST_OPSET = 26
"""The newest that ONNX Runtime 1.31 accepts."""

_SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)
_SIDES = st.sampled_from((2, 3, 1, 4, 5, 0))
_SEEDS = st.integers(0, 2**16)


@cache
def versions(op: str) -> tuple[int, ...]:
    """Opsets worth a test: 7 or the operator's first, each that changed it, and the newest."""
    changed = {s.since_version for s in schemas().get(op, ())}
    newest = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
    return tuple(sorted({max(7, v) for v in changed if v <= newest} | {newest}))


@cache
def schemas() -> Mapping[str, Sequence[Any]]:
    """The definitions of ONNX's own operators in all versions, by name."""
    found: dict[str, list[Any]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.domain:
            found.setdefault(schema.name, []).append(schema)
    return found


def draw_opset(draw: Draw, op: str, first: int = 7) -> int:
    """An opset from `first` on."""
    return draw(st.sampled_from([v for v in versions(op) if v >= first]))


def draw_dtype(draw: Draw, dtypes: str | Mapping[int, str], opset: int = 0) -> np.dtype[Any]:
    """One of some element types, in NumPy's letters, or of those from an opset on."""
    if not isinstance(dtypes, str):
        dtypes = dtypes[max(since for since in dtypes if since <= opset)]
    return np.dtype(draw(st.sampled_from(dtypes.split())))


def draw_shape(draw: Draw, least: int = 0, most: int = 4, *, empty: bool = True) -> Shape:
    """A small shape; sides of 1 and, unless told otherwise, of 0 are common."""
    sides = _SIDES if empty else _SIDES.filter(bool)
    return tuple(draw(st.lists(sides, min_size=least, max_size=most)))


def draw_broadcast(draw: Draw, count: int, most: int = 4) -> tuple[Shape, ...]:
    """Shapes that broadcast to one: leading dimensions missing, others of size 1."""
    shape = draw_shape(draw, 0, most)
    found: list[Shape] = []
    for _ in range(count):
        first = draw(st.sampled_from((0, 0, *range(len(shape) + 1))))
        ones = draw(st.sampled_from((0, 0, 1, 2, 3, 5, 10, 15)))
        sides = [1 if ones >> axis & 1 else side for axis, side in enumerate(shape)]
        found.append(tuple(sides[first:]))
    return tuple(found)


def draw_array(
    draw: Draw, dtype: Any, shape: Shape, *, special: bool = True, low: float = -4, high: float = 4
) -> Array:
    """An array.

    Floats are eighths, so that short sums of them are exact, with NaN and infinities among them if
    `special`; integers are small, with the least and greatest of their type among them if
    `special`.
    """
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(draw(_SEEDS))
    mixed = special and draw(st.booleans())
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        small = rng.integers(max(limits.min, int(low * 3)), int(high * 3) + 1, shape, np.int64)
        array = np.asarray(small).astype(dtype)
        extreme = np.array([limits.min, limits.max, 0], dtype)
    else:
        array = np.asarray(rng.integers(int(low * 8), int(high * 8) + 1, shape) / 8).astype(dtype)
        extreme = np.array(_SPECIAL, dtype)
    if mixed:
        array = np.where(rng.random(shape) < 0.3, rng.choice(extreme, shape), array)
    return np.asarray(array, dtype)


def draw_axis(draw: Draw, rank: int) -> int:
    """An axis, counted from either end."""
    return draw(st.integers(-rank, rank - 1))


def draw_axes(draw: Draw, rank: int, least: int = 0) -> list[int]:
    """Some axes in any order, each counted from either end."""
    if rank == 0:
        return []
    chosen = draw(st.lists(st.integers(0, rank - 1), min_size=least, max_size=rank, unique=True))
    return [axis - rank if draw(st.booleans()) else axis for axis in chosen]


def draw_some(draw: Draw, **attributes: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Some of the attributes; the others are left to their defaults."""
    return {name: draw(s) for name, s in attributes.items() if draw(st.booleans())}


FLAG = st.integers(0, 1)


def draw_case(
    draw: Draw,
    op: str,
    opset: int,
    inputs: Sequence[Array | None],
    attributes: Mapping[str, Any] | None = None,
    *,
    parameters: Iterable[int] = (),
    constant: Iterable[int] = (),
    outputs: int = 1,
    captured: int = 0,
    magnitude: float = 0.0,
    domain: str = "",
) -> Case:
    """A case whose `parameters` may be initializers, whose `constant` inputs are, as all may be."""
    constants = {k for k in parameters if draw(st.booleans())} | set(constant)
    if draw(st.integers(0, 9)) == 0:
        constants = set(range(len(inputs)))
    shapes = draw(st.sampled_from(("static", "symbolic", "symbolic", "unranked")))
    return Case(
        op,
        opset,
        tuple(inputs),
        dict(attributes or {}),
        outputs,
        captured,
        frozenset(constants),
        shapes,
        magnitude,
        domain,
    )


def ints(values: Iterable[int]) -> Array:
    """A list of integers as a tensor."""
    return np.array(list(values), np.int64)
