"""Whether a program fits a machine."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.wse.limits import LIMITS, check
from pyflame_rt.dialects.wse.program import ProgramOp
from pyflame_rt.errors import ValidationError


@dataclass(frozen=True)
class WseVerifyPass(ModulePass):
    """Fails unless the programs of a module fit a machine; changes nothing.

    Checked are the rectangle, the memory of a PE, the queues that exist, several receive directions in
    one switch position and two operands off the fabric in one vector op (errors on wse3).

    Before, with `machine=wse3`:
        wse.route @red at [1, 0] rx [west, east] tx [ramp]
    After:
        error: wse.route: wse3: @red is received from west and east in one switch position, …
    """

    name = "wse-verify"

    machine: str = "wse2"
    """wse2, wse3 or wse3-si."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.machine not in LIMITS:
            raise ValidationError(
                f"there is no machine {self.machine!r}", hint=f"machines: {', '.join(LIMITS)}"
            )
        for program in op.body.ops:
            if not isinstance(program, ProgramOp):
                continue
            try:
                check(program, LIMITS[self.machine])
            except VerifyException as error:
                raise failed(program, str(error)) from None
