"""One array for the buffers of a tile, where as many arrays would need more memory than a PE has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from xdsl.ir import Operation

from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.dsds import FifoOp
from pyflame_rt.dialects.wse.tile import BufferOp

_ROOM: Final = 32_768


@dataclass(frozen=True)
class Shared:
    """The array: its elements, and where each buffer begins."""

    elements: int
    first: Mapping[str, int]


def overlap(buffers: Iterable[BufferOp]) -> bool:
    """Whether buffers share memory in the simulator."""
    places = sorted(
        (number(op.address), number(op.address) + op.bytes)
        for op in buffers
        if op.address is not None
    )
    return any(after < end for (_, end), (after, _) in pairwise(places))


def shared(buffers: Sequence[BufferOp], ops: Iterable[Operation]) -> Shared | None:
    """The array that all buffers lie in as they do when simulated; None where each gets one of its own.

    They do up to 32 KiB: more readable, and it leaves 16 KiB of a PE to code and memcpy.
    """
    if not overlap(buffers) or sum(op.bytes for op in buffers) <= _ROOM:
        return None
    if any(isinstance(op, FifoOp) for op in ops):
        return None
    if len({op.buffer_type.element_type for op in buffers}) > 1:
        return None
    first: dict[str, int] = {}
    for op in buffers:
        if op.address is None or op.value is not None or number(op.address) % op.element_bytes:
            return None
        first[name_of(op.sym_name)] = number(op.address) // op.element_bytes
    return Shared(max(first[name_of(op.sym_name)] + op.count for op in buffers), first)
