"""Loops, scans and maps over sequences: what runs a region again and again, in both backends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyflame_rt.backends.runtime import Array, ArrayType
from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.kernels.sizes import one_number


def is_true(condition: Array) -> bool:
    """The condition of an if or loop. Raises ValueError unless it holds one element."""
    return bool(one_number(condition, "the condition must hold one element"))


def run_loop(
    trip_count: Array | None,
    condition: Array | None,
    carried: Sequence[Array],
    scans: Sequence[ArrayType],
    body: Callable[[Array, Array, Sequence[Array]], Sequence[Array]],
) -> list[Array]:
    """ONNX's Loop: the final carried values, then the scan outputs stacked on a new first axis.

    `body` maps iteration, condition and carried values to the next condition, the next carried
    values and one element of each scan output, whose declared types are `scans`.
    """
    limit = None
    if trip_count is not None:
        limit = int(one_number(trip_count, "the trip count must hold one element"))
    proceed = np.array(True) if condition is None else condition
    values: Sequence[Array] = carried
    parts: list[list[Array]] = [[] for _ in scans]
    iteration = 0
    while (limit is None or iteration < limit) and is_true(proceed):
        proceed, *rest = body(np.array(iteration, np.int64), proceed, values)
        values = rest[: len(carried)]
        for part, element in zip(parts, rest[len(carried) :], strict=True):
            part.append(element)
        iteration += 1
    return [*values, *map(_stacked, parts, scans)]


def _stacked(parts: list[Array], kind: ArrayType) -> Array:
    if parts:
        if len(shapes := {part.shape for part in parts}) > 1:
            several = [list(shape) for shape in sorted(shapes)]
            raise ValueError(f"what it stacks has different shapes: {several}")
        return np.stack(parts)
    # What the loop would have yielded is known only as far as its type says.
    dims = [0 if d == DYNAMIC else d for d in kind.shape or ()]
    return np.empty((0, *dims), kind.dtype)


def run_scan(
    scanned: Sequence[Array],
    carried: Sequence[Array],
    scans: Sequence[ArrayType],
    axes: tuple[int, ...],
    directions: tuple[int, ...],
    places: Sequence[tuple[int, int]],
    body: Callable[[Sequence[Array]], Sequence[Array]],
) -> list[Array]:
    """ONNX's Scan: the final carried values, then the outputs, stacked.

    `body` maps carried values and a slice of each input to the next carried values and a slice of
    each output. `axes` and `directions` are the inputs', `places` the outputs' (axis, direction).
    """

    def iterate(number: Array, proceed: Array, state: Sequence[Array]) -> Sequence[Array]:
        slices = [
            scan_slice(x, number, axis=axis, backward=bool(backward))
            for x, axis, backward in zip(scanned, axes, directions, strict=True)
        ]
        return [proceed, *body([*state, *slices])]

    results = run_loop(scan_length(*scanned, axes=axes), None, carried, scans, iterate)
    outputs = [
        scan_place(slices, axis=axis, backward=bool(backward))
        for slices, (axis, backward) in zip(results[len(carried) :], places, strict=True)
    ]
    return [*results[: len(carried)], *outputs]


def run_map(
    sequences: Sequence[list[Array]],
    results: int,
    body: Callable[[Sequence[Array]], Sequence[Array]],
) -> list[list[Array]]:
    """ONNX's SequenceMap: lists of what `body` makes of the items at each position."""
    sequence_map_length(*sequences)
    rows = [body(items) for items in zip(*sequences, strict=True)]
    return [[row[k] for row in rows] for k in range(results)]


def scan_length(*scanned: Array, axes: tuple[int, ...]) -> Array:
    """The length of each tensor along its axis, which must be one for all."""
    lengths = {x.shape[a] for x, a in zip(scanned, axes, strict=True)}
    if len(lengths) != 1:
        raise ValueError(f"the scanned inputs have different lengths: {sorted(lengths)}")
    return np.array(lengths.pop(), np.int64)


def sequence_map_length(*sequences: list[Array]) -> Array:
    """The number of items of each sequence, which must be one for all."""
    lengths = [len(sequence) for sequence in sequences]
    if len(set(lengths)) != 1:
        raise ValueError(f"the sequences have different lengths: {lengths}")
    return np.array(lengths[0], np.int64)


def scan_slice(x: Array, iteration: Array, *, axis: int, backward: bool) -> Array:
    """The slice of x along an axis that an iteration sees."""
    number = int(iteration)
    return np.take(x, -1 - number if backward else number, axis)


def scan_place(slices: Array, *, axis: int, backward: bool) -> Array:
    """Slices stacked along the first axis, moved to theirs; the first one last if `backward`."""
    return np.moveaxis(slices[::-1] if backward else slices, 0, axis)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "scan_length": scan_length,
    "scan_place": scan_place,
    "scan_slice": scan_slice,
    "sequence_map_length": sequence_map_length,
}
"""What a plan calls to make scans and maps of its loops."""
