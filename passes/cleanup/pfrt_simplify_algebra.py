"""Arithmetic that comes to less."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.passes.simplification import activations, algebra
from pyflame_rt.passes.simplification.driver import apply_patterns


@dataclass(frozen=True)
class PfrtSimplifyAlgebraPass(ModulePass):
    """Removes arithmetic that changes nothing and replaces what is costly by what is cheap.

    Before: `%a = pfrt.mul %x, %one`, `%b = pfrt.pow %a, %two`, `%c = pfrt.div %b, %four`
    After: `%b = pfrt.mul %x, %x`, `%c = pfrt.mul %b, %quarter`

    Every identity holds to the last bit, for NaN, infinities, -0.0 and integers that wrap: `x + 0.0`
    stays unless x cannot be -0.0, `x / 3.0` stays, floats are never reassociated. A square is
    computed as a product, which is rounded correctly; a power is not always.
    """

    name = "pfrt-simplify-algebra"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        apply_patterns(ctx, op, (*algebra.PATTERNS, *activations.PATTERNS))
