"""Ops with regions: branches, loops, scans, over what is around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.control import IfOp, LoopOp
from pyflame_rt.dialects.pfrt.scan import ScanOp, slice_of
from pyflame_rt.dialects.pfrt.types import type_of
from random_graphs import elementwise, layers, movement
from random_graphs.builder import Array, Builder, Rejected, Value, close

_INSIDE = (
    elementwise.unary, elementwise.binary, elementwise.where, layers.reduce, layers.softmax,
    movement.transposes, elementwise.identity, elementwise.compare,
)  # fmt: skip


def _fill(b: Builder) -> None:
    """A few ops inside a region."""
    for _ in range(b.number(1, 3)):
        maker = b.pick(_INSIDE)
        try:
            maker(b)
        except Rejected:
            continue


def _like(b: Builder, value: Value) -> Value:
    """The newest value of a region of this type and shape; made, where there is none."""
    fits = [v for v in reversed(b.visible) if v.dtype == value.dtype and v.shapes == value.shapes]
    found = b.pick(fits or [value])
    return b.one("neg", found) if found is value and value.is_float else found


def _made(make: Callable[[], object]):
    try:
        return make()
    except (VerifyException, ValueError) as error:
        raise Rejected from error


def _condition(b: Builder) -> Value:
    """A boolean: constant, or of the numbers."""
    if b.chance(3):
        return b.constant(np.asarray(b.chance(2)))
    x = b.value(kinds="f")
    total = b.one("reduce_sum", x, keepdims=False)
    return b.one("greater", total, b.scalar(0.0, x))


def branch(b: Builder) -> None:
    condition, x = _condition(b), b.value()
    regions = []
    for _ in range(2):
        with b.region() as inner:
            _fill(inner)
            results = [_like(inner, x)]
            regions.append(close(inner, results))
    b.add(_made(lambda: IfOp.get(condition.ssa, *regions)))


def _argument(value: Value, arrays: Sequence[Array] | None = None):
    return value.ssa.type, value.arrays if arrays is None else tuple(arrays)


def loop(b: Builder) -> None:
    x = b.value()
    count = b.pick((2, 1, 0, 3))
    trips = b.constant(np.asarray(count, np.int64))
    start = b.constant(np.asarray(True)) if b.chance(2) else None
    number = type_of(trips.ssa)
    proceed: Attribute = b.constant(np.asarray(True)).ssa.type
    arguments = [
        (number, (np.asarray(0, np.int64),) * len(b.sizes)),
        (proceed, (np.asarray(True),) * len(b.sizes)),
        _argument(x),
    ]
    with b.region(arguments) as inner:
        going = inner.visible[-2]
        carried = inner.visible[-1]
        _fill(inner)
        following = _like(inner, carried)
        # What a loop that never runs would have stacked has only the shape that its type tells.
        outputs = [b.pick(inner.visible[::-1])] if count and b.chance(2) else []
        region = close(inner, [going, following, *outputs])
    b.add(
        _made(lambda: LoopOp.get(trips.ssa, None if start is None else start.ssa, [x.ssa], region))
    )


def scan(b: Builder) -> None:
    x = b.value(least=1)
    axis = b.pick([a for a in range(x.rank) if x.dim(a)])
    slices = tuple(np.take(array, 0, axis) for array in x.arrays)
    state = b.constant(np.zeros((), x.dtype))
    kind = slice_of(type_of(x.ssa), axis)
    with b.region([_argument(state), (kind, slices)]) as inner:
        total, piece = inner.visible[-2:]
        _fill(inner)
        added = inner.one("add", total, inner.one("reduce_sum", piece, keepdims=False))
        region = close(inner, [added, _like(inner, piece)])
    backward = (1,) if b.chance(3) else None
    b.add(
        _made(
            lambda: ScanOp.get(
                [state.ssa], [x.ssa], region, input_axes=(axis,), input_directions=backward
            )
        )
    )


MAKERS = {branch: 2, loop: 1, scan: 1}
"""How often each is drawn."""
