"""Which tile runs where: PEs with equal code as few rectangles with strides."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping


def runs(numbers: Iterable[int]) -> Iterator[slice]:
    """Ascending numbers as slices of step 1 or 2."""
    left = sorted(numbers)
    while left:
        start = left[0]
        best = 1
        step = 1
        for candidate in (1, 2):
            length = 1
            while length < len(left) and start + length * candidate in left:
                length += 1
            if length > best:
                best, step = length, candidate
        taken = {start + k * step for k in range(best)}
        left = [n for n in left if n not in taken]
        yield slice(start, start + (best - 1) * step + 1, step)


def rectangles(pes: Iterable[tuple[int, int]]) -> Iterator[tuple[slice, slice]]:
    """Rectangles (x, y) that together are these PEs."""
    by_row: dict[int, list[int]] = {}
    for x, y in pes:
        by_row.setdefault(y, []).append(x)
    by_columns: dict[tuple[int, ...], list[int]] = {}
    for y, xs in by_row.items():
        by_columns.setdefault(tuple(sorted(xs)), []).append(y)
    for xs, ys in by_columns.items():
        for across in runs(xs):
            for down in runs(ys):
                yield across, down


def groups(keys: Mapping[tuple[int, int], Hashable]) -> dict[Hashable, list[tuple[int, int]]]:
    """PEs (x, y) by their key, in order."""
    found: dict[Hashable, list[tuple[int, int]]] = {}
    for pe, key in keys.items():
        found.setdefault(key, []).append(pe)
    return found
