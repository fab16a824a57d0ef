"""Elements chosen and written by indices and masks, embeddings, and elements in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyflame_rt.frontends.torch.aten import sizes, views
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.elementwise import binary, scaled
from pyflame_rt.frontends.torch.aten.pieces import slice_
from pyflame_rt.frontends.torch.aten.promotion import BOOL, INT64
from pyflame_rt.frontends.torch.aten.propagation import broadcast
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int, Size
from pyflame_rt.frontends.torch.aten.values import Indices, Scalar, TensorValue, Value, Values

_REDUCTIONS = {
    "sum": "add",
    "add": "add",
    "prod": "mul",
    "multiply": "mul",
    "amax": "max",
    "amin": "min",
}


def _at_least_vector(b: AtenBuilder, value: Value) -> Value:
    return b.reshape(value, (1,)) if b.rank(value) == 0 else value


@aten("gather")
def gather(
    b: AtenBuilder, self: Value, dim: int, index: Value, *, sparse_grad: bool = False
) -> Value:
    """The elements at places along a dimension"""
    axis = b.axis(self, dim)
    data, places = (_at_least_vector(b, value) for value in (self, index))
    made = b.one("gather_elements", [data, places], {"axis": axis})
    return b.reshape(made, b.sizes(index))


@aten("index_select")
def index_select(b: AtenBuilder, self: Value, dim: int, index: Value) -> Value:
    """What stands at indices of a dimension"""
    axis = b.axis(self, dim)
    if b.rank(self) == 0:
        return b.reshape(b.one("gather", [_at_least_vector(b, self), index], {"axis": 0}), ())
    return b.one("gather", [self, _at_least_vector(b, index)], {"axis": axis})


@aten("embedding")
def embedding(
    b: AtenBuilder,
    weight: Value,
    indices: Value,
    padding_idx: Int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Value:
    """The rows of a table at indices"""
    return b.one("gather", [weight, indices], {"axis": 0})


@aten("take")
def take(b: AtenBuilder, self: Value, index: Value) -> Value:
    """The elements at places among all elements"""
    return b.one("gather", [b.reshape(self, (b.numel(self),)), index], {"axis": 0})


def _columns(b: AtenBuilder, self: Value, indices: Indices) -> list[tuple[int, Value]]:
    """Which axes are indexed by which integers; a mask stands for an axis for each of its own."""
    found: list[tuple[int, Value]] = []
    axis = 0
    for index in indices:
        if index is None:
            axis += 1
        elif index.dtype.name in ("bool", "uint8"):
            places = b.one("non_zero", [b.cast(index, BOOL)])
            for row in range(b.rank(index)):
                found.append((axis, b.one("gather", [places, b.number(row)], {"axis": 0})))
                axis += 1
        else:
            found.append((axis, b.cast(index, INT64)))
            axis += 1
    if axis > b.rank(self):
        raise b.error(f"{axis} indices for {b.rank(self)} dimensions")
    return found


def _tuples(b: AtenBuilder, columns: Sequence[Value]) -> Value:
    """Indices that broadcast, as tuples along a new last dimension."""
    if len(columns) > 1:
        shape = _broadcast_shape(b, columns)
        columns = [b.expand(column, shape) for column in columns]
    last = b.rank(columns[0])
    rows = [b.one("unsqueeze", [column, None], {"axes": (last,)}) for column in columns]
    return rows[0] if len(rows) == 1 else b.one("concat", [rows], {"axis": last})


def _broadcast_shape(b: AtenBuilder, values: Sequence[Value]) -> list[Int]:
    found = broadcast([b.sizes(value) for value in values])
    if all(dim is not None for dim in found):
        return [dim for dim in found if dim is not None]
    # An op that broadcasts tells what the sizes alone do not.
    total = values[0]
    for value in values[1:]:
        total = binary(b, "add", total, value)
    return list(b.sizes(total))


def _in_front(b: AtenBuilder, self: Value, axes: Sequence[int]) -> tuple[Value, tuple[int, ...]]:
    """The tensor with some axes first, and the order that does it."""
    perm = (*axes, *(axis for axis in range(b.rank(self)) if axis not in axes))
    if perm == tuple(range(len(perm))):
        return self, perm
    return b.one("transpose", [self], {"perm": perm}), perm


def _is_adjacent(indices: Indices) -> bool:
    """Whether nothing stands between the indexed dimensions."""
    given = [position for position, index in enumerate(indices) if index is not None]
    return given == list(range(given[0], given[-1] + 1))


@aten("index", overload="Tensor")
def index(b: AtenBuilder, self: Value, indices: Indices) -> Value:
    """The elements at indices, one tensor a dimension; None leaves a dimension as it is"""
    columns = _columns(b, self, indices)
    if not columns:
        return self
    axes = [axis for axis, _ in columns]
    values = [value for _, value in columns]
    if len(columns) == 1:
        return b.one("gather", [self, values[0]], {"axis": axes[0]})
    data, _ = _in_front(b, self, axes)
    places = _tuples(b, values)
    made = b.one("gather_nd", [data, places], {"batch_dims": 0})
    if not _is_adjacent(indices) or axes[0] == 0:
        return made
    # The dimensions of the indices stand where the indexed ones did.
    new = b.rank(places) - 1
    before = axes[0]
    rank = b.rank(made)
    perm = (*range(new, new + before), *range(new), *range(new + before, rank))
    return b.one("transpose", [made], {"perm": perm})


@aten("_unsafe_index", overload="Tensor")
def unsafe_index(b: AtenBuilder, self: Value, indices: Indices) -> Value:
    """The elements at indices, one tensor a dimension; None leaves a dimension as it is"""
    return index(b, self, indices)


@aten("index", overload="Tensor_hacked_twin")
def index_twin(b: AtenBuilder, self: Value, indices: Values) -> Value:
    """The elements at indices, one tensor a dimension"""
    return index(b, self, indices)


@aten("index_put")
def index_put(
    b: AtenBuilder, self: Value, indices: Indices, values: Value, accumulate: bool = False
) -> Value:
    """The tensor with values written, or added, at indices"""
    new = b.cast(values, self.dtype)
    given = [index for index in indices if index is not None]
    if len(given) == 1 and given[0].dtype == BOOL and values.rank == 0 and not accumulate:
        mask = given[0]
        before = next(axis for axis, item in enumerate(indices) if item is not None)
        rest = b.rank(self) - before - b.rank(mask)
        mask = b.reshape(mask, (*b.sizes(mask), *(1,) * rest))
        return b.one("where", [mask, new, self])
    columns = _columns(b, self, indices)
    if not columns:
        return binary(b, "add", self, new) if accumulate else copy(b, self, values)
    axes = [axis for axis, _ in columns]
    data, perm = _in_front(b, self, axes)
    places = _tuples(b, [value for _, value in columns])
    count = b.rank(places) - 1
    kept = b.sizes(data)[len(axes) :]
    before = 0 if not _is_adjacent(indices) else axes[0]
    shape = (*kept[:before], *b.sizes(places)[:-1], *kept[before:])
    updates = b.expand(new, shape)
    if before:
        order = (
            *range(before, before + count),
            *range(before),
            *range(before + count, len(shape)),
        )
        updates = b.one("transpose", [updates], {"perm": order})
    reduction = "add" if accumulate else "none"
    made = b.one("scatter_nd", [data, places, updates], {"reduction": reduction})
    inverse = tuple(int(axis) for axis in np.argsort(perm))
    if inverse == tuple(range(len(perm))):
        return made
    return b.one("transpose", [made], {"perm": inverse})


@aten("index_put", overload="hacked_twin")
def index_put_twin(
    b: AtenBuilder, self: Value, indices: Values, values: Value, accumulate: bool = False
) -> Value:
    """The tensor with values written, or added, at indices"""
    return index_put(b, self, indices, values, accumulate)


def _scattered(
    b: AtenBuilder, self: Value, dim: int, index: Value, source: Scalar | Value, reduction: str
) -> Value:
    axis = b.axis(self, dim)
    data, places = (_at_least_vector(b, value) for value in (self, index))
    if isinstance(source, TensorValue) and not source.wrapped:
        updates = _at_least_vector(b, source)
        for at in range(b.rank(places)):
            most = b.size(places, at)
            if b.size(updates, at) != most:
                numbers = (0, most, at, 1)
                parts = [b.vector([number]) for number in numbers]
                cut = b.one("slice", [updates, *parts])
                shape = list(b.sizes(updates))
                shape[at] = most
                updates = b.type_as(cut, shape)
        updates = b.cast(updates, data.dtype)
    else:
        updates = b.expand(b.tensor(source, data.dtype), b.sizes(places))
    properties = {"axis": axis, "reduction": reduction}
    made = b.one("scatter_elements", [data, places, updates], properties)
    return b.reshape(made, b.sizes(self))


def _reduction(b: AtenBuilder, name: str) -> str:
    if name not in _REDUCTIONS:
        raise b.unsupported(f"the reduction {name} is not supported")
    return _REDUCTIONS[name]


@aten("scatter", overload="src")
def scatter(b: AtenBuilder, self: Value, dim: int, index: Value, src: Value) -> Value:
    """The tensor with elements of src written at places along a dimension"""
    return _scattered(b, self, dim, index, src, "none")


@aten("scatter", overload="value")
def scatter_value(b: AtenBuilder, self: Value, dim: int, index: Value, value: Scalar) -> Value:
    """The tensor with a number written at places along a dimension"""
    return _scattered(b, self, dim, index, value, "none")


@aten("scatter", overload="reduce")
def scatter_with(
    b: AtenBuilder, self: Value, dim: int, index: Value, src: Value, *, reduce: str
) -> Value:
    """The tensor with elements of src added or multiplied at places along a dimension"""
    return _scattered(b, self, dim, index, src, _reduction(b, reduce))


@aten("scatter_add")
def scatter_add(b: AtenBuilder, self: Value, dim: int, index: Value, src: Value) -> Value:
    """The tensor with elements of src added at places along a dimension"""
    return _scattered(b, self, dim, index, src, "add")


@aten("scatter_reduce", overload="two")
def scatter_reduce(
    b: AtenBuilder,
    self: Value,
    dim: int,
    index: Value,
    src: Value,
    reduce: str,
    *,
    include_self: bool = True,
) -> Value:
    """The tensor with elements of src combined at places along a dimension"""
    if not include_self:
        raise b.unsupported("include_self=False is not supported")
    return _scattered(b, self, dim, index, src, _reduction(b, reduce))


@aten("index_add")
def index_add(
    b: AtenBuilder, self: Value, dim: int, index: Value, source: Value, *, alpha: Scalar = 1
) -> Value:
    """The tensor with slices added at indices of a dimension"""
    axis = b.axis(self, dim)
    updates = scaled(b, b.cast(source, self.dtype), alpha, self.dtype)
    data, perm = _in_front(b, self, [axis])
    turned, _ = _in_front(b, updates, [axis])
    places = b.one("unsqueeze", [_at_least_vector(b, index), None], {"axes": (1,)})
    made = b.one("scatter_nd", [data, places, turned], {"reduction": "add"})
    return b.one("transpose", [made], {"perm": tuple(int(i) for i in np.argsort(perm))})


@aten("index_fill", overload="int_Scalar")
def index_fill(b: AtenBuilder, self: Value, dim: int, index: Value, value: Scalar) -> Value:
    """The tensor with a number written at indices of a dimension"""
    axis = b.axis(self, dim)
    places = _at_least_vector(b, index)
    rows = b.one("unsqueeze", [places, None], {"axes": (1,)})
    shape = list(b.sizes(self))
    shape[axis] = b.size(places, 0)
    return views.write_rows(b, self, axis, rows, b.expand(b.tensor(value, self.dtype), shape))


@aten("index_copy")
def index_copy(b: AtenBuilder, self: Value, dim: int, index: Value, source: Value) -> Value:
    """The tensor with slices written at indices of a dimension"""
    axis = b.axis(self, dim)
    rows = b.one("unsqueeze", [_at_least_vector(b, index), None], {"axes": (1,)})
    return views.write_rows(b, self, axis, rows, b.cast(source, self.dtype))


@aten("select_scatter")
def select_scatter(b: AtenBuilder, self: Value, src: Value, dim: int, index: Int) -> Value:
    """The tensor with src written at one index of a dimension"""
    axis = b.axis(self, dim)
    rows = b.reshape(b.vector([index]), (1, 1))
    part = b.one("unsqueeze", [src, None], {"axes": (axis,)})
    return views.write_rows(b, self, axis, rows, b.cast(part, self.dtype))


@aten("slice_scatter")
def slice_scatter(
    b: AtenBuilder,
    self: Value,
    src: Value,
    dim: int = 0,
    start: Int | None = None,
    end: Int | None = None,
    step: Int = 1,
) -> Value:
    """The tensor with src written at every so many of a dimension"""
    axis = b.axis(self, dim)
    part = b.cast(src, self.dtype)
    if step == 1 and start in (0, None) and b.sizes(part) == b.sizes(self):
        return part
    places = views.positions(b, 0, b.size(self, axis))
    rows = b.one("unsqueeze", [slice_(b, places, 0, start, end, step), None], {"axes": (1,)})
    return views.write_rows(b, self, axis, rows, part)


@aten("masked_fill", overload="Scalar")
def masked_fill(b: AtenBuilder, self: Value, mask: Value, value: Scalar) -> Value:
    """The tensor with a number where a mask is true"""
    return b.one("where", [b.cast(mask, BOOL), b.tensor(value, self.dtype), self])


@aten("masked_fill", overload="Tensor")
def masked_fill_tensor(b: AtenBuilder, self: Value, mask: Value, value: Value) -> Value:
    """The tensor with a number where a mask is true"""
    return b.one("where", [b.cast(mask, BOOL), b.tensor(value, self.dtype), self])


@aten("masked_scatter")
def masked_scatter(b: AtenBuilder, self: Value, mask: Value, source: Value) -> Value:
    """The tensor with elements of source, in order, where a mask is true"""
    flags = b.cast(b.expand(b.cast(mask, BOOL), b.sizes(self)), INT64)
    flat = b.reshape(flags, (b.numel(self),))
    before = b.one("cum_sum", [flat, None], {"axis": 0, "exclusive": True})
    # What is not taken may be any element.
    elements = b.reshape(b.cast(source, self.dtype), (b.numel(source),))
    last = b.number(sizes.subtract(b.numel(source), 1))
    places = b.one("min", [[before, last]])
    taken = b.reshape(b.one("gather", [elements, places], {"axis": 0}), b.sizes(self))
    return b.one("where", [b.cast(flags, BOOL), taken, self])


@aten("masked_select")
def masked_select(b: AtenBuilder, self: Value, mask: Value) -> Value:
    """The elements where a mask is true, as a vector"""
    shape = broadcast([b.sizes(self), b.sizes(mask)])
    known = [dim for dim in shape if dim is not None]
    if len(known) != len(shape):
        raise b.unsupported("a mask whose shape may be another is not supported")
    data, flags = (b.reshape(b.expand(value, known), (-1,)) for value in (self, mask))
    return b.one("compress", [data, flags], {"axis": 0})


@aten("where", overload="self")
def where(b: AtenBuilder, condition: Value, self: Value, other: Value) -> Value:
    """Elements of self where the condition holds, else of other"""
    return b.one("where", [b.cast(condition, BOOL), *b.promote(self, other)])


@aten("where", overload="ScalarOther")
def where_scalar_other(b: AtenBuilder, condition: Value, self: Value, other: Scalar) -> Value:
    """Elements of self where the condition holds, else other"""
    return b.one("where", [b.cast(condition, BOOL), *b.promote(self, other)])


@aten("where", overload="ScalarSelf")
def where_scalar_self(b: AtenBuilder, condition: Value, self: Scalar, other: Value) -> Value:
    """self where the condition holds, else elements of other"""
    return b.one("where", [b.cast(condition, BOOL), *b.promote(self, other)])


@aten("where", overload="Scalar")
def where_scalars(b: AtenBuilder, condition: Value, self: Scalar, other: Scalar) -> Value:
    """self where the condition holds, else other"""
    return b.one("where", [b.cast(condition, BOOL), *b.promote(self, other)])


@aten("nonzero")
def nonzero(b: AtenBuilder, self: Value) -> Value:
    """The indices of elements that are not 0, a row for each"""
    return b.one("transpose", [b.one("non_zero", [self])], {"perm": (1, 0)})


@aten("where")
def where_places(b: AtenBuilder, condition: Value) -> list[Value]:
    """The indices of elements that are not 0, a vector for each dimension"""
    places = b.one("non_zero", [condition])
    rows = range(b.rank(condition))
    return [b.one("gather", [places, b.number(row)], {"axis": 0}) for row in rows]


@aten("topk")
def topk(
    b: AtenBuilder,
    self: Value,
    k: Int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
) -> tuple[Value, Value]:
    """The k largest or least elements along a dimension, and where they are"""
    return _top(b, self, k, b.axis(self, dim), largest, sorted)


def _top(
    b: AtenBuilder, self: Value, k: Int, axis: int, largest: bool, ordered: bool
) -> tuple[Value, Value]:
    if b.rank(self) == 0:
        return self, b.constant(np.array(0, np.int64))
    properties = {"axis": axis, "largest": largest, "sorted": ordered}
    shape = list(b.sizes(self))
    shape[axis] = k
    if isinstance(k, Size):
        values, indices = b.emit("top_k", [self, b.vector([k])], properties)
    else:
        values, indices = b.emit("top_k", [self, None], {**properties, "k": k})
    return b.type_as(values, shape), b.type_as(indices, shape)


def _sorted(b: AtenBuilder, self: Value, dim: int, descending: bool) -> tuple[Value, Value]:
    axis = b.axis(self, dim)
    return _top(b, self, b.size(self, axis) if b.rank(self) else 1, axis, descending, True)


@aten("sort")
def sort(
    b: AtenBuilder, self: Value, dim: int = -1, descending: bool = False
) -> tuple[Value, Value]:
    """The elements in order along a dimension, and where they were"""
    return _sorted(b, self, dim, descending)


@aten("sort", overload="stable")
def sort_stable(
    b: AtenBuilder, self: Value, *, stable: bool | None, dim: int = -1, descending: bool = False
) -> tuple[Value, Value]:
    """The elements in order along a dimension, equal ones in theirs, and where they were"""
    return _sorted(b, self, dim, descending)


@aten("argsort")
def argsort(b: AtenBuilder, self: Value, dim: int = -1, descending: bool = False) -> Value:
    """Where the elements were that are in order along a dimension"""
    return _sorted(b, self, dim, descending)[1]


@aten("argsort", overload="stable")
def argsort_stable(
    b: AtenBuilder, self: Value, *, stable: bool, dim: int = -1, descending: bool = False
) -> Value:
    """Where the elements were that are in order along a dimension"""
    return _sorted(b, self, dim, descending)[1]


@aten("one_hot")
def one_hot(b: AtenBuilder, self: Value, num_classes: int = -1) -> Value:
    """1 at each index of a new last dimension, 0 elsewhere"""
    if num_classes < 0:
        raise b.unsupported("the number of classes must be given")
    values = b.constant(np.array([0, 1], np.int64))
    return b.one("one_hot", [self, None, values], {"depth": num_classes, "axis": -1})


@aten("bucketize", overload="Tensor")
def bucketize(
    b: AtenBuilder,
    self: Value,
    boundaries: Value,
    *,
    out_int32: bool = False,
    right: bool = False,
) -> Value:
    """How many of the boundaries, which are in order, lie before each element"""
    x, limits = b.promote(self, boundaries)
    elements = b.one("unsqueeze", [x, None], {"axes": (b.rank(x),)})
    before = b.one("greater_or_equal" if right else "greater", [elements, limits])
    counts = b.one(
        "reduce_sum", [b.cast(before, INT64), None], {"axes": (b.rank(x),), "keepdims": False}
    )
    return b.cast(counts, np.dtype(np.int32)) if out_int32 else counts


@aten("searchsorted", overload="Tensor")
def searchsorted(
    b: AtenBuilder,
    sorted_sequence: Value,
    self: Value,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Value | None = None,
) -> Value:
    """How many of a vector in order lie before each element"""
    if b.rank(sorted_sequence) != 1 or sorter is not None:
        raise b.unsupported("more than one sorted sequence, or a sorter, is not supported")
    after = right or side == "right"
    return bucketize(b, self, sorted_sequence, out_int32=out_int32, right=after)


@aten("isin", overload="Tensor_Tensor")
def isin(
    b: AtenBuilder,
    elements: Value,
    test_elements: Value,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Value:
    """Whether each element is among others"""
    x, others = b.promote(elements, test_elements)
    wide = b.one("unsqueeze", [x, None], {"axes": (b.rank(x),)})
    same = b.one("equal", [wide, b.reshape(others, (b.numel(others),))])
    flags = b.cast(same, np.dtype(np.uint8))
    found = b.one("reduce_max", [flags, None], {"axes": (b.rank(x),), "keepdims": False})
    truth = b.cast(found, BOOL)
    return b.one("not", [truth]) if invert else truth


@aten("copy")
def copy(b: AtenBuilder, self: Value, src: Value, non_blocking: bool = False) -> Value:
    """src with the type and the shape of self"""
    return b.expand(b.cast(src, self.dtype), b.sizes(self))


@aten("fill", overload="Scalar")
def fill(b: AtenBuilder, self: Value, value: Scalar) -> Value:
    """A number with the type and the shape of self"""
    return b.expand(b.tensor(value, self.dtype), b.sizes(self))


@aten("fill", overload="Tensor")
def fill_tensor(b: AtenBuilder, self: Value, value: Value) -> Value:
    """A number with the type and the shape of self"""
    return b.expand(b.tensor(value, self.dtype), b.sizes(self))


@aten("zero")
def zero(b: AtenBuilder, self: Value) -> Value:
    """0 with the type and the shape of self"""
    return b.full(b.sizes(self), np.zeros((), self.dtype))


RULES = rules_in(globals())
