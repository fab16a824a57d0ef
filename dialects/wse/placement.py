"""Where the buffers of a tile lie in the memory of a PE."""

from __future__ import annotations

from dataclasses import dataclass

from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.tile import BufferOp, TileOp


@dataclass(frozen=True)
class Place:
    """Byte address and size of a buffer."""

    address: int
    bytes: int


def layout(tile: TileOp) -> tuple[dict[str, Place], int]:
    """The places of a tile's buffers, in the order of their declaration, and the end of the last."""
    places: dict[str, Place] = {}
    end = 0
    for op in tile.body.block.ops:
        if not isinstance(op, BufferOp):
            continue
        align = number(op.align, 2)
        next_one = -(-end // align) * align + number(op.offset)
        place = Place(next_one if op.address is None else number(op.address), op.bytes)
        places[name_of(op.sym_name)] = place
        end = max(end, place.address + place.bytes)
    return places, end
