"""Shapes that follow from shapes."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.passes.shape_inference import infer_module


@dataclass(frozen=True)
class PfrtInferShapesPass(ModulePass):
    """Refines the type of every value by what the types of its op's operands give.

    Before: `%y = pfrt.relu %x : tensor<4x8xf32> -> tensor<?x?xf32>`
    After: `%y = pfrt.relu %x : tensor<4x8xf32> -> tensor<4x8xf32>`

    What is declared is never loosened; a declared type that cannot be is an error. Values that a
    loop carries get the most precise type that holds in every iteration. The functions' result
    types follow.
    """

    name = "pfrt-infer-shapes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        infer_module(op)
