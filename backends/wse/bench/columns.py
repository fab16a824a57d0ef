"""Columns of a row of PEs as slices: what a route or a placement of the dialect takes."""

from __future__ import annotations

from collections.abc import Iterable


def slices(columns: Iterable[int], period: int) -> list[range]:
    """Few ranges that together are these columns, with steps of 1, 2 or `period`, greedily.

    1, 2, 3, 10, 18 with period 8 gives 1:4:1 and 10:19:8.
    """
    left: list[int] = sorted(set(columns))
    found: list[range] = []
    while left:
        members, start = set(left), left[0]
        longest = max((_run(start, step, members) for step in (1, 2, period)), key=len)
        found.append(longest)
        left = [column for column in left if column not in longest]
    return found


def _run(start: int, step: int, members: set[int]) -> range:
    stop = start
    while stop in members:
        stop += step
    return range(start, stop - step + 1, step)
