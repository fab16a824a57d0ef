"""Ops that move elements: shapes, order, pieces, indices."""

from __future__ import annotations

import math

import numpy as np

from random_graphs.builder import Builder, Rejected, Value


def vector(b: Builder, numbers) -> Value:
    """A constant of i64."""
    return b.constant(np.asarray(numbers, np.int64).reshape(-1))


def parameter(b: Builder, name: str, numbers) -> dict:
    """A parameter as a property, or sometimes as a constant operand, which is what importers make."""
    return {name: tuple(int(n) for n in numbers)}


def with_parameter(b: Builder, op: str, x: Value, name: str, numbers, **more) -> Value:
    """Emit an op whose parameter is a property or a constant operand."""
    if b.chance(3):
        return b.one(op, x, vector(b, numbers), **more)
    return b.one(op, x, **parameter(b, name, numbers), **more)


def target_shapes(b: Builder, x: Value) -> list[tuple[int, ...]]:
    """Shapes that x can be reshaped to, whatever the batch is."""
    dims = x.dims()
    shapes: list[tuple[int, ...]] = [(-1,)]
    if x.rank:
        shapes += [(0, -1), (*(0,) * (x.rank - 1), -1), (0,) * x.rank, (1, *(0,) * 0, -1)]
        shapes += [(*(0,) * x.rank, 1)] if x.rank < 5 else []
    if dims and dims[-1] and dims[-1] % 2 == 0:
        shapes.append((*(0,) * (x.rank - 1), dims[-1] // 2, 2))
        shapes.append((-1, 2))
    if x.rank >= 2 and all(d is not None for d in dims[-2:]):
        shapes.append((*(-1 if d is None else d for d in dims[:-2]), dims[-2] * dims[-1]))
    if None not in dims:
        shapes += [tuple(dims[::-1]), (math.prod(dims),), (1, math.prod(dims), 1)]
    elif dims.count(None) == 1:
        shapes.append(tuple(-1 if d is None else d for d in dims))
    return shapes


def reshape(b: Builder) -> Value:
    x = b.value(kinds="ffib")
    return with_parameter(b, "reshape", x, "shape", b.pick(target_shapes(b, x)))


def reshapes(b: Builder) -> None:
    x = reshape(b)
    with_parameter(b, "reshape", x, "shape", b.pick(target_shapes(b, x)))


def flatten(b: Builder) -> None:
    x = b.value(kinds="fi")
    b.emit("flatten", x, axis=b.number(0, x.rank))


def squeeze(b: Builder) -> None:
    x = b.value(least=1, kinds="fib")
    ones = [a for a in range(x.rank) if x.dim(a) == 1]
    if b.chance(4) and not b.dynamic:
        b.emit("squeeze", x)
        return
    with_parameter(b, "squeeze", x, "axes", [b.pick(ones)])


def unsqueeze(b: Builder) -> None:
    x = b.value(kinds="fib")
    if x.rank > 4:
        raise Rejected
    y = with_parameter(b, "unsqueeze", x, "axes", [b.number(-x.rank - 1, x.rank)])
    if b.chance(4):
        with_parameter(
            b, "squeeze", y, "axes", [b.pick([a for a in range(y.rank) if y.dim(a) == 1])]
        )


def permutation(b: Builder, rank: int) -> tuple[int, ...]:
    """An order of axes."""
    left = list(range(rank))
    return tuple(left.pop(b.number(0, len(left) - 1)) for _ in range(rank))


def transpose(b: Builder) -> None:
    x = b.value(least=2, kinds="ffi")
    if b.chance(5):
        b.emit("transpose", x)
    else:
        b.emit("transpose", x, perm=permutation(b, x.rank))


def transposes(b: Builder) -> None:
    x = b.value(least=2)
    y = b.one("transpose", x, perm=permutation(b, x.rank))
    b.emit("transpose", y, perm=permutation(b, x.rank))


def expand(b: Builder) -> None:
    x = b.value(kinds="fi")
    dims = [b.pick((1, 3, 2)) if d == 1 else 1 if b.chance(2) or d is None else d for d in x.dims()]
    extra = [b.pick((2, 1))] if x.rank < 4 and b.chance(3) else []
    with_parameter(b, "expand", x, "shape", [*extra, *dims])


def concat(b: Builder) -> None:
    x = b.value(least=1, kinds="ffi")
    fits = [v for v in reversed(b.visible) if v.dtype == x.dtype and v.rank == x.rank]
    others = [b.pick(fits) for _ in range(b.number(0, 2))]
    b.emit("concat", [x, *others], axis=b.axis(x))


def concat_and_slice(b: Builder) -> None:
    x = b.value(least=1)
    axis = b.static_axis(x)
    y = b.one("concat", [x, b.value(rank=x.rank)], axis=axis)
    size = x.dim(axis) or 0
    start, end = b.pick(((0, size), (size, 2**31), (0, size + 1), (1, size)))
    b.emit("slice", y, starts=(start,), ends=(end,), axes=(axis,))


def split(b: Builder) -> None:
    x = b.value(least=1, kinds="ffi")
    axis = b.static_axis(x)
    size = x.dim(axis) or 0
    cut = b.number(0, size)
    if size % 2 == 0 and b.chance(2):
        parts = b.emit("split", x, axis=axis, num_outputs=2)
    elif b.chance(2):
        parts = b.emit("split", x, vector(b, (cut, size - cut)), axis=axis)
    else:
        parts = b.emit("split", x, axis=axis, split=(cut, size - cut))
    if b.chance(3):
        b.emit("concat", list(parts if b.chance(2) else parts[::-1]), axis=axis)


def slices(b: Builder) -> Value:
    x = b.value(least=1, kinds="ffib")
    axis = b.axis(x)
    start, end, step = b.pick((
        (0, 2**63 - 1, 1), (0, 1, 1), (1, 2**31, 1), (-1, -(2**62), -1), (0, -1, 1), (0, 9, 2), (1, 1, 1),
    ))  # fmt: skip
    if b.chance(3):
        operands = [vector(b, [n]) for n in (start, end, axis, step)]
        return b.one("slice", x, *operands)
    return b.one("slice", x, starts=(start,), ends=(end,), axes=(axis,), steps=(step,))


def pad(b: Builder) -> None:
    x = b.value(least=1, kinds="ffi")
    mode = b.pick(("constant", "constant", "edge", "reflect", "wrap"))
    low = -1 if mode == "constant" and b.chance(4) else 0
    pads = [b.number(low, 1) for _ in range(2 * x.rank)]
    if b.chance(4):
        pads = [0] * (2 * x.rank)
    filler = b.scalar(b.pick((0.0, 1.0, -np.inf)), x) if x.is_float and b.chance(3) else None
    if b.chance(3):
        b.emit("pad", x, vector(b, pads), filler, mode=mode)
    else:
        b.emit("pad", x, None, filler, pads=tuple(pads), mode=mode)


def gather(b: Builder) -> None:
    x = b.value(least=1, kinds="ffib")
    axis = b.axis(x)
    size = min(array.shape[axis] for array in x.arrays)
    if not size:
        raise Rejected
    shape = b.pick(((), (2,), (1,), (2, 2)))
    indices = b.generator().integers(-size, size, shape, b.pick((np.int64, np.int32)))
    b.emit("gather", x, b.constant(np.asarray(indices)), axis=axis)


def gather_elements(b: Builder) -> None:
    x = b.value(least=1)
    axis = b.static_axis(x)
    shape = [1 if d is None else d for d in x.dims()]
    indices = b.generator().integers(0, max(1, x.dim(axis) or 1), shape)
    b.emit("gather_elements", x, b.constant(indices), axis=axis)


def gather_nd(b: Builder) -> None:
    x = b.value(least=1)
    size = min(array.shape[0] for array in x.arrays)
    if not size:
        raise Rejected
    b.emit("gather_nd", x, b.constant(b.generator().integers(0, size, (2, 1))))


def scatter_elements(b: Builder) -> None:
    x = b.value(least=1)
    axis = b.static_axis(x)
    shape = [1] * x.rank
    indices = b.generator().integers(0, max(1, x.dim(axis) or 1), shape)
    b.emit(
        "scatter_elements", x, b.constant(indices), b.scalar(2.0, x, shape), axis=axis,
        reduction=b.pick(("none", "add", "max")),
    )  # fmt: skip


def tile(b: Builder) -> None:
    x = b.value(kinds="fi")
    with_parameter(b, "tile", x, "repeats", [b.pick((1, 2)) for _ in range(x.rank)])


def trilu(b: Builder) -> None:
    x = b.value(least=2)
    b.emit("trilu", x, k=b.number(-1, 1), upper=b.chance(2))


def cumulate(b: Builder) -> None:
    x = b.value(least=1)
    b.emit("cum_sum", x, axis=b.axis(x), exclusive=b.chance(3), reverse=b.chance(3))


def top_k(b: Builder) -> None:
    x = b.value(least=1)
    axis = b.axis(x)
    k = b.number(1, max(1, min(a.shape[axis] for a in x.arrays)))
    b.emit("top_k", x, k=k, axis=axis, largest=not b.chance(3))


def one_hot(b: Builder) -> None:
    x = b.value(kinds="i")
    values = b.constant(np.asarray([0, 1], b.dtype("f")))
    b.emit("one_hot", x, None, values, depth=4, axis=-1)


def non_zero(b: Builder) -> None:
    b.emit("non_zero", b.value(least=1, kinds="fb"))


def compress(b: Builder) -> None:
    x = b.value(least=1)
    axis = b.static_axis(x)
    chosen = b.generator().random(x.dim(axis) or 0) < 0.6
    b.emit("compress", x, b.constant(chosen), axis=axis)


def blocks(b: Builder) -> None:
    x = b.value(rank=4)
    name = b.pick(("depth_to_space", "space_to_depth"))
    b.emit(name, x, blocksize=2)


def resize(b: Builder) -> None:
    x = b.value(rank=4)
    scales = np.asarray([1, 1, *b.pick(((2, 2), (1, 1), (0.5, 2)))], np.float32)
    mode = b.pick(("nearest", "linear"))
    b.emit("resize", x, None, None, None, scales=scales, mode=mode)


def constant_of_shape(b: Builder) -> None:
    value = np.asarray([b.pick((0.0, 1.0, 2.0))], b.dtype("f"))
    shape = b.pick(((2, 3), (1,), (), (4,)))
    if b.chance(2):
        b.emit("constant_of_shape", shape=shape, value=value)
    else:
        b.emit("constant_of_shape", vector(b, shape), value=value)


def ranges(b: Builder) -> None:
    numbers = [b.constant(np.asarray(n, np.int64)) for n in (0, b.pick((4, 3, 0)), b.pick((1, 2)))]
    b.emit("range", *numbers)


MAKERS = {
    reshape: 3, reshapes: 2, flatten: 1, squeeze: 1, unsqueeze: 2, transpose: 3, transposes: 2,
    expand: 1, concat: 2, concat_and_slice: 1, split: 2, slices: 2, pad: 2, gather: 2,
    gather_elements: 1, gather_nd: 1, scatter_elements: 1, tile: 1, trilu: 1, cumulate: 1,
    top_k: 1, one_hot: 1, non_zero: 1, compress: 1, blocks: 1, resize: 1, constant_of_shape: 1,
    ranges: 1,
}  # fmt: skip
"""How often each is drawn."""
