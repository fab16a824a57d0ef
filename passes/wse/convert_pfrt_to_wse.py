"""From pfrt to a program for the wafer."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.passes.wse.wse_lower_tiles import WseLowerTilesPass
from pyflame_rt.passes.wse.wse_place import WsePlacePass
from pyflame_rt.passes.wse.wse_prepare import WsePreparePass
from pyflame_rt.passes.wse.wse_route import WseRoutePass


@dataclass(frozen=True)
class ConvertPfrtToWsePass(ModulePass):
    """Maps each function to the wafer: `wse-prepare`, `wse-place`, `wse-route`, `wse-lower-tiles`.

    Before: `%y = pfrt.gemm %x, %w : …` in a function @main
    After: `wse.program @main_wafer`, and @main scatters %x and %w, runs it, and gathers %y

    Requires static shapes, optimised pfrt, and that every op can be mapped.
    """

    name = "convert-pfrt-to-wse"

    machine: str = "wse2"
    """wse2, wse3 or wse3-si."""

    width: int = 8
    """Columns of PEs."""

    height: int = 8
    """Rows of PEs."""

    dtype: str = "f32"
    """What the wafer computes in: f32 or f16."""

    schedule: str = "layer"
    """layer: one step after the other, each on all PEs; pipeline: on strips of columns, all at once."""

    marks: bool = False
    """Whether PEs print the name of each step when they are done with it: free on the simulator."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        place = WsePlacePass(self.machine, self.width, self.height, self.dtype, self.schedule)
        for step in (WsePreparePass(), place, WseRoutePass(), WseLowerTilesPass(self.marks)):
            step.apply(ctx, op)
