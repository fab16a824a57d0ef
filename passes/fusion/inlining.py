"""The opposite of `pfrt-fuse-elementwise`, for lowerings that look at each op by itself."""

from __future__ import annotations

from xdsl.ir import Operation
from xdsl.rewriter import Rewriter

from pyflame_rt.dialects.pfrt.control import yielded
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.rewriting import carry


def inlined(op: FusedOp) -> list[Operation]:
    """Put the ops of a region in the place of the op that has it, which goes; they are returned."""
    block, inner = op.parent, op.body.block
    assert block is not None
    for argument, value in zip(tuple(inner.args), op.inputs, strict=True):
        argument.replace_all_uses_with(value)
    results, found = yielded(op.body), list[Operation]()
    for each in tuple(inner.ops):
        if each is inner.last_op:
            continue
        each.detach()
        block.insert_op_before(each, op)
        found.append(each)
    carry(op, results)
    Rewriter.replace_op(op, [], list(results))
    return found
