"""Shapes computed in the graph, as exporters write them for models of dynamic shape."""

from __future__ import annotations

import numpy as np

from pyflame_rt.dialects.pfrt.types import element_type
from random_graphs.builder import Builder, Rejected, Value
from random_graphs.movement import vector


def dimension(b: Builder, x: Value, axis: int, *, scalar: bool = True) -> Value:
    """A dimension of x as a value: shape, then gather or slice."""
    if b.chance(3):
        return b.one("shape", x, start=axis, end=axis + 1)
    shape = b.one("shape", x)
    if b.chance(3):
        return b.one("slice", shape, starts=(axis,), ends=(axis + 1,), axes=(0,))
    found = b.one("gather", shape, b.constant(np.asarray(axis, np.int64)), axis=0)
    return found if scalar else b.one("unsqueeze", found, axes=(0,))


def _vector(b: Builder, value: Value) -> Value:
    return value if value.rank else b.one("unsqueeze", value, axes=(0,))


def flattening(b: Builder) -> None:
    """reshape(x, concat(shape(x)[0], product of the rest, or -1))"""
    x = b.value(least=2)
    kept = b.number(0, 1)
    parts = [_vector(b, dimension(b, x, a)) for a in range(kept + 1)]
    if b.chance(2):
        rest = _vector(b, dimension(b, x, kept + 1)) if x.rank > kept + 1 else vector(b, [1])
        for axis in range(kept + 2, x.rank):
            rest = b.one("mul", rest, _vector(b, dimension(b, x, axis)))
    else:
        rest = vector(b, [-1])
    shape = b.one("concat", [*parts, rest], axis=0)
    if b.chance(8):
        b.leaked.append(shape)
    b.emit("reshape", x, shape)


def heads(b: Builder) -> None:
    """x (N, T, D) -> (N, T, H, D / H) -> transposed, and back."""
    x = b.value(rank=3)
    size = x.dim(2)
    if not size or size % 2:
        raise Rejected
    sizes = [_vector(b, dimension(b, x, 0)), _vector(b, dimension(b, x, 1))]
    last = [vector(b, [2]), vector(b, [b.pick((size // 2, -1))])]
    if b.chance(3):
        width = dimension(b, x, 2)
        last[1] = _vector(b, b.one("div", width, b.constant(np.asarray(2, np.int64))))
    y = b.one("reshape", x, b.one("concat", [*sizes, *last], axis=0))
    y = b.one("transpose", y, perm=b.pick(((0, 2, 1, 3), (0, 1, 3, 2))))
    if b.chance(2):
        y = b.one("transpose", y, perm=(0, 2, 1, 3))
        b.emit("reshape", y, b.one("concat", [*sizes, vector(b, [-1])], axis=0))


def expansion(b: Builder) -> None:
    """expand(constant, shape(x)), constant_of_shape(shape(x)), where(equal(shape, -1), …)"""
    x = b.value(least=1, kinds="fi")
    shape = b.one("shape", x)
    match b.number(0, 3):
        case 0:
            b.emit("expand", b.constant(np.asarray(b.pick((0.0, 1.0)), x.dtype)), shape)
        case 1:
            value = np.asarray([b.pick((0.0, 1.0, 2.0))], x.dtype)
            b.emit("constant_of_shape", shape, value=value)
        case 2:
            wanted = vector(b, [-1] * x.rank)
            chosen = b.one("where", b.one("equal", wanted, vector(b, [-1])), shape, wanted)
            b.emit("expand", x, chosen)
        case _:
            b.emit("size", x)


def positions(b: Builder) -> None:
    """range(0, dim, 1) compared or used to gather: masks and position ids."""
    x = b.value(least=1)
    axis = b.axis(x, negative=False)
    limit = dimension(b, x, axis)
    if limit.rank:
        limit = b.one("squeeze", limit, axes=(0,))
    zero, one = (b.constant(np.asarray(n, np.int64)) for n in (0, 1))
    ids = b.one("range", zero, limit, one)
    if b.chance(2):
        b.emit("gather", x, ids, axis=axis)
    else:
        rows = b.one("unsqueeze", ids, axes=(0,))
        columns = b.one("unsqueeze", ids, axes=(1,))
        mask = b.one(b.pick(("less_or_equal", "greater")), rows, columns)
        b.emit("cast", mask, to=element_type(x.dtype))


def slicing(b: Builder) -> None:
    """slice(x, 0, dim - k) and slice(x, 0, dim)"""
    x = b.value(least=1)
    axis = b.axis(x, negative=False)
    end = _vector(b, dimension(b, x, axis))
    if b.chance(2):
        end = b.one(b.pick(("sub", "add", "div", "mul")), end, vector(b, [1]))
    b.emit("slice", x, vector(b, [0]), end, vector(b, [axis]))


def scaling(b: Builder) -> None:
    """x / sqrt(cast(dim)): what attention divides by."""
    x = b.value(least=1)
    size = b.one("cast", dimension(b, x, x.rank - 1), to=element_type(x.dtype))
    b.emit(b.pick(("div", "mul")), x, b.one("sqrt", size))


def dimension_arithmetic(b: Builder) -> None:
    """Dimensions added, divided, compared, cast to floats and back."""
    x = b.value(least=1, kinds="fi")
    value = dimension(b, x, b.axis(x, negative=False))
    other = b.constant(np.asarray(b.pick((2, 1, 0, -1, 3)), np.int64))
    name = b.pick(("add", "mul", "sub", "equal", "max", "less"))
    value = b.one(name, [value, other]) if name == "max" else b.one(name, value, other)
    if b.chance(2):
        b.emit("cast", value, to=element_type(np.dtype(b.pick(("f4", "i4", "f8")))))


MAKERS = {
    flattening: 3, heads: 2, expansion: 2, positions: 2, slicing: 2, scaling: 1,
    dimension_arithmetic: 2,
}  # fmt: skip
"""How often each is drawn."""
