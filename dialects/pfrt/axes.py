"""The canonical form of axis properties: not negative, once the rank is known."""

from __future__ import annotations

from typing import Any

from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import shape_of


class NonNegativeAxis(RewritePattern):
    """op(x) {axis = -1} -> op(x) {axis = rank - 1}."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        axis: Any = getattr(op, "axis", None)
        if not isinstance(op, PfrtOp) or not isinstance(axis, IntegerAttr):
            return
        value, shape = axis.value.data, shape_of(op.operands[0])
        if shape is None or value >= 0:
            return
        op.properties["axis"] = IntegerAttr(value + len(shape), 64)
        rewriter.notify_op_modified(op)
