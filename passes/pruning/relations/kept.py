"""What is left of each axis, for ops whose properties say sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of, to_property
from pyflame_rt.passes.pruning.relations.slots import Slots

Mask: TypeAlias = npt.NDArray[np.bool_]


class Kept:
    """Which positions of each axis stay."""

    def __init__(self, slots: Slots, stays: Mask):
        self.slots = slots
        self.stays = stays
        bounds = slots.bounds
        lost = np.logical_or.reduceat(~stays, bounds[:-1]) if len(stays) else stays
        axes = slots.axes
        self._changed = {axes[number] for number in np.flatnonzero(lost)}
        self._values = frozenset(axis.value for axis in self._changed)
        self._originals: Mapping[SSAValue, SSAValue] = {}

    def of_copies(self, originals: Mapping[SSAValue, SSAValue]) -> Kept:
        """The same for copies of values, which stand for these."""
        view = copy(self)
        view._originals = originals
        return view

    @property
    def values(self) -> tuple[SSAValue, ...]:
        """The values that lose something, in order."""
        axes = (axis for axis in self.slots.axes if axis in self._changed)
        return tuple(dict.fromkeys(axis.value for axis in axes))

    def changes(self, op: Operation) -> bool:
        """Whether an operand or a result of an op loses something."""
        return any(value in self._values for value in (*op.operands, *op.results))

    def mask(self, value: SSAValue, index: int) -> Mask | None:
        """Which positions of an axis stay; None: all."""
        index %= max(len(shape_of(value) or ()), 1)
        value = self._originals.get(value, value)
        if (value, index) not in self._changed:
            return None
        slots = self.slots.of(value, index)
        return None if slots is None else self.stays[slots]

    def count(self, value: SSAValue, index: int) -> int:
        """How many positions of an axis stay; DYNAMIC where that is not known."""
        mask = self.mask(value, index)
        return (shape_of(value) or ())[index] if mask is None else int(mask.sum())

    def shape(self, value: SSAValue) -> Shape:
        """The shape that a value will have."""
        return tuple(self.count(value, index) for index in range(len(shape_of(value) or ())))


def set_ints(op: PfrtOp, name: str, values: Sequence[int]) -> None:
    """Give a parameter of an op other values, whether it is a property or a constant operand."""
    if getattr(op, name) is not None:
        op.properties[name] = to_property(tuple(values))
        return
    old = cast(SSAValue, getattr(op, f"{name}_value"))
    replace_operand(op, old, np.asarray(values, dtype_of(old)))


def replace_operand(op: Operation, old: SSAValue, array: npt.NDArray[np.generic]) -> None:
    """Give an op a constant of its own in the place of an operand."""
    constant = ConstantOp.get(array, location=op.location)
    Rewriter.insert_op(constant, InsertPoint.before(op))
    for index, operand in enumerate(op.operands):
        if operand is old:
            op.operands[index] = constant.result
