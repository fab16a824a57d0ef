"""Which nodes have anything to do in which cycle, so that the others cost nothing.

A node whose visit changed nothing would find the same in every later cycle, until a time that it
named (`event`) comes, a word is sent to it, or a full queue that it feeds is relieved. Those wake it:
it is marked in a wheel, a bit map of nodes for each of the next 32 cycles and for each of the next 31 blocks of
32 cycles. A visit too many does no harm; bit maps keep the order of nodes, on which traces depend.
"""

from __future__ import annotations

from typing import Any

from pyflame_rt.backends.wse.sim.layout import (
    LATER,
    NODE_COUNT,
    NODE_FIELDS,
    NODES,
    PENDING,
    SLOTS,
    SOON,
    WAKING,
    WHEEL,
    WHEEL_GROUPS,
    WHEEL_WORDS,
)
from pyflame_rt.backends.wse.sim.numbers import wrap32


def lowest(bits: int) -> int:
    """The number of the lowest bit that is set; an intrinsic in compiled form."""
    return (bits & -bits).bit_length() - 1


def mark(S: Any, slot: int, index: int) -> None:
    """Set a node's bit in a slot."""
    base = S[WHEEL] + slot * S[WHEEL_WORDS]
    word = index >> 5
    group = base + (word >> 5)
    place = base + S[WHEEL_GROUPS] + word
    S[place] = wrap32(S[place] | 1 << (index & 31))
    S[group] = wrap32(S[group] | 1 << (word & 31))


def wake(S: Any, node: int, at: int, now: int) -> None:
    """Have a node visited in a later cycle, or before when that is far away."""
    index = (node - S[NODES]) // NODE_FIELDS
    if at - now < 32:
        S[SOON] = wrap32(S[SOON] | 1 << (at & 31))
        mark(S, at & 31, index)
        return
    block = min(at >> 5, (now >> 5) + 31) & 31
    S[LATER] = wrap32(S[LATER] | 1 << block)
    mark(S, 32 + block, index)


def expect(S: Any, node: int, waits: bool) -> None:
    """Count the nodes that wait for a time: while there are any, the run is not over."""
    index = (node - S[NODES]) // NODE_FIELDS
    place = S[WHEEL] + SLOTS * S[WHEEL_WORDS] + S[WHEEL_GROUPS] + (index >> 5)
    bit = 1 << (index & 31)
    if (S[place] & bit != 0) != waits:
        S[place] = wrap32(S[place] ^ bit)
        S[PENDING] += 1 if waits else -1


def clear(S: Any) -> None:
    """Take all marks off the wheel."""
    for slot in range(SLOTS + 1):
        mask = S[SOON] if slot < 32 else S[LATER]
        if slot == SLOTS or mask >> (slot & 31) & 1:
            base = S[WHEEL] + slot * S[WHEEL_WORDS]
            for place in range(base, base + S[WHEEL_WORDS]):
                S[place] = 0
    S[SOON] = 0
    S[LATER] = 0
    S[PENDING] = 0
    S[WAKING] = 0


def wake_all(S: Any, now: int) -> None:
    """Have every node visited in this cycle."""
    S[WAKING] = 1
    S[SOON] = wrap32(1 << (now & 31))
    for index in range(S[NODE_COUNT]):
        mark(S, now & 31, index)


def upcoming(S: Any, now: int, until: int) -> int:
    """The first cycle from `now` on in which a node is to be visited, at most `until`."""
    best = until
    soon = S[SOON] & 0xFFFFFFFF
    if soon != 0:
        turn = now & 31
        best = min(best, now + lowest((soon >> turn | soon << (32 - turn)) & 0xFFFFFFFF))
    later = S[LATER] & 0xFFFFFFFF
    if later != 0:
        block = (now + 31) >> 5
        turn = block & 31
        turned = (later >> turn | later << (32 - turn)) & 0xFFFFFFFF
        best = min(best, (block + lowest(turned)) << 5)
    return best


def unfold(S: Any, now: int) -> None:
    """At the start of a block, the marks of the block become marks of its first cycle."""
    block = now >> 5 & 31
    if now & 31 or S[LATER] >> block & 1 == 0:
        return
    S[LATER] = wrap32(S[LATER] & ~(1 << block))
    S[SOON] = wrap32(S[SOON] | 1)
    there = S[WHEEL] + (32 + block) * S[WHEEL_WORDS]
    for offset in range(S[WHEEL_WORDS]):
        S[S[WHEEL] + offset] |= S[there + offset]
        S[there + offset] = 0
