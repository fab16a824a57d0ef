"""Which data layout each op computes in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region
from xdsl.passes import ModulePass

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.layout.conversion import Conversion
from pyflame_rt.passes.layout.directions import Direction
from pyflame_rt.passes.shape_inference import functions

_DIRECTIONS = {
    "auto": Direction("nchw", "nhwc"),
    "nhwc": Direction("nchw", "nhwc"),
    "nchw": Direction("nhwc", "nchw"),
    "nc4hw4": Direction("nchw", "nc4hw4"),
}


@dataclass(frozen=True)
class PfrtLayoutPass(ModulePass):
    """Brings convolutions, pools and normalizations to a data layout, and transposes at its borders.

    Before:
    ```mlir
    %a = pfrt.conv %x, %w : (tensor<1x3x8x8xf32>, tensor<16x3x1x1xf32>) -> tensor<1x16x8x8xf32>
    %y = pfrt.relu %a : tensor<1x16x8x8xf32> -> tensor<1x16x8x8xf32>
    ```
    After `pfrt-layout{target=nhwc}`:
    ```mlir
    %0 = pfrt.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x8x8xf32> -> tensor<1x8x8x3xf32>
    %a = pfrt.conv %0, %w {layout = "nhwc"} : (tensor<1x8x8x3xf32>, tensor<16x3x1x1xf32>) -> tensor<1x8x8x16xf32>
    %1 = pfrt.relu %a : tensor<1x8x8x16xf32> -> tensor<1x8x8x16xf32>
    %y = pfrt.transpose %1 {perm = array<i64: 0, 3, 1, 2>} : tensor<1x8x8x16xf32> -> tensor<1x16x8x8xf32>
    ```

    An op says by its property `layout` that its data is not "nchw", N x C x spatial, but "nhwc",
    N x spatial x C, or "nc4hw4", N x ceil(C/4) x spatial x 4; its weights stay as they are. With T
    the conversion, op {layout} (x) = T(op(T⁻¹(x))). So for each op that can follow

        op(x) = T⁻¹(op'(T(x))),   T(T⁻¹(y)) = y,   T(constant) is a constant,

    where op' has the layout, or is elementwise, or has its axes renumbered. Applied to a set of ops
    that leaves one T on each value entering the set and one T⁻¹ on each leaving it; transposes that
    the model has itself are T or T⁻¹ for nothing.

    The set: with `auto` the one of least cost by a model of ops and transposes on the NumPy backend
    (passes/layout/costs.py), else all ops that have a layout, and of the others those that save
    transposes. Choosing between two forms of every value, each converted at most once, is a minimum
    cut; instead of a library for that, a pass over the block with the forms of the values still
    needed as state (passes/layout/assignment.py) finds the least cost in linear time. What it finds
    never costs more, by the model, than leaving the block as it is.

    Requires known ranks: ops on others stay. A value in the target form is not the one that the
    model names: its name stays with the value that is converted back, if there is one. Best after
    the fusions into convolutions and before elementwise ops are merged into regions.
    """

    name = "pfrt-layout"

    target: str = "auto"
    """"nhwc", "nchw" (back from nhwc), "nc4hw4" (slow here, for other backends), or "auto": nhwc
    where that is faster."""

    compiled: bool = False
    """Whether "auto" takes convolutions and pools to be compiled, for which nhwc is always faster."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        direction = _DIRECTIONS.get(self.target)
        if direction is None:
            raise PassFailed(
                f'there is no layout "{self.target}"',
                where=self.name,
                hint=f"target is one of {', '.join(_DIRECTIONS)}",
            )
        conversion = Conversion(direction, self.target != "auto", self.compiled)
        for function in functions(op):
            for block in _blocks(function.body):
                conversion.apply(block)


def _blocks(region: Region) -> Iterator[Block]:
    """The blocks of a region and of all regions in it, the outer ones first."""
    for block in region.blocks:
        yield block
        for op in block.ops:
            for inner in op.regions:
                yield from _blocks(inner)
