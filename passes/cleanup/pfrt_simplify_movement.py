"""Moving elements fewer times."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.passes.simplification import casts, pieces, reshapes
from pyflame_rt.passes.simplification.driver import apply_patterns


@dataclass(frozen=True)
class PfrtSimplifyMovementPass(ModulePass):
    """Merges and removes ops that move, pick or convert elements without computing anything.

    Before: `%a = pfrt.unsqueeze %x {axes = array<i64: 0>} : (tensor<4x6xf32>) -> tensor<1x4x6xf32>`,
    `%b = pfrt.reshape %a {shape = array<i64: 24>} : (tensor<1x4x6xf32>) -> tensor<24xf32>`
    After: `%b = pfrt.reshape %x {shape = array<i64: 24>} : (tensor<4x6xf32>) -> tensor<24xf32>`

    Reshapes, flattens, squeezes and unsqueezes of each other, transposes that only move dimensions
    of 1, expansions that broadcasting does anyway, slices of slices and of concatenations,
    concatenations of adjacent pieces and of concatenations, splits of concatenations, casts through
    a type that loses nothing. What an op does alone, or to one of its own kind, `pfrt-canonicalize`
    simplifies.
    """

    name = "pfrt-simplify-movement"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        apply_patterns(ctx, op, (*reshapes.PATTERNS, *pieces.PATTERNS, *casts.PATTERNS))
