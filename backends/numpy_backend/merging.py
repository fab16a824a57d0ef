"""Elementwise calls in a row as one step, which takes them through the cache block by block.

A call on a large tensor writes to memory what the next one reads again from there. Going over all of
them with a block before the next block, they find it in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend import blocks
from pyflame_rt.backends.numpy_backend.blocks import Bindable, Blockwise, Bound, sequence
from pyflame_rt.backends.numpy_backend.calls import Function
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.elementwise import ELEMENTWISE

NAMES = frozenset(entry.name for entry in ELEMENTWISE) | {"cast"}
"""Algorithms of which an element of the result takes an element of each operand."""

BLOCK = 2 * blocks.BLOCK
"""Bytes of each operand of a block: few have three, and each call on a block takes a microsecond."""

_WIDE = 1 << 12
"""Elements of which each row should have as many, at least: NumPy takes up to twice as long for shorter ones."""


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A call of an elementwise function on known arrays, the last of which is the result."""

    run: Bound
    function: Function
    arrays: tuple[Array | None, ...]

    @property
    def size(self) -> int:
        """Elements of the result."""
        return self._result.size

    @property
    def _result(self) -> Array:
        result = self.arrays[-1]
        assert result is not None
        return result

    @property
    def whole(self) -> list[Array]:
        """The arrays that are gone over, not those that are the same for all elements or rows."""
        return [
            a
            for a in self.arrays
            if a is not None and (a.size != 1 or self.size == 1) and not self._is_a_row(a)
        ]

    def _is_a_row(self, array: Array) -> bool:
        """Whether an array has constants that are the same for each row of the result."""
        shape = self._result.shape
        if array.flags.writeable or not isinstance(self.function, np.ufunc):
            return False
        return 1 < array.size < self.size and array.shape[-1:] == shape[-1:] == (array.size,)

    @property
    def row(self) -> int:
        """The elements of a row, where there are constants for each; else 1."""
        rows = [a.size for a in self.arrays if a is not None and self._is_a_row(a)]
        return rows[0] if rows else 1

    @property
    def gains(self) -> bool:
        """Whether it is worth being cut: it does not fit in the cache, or has constants to be repeated."""
        return self.size * 4 > BLOCK or self.row > 1

    @property
    def can_be_cut(self) -> bool:
        """Whether a block of the result takes the same block of each operand."""
        return all(a.size == self.size and a.flags.c_contiguous for a in self.whole)

    def on_rows(self, part: slice, repeated: Mapping[int, Array]) -> list[Bound]:
        """The calls on a stretch of whole rows, with constants of a row `repeated`, and on what is left
        over of their repetitions."""
        width = next(iter(repeated.values())).size
        middle = part.stop - (part.stop - part.start) % width

        def cut(array: Array | None, start: int, stop: int) -> Array | None:
            if array is None or (array.size == 1 and self.size > 1):
                return None if array is None else array.reshape(())
            row = repeated.get(id(array))
            if row is not None:
                return row[: stop - start]
            flat = array.reshape(-1)[start:stop]
            return flat if flat.size <= width else flat.reshape(-1, width)

        return [
            partial(self.function, *(cut(a, start, stop) for a in self.arrays))
            for start, stop in ((part.start, middle), (middle, part.stop))
            if start < stop
        ]

    def repeated(self, width: int) -> dict[int, Array]:
        """Constants of a row, by identity, as often as makes such a number of elements."""
        return {
            id(a): np.tile(a.reshape(-1), width // a.size)
            for a in self.arrays
            if a is not None and self._is_a_row(a)
        }

    def on(self, part: slice) -> Bound:
        """The call on a stretch of the elements."""
        whole = {id(a) for a in self.whole}
        # One element that has dimensions would give them to the stretch.
        cut: list[Any] = [
            None if a is None else a.reshape(-1)[part] if id(a) in whole else a.reshape(())
            for a in self.arrays
        ]
        function = self.function
        if isinstance(function, Blockwise):
            # Its own stretches are no shorter.
            return function.on(*cut)
        return function.on(*cut) if isinstance(function, Bindable) else partial(function, *cut)


def merged(steps: Sequence[Bound | Elementwise]) -> list[tuple[Bound, int]]:
    """What runs the steps in order, and the index of the first one that each of it runs."""
    found: list[tuple[Bound, int]] = []
    row: list[Elementwise] = []

    def finish(end: int) -> None:
        if row:
            is_cut = len(row) > 1 or row[0].row > 1
            found.append(
                (sequence(_block_by_block(row) if is_cut else [row[0].run]), end - len(row))
            )
            row.clear()

    for index, step in enumerate(steps):
        if isinstance(step, Elementwise) and step.can_be_cut and step.gains:
            if row and not (
                step.size == row[0].size
                and len({one.row for one in (*row, step)} - {1}) < 2
                and _apart((*row, step))
            ):
                finish(index)
            row.append(step)
            continue
        finish(index)
        found.append((step.run if isinstance(step, Elementwise) else step, index))
    finish(len(steps))
    return found


def _apart(steps: Sequence[Elementwise]) -> bool:
    """Whether arrays of the steps that share memory are the same, element by element."""
    spans = {_span(array) for step in steps for array in step.whole}
    return all(end <= begin for (_, end, _), (begin, _, _) in pairwise(sorted(spans)))


def _span(array: Array) -> tuple[int, int, int]:
    begin = array.__array_interface__["data"][0]
    return begin, begin + array.nbytes, array.itemsize


def _block_by_block(steps: Sequence[Elementwise]) -> list[Bound]:
    """The calls of all steps on a block, then on the next one."""
    size, row = steps[0].size, max(step.row for step in steps)
    widest = max(array.itemsize for step in steps for array in step.whole)
    width = 1 if row == 1 else min(-(-_WIDE // row) * row, size)
    unit = width if width * widest <= BLOCK else row
    block = max(1, BLOCK // widest // unit) * unit
    repeated = [step.repeated(width) if step.row > 1 else {} for step in steps]
    calls: list[Bound] = []
    for start in range(0, size, block):
        part = slice(start, min(start + block, size))
        for step, rows in zip(steps, repeated, strict=True):
            calls += step.on_rows(part, rows) if rows else [step.on(part)]
    return calls
