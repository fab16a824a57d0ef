"""Products cut into tiles that are kept in registers, and these into blocks and shares: of floats and of
integers alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_MOST_PANELS: Final = 4
"""Side by side: more are more streams than a processor follows ahead."""


_CACHED: Final = 1 << 19
"""Bytes of x and y that stay in the second cache while weights go by."""


@dataclass(frozen=True)
class Tiles:
    """Rows as tiles of about equal heights."""

    high: int
    low: int
    height: int

    @staticmethod
    def of(most: int, rows: int) -> Tiles:
        """As few tiles as there can be, of at most so many rows."""
        count = max(1, -(-rows // most))
        height = max(1, -(-rows // count))
        high = rows - count * (height - 1)
        return Tiles(high, count - high, height)

    @property
    def heights(self) -> tuple[int, ...]:
        """Those that there are, the greater first."""
        return (self.height, self.height - 1) if self.low else (self.height,)

    def panels(self, most: int, panels: int) -> int:
        """Panels side by side, of those that there are, so that the registers are used when rows
        are few."""
        beside = min(_MOST_PANELS, most // self.height, panels)
        return max(1, 1 << (beside.bit_length() - 1)) if beside else 1


@dataclass(frozen=True)
class Layout:
    """Where x, y and residual of a product lie; bytes.

    x has `repeats` times `rows` rows, each of `runs` stretches of `depth` elements.
    """

    rows: int
    columns: int
    depth: int
    a_row: int
    c_row: int
    residual_row: int = 0
    repeats: int = 1
    a_repeat: int = 0
    c_repeat: int = 0
    residual_repeat: int = 0
    runs: int = 1
    a_run: int = 0


@dataclass(frozen=True)
class Block:
    """Some of the rows and columns: tiles from a row on, in some of the repeats."""

    row: int
    high: int
    low: int
    first: int
    repeats: int
    column: int = 0
    columns: int = 0

    def fields(self, layout: Layout, width: int, panels: int, size: int) -> dict[str, int]:
        """What a job says of it, but for the weights, where a panel has `width` columns, wide tiles so
        many panels, and an element of y and the residual so many bytes."""
        wide = self.columns // (width * panels) if panels > 1 else 0
        across = self.column * size
        return {
            "a": self.first * layout.a_repeat + self.row * layout.a_row,
            "a_row": layout.a_row,
            "c": self.first * layout.c_repeat + self.row * layout.c_row + across,
            "c_row": layout.c_row,
            "residual": self.first * layout.residual_repeat
            + self.row * layout.residual_row
            + across,
            "residual_row": layout.residual_row,
            "columns": self.columns,
            "wide": wide,
            "narrow": -(-(self.columns - wide * panels * width) // width),
            "high": self.high,
            "low": self.low,
            "repeats": self.repeats,
            "a_repeat": layout.a_repeat,
            "c_repeat": layout.c_repeat,
            "residual_repeat": layout.residual_repeat,
            "runs": layout.runs,
            "a_run": layout.a_run,
            "depth": layout.depth,
        }


def shares(
    tiles: Tiles, layout: Layout, width: int, count: int, row_bytes: int, size: int = 0
) -> list[list[Block]]:
    """Blocks for each of several shares: of panels of so many columns where there are enough, else of
    rows. Of x a row has so many bytes, and an element of y, if it stays in the cache as well."""
    panels = -(-layout.columns // width)
    rows = layout.repeats if layout.repeats > 1 else tiles.high + tiles.low
    by_columns = panels >= count and (panels % count == 0 or panels >= 4 * count or rows < count)
    count = count if by_columns or rows >= 2 else 1
    total = panels if by_columns else rows
    found: list[list[Block]] = []
    for share in range(count):
        start, stop = total * share // count, total * (share + 1) // count
        if start == stop:
            continue
        first, last = (start, stop) if by_columns else (0, panels)
        column, end = first * width, min(last * width, layout.columns)
        some = (0, rows) if by_columns else (start, stop)
        blocks = _blocks(tiles, layout, row_bytes, (end - column) * size, *some)
        found.append([replace(block, column=column, columns=end - column) for block in blocks])
    return found


def _blocks(
    tiles: Tiles, layout: Layout, row_bytes: int, out: int, begin: int, end: int
) -> list[Block]:
    """Rows that stay in the cache, of those repeats or tiles; `out` are the bytes of one of y."""
    count = end - begin
    if layout.repeats > 1:
        # Stretches of neighbouring repeats are the same elements.
        size = min(layout.rows * row_bytes, layout.a_repeat) + layout.rows * out
        some = -(-count // max(1, -(-count * size // _CACHED)))
        return [
            Block(0, tiles.high, tiles.low, first, min(some, end - first))
            for first in range(begin, end, some)
        ]
    most = max(1, _CACHED // max(1, tiles.height * (row_bytes + out)))
    some = max(1, -(-count // max(1, -(-count // most))))
    found: list[Block] = []
    for first in range(begin, end, some):
        stop = min(first + some, end)
        high = max(0, min(stop, tiles.high) - first)
        before = min(first, tiles.high)
        row = before * tiles.height + (first - before) * (tiles.height - 1)
        found.append(Block(row, high, stop - first - high, 0, 1))
    return found
