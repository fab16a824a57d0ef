"""Where each value of a network lies on the wafer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.base import is_constant
from pyflame_rt.dialects.pfrt.shape import IdentityOp
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.wse.limits import LIMITS
from pyflame_rt.dialects.wse.mappable import obstacle
from pyflame_rt.dialects.wse.mapping import (
    GRID,
    HOST,
    IMAGES,
    LAYOUT,
    MOVE,
    RUNS,
    STEPS,
    STREAMED,
    STRIPS,
    TRANSFER,
    GridAttr,
    LayoutAttr,
)
from pyflame_rt.errors import ValidationError
from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.wse.placing.choosing import choose
from pyflame_rt.passes.wse.placing.layouts import Grid, Layout, Placing, network_of
from pyflame_rt.passes.wse.placing.placed import program_of
from pyflame_rt.passes.wse.placing.reading import Reading, read
from pyflame_rt.passes.wse.placing.steps import step_attributes

SCHEDULES: Final = ("layer", "pipeline")


@dataclass(frozen=True)
class WsePlacePass(ModulePass):
    """Gives each value of a function a place on a rectangle of PEs, by the predicted cycles.

    Before: `%y = pfrt.gemm %x, %w : …` in a function
    After: the function has `wse.grid = #wse.grid<"wse2", 8 x 8, f32>`, the argument and the op have
    `wse.layout`, the op `wse.steps`: what it comes to, predicted cycles and the terms of its bound

    Contractions turn the axis over which features are split; where a value is needed the other way, a
    `pfrt.identity` with `wse.move` goes before its use. Images of a batch go through one after the other: as many
    a run as there is room for (`wse.images`, `wse.runs`). In a pipeline strips of columns (`wse.strips`) have some
    ops each, and a `pfrt.identity` with `wse.transfer` leads from one to the next. Weights for which there is no
    room come from the edge (`wse.streamed`). A function with an op that cannot be mapped is
    left as it is but for `wse.host`, the reason, on such ops: `pfrt-outline` gives the others functions of
    their own. Requires static shapes and optimised pfrt after `wse-prepare`.
    """

    name = "wse-place"

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

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        grid = self.grid()
        for function in tuple(functions(op)):
            if len(function.body.blocks) != 1:
                raise failed(function, "has branches between blocks")
            if not any([*_unmappable(function)]):
                _place(function, grid, self.schedule)

    def grid(self) -> Grid:
        """The rectangle of PEs. Raises ValidationError for options that no wafer has."""
        limits = LIMITS.get(self.machine)
        if limits is None:
            raise ValidationError(
                f"there is no machine {self.machine!r}", hint=f"machines: {', '.join(LIMITS)}"
            )
        sizes = (self.width, limits.max_width), (self.height, limits.max_height)
        if not all(1 <= size <= most for size, most in sizes):
            raise ValidationError(
                f"{self.width} x {self.height} PEs are no rectangle of {self.machine}",
                hint=f"it has {limits.max_width} x {limits.max_height}",
            )
        if self.schedule not in SCHEDULES:
            raise ValidationError(
                f"there is no schedule {self.schedule!r}", hint=f"schedules: {', '.join(SCHEDULES)}"
            )
        kinds: dict[str, Literal["f32", "f16"]] = {"f32": "f32", "f16": "f16"}
        if self.dtype not in kinds:
            raise ValidationError(
                f"the wafer does not compute in {self.dtype!r}", hint="types: f32, f16"
            )
        return Grid(self.machine, self.width, self.height, kinds[self.dtype])


def _unmappable(function: func.FuncOp) -> Iterator[bool]:
    """Mark the ops that stay on the host; whether each op does."""
    for op in function.body.block.ops:
        op.attributes.pop(HOST, None)
        if isinstance(op, func.ReturnOp) or is_constant(type(op)):
            continue
        if MOVE in op.attributes or TRANSFER in op.attributes:
            continue
        why = obstacle(op)
        if why is not None:
            op.attributes[HOST] = StringAttr(why)
        yield why is not None


def _place(function: func.FuncOp, grid: Grid, schedule: str) -> None:
    if not read(function).steps:
        return
    name = program_of(function)
    reading, placing = choose(function, grid, schedule, name)
    # Steps of one op follow each other: the last one makes its result.
    last = {planned.op: planned.step for planned in placing.steps}
    network = network_of(reading, placing, grid, name)
    said = step_attributes(network, placing.predicted)
    lists: dict[Operation, list[Attribute]] = {}
    for planned in placing.steps:
        if planned.step.name not in placing.moves.values():
            lists.setdefault(planned.op, []).append(said[planned.step.name])
    for planned in placing.steps:
        if planned.step.name in placing.form.streamed:
            planned.op.attributes[STREAMED] = UnitAttr()
    for op, steps in lists.items():
        op.attributes[STEPS] = ArrayAttr(steps)
        op.attributes[LAYOUT] = _attribute(placing.layouts[last[op].name])
    _insert_moves(reading, placing, said)
    _mark_arguments(function, reading, placing)
    function.attributes[GRID] = GridAttr.of(grid.machine, grid.columns, grid.rows, grid.dtype)
    form = placing.form
    for key, count in ((IMAGES, form.images), (RUNS, form.runs)):
        function.attributes.pop(key, None)
        if count > 1:
            function.attributes[key] = IntegerAttr(count, i64)
    function.attributes.pop(STRIPS, None)
    if form.strips:
        function.attributes[STRIPS] = DenseArrayBase.from_list(i64, list(form.strips))


def _insert_moves(reading: Reading, placing: Placing, said: Mapping[str, DictionaryAttr]) -> None:
    for (op, name), moved in placing.moves.items():
        # Of a product it is the residual that is moved, the last of its operands.
        index = max(i for i, value in enumerate(op.operands) if reading.names.get(value) == name)
        move = IdentityOp.create_op([op.operands[index]], location=op.location)
        move.attributes |= {
            MOVE: UnitAttr(),
            LAYOUT: _attribute(placing.layouts[moved]),
            STEPS: ArrayAttr([said[moved]]),
        }
        Rewriter.insert_op(move, InsertPoint.before(op))
        op.operands[index] = move.results[0]


def _mark_arguments(function: func.FuncOp, reading: Reading, placing: Placing) -> None:
    count = len(function.body.block.args)
    rows: list[dict[str, Attribute]] = [{} for _ in range(count)]
    if function.arg_attrs is not None:
        rows = [dict(row.data) for row in function.arg_attrs]
    for row in rows:
        row.pop(LAYOUT, None)
    for argument, name in reading.inputs:
        # An argument may be seen as several matrices.
        known = cast("ArrayAttr[Attribute]", rows[argument.index].get(LAYOUT, ArrayAttr([])))
        rows[argument.index][LAYOUT] = ArrayAttr([*known, _attribute(placing.layouts[name])])
    function.arg_attrs = ArrayAttr([DictionaryAttr(row) for row in rows])


def _attribute(layout: Layout) -> LayoutAttr:
    return LayoutAttr.of(layout.axis, layout.parts, layout.slots, layout.grain)
