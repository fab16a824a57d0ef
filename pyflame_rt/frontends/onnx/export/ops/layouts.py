"""The layout "nc4hw4" in operators that know none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.layouts import blocks_of
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.onnx.export.nodes import Refused
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rank_of,
)
from pyflame_rt.kernels.layouts import PACK


@expansion("pack_channels")
def pack_channels(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """transpose(reshape(pad(x))): channels filled up to fours, and each four moved to the end."""
    x, rank = op.operand, rank_of(op.operand)
    channels = (shape_of(x) or (DYNAMIC,) * 2)[1]
    if channels == DYNAMIC:
        raise Refused("the number of channels is not known")
    blocks = blocks_of(channels)
    sizes = [e.size(x, axis) for axis in range(rank)]
    if (missing := blocks * PACK - channels) > 0:
        pads = [0] * (2 * rank)
        pads[rank + 1] = missing
        (x,) = e.emit("pad", [x, None, None, None], {"pads": tuple(pads)})
    parted = e.reshape(x, [sizes[0], blocks, PACK, *sizes[2:]])
    return [e.one("transpose", parted, perm=(0, 1, *range(3, rank + 1), 2))]


@expansion("unpack_channels")
def unpack_channels(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """slice(reshape(transpose(x))): fours moved back, and what filled them up cut off."""
    x, rank, channels = op.operand, rank_of(op.operand), op.channels.value.data
    blocks = blocks_of(channels)
    sizes = [e.size(x, axis) for axis in range(rank - 1)]
    moved = e.one("transpose", x, perm=(0, 1, rank - 1, *range(2, rank - 1)))
    whole = e.reshape(moved, [sizes[0], blocks * PACK, *sizes[2:]])
    if blocks * PACK == channels:
        return [whole]
    span = {"starts": (0,), "ends": (channels,), "axes": (1,)}
    return e.emit("slice", [whole, None, None, None, None], span)


RULES: tuple[Rule, ...] = ()
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (pack_channels, unpack_channels)
"""The expansions of this family."""
