"""Canonical forms, keeping locations and names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.folder import Folder
from xdsl.ir import Operation, Region
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    PatternRewriter,
    PatternRewriterListener,
    PatternRewriteWalker,
    RewritePattern,
)
from xdsl.traits import ConstantLike, HasCanonicalizationPatternsTrait, HasFolder
from xdsl.transforms.dead_code_elimination import is_trivially_dead, region_dce

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
        PatternRewriteWalker(
            CanonicalForms(ctx), post_walk_func=remove_dead, listener=carrying_listener()
        ).rewrite_module(op)


@dataclass(frozen=True)
class _Forms:
    """What all ops of one class have in common."""

    folds: bool
    patterns: Sequence[RewritePattern]


class CanonicalForms(RewritePattern):
    """An op -> nothing if nothing uses it, else what its folder or the first of its patterns gives.

    Upstream's appliers do the same, and look for folder and patterns at every op: looked up once a
    class, it takes half the time.
    """

    def __init__(self, ctx: Context):
        self._folder = Folder(ctx)
        self._forms: dict[type[Operation], _Forms] = {}

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if is_trivially_dead(op):
            rewriter.erase(op)
            return
        forms = self._forms_of(type(op))
        if forms.folds and (folded := self._folder.try_fold(op)) is not None:
            values, new_ops = folded
            rewriter.replace(op, new_ops, values)
            return
        for pattern in forms.patterns:
            pattern.match_and_rewrite(op, rewriter)
            if rewriter.has_done_action:
                return

    def _forms_of(self, kind: type[Operation]) -> _Forms:
        if (found := self._forms.get(kind)) is None:
            # A constant folds to itself.
            folds = kind.has_trait(HasFolder, value_if_unregistered=False) and not kind.has_trait(
                ConstantLike
            )
            traits = kind.get_traits_of_type(HasCanonicalizationPatternsTrait)
            patterns = tuple(pattern for trait in traits for pattern in trait.get_patterns(kind))
            found = self._forms[kind] = _Forms(folds, patterns)
        return found


def remove_dead(region: Region, listener: PatternRewriterListener) -> bool:
    """Erase the ops of a region that nothing uses, and what only they used; whether any was.

    Upstream's `region_dce`, in one sweep from the end where no region has a second block.
    """
    # More blocks than one may be unreachable, or keep each other's values alive.
    if any(len(inner.blocks) > 1 for inner in _regions(region)):
        return region_dce(region, listener)
    return _sweep(region, listener)


def _regions(region: Region) -> Iterator[Region]:
    yield region
    for op in region.walk():
        yield from op.regions


def _sweep(region: Region, listener: PatternRewriterListener) -> bool:
    changed = False
    block = region.blocks.first
    op = None if block is None else block.last_op
    while block is not None and op is not None:
        before = op.prev_op
        if is_trivially_dead(op):
            listener.handle_operation_removal(op)
            block.erase_op(op, safe_erase=False)
            changed = True
        else:
            for inner in op.regions:
                changed |= _sweep(inner, listener)
        op = before
    return changed
