"""What is known of the values of a function: their sizes, and the integers in small ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias, cast

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr, TensorType, i1, i32, i64
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation, OpResult, SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.types import DYNAMIC, static_shape_of
from pyflame_rt.passes.symbolic.sizes import Place, Polynomial, Size, Symbol, of_symbol

MOST_ELEMENTS = 64
"""Integers of longer vectors are not followed."""

Sizes: TypeAlias = tuple[Size, ...]
Partial: TypeAlias = Sequence[Size | None]


class Facts:
    """Sizes of each value, and elements of integer and boolean tensors of rank 0 and 1.

    A dimension that nothing is known of becomes a symbol of its own, so that every value of known
    rank has sizes. Ask only after the op that defines a value has been visited.
    """

    def __init__(self) -> None:
        self._shapes: dict[Place, Sizes | None] = {}
        self._contents: dict[Place, Sizes] = {}
        self._keyed: dict[Hashable, Symbol] = {}
        self._moved: dict[Place, Place] = {}
        self._capped: dict[Size, Size] = {}
        self._count = 0

    def shape(self, value: SSAValue) -> Sizes | None:
        """The sizes of a value; None when its rank is unknown."""
        place = place_of(value)
        if place not in self._shapes:
            self.set_shape(value, None)
        return self._shapes[place]

    def contents(self, value: SSAValue) -> Sizes | None:
        """The elements of a small integer tensor in order, true being 1; None when not known."""
        place = place_of(value)
        if place not in self._contents and _may_hold_integers(value.type):
            array = constant_of(value)
            if array is not None and array.ndim <= 1 and array.size <= MOST_ELEMENTS:
                self._contents[place] = tuple(int(item) for item in array.reshape(-1))
        return self._contents.get(place)

    def unknown(self) -> Polynomial:
        """An integer of its own, of any sign."""
        return of_symbol(self._symbol(None, 0))

    def keyed(self, key: Hashable, source: SSAValue, axis: int) -> Polynomial:
        """The unknown size that is a function of what the key names; new at its first use."""
        if key not in self._keyed:
            self._keyed[key] = self._symbol(place_of(source), axis)
        return of_symbol(self._keyed[key])

    def capped(self, size: Size, cap: int, source: SSAValue, axis: int) -> Polynomial:
        """The unknown size min(size, cap), for a cap of at least 1."""
        capped = self.keyed(("min", size, cap), source, axis)
        self._capped[capped] = size
        return capped

    def broadcast(self, sizes: Sequence[Size]) -> Size | None:
        """The size that dimensions broadcast to; None when that depends on the symbols."""
        others = {size for size in sizes if size != 1}
        if len(others) <= 1:
            return others.pop() if others else 1
        # All that are not 1 are equal at run time: a number says which size that is.
        known = [size for size in others if isinstance(size, int)]
        if known:
            return known[0] if known[0] > 1 else None
        # min(a, c) broadcasts with a only where it is a or 1, and to a in both cases.
        whole = {self._capped.get(size, size) for size in others}
        return whole.pop() if len(whole) == 1 and not whole.isdisjoint(others) else None

    def source(self, symbol: Symbol) -> SSAValue | None:
        """The value that a size is a dimension of; None for other integers."""
        if symbol.source is None:
            return None
        owner, index = self._moved.get(symbol.source, symbol.source)
        return owner.results[index] if isinstance(owner, Operation) else owner.args[index]

    def _symbol(self, source: Place | None, axis: int) -> Symbol:
        self._count += 1
        return Symbol(self._count, source, axis, source is not None)

    def set_shape(self, value: SSAValue, known: Partial | None) -> None:
        """Record the sizes of a value: those that its type says, else those given, else new ones."""
        kind = value.type
        if not isinstance(kind, TensorType):
            self._shapes[place_of(value)] = None
            return
        dims = cast("TensorType[Any]", kind).get_shape()
        if known is None or len(known) != len(dims):
            known = (None,) * len(dims)
        place = place_of(value)
        self._shapes[place] = tuple(
            dim
            if dim != DYNAMIC
            else of_symbol(self._symbol(place, axis))
            if size is None
            else size
            for axis, (dim, size) in enumerate(zip(dims, known, strict=True))
        )

    def set_contents(self, value: SSAValue, known: Sequence[Size]) -> None:
        """Record the elements of a value."""
        self._contents[place_of(value)] = tuple(known)

    def move(self, old: SSAValue, new: SSAValue) -> None:
        """Record of a value what is known of the one that it replaces."""
        self._shapes[place_of(new)] = self.shape(old)
        if (contents := self.contents(old)) is not None:
            self.set_contents(new, contents)
        self._moved[place_of(old)] = place_of(new)

    def enter(self, function: FuncOp, *, trust_names: bool) -> None:
        """Give the arguments of a function their sizes: equal ones where `pfrt.dims` names agree."""
        rows = function.arg_attrs
        for index, argument in enumerate(function.body.blocks[0].args):
            labels = _labels(rows.data[index]) if rows is not None and trust_names else ()
            known: list[Size | None] = [
                self.keyed(("dimension", label), argument, axis) if label else None
                for axis, label in enumerate(labels)
            ]
            self.set_shape(argument, known or None)


def place_of(value: SSAValue) -> Place:
    """Where a value is defined."""
    return value.owner, cast(OpResult, value).index


def _labels(attrs: DictionaryAttr) -> list[str]:
    labels = attrs.data.get("pfrt.dims")
    if not isinstance(labels, ArrayAttr):
        return []
    items = cast("ArrayAttr[Attribute]", labels)
    return [item.data if isinstance(item, StringAttr) else "" for item in items]


def _may_hold_integers(kind: Attribute) -> bool:
    return isinstance(kind, TensorType) and cast(Any, kind).element_type in (i64, i32, i1)


def element_count(value: SSAValue) -> int | None:
    """How many elements a tensor of integers of rank 0 or 1 has; None for any other value."""
    shape = static_shape_of(value)
    if shape is None or len(shape) > 1 or not _may_hold_integers(value.type):
        return None
    count = shape[0] if shape else 1
    return count if count <= MOST_ELEMENTS else None
