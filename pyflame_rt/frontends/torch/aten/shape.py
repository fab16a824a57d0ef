"""Tensors under other shapes: views, and the order and the repetition of dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from pyflame_rt.dtypes import DType
from pyflame_rt.frontends.torch.aten import sizes, views
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Ints, Value, numpy_of


@aten("view", view=views.RESHAPED)
def view(b: AtenBuilder, self: Value, size: Ints) -> Value:
    """The same elements under another shape; -1 stands for what remains"""
    return b.reshape(self, size)


@aten("view", overload="dtype", view=views.UNWRITABLE)
def view_dtype(b: AtenBuilder, self: Value, dtype: DType) -> Value:
    """The same bits as elements of another type of the same width"""
    wanted = numpy_of(dtype)
    if wanted.itemsize != self.dtype.itemsize:
        raise b.unsupported(f"{self.dtype} as {wanted}, of another width, is not supported")
    return self if wanted == self.dtype else b.one("bit_cast", [self], {"to": wanted})


@aten("_unsafe_view")
def unsafe_view(b: AtenBuilder, self: Value, size: Ints) -> Value:
    """The same elements under another shape"""
    return b.reshape(self, size)


@aten("reshape", view=views.MAYBE_RESHAPED)
def reshape(b: AtenBuilder, self: Value, shape: Ints) -> Value:
    """The same elements under another shape; -1 stands for what remains"""
    return b.reshape(self, shape)


@aten("view_as", view=views.RESHAPED)
def view_as(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The same elements under the shape of other"""
    return b.reshape(self, b.sizes(other))


@aten("reshape_as", view=views.MAYBE_RESHAPED)
def reshape_as(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The same elements under the shape of other"""
    return b.reshape(self, b.sizes(other))


@aten("flatten", overload="using_ints", view=views.MAYBE_RESHAPED)
def flatten(b: AtenBuilder, self: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """Consecutive dimensions as one"""
    first, last = b.axis(self, start_dim), b.axis(self, end_dim)
    if b.rank(self) == 0:
        return b.reshape(self, (1,))
    if first > last:
        raise b.error("start_dim comes after end_dim")
    given = b.sizes(self)
    product = sizes.product(given[first : last + 1])
    return b.reshape(self, (*given[:first], product, *given[last + 1 :]))


@aten("ravel", view=views.MAYBE_RESHAPED)
def ravel(b: AtenBuilder, self: Value) -> Value:
    """All elements as a vector"""
    return b.reshape(self, (b.numel(self),))


@aten("unflatten", overload="int", view=views.RESHAPED)
def unflatten(b: AtenBuilder, self: Value, dim: int, sizes: Ints) -> Value:
    """A dimension as several; -1 stands for what remains of it"""
    axis = b.axis(self, dim)
    given = b.sizes(self)
    parts = split_size(b, given[axis], sizes)
    return b.reshape(self, (*given[:axis], *parts, *given[axis + 1 :]))


def split_size(b: AtenBuilder, size: Int, parts: Sequence[Int]) -> tuple[Int, ...]:
    """Sizes whose product is `size`, the one that is -1 told."""
    if -1 not in parts:
        return tuple(parts)
    rest = sizes.product(part for part in parts if part != -1)
    if rest == 0 or list(parts).count(-1) > 1:
        raise b.error("-1 can be told once, beside no 0")
    found = sizes.floor_divide(size, rest)
    return tuple(found if part == -1 else part for part in parts)


def _squeezed(b: AtenBuilder, self: Value, dims: Sequence[Int]) -> Value:
    given = self.shape
    axes = [axis for axis in b.axes(self, dims) if given]
    # A size that is known only at run time is not 1, as torch.export has it too.
    gone = tuple(sorted(axis for axis in axes if given is not None and given[axis] == 1))
    return b.one("squeeze", [self, None], {"axes": gone}) if gone else self


@aten("squeeze", view=views.RESHAPED)
def squeeze(b: AtenBuilder, self: Value) -> Value:
    """Without the dimensions of size 1"""
    return _squeezed(b, self, range(b.rank(self)))


@aten("squeeze", overload="dim", view=views.RESHAPED)
def squeeze_dim(b: AtenBuilder, self: Value, dim: int) -> Value:
    """Without a dimension, if its size is 1"""
    return _squeezed(b, self, [dim])


@aten("squeeze", overload="dims", view=views.RESHAPED)
def squeeze_dims(b: AtenBuilder, self: Value, dim: Ints) -> Value:
    """Without those of the dimensions whose size is 1"""
    return _squeezed(b, self, dim)


@aten("unsqueeze", view=views.RESHAPED)
def unsqueeze(b: AtenBuilder, self: Value, dim: int) -> Value:
    """With a dimension of size 1 at a place"""
    return b.one("unsqueeze", [self, None], {"axes": (b.axis(self, dim, extra=1),)})


def transposed(b: AtenBuilder, value: Value, dim0: int, dim1: int) -> Value:
    """With two dimensions exchanged."""
    first, second = b.axis(value, dim0), b.axis(value, dim1)
    if first == second:
        return value
    perm = list(range(b.rank(value)))
    perm[first], perm[second] = second, first
    return b.one("transpose", [value], {"perm": tuple(perm)})


@aten("transpose", overload="int", view=views.SWAPPED)
def transpose(b: AtenBuilder, self: Value, dim0: int, dim1: int) -> Value:
    """With two dimensions exchanged"""
    return transposed(b, self, dim0, dim1)


@aten("swapaxes", view=views.SWAPPED)
def swapaxes(b: AtenBuilder, self: Value, axis0: int, axis1: int) -> Value:
    """With two dimensions exchanged"""
    return transposed(b, self, axis0, axis1)


@aten("t", view=views.SWAPPED)
def t(b: AtenBuilder, self: Value) -> Value:
    """A matrix transposed; a vector as it is"""
    rank = b.rank(self)
    if rank > 2:
        raise b.error(f"is for matrices, not for {rank} dimensions")
    return transposed(b, self, 0, 1) if rank == 2 else self


@aten("numpy_T", view=views.SWAPPED)
def numpy_t(b: AtenBuilder, self: Value) -> Value:
    """With the dimensions in the opposite order"""
    perm = tuple(reversed(range(b.rank(self))))
    return b.one("transpose", [self], {"perm": perm}) if len(perm) > 1 else self


@aten("mT", view=views.SWAPPED)
def m_t(b: AtenBuilder, self: Value) -> Value:
    """Matrices in the last two dimensions transposed"""
    return transposed(b, self, -2, -1)


@aten("permute", view=views.PERMUTED)
def permute(b: AtenBuilder, self: Value, dims: Ints) -> Value:
    """With the dimensions in another order"""
    perm = b.axes(self, dims)
    if len(perm) != b.rank(self):
        raise b.error(f"{list(perm)} is no order of {b.rank(self)} dimensions")
    return b.one("transpose", [self], {"perm": perm}) if perm != tuple(range(len(perm))) else self


def _moved(b: AtenBuilder, self: Value, source: Ints, destination: Ints) -> Value:
    start, end = b.axes(self, source), b.axes(self, destination)
    if len(start) != len(end):
        raise b.error("source and destination differ in length")
    rest = iter(axis for axis in range(b.rank(self)) if axis not in start)
    there = dict(zip(end, start, strict=True))
    perm = tuple(there[axis] if axis in there else next(rest) for axis in range(b.rank(self)))
    return b.one("transpose", [self], {"perm": perm}) if perm != tuple(range(len(perm))) else self


@aten("movedim", overload="int", view=views.ANY)
def movedim(b: AtenBuilder, self: Value, source: int, destination: int) -> Value:
    """With a dimension at another place"""
    return _moved(b, self, (source,), (destination,))


@aten("movedim", overload="intlist", view=views.ANY)
def movedim_list(b: AtenBuilder, self: Value, source: Ints, destination: Ints) -> Value:
    """With dimensions at other places"""
    return _moved(b, self, source, destination)


def expanded(b: AtenBuilder, self: Value, size: Sequence[Int]) -> Value:
    """Dimensions of size 1 as often as `size` says, new ones before; -1 keeps one as it is."""
    given = b.sizes(self)
    extra = len(size) - len(given)
    if extra < 0 or -1 in tuple(size)[:extra]:
        raise b.error(f"{len(given)} dimensions cannot be expanded to {len(size)}")
    padded = (*(1,) * extra, *given)
    wanted = tuple(old if new == -1 else new for old, new in zip(padded, size, strict=True))
    for old, new in zip(padded, wanted, strict=True):
        if isinstance(old, int) and isinstance(new, int) and old not in (1, new):
            raise b.error(f"a dimension of {old} cannot be expanded to {new}")
    return b.expand(self, wanted)


@aten("expand", view=views.UNWRITABLE)
def expand(b: AtenBuilder, self: Value, size: Ints, *, implicit: bool = False) -> Value:
    """Dimensions of size 1 repeated, new ones before; -1 keeps one as it is"""
    return expanded(b, self, size)


@aten("expand_as", view=views.UNWRITABLE)
def expand_as(b: AtenBuilder, self: Value, other: Value) -> Value:
    """Dimensions of size 1 repeated to the shape of other"""
    return expanded(b, self, b.sizes(other))


@aten("broadcast_to", view=views.UNWRITABLE)
def broadcast_to(b: AtenBuilder, self: Value, size: Ints) -> Value:
    """Dimensions of size 1 repeated, new ones before"""
    return expanded(b, self, size)


def repeated(b: AtenBuilder, self: Value, repeats: Sequence[Int]) -> Value:
    """The tensor so often along each dimension, new ones before."""
    given = b.sizes(self)
    extra = len(repeats) - len(given)
    if extra < 0:
        raise b.error(f"{len(repeats)} repeats for {len(given)} dimensions")
    base = b.reshape(self, (*(1,) * extra, *given))
    wanted = [sizes.multiply(dim, n) for dim, n in zip(b.sizes(base), repeats, strict=True)]
    if all(n == 1 for n in repeats):
        return base
    if all(isinstance(n, int) for n in repeats):
        made = b.one("tile", [base, None], {"repeats": b.ints(repeats)})
    else:
        made = b.one("tile", [base, b.vector(repeats)])
    return b.type_as(made, wanted)


@aten("repeat")
def repeat(b: AtenBuilder, self: Value, repeats: Ints) -> Value:
    """The tensor so often along each dimension, new ones before"""
    return repeated(b, self, repeats)


@aten("tile")
def tile(b: AtenBuilder, self: Value, dims: Ints) -> Value:
    """The tensor so often along each of the last dimensions"""
    return repeated(b, self, (*(1,) * (b.rank(self) - len(dims)), *dims))


@aten("moveaxis", overload="int", view=views.ANY)
def moveaxis(b: AtenBuilder, self: Value, source: int, destination: int) -> Value:
    """With a dimension at another place"""
    return _moved(b, self, (source,), (destination,))


@aten("atleast_1d")
def atleast_1d(b: AtenBuilder, self: Value) -> Value:
    """A number as a vector of one"""
    return b.reshape(self, (1,)) if b.rank(self) == 0 else self


@aten("adjoint", view=views.SWAPPED)
def adjoint(b: AtenBuilder, self: Value) -> Value:
    """Matrices in the last two dimensions transposed"""
    return transposed(b, self, -2, -1)


RULES = rules_in(globals())
