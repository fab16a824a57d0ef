"""Which elements of which buffer a value shows, through views of views."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.types import numpy_dtype

if TYPE_CHECKING:
    from pyflame_rt.dialects.plan.ops import ParallelOp

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Box:
    """Some elements of an array: from an offset on along each axis, so many."""

    offsets: Shape
    sizes: Shape

    @staticmethod
    def whole(shape: Sequence[int]) -> Box:
        """All of an array."""
        return Box((0,) * len(shape), tuple(shape))

    @property
    def count(self) -> int:
        """How many elements there are."""
        return math.prod(self.sizes)

    def at(self, offsets: Sequence[int]) -> Box:
        """The same box of an array that begins at these offsets of another one."""
        return Box(tuple(a + b for a, b in zip(self.offsets, offsets, strict=True)), self.sizes)

    def covers(self, other: Box) -> bool:
        """Whether it has all elements of another one of the same array."""
        return other.count == 0 or all(
            a <= b and b + m <= a + n for a, n, b, m in self._beside(other)
        )

    def touches(self, other: Box) -> bool:
        """Whether it has any element of another one of the same array."""
        both = self.count and other.count
        return bool(both) and all(a < b + m and b < a + n for a, n, b, m in self._beside(other))

    def span(self, shape: Sequence[int]) -> Box:
        """The elements from its first to its last one, the array being one row of them."""
        if self.count == 0:
            return Box((0,), (0,))
        first = ravel(self.offsets, shape)
        last = ravel([a + n - 1 for a, n in zip(self.offsets, self.sizes, strict=True)], shape)
        return Box((first,), (last + 1 - first,))

    def _beside(self, other: Box) -> Iterator[tuple[int, int, int, int]]:
        return zip(self.offsets, self.sizes, other.offsets, other.sizes, strict=True)


def ravel(index: Sequence[int], shape: Sequence[int]) -> int:
    """The number of an element, counted in row-major order."""
    place = 0
    for i, size in zip(index, shape, strict=True):
        place = place * size + i
    return place


@dataclass(frozen=True)
class Place:
    """A box of a buffer that is no view, seen under `shape`; or, if not `exact`, at most that."""

    root: SSAValue
    shape: Shape
    box: Box
    exact: bool = True

    @property
    def is_run(self) -> bool:
        """Whether its elements lie together, and it is known which they are."""
        return self.exact and self.box.count == self.flat.sizes[0]

    @property
    def flat(self) -> Box:
        """The elements from its first to its last one."""
        return self.box.span(self.shape)

    def covers(self, other: Place) -> bool:
        """Whether it surely has all elements of another place of the same buffer."""
        if not self.exact:
            return False
        if self.shape == other.shape:
            return self.box.covers(other.box)
        return self.is_run and self.flat.covers(other.flat)

    def touches(self, other: Place) -> bool:
        """Whether it may have elements of another place of the same buffer."""
        if self.shape == other.shape:
            return self.box.touches(other.box)
        return self.flat.touches(other.flat)


def shape_of_buffer(value: SSAValue) -> Shape:
    """The static shape of a buffer."""
    return tuple(cast("MemRefType[Any]", value.type).get_shape())


def place_of(value: SSAValue, box: Box | None = None) -> Place:
    """Where a box of a buffer of static shape lies, all of it without one."""
    from pyflame_rt.dialects.plan.ops import PartOp, ReshapeOp

    shape = shape_of_buffer(value)
    place = Place(value, shape, Box.whole(shape) if box is None else box)
    while isinstance(owner := place.root.owner, ReshapeOp | PartOp):
        source = owner.source
        outer = shape_of_buffer(source)
        is_part = isinstance(owner, PartOp)
        if is_part and place.shape == shape_of_buffer(owner.result):
            offsets = [int(offset) for offset in owner.offsets.get_values()]
            place = Place(source, outer, place.box.at(offsets), place.exact)
        elif is_part and not owner.is_contiguous:
            offsets = tuple(int(offset) for offset in owner.offsets.get_values())
            place = Place(source, outer, Box(offsets, shape_of_buffer(owner.result)), exact=False)
        else:
            flat, exact = place.flat, place.is_run
            if is_part:
                offsets = [int(offset) for offset in owner.offsets.get_values()]
                flat = flat.at([ravel(offsets, outer)])
            place = Place(source, (math.prod(outer),), flat, exact)
    return place


@dataclass(frozen=True)
class Memory:
    """Where a buffer that shows no other one lies: by itself, or from a byte of an arena on."""

    holder: SSAValue
    offset: int
    type: Attribute

    @staticmethod
    def of(root: SSAValue) -> Memory:
        """That of a buffer."""
        from pyflame_rt.dialects.plan.ops import ViewOp

        owner = root.owner
        if isinstance(owner, ViewOp):
            return Memory(owner.arena, owner.offset.value.data, root.type)
        return Memory(root, 0, root.type)

    def bytes(self, place: Place) -> range:
        """The bytes of the holder from the first one of a place to its last one."""
        size = numpy_dtype(cast("MemRefType[Any]", self.type).element_type).itemsize
        (first,), (count,) = place.flat.offsets, place.flat.sizes
        return range(self.offset + first * size, self.offset + (first + count) * size)


Uses = dict[Memory, list[Place]]


def require_apart(op: ParallelOp) -> None:
    """Raise VerifyException when one region writes what another one touches."""
    lanes = [_accesses(region) for region in op.lanes]
    for index, (writes, _) in enumerate(lanes):
        for other, (_, touched) in enumerate(lanes):
            if index == other:
                continue
            beside: dict[SSAValue, list[Memory]] = {}
            for memory in touched:
                beside.setdefault(memory.holder, []).append(memory)
            for memory, places in writes.items():
                for near in beside.get(memory.holder, ()):
                    if _meet(memory, places, near, touched[near]):
                        name = places[0].root.name_hint or "a buffer"
                        why = f"region {index} writes what region {other} uses of {name}"
                        raise VerifyException(f"{op.name}: C2: {why}")


def _meet(memory: Memory, places: Sequence[Place], near: Memory, others: Sequence[Place]) -> bool:
    """Whether any of some places may have elements of any of others."""
    if memory == near:
        return any(a.touches(b) for a in places for b in others)
    # Of an arena, under other types.
    spans, beside = [memory.bytes(a) for a in places], [near.bytes(b) for b in others]
    return any(max(a.start, b.start) < min(a.stop, b.stop) for a in spans for b in beside)


def _accesses(region: Region) -> tuple[Uses, Uses]:
    """What a region writes of memory outside, and what it touches."""
    from pyflame_rt.dialects.plan.ops import CallOp, PartOp, ReshapeOp, ViewOp

    writes: Uses = {}
    touched: Uses = {}
    for op in region.walk():
        if isinstance(op, ReshapeOp | PartOp | ViewOp):
            continue
        written = (*op.into, *op.scratch) if isinstance(op, CallOp) else ()
        for value in op.operands:
            if not isinstance(value.type, MemRefType) or -1 in shape_of_buffer(value):
                continue
            place = place_of(value)
            memory = Memory.of(place.root)
            if _is_inside(memory.holder, region):
                continue
            touched.setdefault(memory, []).append(place)
            if value in written:
                writes.setdefault(memory, []).append(place)
    return writes, touched


def _is_inside(value: SSAValue, region: Region) -> bool:
    owner = value.owner
    block = owner.parent if isinstance(owner, Operation) else owner
    while block is not None:
        if block.parent is region:
            return True
        outer = block.parent_op()
        block = None if outer is None else outer.parent
    return False
