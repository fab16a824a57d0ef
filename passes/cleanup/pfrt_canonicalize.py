"""Canonical forms, keeping locations and names."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import GreedyRewritePatternApplier, PatternRewriteWalker
from xdsl.transforms.canonicalize import CanonicalizationRewritePattern
from xdsl.transforms.dead_code_elimination import region_dce

from pyflame_rt.dialects.rewriting import carrying_listener


@dataclass(frozen=True)
class PfrtCanonicalizePass(ModulePass):
    """Upstream's `canonicalize` (patterns, folders, dead code) that carries locations and names
    from each replaced op to its replacement.

    Before: `%y = pfrt.identity %x as "y"`, `%d = pfrt.relu %x` (unused)
    After: uses of `%y` use `%x`; `%d` is gone.

    Requires nothing: ops without canonical forms, of any dialect, stay as they are.
    """

    name = "pfrt-canonicalize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pattern = GreedyRewritePatternApplier(
            [CanonicalizationRewritePattern()], ctx=ctx, folding_enabled=True
        )
        PatternRewriteWalker(
            pattern, post_walk_func=region_dce, listener=carrying_listener()
        ).rewrite_module(op)
