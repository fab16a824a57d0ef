"""How a new value of a view is written back into the tensor that it is a view of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.rules import Rule, View
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Argument, Value


def same(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """The view is the whole tensor."""
    return part


def reshaped(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """The view has the same elements in the same order."""
    return b.reshape(part, b.sizes(base))


def swapped(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """The view is undone by making it again."""
    return cast(Value, rule.with_base(b, part, arguments))


def permuted(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """The view has its dimensions in the order `dims`."""
    perm = b.axes(base, arguments["dims"])
    inverse = tuple(int(axis) for axis in np.argsort(perm))
    return b.one("transpose", [part], {"perm": inverse})


def by_position(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """Any view: made of the positions of elements, it says where each element of it goes."""
    count = b.numel(base)
    places = b.reshape(positions(b, 0, count), b.sizes(base))
    seen = rule.with_base(b, places, arguments)
    view = cast("Sequence[Value]", seen)[index] if isinstance(seen, list | tuple) else seen
    where = b.reshape(cast(Value, view), (-1, 1))
    flat = b.reshape(base, (count,))
    written = b.one("scatter_nd", [flat, where, b.reshape(part, (-1,))])
    return b.reshape(written, b.sizes(base))


def selected(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """The view is what stands at one index of a dimension."""
    axis = b.axis(base, arguments["dim"])
    at = cast(Int, arguments["index"])
    rows = b.reshape(b.vector([at]), (1, 1))
    return write_rows(b, base, axis, rows, b.one("unsqueeze", [part, None], {"axes": (axis,)}))


def sliced(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """The view is every so many of a dimension."""
    axis = b.axis(base, arguments["dim"])
    start, end, step = arguments["start"], arguments["end"], arguments["step"]
    if step == 1 and start in (0, None) and b.sizes(part) == b.sizes(base):
        return part
    places = positions(b, 0, b.size(base, axis))
    chosen = rule.with_base(b, places, {"dim": 0, "start": start, "end": end, "step": step})
    rows = b.one("unsqueeze", [cast(Value, chosen), None], {"axes": (1,)})
    return write_rows(b, base, axis, rows, part)


def narrowed(
    b: AtenBuilder,
    rule: Rule[Any, Any],
    base: Value,
    arguments: Mapping[str, Argument],
    part: Value,
    index: int,
) -> Value:
    """The view is some consecutive ones of a dimension."""
    axis = b.axis(base, arguments["dim"])
    start, length = cast(Int, arguments["start"]), cast(Int, arguments["length"])
    places = positions(b, start, sizes.add(start, length))
    rows = b.one("unsqueeze", [places, None], {"axes": (1,)})
    return write_rows(b, base, axis, rows, part)


def write_rows(b: AtenBuilder, base: Value, axis: int, rows: Value, part: Value) -> Value:
    """The base with what `part` holds along an axis written at the places `rows`, of (count, 1)."""
    perm = (axis, *(i for i in range(b.rank(base)) if i != axis))
    inverse = tuple(int(i) for i in np.argsort(perm))
    if axis == 0:
        return b.one("scatter_nd", [base, rows, part])
    turned = [b.one("transpose", [value], {"perm": perm}) for value in (base, part)]
    written = b.one("scatter_nd", [turned[0], rows, turned[1]])
    return b.one("transpose", [written], {"perm": inverse})


def positions(b: AtenBuilder, start: Int, end: Int) -> Value:
    """The integers from start to end as a vector."""
    if isinstance(start, int) and isinstance(end, int) and end - start <= _MOST_KNOWN:
        return b.constant(np.arange(start, end, dtype=np.int64))
    made = b.one("range", [b.number(start), b.number(end), b.number(1)])
    return b.type_as(made, (sizes.subtract(end, start),))


_MOST_KNOWN = 1 << 16
"""More positions than these are made at run time."""

SAME = View(same)
RESHAPED = View(reshaped)
MAYBE_RESHAPED = View(reshaped, always=False)
MAYBE_SAME = View(same, always=False)
PERMUTED = View(permuted)
SWAPPED = View(swapped)
SELECTED = View(selected)
SLICED = View(sliced)
NARROWED = View(narrowed)
ANY = View(by_position)
UNWRITABLE = View(None)
