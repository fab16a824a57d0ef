"""From mapped networks to the code of tiles, and of the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.wse.base import name_of
from pyflame_rt.dialects.wse.host import GatherOp, RunOp, ScatterOp, StreamOp
from pyflame_rt.dialects.wse.mapping import LAYOUT
from pyflame_rt.dialects.wse.program import ColorOp, ProgramOp, RouteOp
from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.wse.emitting.interface import Emitted, Indices, Placement, emit
from pyflame_rt.passes.wse.placing.placed import (
    Placed,
    is_idle,
    is_placed,
    placed,
    require_all_mapped,
)
from pyflame_rt.passes.wse.placing.reading import Matrix


@dataclass(frozen=True)
class WseLowerTilesPass(ModulePass):
    """Builds the tiles of each mapped function's program, and makes its body what the host does.

    Before: a mapped function @main, and `wse.program @main_wafer` with its routes
    After: the program with its tiles; `wse.scatter %x to @main_wafer::@v_x by …` for inputs and weights,
    `wse.stream` for weights that no PE has room for, `wse.run @main_wafer on "wse2"`, `%y = wse.gather …`

    Requires `wse-route`.
    """

    name = "wse-lower-tiles"

    marks: bool = False
    """Whether PEs print the name of each step when they are done with it: free on the simulator."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in tuple(functions(op)):
            if not is_placed(function):
                if is_idle(function):
                    continue
                require_all_mapped(function)
            found = placed(function)
            routed = _routed(op, found)
            emitted = emit(replace(found.network, marks=self.marks))
            program = emitted.module.body.block.first_op
            assert isinstance(program, ProgramOp)
            program.detach()
            if _routes(program) != _routes(routed):
                raise failed(function, "its routes are not those of its steps: run wse-route again")
            op.body.block.insert_op_before(program, routed)
            routed.detach()
            routed.erase()
            _lower_host(found, emitted)


def _routed(module: ModuleOp, found: Placed) -> ProgramOp:
    for op in module.ops:
        if isinstance(op, ProgramOp) and name_of(op.sym_name) == found.program:
            return op
    raise failed(found.function, f"there is no @{found.program} with its routes: run wse-route")


def _routes(program: ProgramOp) -> list[str]:
    ops = program.body.block.ops
    return [str(op) for op in ops if isinstance(op, ColorOp | RouteOp)]


def _lower_host(found: Placed, emitted: Emitted) -> None:
    """Make the body of a function what the host does."""
    function, reading = found.function, found.reading
    old = function.body.block
    new = Block(arg_types=[argument.type for argument in old.args])
    for argument, replaced in zip(new.args, old.args, strict=True):
        argument.name_hint = replaced.name_hint
    program = found.program

    def constant(array: np.ndarray) -> SSAValue:
        return _added(new, ConstantOp.get(np.ascontiguousarray(array))).results[0]

    def scatter(tensor: SSAValue, placement: Placement, elements: Indices | None = None) -> None:
        index = constant(_index(placement, elements))
        _added(new, ScatterOp(tensor, program, placement.buffer, index))

    tensors = {**reading.tensors, **emitted.constants}
    weights: dict[str, SSAValue] = {}
    for placement in emitted.tensors:
        if placement.tensor not in weights:
            weights[placement.tensor] = constant(tensors[placement.tensor])
        scatter(weights[placement.tensor], placement)
    inputs = {name: argument.index for argument, name in reading.inputs}
    for placement in emitted.inputs:
        matrix = reading.matrices[placement.tensor]
        elements = _elements(matrix, found.network.images)
        scatter(new.args[inputs[placement.tensor]], placement, elements)
    for stream in emitted.streams:
        index = constant(stream.indices.astype(np.int32))
        weight = constant(tensors[stream.tensor])
        _added(
            new, StreamOp(weight, program, stream.buffer, index, stream.function, stream.counter)
        )
    images, runs = found.network.images, found.runs
    _added(new, RunOp(program, found.network.machine, found.steps, images=images, runs=runs))
    outputs = {placement.tensor: placement for placement in emitted.outputs}
    results: list[SSAValue] = []
    for value, name in reading.outputs:
        placement = outputs[name]
        elements = _elements(reading.matrices[name], found.network.images)
        index = constant(_index(placement, elements))
        gathered = GatherOp(program, placement.buffer, index, value.type)
        gathered.results[0].name_hint = value.name_hint
        results.append(_added(new, gathered).results[0])
    _added(new, func.ReturnOp(*results))
    function.body.insert_block(new, 0)
    function.body.erase_block(old, safe_erase=False)
    _forget_layouts(function)


def _added(block: Block, op: Operation) -> Operation:
    block.add_op(op)
    return op


def _elements(matrix: Matrix, images: int) -> Indices:
    """Places in a tensor of the elements of each image's matrix."""
    one = matrix.elements()
    return np.concatenate([one + number * one.size for number in range(images)])


def _index(placement: Placement, elements: Indices | None) -> np.ndarray:
    """Rows x columns x elements: places in the tensor as the function has it."""
    found = placement.indices
    if elements is not None:
        found = np.where(found >= 0, elements[found], -1)
    return found.astype(np.int32)


def _forget_layouts(function: func.FuncOp) -> None:
    if function.arg_attrs is None:
        return
    rows: Sequence[DictionaryAttr] = function.arg_attrs.data
    function.arg_attrs = ArrayAttr(
        [DictionaryAttr({k: v for k, v in row.data.items() if k != LAYOUT}) for row in rows]
    )
