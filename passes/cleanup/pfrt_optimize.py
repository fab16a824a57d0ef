"""All passes of an optimization level."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.passes import optimization_levels


@dataclass(frozen=True)
class PfrtOptimizePass(ModulePass):
    """Runs the passes of an optimization level, in the order that sessions run them.

    Before: `%a = pfrt.exp %x`, `%b = pfrt.exp %x`, `%c = pfrt.add %a, %b`, `%y = pfrt.identity %c`
    After: `%a = pfrt.exp %x`, `%c = pfrt.add %a, %a`

    Level 0 does nothing, 1 cleans up (folding, dead code), 2 also merges and fuses, 3 does
    everything. Requires what the passes require, which is nothing but valid IR.
    """

    name = "pfrt-optimize"

    level: int = 2
    """The optimization level, 0 to 3."""

    skip: tuple[str, ...] = ()
    """Passes that are left out: names such as `cse`, or of the documentation (`CSEPass`)."""

    def __post_init__(self) -> None:
        if problems := optimization_levels.problems(self.level, self.skip):
            raise ValueError("; ".join(problems))

    def steps(self) -> tuple[ModulePass, ...]:
        """The passes it stands for."""
        return optimization_levels.passes(self.level, self.skip)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for step in self.steps():
            step.apply(ctx, op)
