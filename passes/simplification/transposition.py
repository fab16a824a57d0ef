"""What becomes of an op when its operands are not transposed but its result is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, i64
from xdsl.ir import Attribute, Operation

from pyflame_rt.dialects.pfrt.activation import PreluOp
from pyflame_rt.dialects.pfrt.base import PfrtOp, normalize_axis
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.normalization import (
    HardmaxOp,
    LogSoftmaxOp,
    LpNormalizationOp,
    SoftmaxOp,
)
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, PadOp, SliceOp
from pyflame_rt.dialects.pfrt.reduction import ArgOp, ReduceOp

Perm: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Sunk:
    """An op below which transposes sink: the properties that change, and how its result is then to
    be transposed. With `first_only` only the first operand is data."""

    properties: dict[str, Attribute]
    perm: Perm
    first_only: bool = True


Rule: TypeAlias = Callable[[Any, Perm], Sunk | None]


def sink(op: Operation, perm: Perm) -> Sunk | None:
    """op(transpose(x) {perm}) -> transpose(op'(x)) {perm'}; None when that cannot be."""
    if not isinstance(op, PfrtOp) or len(op.results) != 1:
        return None
    rule = _rule(type(op))
    return None if rule is None else rule(op, perm)


def compose(first: Perm, second: Perm) -> Perm:
    """The permutation of transpose(transpose(x) {first}) {second}."""
    return tuple(first[axis] for axis in second)


def inverse(perm: Perm) -> Perm:
    """The permutation that undoes another."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def is_identity(perm: Perm) -> bool:
    """Whether nothing is moved."""
    return perm == tuple(range(len(perm)))


@cache
def _rule(kind: type[Operation]) -> Rule | None:
    if (rule := _RULES.get(kind)) is not None:
        return rule
    if issubclass(kind, ReduceOp):
        return _reduce
    if issubclass(kind, ArgOp):
        return _arg
    # The slope of a prelu broadcasts to the operand only.
    if issubclass(kind, PfrtOp) and kind.ELEMENTWISE and kind is not PreluOp:
        return _elementwise
    return None


def _elementwise(op: PfrtOp, perm: Perm) -> Sunk | None:
    return Sunk({}, perm, first_only=False)


def _axis(op: Any, perm: Perm) -> Sunk | None:
    axis = normalize_axis(op.axis.value.data, len(perm))
    return Sunk({"axis": IntegerAttr(perm[axis], 64)}, perm)


def _concat(op: ConcatOp, perm: Perm) -> Sunk | None:
    axis = normalize_axis(op.axis.value.data, len(perm))
    return Sunk({"axis": IntegerAttr(perm[axis], 64)}, perm, first_only=False)


def _without(perm: Perm, dropped: set[int]) -> Perm:
    """A permutation of the dimensions that are left, `dropped` being counted in its result."""
    kept = [before for after, before in enumerate(perm) if after not in dropped]
    return tuple(sorted(kept).index(before) for before in kept)


def _reduce(op: ReduceOp, perm: Perm) -> Sunk | None:
    axes = op.known_axes()
    if axes is None or op.axes_value is not None:
        return None
    rank = len(perm)
    if not axes:
        reduced = set[int]() if op.noop_with_empty_axes else set(range(rank))
        return Sunk({}, perm if op.keepdims else _without(perm, reduced))
    reduced = {axis % rank for axis in axes}
    moved = DenseArrayBase.from_list(i64, sorted(perm[axis] for axis in reduced))
    return Sunk({"axes": moved}, perm if op.keepdims else _without(perm, reduced))


def _arg(op: ArgOp, perm: Perm) -> Sunk | None:
    axis = normalize_axis(op.axis.value.data, len(perm))
    moved = IntegerAttr(perm[axis], 64)
    return Sunk({"axis": moved}, perm if op.keepdims else _without(perm, {axis}))


def _pad(op: PadOp, perm: Perm) -> Sunk | None:
    if op.pads is None or op.axes_value is not None:
        return None
    pads, rank = ints(op.pads), len(perm)
    axes = range(rank) if op.axes is None else ints(op.axes)
    rows = sorted(
        (perm[axis % rank], pads[index], pads[index + len(axes)]) for index, axis in enumerate(axes)
    )
    lists = {
        "pads": [row[1] for row in rows] + [row[2] for row in rows],
        "axes": [row[0] for row in rows],
    }
    return Sunk({name: DenseArrayBase.from_list(i64, lists[name]) for name in lists}, perm)


def _slice(op: SliceOp, perm: Perm) -> Sunk | None:
    if op.starts is None or op.ends is None:
        return None
    if op.axes_value is not None or op.steps_value is not None:
        return None
    axes = range(len(ints(op.starts))) if op.axes is None else ints(op.axes)
    moved = [perm[axis % len(perm)] for axis in axes]
    return Sunk({"axes": DenseArrayBase.from_list(i64, moved)}, perm)


_RULES: dict[type[Operation], Rule] = {
    ConcatOp: _concat,
    HardmaxOp: _axis,
    LogSoftmaxOp: _axis,
    LpNormalizationOp: _axis,
    PadOp: _pad,
    SliceOp: _slice,
    SoftmaxOp: _axis,
}
