"""Text tables: the first column to the left, the others to the right, two spaces between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Rows of a table that are shown, where it may have thousands.
SHOWN = 20


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table with its head."""
    cells = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def cut(rows: Sequence[Sequence[str]], columns: int) -> list[Sequence[str]]:
    """The first rows, and one that says how many more there are."""
    if len(rows) <= SHOWN:
        return list(rows)
    return [*rows[:SHOWN], (f"{len(rows) - SHOWN} more", *[""] * (columns - 1))]


def place(x: int, y: int) -> str:
    """`(x, y)`."""
    return f"({x}, {y})"
