"""The rows of a product as tiles that are kept in registers, of floats and of integers alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MOST_PANELS: Final = 4
"""Side by side: more are more streams than a processor follows ahead."""


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
