"""Decisions read from bytes, so that hypothesis draws a graph at once and shrinks it well.

Every piece of a graph reads from a chunk of its own: a chunk of zeros is no piece, and another
choice in one piece leaves the decisions of the others as they are. Zeros are the simplest choices,
also where a chunk is used up.
"""

from __future__ import annotations

CHUNK = 40
"""Bytes of a piece: most read fewer."""


class Choices:
    """Numbers from chunks of bytes."""

    def __init__(self, data: bytes):
        self._data = data
        self._at, self._end = 0, CHUNK

    @property
    def chunks(self) -> int:
        """How many chunks there are; number 0 decides about the whole graph."""
        return len(self._data) // CHUNK

    def start(self, chunk: int) -> None:
        """Read from a chunk from now on."""
        self._at, self._end = chunk * CHUNK, (chunk + 1) * CHUNK

    def number(self, low: int, high: int) -> int:
        """An integer in low..high, all equally likely; no byte is read where there is no choice."""
        span = high - low + 1
        if span <= 1:
            return low
        if span <= 64:
            return low + (self._byte() * span >> 8)
        return low + ((self._byte() << 8 | self._byte()) * span >> 16)

    def _byte(self) -> int:
        if self._at >= self._end:
            return 0
        self._at += 1
        return self._data[self._at - 1]
