"""The colours of a mapped network, and their routes."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.wse.placing.placed import is_idle, is_placed, placed, require_all_mapped
from pyflame_rt.passes.wse.placing.predicting import fabric


@dataclass(frozen=True)
class WseRoutePass(ModulePass):
    """Adds a program with the colours and routes that the steps of each mapped function need.

    Before: a function @main with `wse.grid`, whose ops have `wse.layout`
    After: also `wse.program @main_wafer width 8 height 8 { wse.color @row_multicast wse.route … }`

    On a line of PEs there is at most one colour for what is multicast, two for what is added up from
    PE to PE, and one that leads back. Steps that use a line one after the other share its colours.
    Requires `wse-place`.
    """

    name = "wse-route"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in tuple(functions(op)):
            if not is_placed(function):
                if is_idle(function):
                    continue
                require_all_mapped(function)
            program = fabric(placed(function).network).body.block.first_op
            assert program is not None
            program.detach()
            op.body.block.insert_op_before(program, function)
