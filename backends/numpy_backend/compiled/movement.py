"""Copies by machine code: transposes, tensors put together, parts of tensors, zeros around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.shape import axes_of, slice_range

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native

_FLOAT = 4
_AXES = 4
_MOST_CALLS = 64
"""Calls into which a copy of more axes is divided, at the most."""

_BYTES = 24.0
"""Bytes copied in a nanosecond; about."""

_WORTH = 1 << 16
"""Bytes of a share, at the least."""

Axis = tuple[int, int, int]
"""A size, and the ways in source and target; bytes."""


def copy(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """y = x."""
    return _of(schedule, call, range(len(call.shape(0))))


def transpose(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """y = x with its axes in another order."""
    perm = call.params.get("perm") or tuple(reversed(range(len(call.shape(0)))))
    return _of(schedule, call, perm)


def concat(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """Operands one behind the other along an axis."""
    shapes = [call.shape(i) for i in range(len(call.input_types))]
    (axis,) = axes_of([int(call.params["axis"])], len(call.output_shape))
    pieces: list[Piece] = []
    begin = 0
    for number, shape in enumerate(shapes):
        pieces.append(Piece(number, shape, _whole(shape), _offset(len(shape), axis, begin)))
        begin += shape[axis]
    return _pieces(schedule, call, pieces)


def slice(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """Every n-th element along axes."""
    if any(call.has(i) for i in range(1, 5)):
        return None
    params, shape = call.params, call.shape(0)
    starts, ends = params["starts"], params["ends"]
    axes = axes_of(params.get("axes") or range(len(starts)), len(shape))
    steps = params.get("steps") or (1,) * len(starts)
    taken = list(_whole(shape))
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken[axis] = slice_range(start, end, step, shape[axis])
    return _pieces(schedule, call, [Piece(0, shape, tuple(taken), (0,) * len(shape))])


def pad(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """Zeros around the operand."""
    params, shape = call.params, call.shape(0)
    if any(call.has(i) for i in (1, 2, 3)) or params.get("mode", "constant") != "constant":
        return None
    if params.get("constant_value", 0) or min(params["pads"], default=0) < 0:
        return None
    axes = axes_of(params.get("axes") or range(len(shape)), len(shape))
    before = [0] * len(shape)
    for axis, low in zip(axes, params["pads"][: len(axes)], strict=True):
        before[axis] = low
    return _pieces(schedule, call, [Piece(0, shape, _whole(shape), tuple(before))], zeros=True)


def resize(schedule: Schedule, call: Call) -> CompiledCopy | None:
    """Every element several times along each axis."""
    from pyflame_rt.backends.numpy_backend.algorithms.resizing import repetitions

    shape = call.shape(0)
    if 0 in (*shape, *call.output_shape) or any(call.has(i) for i in range(1, 4)):
        return None
    factors = repetitions(call.params, shape)
    if factors is None:
        return None
    begin = (0,) * len(shape)
    return _pieces(schedule, call, [Piece(0, shape, _whole(shape), begin, repeated=tuple(factors))])


@dataclass(frozen=True)
class Piece:
    """What is taken of an operand along each axis, and where in the result it begins."""

    operand: int
    shape: tuple[int, ...]
    taken: tuple[range, ...]
    begin: tuple[int, ...]
    perm: tuple[int, ...] | None = None
    """The order of the operand's axes in the result, where it is another one."""
    repeated: tuple[int, ...] | None = None
    """How often each element stands along each axis, where it is not once."""


def _whole(shape: Sequence[int]) -> tuple[range, ...]:
    return tuple(map(range, shape))


def _offset(rank: int, axis: int, begin: int) -> tuple[int, ...]:
    return tuple(begin if i == axis else 0 for i in range(rank))


def _of(schedule: Schedule, call: Call, perm: Sequence[int]) -> CompiledCopy | None:
    shape = call.shape(0)
    begin = (0,) * len(shape)
    return _pieces(schedule, call, [Piece(0, shape, _whole(shape), begin, tuple(perm))])


def _pieces(
    schedule: Schedule, call: Call, pieces: Sequence[Piece], zeros: bool = False
) -> CompiledCopy | None:
    if not call.one_dtype() or call.dtype != np.float32 or 0 in call.output_shape:
        return None
    there = tuple(p for p in pieces if all(p.taken)) if pieces[0].shape else tuple(pieces)
    found = CompiledCopy(
        schedule, there, call.output_shape, len(call.input_types), zeros
    )  # fmt: skip
    return found if found.is_possible() else None


@dataclass(frozen=True, eq=False)
class CompiledCopy(Compiled):
    """Pieces of operands, each in its place of the result."""

    schedule: Schedule
    pieces: tuple[Piece, ...]
    shape: tuple[int, ...]
    y: int
    """The number of the result among the operands."""
    zeros: bool
    """Whether the rest of the result is zeros."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def is_possible(self) -> bool:
        """Whether there is code for operands that lie as they are expected."""
        return all(_divided(self._axes(piece, None, None)) is not None for piece in self.pieces)

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of operands and the result."""
        from pyflame_rt.backends.native.floats.copying import CopyKernel, copy_call
        from pyflame_rt.backends.native.steps import Place, Step

        known: list[Known] = [None if i in late else a for i, a in enumerate(arrays)]
        y = known[self.y]
        calls: list[tuple[native.Call, int]] = []
        for piece in self.pieces:
            divided = _divided(self._axes(piece, known[piece.operand], y))
            if divided is None:
                return None
            source = sum(
                taken.start * way
                for taken, way in zip(
                    piece.taken, _ways(known[piece.operand], piece.shape), strict=True
                )
                if len(taken)
            )
            target = sum(map(math.prod, zip(piece.begin, _ways(y, self.shape), strict=True)))
            for start, end, axes in divided:
                for first, stop in self._shares(axes):
                    _, way, to = axes[0] if axes else (1, 0, 0)
                    part = [(stop - first, way, to), *axes[1:]] if axes else []
                    places = (
                        Place(piece.operand, source + start + first * way),
                        Place(self.y, target + end + first * to),
                    )
                    calls.append(
                        (self._call(*places, part), _FLOAT * math.prod(n for n, _, _ in part))
                    )
        steps = [Step(tuple((call,) for call, _ in calls), sum(n for _, n in calls) / _BYTES)]
        if self.zeros:
            axes = merged(self.shape, (0,) * len(self.shape), _ways(y, self.shape))
            if len(axes) > _AXES:
                return None
            sizes, _, targets = zip(*axes, strict=True)
            kernel = CopyKernel(self.cpu, self.schedule.lanes)
            ways = (0,) * len(sizes)
            steps.insert(0, Step.of(copy_call(kernel, 0, Place(self.y), sizes, ways, targets)))
        return tuple(steps)

    def _call(
        self, source: native.Place, target: native.Place, axes: Sequence[Axis]
    ) -> native.Call:
        from pyflame_rt.backends.native.floats.copying import (
            CopyKernel,
            TransposeKernel,
            copy_call,
            transpose_call,
        )

        turned = _turned(axes)
        if turned is not None:
            kernel = TransposeKernel(self.cpu, self.schedule.lanes)
            return transpose_call(kernel, source, target, *turned)
        sizes, ways, targets = zip(*axes, strict=True) if axes else ((1,), (4,), (4,))
        kernel = CopyKernel(self.cpu, self.schedule.lanes)
        return copy_call(kernel, source, target, sizes, ways, targets)

    def _shares(self, axes: Sequence[Axis]) -> list[tuple[int, int]]:
        """From where to where along the first axis."""
        size = axes[0][0] if axes else 1
        nbytes = _FLOAT * math.prod(n for n, _, _ in axes)
        shares = max(1, min(self.schedule.shares, size, nbytes // _WORTH))
        # Parts of an axis along which elements lie side by side are of whole lines.
        grain = 16 if axes and _FLOAT in axes[0][1:] else 1
        pieces = -(-size // grain)
        bounds = [min(size, pieces * i // shares * grain) for i in range(shares + 1)]
        return [(first, stop) for first, stop in pairwise(bounds) if first < stop]

    def _axes(self, piece: Piece, x: Known, y: Known) -> list[Axis]:
        """Sizes, and the ways in x and y, of the axes that cannot be put together."""
        ways = [
            way * taken.step for way, taken in zip(_ways(x, piece.shape), piece.taken, strict=True)
        ]
        sizes = list(map(len, piece.taken))
        if piece.repeated is not None:
            return _repeated(sizes, ways, _ways(y, self.shape), piece.repeated)
        order = range(len(sizes)) if piece.perm is None else piece.perm
        return merged(
            [sizes[axis] for axis in order], [ways[axis] for axis in order], _ways(y, self.shape)
        )


def _repeated(
    sizes: Sequence[int], ways: Sequence[int], targets: Sequence[int], factors: Sequence[int]
) -> list[Axis]:
    """Two axes for each: one along the elements, one along those that are the same."""
    found: list[Axis] = []
    for size, way, target, factor in zip(sizes, ways, targets, factors, strict=True):
        found += [(size, way, target * factor), (factor, 0, target)]
    # Rows of what is the same would be short.
    found[-2:] = found[:-3:-1]
    return merged(*zip(*found, strict=True)) if found else []


def _turned(
    axes: Sequence[Axis],
) -> tuple[list[Axis], tuple[int, int, int, int]] | None:
    """Axes outside and the square, where source and target have neighbours along different axes."""
    if len(axes) < 2 or axes[-1][2] != _FLOAT or axes[-1][1] == _FLOAT:
        return None
    column = next((i for i, (_, way, _) in enumerate(axes) if way == _FLOAT), None)
    if column is None:
        return None
    rows, row, _ = axes[-1]
    columns, _, to = axes[column]
    outer = [axis for i, axis in enumerate(axes[:-1]) if i != column]
    return outer, (rows, columns, row, to)


def _divided(axes: Sequence[Axis]) -> list[tuple[int, int, list[Axis]]] | None:
    """Copies of few enough axes, and where they begin in source and target; None if they are too
    many."""
    if len(axes) <= _AXES:
        return [(0, 0, list(axes))]
    outer, inner = axes[: len(axes) - _AXES], list(axes[len(axes) - _AXES :])
    if math.prod(size for size, _, _ in outer) > _MOST_CALLS:
        return None
    found: list[tuple[int, int, list[Axis]]] = []
    for index in product(*(range(size) for size, _, _ in outer)):
        source = sum(i * way for i, (_, way, _) in zip(index, outer, strict=True))
        target = sum(i * way for i, (_, _, way) in zip(index, outer, strict=True))
        found.append((source, target, inner))
    return found


def _ways(array: Array | None, shape: Sequence[int]) -> tuple[int, ...]:
    """The way from element to element along each axis; of what is not known, as it is expected."""
    if array is not None:
        return array.strides
    return tuple(math.prod(shape[axis + 1 :]) * _FLOAT for axis in range(len(shape)))


def merged(sizes: Sequence[int], sources: Sequence[int], targets: Sequence[int]) -> list[Axis]:
    """Axes of a copy, neighbours that are one in both source and target put together."""
    found: list[Axis] = []
    for size, source, target in zip(sizes, sources, targets, strict=True):
        if size == 1:
            continue
        if found:
            before, its_source, its_target = found[-1]
            if its_source == size * source and its_target == size * target:
                found[-1] = (before * size, source, target)
                continue
        found.append((size, source, target))
    return found
