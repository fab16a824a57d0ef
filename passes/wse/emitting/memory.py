"""Where buffers lie in the memory of a PE: the same for every tile, shared by what is not live together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.machine import DATA_BYTES

WIDTH = {"f32": 4, "f16": 2, "i32": 4}
_LINE = 8


@dataclass(frozen=True)
class Buffer:
    """An array of every PE. It is live from step `first` to step `last`; step -1 is before the start.

    `odd`: it begins in the second of the two classes of banks, so that an op may read it together with
    one that begins in the first.
    """

    name: str
    elements: int
    dtype: str
    first: int
    last: int
    odd: bool = False

    @property
    def bytes(self) -> int:
        """Size, a multiple of the banks' turn."""
        return -(-self.elements * WIDTH[self.dtype] // _LINE) * _LINE + _LINE * self.odd


def allocate(buffers: Iterable[Buffer], where: str, limit: int = DATA_BYTES) -> Mapping[str, int]:
    """Byte addresses by name; raises PassFailed when a PE has no room.

    Large buffers first, each at the lowest address that no buffer has which is live at the same time.
    """
    placed: list[tuple[int, Buffer]] = []
    end = 0
    for buffer in sorted(buffers, key=lambda b: (-b.bytes, b.name)):
        others = sorted(
            (at, at + other.bytes)
            for at, other in placed
            if other.first <= buffer.last and buffer.first <= other.last
        )
        at = 0
        for start, stop in others:
            if at + buffer.bytes <= start:
                break
            at = max(at, stop)
        placed.append((at, buffer))
        end = max(end, at + buffer.bytes)
    if end > limit:
        most = sorted((b for _, b in placed), key=lambda b: -b.bytes)[:4]
        table = ", ".join(f"{b.name} {b.bytes}" for b in most)
        raise PassFailed(
            f"needs {end} bytes of a PE's {limit} ({table}, …)", where=where,
            hint="use more PEs, more slots, or f16",
        )  # fmt: skip
    return {buffer.name: at + 4 * buffer.odd for at, buffer in placed}
