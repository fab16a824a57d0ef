"""Leaves to the host what the wafer has no room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import ConstantLike

from pyflame_rt.dialects.pfrt.base import constant_of, is_constant
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.dialects.targets import TARGET
from pyflame_rt.dialects.wse.mappable import VIEWS
from pyflame_rt.dialects.wse.mapping import HOST
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.partitioning.pfrt_outline import PfrtOutlinePass
from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.wse.placing.choosing import choose
from pyflame_rt.passes.wse.placing.layouts import Grid
from pyflame_rt.passes.wse.placing.placed import program_of
from pyflame_rt.passes.wse.placing.reading import read
from pyflame_rt.passes.wse.wse_place import WsePlacePass


@dataclass(frozen=True)
class WseFitPass(ModulePass):
    """Says of ops for which the PEs have no memory that they stay on the host: `wse.host`, the reason.

    Before: `%y = pfrt.conv %x, %w : …`, and its image is larger than what the PEs have room for
    After: the op has `wse.host = "needs 90112 bytes of a PE's 44976 …"`

    Each part of a function that `pfrt-outline` would give to the wafer is placed; of one that does not fit the ops go
    that do not fit alone, or if each would one in the middle, which leaves two parts. What is left makes other parts,
    which are looked at in turn. Requires static shapes, after `wse-prepare` and before `pfrt-outline`.
    """

    name = "wse-fit"

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
        place = WsePlacePass(self.machine, self.width, self.height, self.dtype, self.schedule)
        grid = place.grid()
        while found := self._too_large(ctx, op, grid):
            for each, why in found.items():
                each.attributes[HOST] = StringAttr(why)

    def _too_large(self, ctx: Context, module: ModuleOp, grid: Grid) -> Mapping[Operation, str]:
        """Ops that have to go, with the reason; none when all parts fit."""
        copy = module.clone()
        originals = dict(zip(copy.walk(), module.walk(), strict=True))
        PfrtOutlinePass(target=self.machine).apply(ctx, copy)
        found: dict[Operation, str] = {}
        for part in functions(copy):
            tag = part.attributes.get(TARGET)
            if not isinstance(tag, StringAttr) or tag.data != self.machine:
                continue
            ops = [op for op in part.body.block.ops if op in originals and _is_step(op)]
            alone = {op: _alone(op) for op in ops}
            why = _why_not(part, grid, self.schedule)
            if why is None:
                continue
            reasons = {op: _why_not(one, grid, self.schedule) for op, one in alone.items()}
            gone = {op: reason for op, reason in reasons.items() if reason is not None}
            if not gone:
                gone = {_middle(ops): why}
            for op, reason in gone.items():
                found[originals[op]] = reason
        return found


def _is_step(op: Operation) -> bool:
    known = is_constant(type(op)) or op.has_trait(ConstantLike)
    return not known and op.name not in VIEWS and not isinstance(op, func.ReturnOp)


def _middle(ops: list[Operation]) -> Operation:
    """The op by which half of the weights are used: without it two parts are left."""
    sizes = [
        sum(prod(shape_of(v) or ()) for v in op.operands if constant_of(v) is not None)
        for op in ops
    ]
    total = 0
    for op, size in zip(ops, sizes, strict=True):
        total += size
        if 2 * total >= sum(sizes):
            return op
    return ops[-1]


def _why_not(function: func.FuncOp, grid: Grid, schedule: str) -> str | None:
    """Why a function cannot be placed; None when it can."""
    try:
        if read(function).steps:
            choose(function, grid, schedule, program_of(function))
    except PassFailed as error:
        return error.message.replace(", …", "")
    return None


def _alone(op: Operation) -> func.FuncOp:
    """A function of one op."""
    block = Block()
    values: dict[SSAValue, SSAValue] = {}
    for value in op.operands:
        if value in values:
            continue
        owner = value.owner
        if isinstance(owner, Operation) and is_constant(type(owner)):
            constant = owner.clone()
            block.add_op(constant)
            values[value] = constant.results[0]
        else:
            values[value] = block.insert_arg(value.type, len(block.args))
    one = op.clone(value_mapper=values)
    block.add_op(one)
    block.add_op(func.ReturnOp(*one.results))
    kinds = [argument.type for argument in block.args], list(one.result_types)
    return func.FuncOp("main", kinds, Region(block))
