"""Removing what computes nothing that anybody asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.traits import ConstantLike
from xdsl.transforms.dead_code_elimination import LiveSet

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOfShapeOp, ShapeOp
from pyflame_rt.dialects.pfrt.lattice import merge
from pyflame_rt.dialects.pfrt.random import DropoutOp
from pyflame_rt.dialects.pfrt.shape import IdentityOp
from pyflame_rt.dialects.pfrt.types import constant_attr
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.passes.shape_inference import functions, update_signature


@dataclass(frozen=True)
class PfrtDcePass(ModulePass):
    """Removes identities, dropout that does not train, and ops and weights that nothing uses.

    Before: `%y = pfrt.identity %x`, `%d = pfrt.relu %x` (unused), `%w = pfrt.constant …` (unused)
    After: uses of `%y` use `%x`; `%d` and `%w` are gone.

    What is live is decided by upstream's `dce`, which knows nothing of models: without options this
    pass is `dce` after the removal of identities and dropout.
    """

    name = "pfrt-dce"

    remove_initializers: bool = True
    """Whether constants that nothing uses go."""

    remove_identity: bool = True
    """Whether an identity is replaced by its operand."""

    remove_dropout: bool = True
    """Whether a dropout known not to train, or to drop nothing, is replaced by its operand."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in tuple(op.walk()):
            if self.remove_identity and isinstance(inner, IdentityOp):
                _remove_identity(inner)
            elif self.remove_dropout and isinstance(inner, DropoutOp):
                _remove_dropout(inner)
        live = LiveSet() if self.remove_initializers else _ConstantsAreLive()
        while live.changed:
            live.changed = False
            live.propagate_region_liveness(op.body)
        live.delete_dead(op.body, None)
        for function in functions(op):
            # An identity's operand may be known more precisely than what was returned.
            update_signature(function)


class _ConstantsAreLive(LiveSet):
    """Keeps constants, used or not."""

    def propagate_op_liveness(self, op: Operation) -> None:
        if op.has_trait(ConstantLike):
            self.set_live(op)
        super().propagate_op_liveness(op)


def _remove_identity(op: IdentityOp) -> None:
    # A result declared with a more precise type than its operand says what nothing else does.
    if merge(op.operand.type, op.result.type) == op.operand.type:
        replace(PatternRewriter(op), op, [], [op.operand])


def _remove_dropout(op: DropoutOp) -> None:
    training, ratio = constant_of(op.training), constant_of(op.ratio)
    idle = training is not None and not training.any()
    idle |= ratio is not None and ratio.size == 1 and not ratio.any()
    if not idle or merge(op.operand.type, op.result.type) != op.operand.type:
        return
    new_ops: list[Operation] = []
    mask: SSAValue = op.mask
    if op.mask.first_use is not None:
        shape = ShapeOp.create_op([op.operand])
        kept = ConstantOfShapeOp.build(
            operands=[shape.result],
            properties={"value": constant_attr(np.ones(1, np.bool_))},
            result_types=[op.mask.type],
        )
        new_ops, mask = [shape, kept], kept.result
    replace(PatternRewriter(op), op, new_ops, [op.operand, mask if new_ops else None])
