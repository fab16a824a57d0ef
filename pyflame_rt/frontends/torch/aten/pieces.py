"""Tensors put together and taken apart, and their elements in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyflame_rt.frontends.torch.aten import sizes, views
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.shape import expanded, transposed
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Ints, Value, Values

_LARGEST = 2**63 - 1
_BEYOND = 2**48
"""No dimension is as large."""
_MOST_PARTS = 1 << 14
_MOST_PLACES = 1 << 24
"""What is listed at import: results of one operator, and positions of elements."""


def joined(b: AtenBuilder, tensors: Values, dim: int) -> Value:
    """Tensors of their result type one after another."""
    if not tensors:
        raise b.error("needs at least one tensor")
    # An empty vector goes with tensors of any rank.
    parts = [tensor for tensor in tensors if tensor.shape != (0,)] or [tensors[0]]
    parts = b.promote(*parts, dtype=b.result_type(*tensors))
    if len(parts) == 1:
        return parts[0]
    return b.one("concat", [parts], {"axis": b.axis(parts[0], dim)})


@aten("cat")
def cat(b: AtenBuilder, tensors: Values, dim: int = 0) -> Value:
    """Tensors one after another along a dimension"""
    return joined(b, tensors, dim)


@aten("concat")
def concat(b: AtenBuilder, tensors: Values, dim: int = 0) -> Value:
    """Tensors one after another along a dimension"""
    return joined(b, tensors, dim)


@aten("stack")
def stack(b: AtenBuilder, tensors: Values, dim: int = 0) -> Value:
    """Tensors along a new dimension"""
    if not tensors:
        raise b.error("needs at least one tensor")
    axis = b.axis(tensors[0], dim, extra=1)
    return joined(b, [b.one("unsqueeze", [t, None], {"axes": (axis,)}) for t in tensors], axis)


@aten("hstack")
def hstack(b: AtenBuilder, tensors: Values) -> Value:
    """Tensors one after another along the second dimension, vectors along the first"""
    parts = [b.reshape(t, (1,)) if t.rank == 0 else t for t in tensors]
    return joined(b, parts, 0 if parts and b.rank(parts[0]) == 1 else 1)


@aten("vstack")
def vstack(b: AtenBuilder, tensors: Values) -> Value:
    """Tensors one after another along the first dimension, vectors as rows"""
    rows = [b.reshape(t, (1, *b.sizes(t))) if b.rank(t) == 1 else t for t in tensors]
    return joined(b, [b.reshape(t, (1, 1)) if t.rank == 0 else t for t in rows], 0)


def parts(b: AtenBuilder, self: Value, split: Sequence[Int], axis: int) -> list[Value]:
    """Consecutive parts of given sizes along an axis."""
    size = b.size(self, axis)
    if len(split) > _MOST_PARTS:
        raise b.error(f"has {len(split)} parts")
    total: Int = 0
    for part in split:
        total = sizes.add(total, part)
    if isinstance(size, int) and isinstance(total, int) and size != total:
        raise b.error(f"parts of {total} elements do not fill a dimension of {size}")
    if len(split) == 1:
        return [self]
    if all(isinstance(part, int) for part in split):
        found = b.emit("split", [self, None], {"split": b.ints(split), "axis": axis})
    else:
        found = b.emit("split", [self, b.vector(split)], {"axis": axis}, count=len(split))
    shape = b.sizes(self)
    for value, part in zip(found, split, strict=True):
        b.type_as(value, (*shape[:axis], part, *shape[axis + 1 :]))
    return list(found)


def _equal_parts(b: AtenBuilder, self: Value, each: Int, axis: int) -> list[Value]:
    size = b.size(self, axis)
    if isinstance(each, int) and each < 1:
        if each == 0 and size == 0:
            return [self]
        raise b.error(f"parts cannot have {each} elements")
    count = (
        sizes.floor_divide(size, each)
        if isinstance(each, int)
        else (sizes.exact_quotient(size, each))
    )
    if not isinstance(count, int):
        raise b.unsupported("the number of parts must be known at import")
    if count > _MOST_PARTS:
        raise b.error(f"has {count} parts")
    rest = sizes.subtract(size, sizes.multiply(each, count))
    return parts(b, self, [*[each] * count, *([rest] if rest != 0 else [])] or [0], axis)


def _chunks(b: AtenBuilder, self: Value, chunks: int, dim: int) -> list[Value]:
    axis = b.axis(self, dim)
    if not 1 <= chunks <= _MOST_PARTS:
        raise b.error(f"there cannot be {chunks} chunks")
    size = b.size(self, axis)
    if isinstance(size, int):
        return (
            _equal_parts(b, self, max(-(-size // chunks), 1), axis) if size else ([self] * chunks)
        )
    each = sizes.exact_quotient(size, chunks)
    if each is None:
        raise b.unsupported("chunks of a dimension known at run time, which they may not divide")
    return parts(b, self, [each] * chunks, axis)


@aten("chunk", view=views.ANY)
def chunk(b: AtenBuilder, self: Value, chunks: int, dim: int = 0) -> list[Value]:
    """So many parts of equal size, the last one smaller"""
    return _chunks(b, self, chunks, dim)


@aten("unsafe_chunk")
def unsafe_chunk(b: AtenBuilder, self: Value, chunks: int, dim: int = 0) -> list[Value]:
    """So many parts of equal size, the last one smaller"""
    return _chunks(b, self, chunks, dim)


@aten("split", overload="Tensor", view=views.ANY)
def split(b: AtenBuilder, self: Value, split_size: Int, dim: int = 0) -> list[Value]:
    """Parts of a size, the last one smaller"""
    return _equal_parts(b, self, split_size, b.axis(self, dim))


@aten("unsafe_split", overload="Tensor")
def unsafe_split(b: AtenBuilder, self: Value, split_size: Int, dim: int = 0) -> list[Value]:
    """Parts of a size, the last one smaller"""
    return _equal_parts(b, self, split_size, b.axis(self, dim))


@aten("split", overload="sizes", view=views.ANY)
def split_sizes(b: AtenBuilder, self: Value, split_size: Ints, dim: int = 0) -> list[Value]:
    """Parts of given sizes"""
    return parts(b, self, split_size, b.axis(self, dim))


@aten("split_with_sizes", view=views.ANY)
def split_with_sizes(b: AtenBuilder, self: Value, split_sizes: Ints, dim: int = 0) -> list[Value]:
    """Parts of given sizes"""
    return parts(b, self, split_sizes, b.axis(self, dim))


@aten("unbind", overload="int", view=views.ANY)
def unbind(b: AtenBuilder, self: Value, dim: int = 0) -> list[Value]:
    """What stands at each index of a dimension"""
    axis = b.axis(self, dim)
    count = b.int(b.size(self, axis))
    if count == 0:
        return []
    if count > _MOST_PARTS:
        raise b.error(f"has {count} parts")
    found = parts(b, self, [1] * count, axis)
    return [b.one("squeeze", [value, None], {"axes": (axis,)}) for value in found]


@aten("select", overload="int", view=views.SELECTED)
def select(b: AtenBuilder, self: Value, dim: int, index: Int) -> Value:
    """What stands at one index of a dimension"""
    axis = b.axis(self, dim)
    size = b.size(self, axis)
    if isinstance(index, int) and isinstance(size, int) and not -size <= index < size:
        raise b.error(f"index {index} is outside a dimension of {size}")
    return b.one("gather", [self, b.number(index)], {"axis": axis})


@aten("slice", overload="Tensor", view=views.SLICED)
def slice_(
    b: AtenBuilder,
    self: Value,
    dim: int = 0,
    start: Int | None = None,
    end: Int | None = None,
    step: Int = 1,
) -> Value:
    """Every so many of a dimension, from start to before end"""
    axis = b.axis(self, dim)
    if b.int(step) < 1:
        raise b.error("the step of a slice must be positive")
    first = 0 if start is None else start
    last = _LARGEST if end is None else end
    size = b.size(self, axis)
    whole = (isinstance(last, int) and last >= _BEYOND) or sizes.is_at_least(last, size)
    if step == 1 and first == 0 and whole:
        return self
    numbers = (first, last, axis, b.int(step))
    if isinstance(first, int) and isinstance(last, int):
        names = ("starts", "ends", "axes", "steps")
        properties = {name: (b.int(n),) for name, n in zip(names, numbers, strict=True)}
        made = b.one("slice", [self, None, None, None, None], properties)
    else:
        made = b.one("slice", [self, *(b.vector([number]) for number in numbers)])
    length = _length(size, first, size if whole else last) if step == 1 else None
    shape = b.sizes(self)
    if length is None and made.rank is None:
        length = sizes.Size.of_dim(made.ssa, axis)
    if length is not None:
        b.type_as(made, (*shape[:axis], length, *shape[axis + 1 :]))
    return made


def _length(size: Int, start: Int, end: Int) -> Int | None:
    """The length of a slice of step 1 where it is sure that its ends lie within."""
    if isinstance(end, int) and end < 0:
        end = sizes.add(size, end)
    if isinstance(start, int) and start < 0:
        start = sizes.add(size, start)
    within = (
        sizes.is_at_least(start, 0)
        and sizes.is_at_least(end, start)
        and sizes.is_at_least(size, end)
    )
    return sizes.subtract(end, start) if within else None


@aten("narrow", view=views.NARROWED)
def narrow(b: AtenBuilder, self: Value, dim: int, start: Int, length: Int) -> Value:
    """So many of a dimension from start on"""
    size = b.size(self, dim)
    if isinstance(start, int) and start < 0:
        start = sizes.add(size, start)
    if sizes.less(size, sizes.add(start, length)):
        raise b.error("start and length reach beyond the dimension")
    return slice_(b, self, dim, start, sizes.add(start, length))


@aten("narrow", overload="Tensor")
def narrow_tensor(b: AtenBuilder, self: Value, dim: int, start: Value, length: Int) -> Value:
    """So many of a dimension from start on"""
    return narrow(b, self, dim, b.item(start), length)


@aten("flip")
def flip(b: AtenBuilder, self: Value, dims: Ints) -> Value:
    """The elements in the opposite order along dimensions"""
    axes = b.axes(self, dims)
    if not axes or b.rank(self) == 0:
        return self
    count = len(axes)
    properties = {
        "starts": (-1,) * count,
        "ends": (-_LARGEST,) * count,
        "axes": axes,
        "steps": (-1,) * count,
    }
    made = b.one("slice", [self, None, None, None, None], properties)
    return b.type_as(made, b.sizes(self))


@aten("roll")
def roll(b: AtenBuilder, self: Value, shifts: Ints, dims: Ints = ()) -> Value:
    """The elements moved along dimensions, those beyond the end back to the start"""
    if not dims:
        flat = b.reshape(self, (b.numel(self),))
        return b.reshape(roll(b, flat, shifts, (0,)), b.sizes(self))
    if len(shifts) != len(dims):
        raise b.error("there must be a shift for each dimension")
    value = self
    for shift, axis in zip(shifts, b.axes(self, dims), strict=True):
        size = b.size(self, axis)
        if size in (0, 1):
            continue
        by = sizes.modulo(shift, size) if isinstance(size, int) else shift
        if by == 0:
            continue
        # The last `by` elements come first.
        last = sizes.multiply(by, -1)
        tail = slice_(b, value, axis, last, None)
        head = slice_(b, value, axis, None, last)
        value = b.type_as(b.one("concat", [[tail, head]], {"axis": axis}), b.sizes(self))
    return value


@aten("rot90")
def rot90(b: AtenBuilder, self: Value, k: int = 1, dims: Ints = (0, 1)) -> Value:
    """Turned by quarters in the plane of two dimensions"""
    first, second = b.axes(self, dims)
    turned = transposed(b, self, first, second)
    match k % 4:
        case 0:
            return self
        case 1:
            return flip(b, turned, (first,))
        case 2:
            return flip(b, self, (first, second))
        case _:
            return flip(b, turned, (second,))


@aten("diag_embed")
def diag_embed(
    b: AtenBuilder, self: Value, offset: int = 0, dim1: int = -2, dim2: int = -1
) -> Value:
    """Vectors along the last dimension as diagonals of matrices"""
    rank = b.rank(self) + 1
    first, second = dim1 % rank, dim2 % rank
    if first == second:
        raise b.error("dim1 and dim2 are the same")
    size = b.int(b.size(self, -1))
    if size + abs(offset) > _MOST_PARTS:
        raise b.error(f"makes matrices of {size + abs(offset)} rows")
    rows = size + abs(offset)
    # Each column of a matrix holds an element of the vector at most once.
    places = np.clip(np.arange(rows) - max(offset, 0), 0, max(size - 1, 0))
    wide = b.one("gather", [self, b.constant(places)], {"axis": rank - 2})
    kept = b.one("unsqueeze", [wide, None], {"axes": (rank - 2,)})
    zero = b.constant(np.zeros((), self.dtype))
    made = b.one("where", [b.constant(np.eye(rows, k=offset, dtype=np.bool_)), kept, zero])
    order = {first: rank - 2, second: rank - 1}
    rest = iter(range(rank - 2))
    full = tuple(order[axis] if axis in order else next(rest) for axis in range(rank))
    return b.one("transpose", [made], {"perm": full}) if full != tuple(range(rank)) else made


@aten("tril")
def tril(b: AtenBuilder, self: Value, diagonal: Int = 0) -> Value:
    """Matrices with 0 above a diagonal"""
    return b.one("trilu", [self, None], {"k": b.int(diagonal), "upper": False})


@aten("triu")
def triu(b: AtenBuilder, self: Value, diagonal: Int = 0) -> Value:
    """Matrices with 0 below a diagonal"""
    return b.one("trilu", [self, None], {"k": b.int(diagonal), "upper": True})


@aten("diagonal", view=views.ANY)
def diagonal(b: AtenBuilder, self: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    """The diagonals of matrices, as the last dimension"""
    first, second = b.axes(self, (dim1, dim2))
    rest = tuple(axis for axis in range(b.rank(self)) if axis not in (first, second))
    rows, columns = (b.int(b.size(self, axis)) for axis in (first, second))
    length = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    start = max(offset, 0) - min(offset, 0) * columns
    if length > _MOST_PLACES:
        raise b.error(f"has {length} elements")
    places = start + np.arange(length, dtype=np.int64) * (columns + 1)
    turned = b.one("transpose", [self], {"perm": (*rest, first, second)})
    flat = b.reshape(turned, (*b.sizes(turned)[:-2], rows * columns))
    return b.one("gather", [flat, b.constant(places)], {"axis": len(rest)})


@aten("unfold", view=views.ANY)
def unfold(b: AtenBuilder, self: Value, dimension: int, size: int, step: int) -> Value:
    """Windows along a dimension, their elements as a new last one"""
    axis = b.axis(self, dimension)
    length = b.int(b.size(self, axis))
    if size < 0 or step < 1 or size > length:
        raise b.error(f"windows of {size}, {step} apart, do not fit a dimension of {length}")
    if ((length - size) // step + 1) * size > _MOST_PLACES:
        raise b.error(f"{length} elements make too many windows of {size}")
    starts = np.arange(0, length - size + 1, step, dtype=np.int64)
    places = starts[:, None] + np.arange(size, dtype=np.int64)
    windows = b.one("gather", [self, b.constant(places)], {"axis": axis})
    rank = b.rank(self)
    perm = (*range(axis + 1), *range(axis + 2, rank + 1), axis + 1)
    return b.one("transpose", [windows], {"perm": perm}) if axis + 1 < rank else windows


def _grid(b: AtenBuilder, tensors: Values, indexing: str) -> list[Value]:
    if indexing not in ("ij", "xy"):
        raise b.error("indexing must be ij or xy")
    lengths = [b.numel(tensor) for tensor in tensors]
    swaps = indexing == "xy" and len(tensors) > 1
    order = [1, 0, *range(2, len(tensors))] if swaps else list(range(len(tensors)))
    shape = [lengths[axis] for axis in order]
    grids: list[Value] = []
    for position, tensor in enumerate(tensors):
        ones: list[Int] = [1] * len(tensors)
        ones[order.index(position)] = lengths[position]
        grids.append(expanded(b, b.reshape(tensor, ones), shape))
    return grids


@aten("meshgrid")
def meshgrid(b: AtenBuilder, tensors: Values) -> list[Value]:
    """The coordinates of the points of a grid"""
    return _grid(b, tensors, "ij")


@aten("meshgrid", overload="indexing")
def meshgrid_indexing(b: AtenBuilder, tensors: Values, *, indexing: str) -> list[Value]:
    """The coordinates of the points of a grid, rows or columns first"""
    return _grid(b, tensors, indexing)


@aten("pixel_shuffle")
def pixel_shuffle(b: AtenBuilder, self: Value, upscale_factor: int) -> Value:
    """Channels as blocks of pixels"""
    *batch, channels, height, width = b.sizes(self)
    images = b.reshape(self, (sizes.product(batch), channels, height, width))
    properties = {"blocksize": upscale_factor, "mode": "CRD"}
    made = b.one("depth_to_space", [images], properties)
    factor = upscale_factor
    shape = (
        *batch,
        sizes.floor_divide(channels, factor * factor),
        sizes.multiply(height, factor),
        sizes.multiply(width, factor),
    )
    return b.reshape(b.type_as(made, (b.size(images, 0), *shape[-3:])), shape)


@aten("pixel_unshuffle")
def pixel_unshuffle(b: AtenBuilder, self: Value, downscale_factor: int) -> Value:
    """Blocks of pixels as channels"""
    *batch, channels, height, width = b.sizes(self)
    r, n = downscale_factor, len(batch)
    high, wide = sizes.floor_divide(height, r), sizes.floor_divide(width, r)
    blocks = b.reshape(self, (*batch, channels, high, r, wide, r))
    perm = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    turned = b.one("transpose", [blocks], {"perm": perm})
    return b.reshape(turned, (*batch, sizes.multiply(channels, r * r), high, wide))


@aten("channel_shuffle")
def channel_shuffle(b: AtenBuilder, self: Value, groups: Int) -> Value:
    """Channels of groups in turn"""
    batch, channels, *rest = b.sizes(self)
    parted = b.reshape(self, (batch, groups, sizes.floor_divide(channels, groups), *rest))
    perm = (0, 2, 1, *range(3, len(rest) + 3))
    return b.reshape(b.one("transpose", [parted], {"perm": perm}), b.sizes(self))


@aten("repeat_interleave", overload="self_int")
def repeat_interleave(
    b: AtenBuilder,
    self: Value,
    repeats: Int,
    dim: int | None = None,
    *,
    output_size: Int | None = None,
) -> Value:
    """Each element so often along a dimension, or of all elements as a vector"""
    value = b.reshape(self, (b.numel(self),)) if dim is None else self
    axis = 0 if dim is None else b.axis(self, dim)
    given = b.sizes(value)
    single = b.one("unsqueeze", [value, None], {"axes": (axis + 1,)})
    wide = b.expand(single, (*given[: axis + 1], repeats, *given[axis + 1 :]))
    size = sizes.multiply(given[axis], repeats)
    return b.reshape(wide, (*given[:axis], size, *given[axis + 1 :]))


@aten("repeat_interleave", overload="self_Tensor")
def repeat_interleave_each(
    b: AtenBuilder,
    self: Value,
    repeats: Value,
    dim: int | None = None,
    *,
    output_size: Int | None = None,
) -> Value:
    """Elements as often as a tensor says, which must be known at import"""
    value = b.reshape(self, (b.numel(self),)) if dim is None else self
    axis = 0 if dim is None else b.axis(self, dim)
    counts = b.known(repeats)
    if counts is None:
        raise b.unsupported("the repeats must be known at import")
    size = b.int(b.size(value, axis))
    if counts.ndim > 1 or (counts.size not in (1, size)) or (counts.size and counts.min() < 0):
        raise b.error("there must be a repeat that is not negative for each element")
    if size > _MOST_PLACES or int(np.broadcast_to(counts, (size,)).sum()) > _MOST_PLACES:
        raise b.error("repeats too many elements")
    places = np.repeat(np.arange(size, dtype=np.int64), np.broadcast_to(counts, (size,)))
    return b.one("gather", [value, b.constant(places)], {"axis": axis})


RULES = rules_in(globals())
