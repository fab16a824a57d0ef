"""The ops whose channels can be followed, and the values that leave them."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt.control import YieldOp
from pyflame_rt.dialects.pfrt.fused import FusedOp


def blocks(module: ModuleOp) -> Iterator[Block]:
    """The bodies of a module's functions."""
    for op in module.ops:
        if isinstance(op, func.FuncOp):
            yield from op.body.blocks


def operations(block: Block) -> Iterator[Operation]:
    """The ops of a block, and of `pfrt.fused` in it, but for what ends a body of these.

    What other regions hold is not followed: their op takes it as it is.
    """
    for op in block.ops:
        yield op
        if isinstance(op, FusedOp):
            yield from (inner for inner in op.body.block.ops if not isinstance(inner, YieldOp))


def values(op: Operation) -> Iterator[SSAValue]:
    """The values that an op takes and makes, and the arguments of `pfrt.fused`."""
    yield from op.operands
    yield from op.results
    if isinstance(op, FusedOp):
        yield from op.body.block.args


def captured(op: Operation) -> Iterator[SSAValue]:
    """What an op whose regions are not followed takes from outside of them."""
    if isinstance(op, FusedOp) or not op.regions:
        return
    inside = set(op.walk())
    for inner in inside - {op}:
        for value in inner.operands:
            owner = value.owner
            parent = owner if isinstance(owner, Operation) else owner.parent_op()
            if parent is not op and parent not in inside:
                yield value


def entry_values(module: ModuleOp) -> Iterator[SSAValue]:
    """The arguments of functions, which callers feed."""
    for block in blocks(module):
        yield from block.args
