"""Numbers for the positions along the axes of values, so that whole axes relate as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, shape_of

Positions: TypeAlias = npt.NDArray[np.int64]
Array: TypeAlias = npt.NDArray[Any]


class Axis(NamedTuple):
    """One dimension of a value."""

    value: SSAValue
    dim: int


class Slots:
    """A number, from 0 on, for each position along each axis that could lose some.

    These are the axes of a known size above 1: of one that is not known nothing can be removed,
    and the only position of an axis has to stay.
    """

    def __init__(self) -> None:
        self._numbers: dict[Axis, int] = {}
        self._axes: list[Axis] = []
        self._bounds: list[int] = [0]

    def add(self, value: SSAValue) -> None:
        """Number the positions of a value."""
        if not is_tensor(value.type):
            return
        for index, size in enumerate(shape_of(value) or ()):
            axis = Axis(value, index)
            if size > 1 and size != DYNAMIC and axis not in self._numbers:
                self._numbers[axis] = len(self._axes)
                self._axes.append(axis)
                self._bounds.append(self._bounds[-1] + size)

    def __len__(self) -> int:
        return self._bounds[-1]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """All axes that have slots, in order."""
        return tuple(self._axes)

    @property
    def bounds(self) -> Positions:
        """Where the slots of each axis start; one more for the end."""
        return np.asarray(self._bounds, np.int64)

    def number(self, value: SSAValue, index: int) -> int | None:
        """The place of an axis among `axes`; None for one without slots."""
        return self._numbers.get(Axis(value, index))

    def of(self, value: SSAValue, index: int) -> Positions | None:
        """The slots of an axis in order; None for one without."""
        number = self.number(value, index)
        if number is None:
            return None
        return np.arange(self._bounds[number], self._bounds[number + 1], dtype=np.int64)

    def of_value(self, value: SSAValue) -> Iterator[tuple[int, Positions]]:
        """The axes of a value that have slots, with these."""
        for index in range(len(shape_of(value) or ()) if is_tensor(value.type) else 0):
            slots = self.of(value, index)
            if slots is not None:
                yield index, slots

    def axis_of_slot(self) -> Positions:
        """The number of the axis that each slot belongs to."""
        return np.repeat(np.arange(len(self._axes), dtype=np.int64), np.diff(self.bounds))
