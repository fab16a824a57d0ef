"""Pipelines: which steps go together on a strip of columns, and how wide the strips are.

A function is cut only where a single value passes, the result of an op: it goes on to the next strip.
Each piece between two cuts has predicted cycles for each number of columns; of all ways to put neighbouring pieces
on strips the one is taken whose slowest strip takes fewest cycles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from xdsl.dialects import func
from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.base import is_constant
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.shape import IdentityOp
from pyflame_rt.dialects.wse.mappable import VIEWS
from pyflame_rt.dialects.wse.mapping import TRANSFER
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.interface import Axis, Transfer
from pyflame_rt.passes.wse.emitting.strips import names_of
from pyflame_rt.passes.wse.placing.layouts import (
    Form,
    Grid,
    Placing,
    Spread,
    assign,
    candidates,
    network_of,
    place,
)
from pyflame_rt.passes.wse.placing.predicting import predict
from pyflame_rt.passes.wse.placing.reading import Planned, Reading, read


def pipelined(function: func.FuncOp, grid: Grid, name: str, images: int) -> tuple[Reading, Placing]:
    """A placing on strips; `pfrt.identity` with `wse.transfer` goes where they are cut. Raises PassFailed."""
    cuts = cuts_of(function)
    whole = function.clone()
    copies = cuts_of(whole)
    for cut in copies:
        _insert(whole, cut)
    pieces = _pieces(read(whole, images))
    why: PassFailed | None = None
    for chosen, widths in _plans(pieces, grid, name):
        inserted = [_insert(function, cuts[number]) for number in chosen]
        reading = read(function, images)
        for runs in (runs for runs in range(1, images + 1) if images % runs == 0):
            try:
                form = Form(images // runs, runs, widths)
                return reading, place(reading, grid, name, form)
            except PassFailed as error:
                why = why or error
        for op in reversed(inserted):
            op.results[0].replace_all_uses_with(op.operands[0])
            Rewriter.erase_op(op)
    raise why or PassFailed("no strips of columns have room for its steps")


@dataclass(frozen=True)
class Cut:
    """After an op, where a single value passes."""

    after: Operation
    value: SSAValue


def cuts_of(function: func.FuncOp) -> list[Cut]:
    """Where a function may be cut: before each contraction, if a single result passes."""
    ops = [op for op in function.body.block.ops if not is_constant(type(op))]
    order = {op: number for number, op in enumerate(function.body.block.ops)}
    steps = [op for op in ops if op.name not in VIEWS and not isinstance(op, func.ReturnOp)]
    found: list[Cut] = []
    for before, after in pairwise(steps):
        if not isinstance(after, GemmOp | MatmulOp | ConvOp):
            continue
        passing = [*_passing(function, order, before)]
        if len(passing) == 1 and not isinstance(passing[0], BlockArgument):
            owner = passing[0].owner
            if isinstance(owner, Operation) and owner.name not in VIEWS:
                found.append(Cut(before, passing[0]))
    return found


def _passing(
    function: func.FuncOp, order: Mapping[Operation, int], before: Operation
) -> Iterator[SSAValue]:
    """Values from before the end of an op that ops after it use; arguments if ops before do as well."""
    at, block = order[before], function.body.block
    for argument in block.args:
        places = {order[use.operation] > at for use in argument.uses if use.operation in order}
        if len(places) > 1:
            yield argument
    for op in block.ops:
        if order[op] > at or is_constant(type(op)):
            continue
        for result in op.results:
            users = [use.operation for use in result.uses]
            if any(order[u] > at and not isinstance(u, func.ReturnOp) for u in users):
                yield result


def _insert(function: func.FuncOp, cut: Cut) -> Operation:
    """Take the value on to the next strip."""
    block = function.body.block
    order = {op: number for number, op in enumerate(block.ops)}
    at = order[cut.after]
    transfer = IdentityOp.create_op([cut.value], location=cut.after.location)
    transfer.attributes[TRANSFER] = UnitAttr()
    Rewriter.insert_op(transfer, InsertPoint.after(cut.after))
    cut.value.replace_uses_with_if(
        transfer.results[0],
        lambda use: (
            use.operation is not transfer
            and order[use.operation] > at
            and not isinstance(use.operation, func.ReturnOp)
        ),
    )
    return transfer


def _pieces(reading: Reading) -> list[Reading]:
    """The readings of the parts between transfers; what is received is an input."""
    groups: list[tuple[Planned | None, list[Planned]]] = [(None, [])]
    for planned in reading.steps:
        if isinstance(planned.step, Transfer):
            groups.append((planned, []))
        else:
            groups[-1][1].append(planned)
    found: list[Reading] = []
    argument = reading.inputs[0][0] if reading.inputs else None
    for number, (received, steps) in enumerate(groups):
        names = {name for planned in steps for each in names_of(planned.step) for name in each}
        inputs = [(a, name) for a, name in reading.inputs if name in names]
        if received is not None and argument is not None:
            inputs = [(argument, _output(received)), *inputs]
        outputs = [(value, name) for value, name in reading.outputs if name in names]
        if number + 1 < len(groups):
            sent = groups[number + 1][0]
            assert sent is not None
            outputs.append((sent.op.operands[0], _input(sent)))
        matrices = {name: m for name, m in reading.matrices.items() if name in names}
        found.append(
            replace(reading, steps=steps, inputs=inputs, outputs=outputs, matrices=matrices)
        )
    return found


def _output(planned: Planned) -> str:
    assert isinstance(planned.step, Transfer)
    return planned.step.output


def _input(planned: Planned) -> str:
    assert isinstance(planned.step, Transfer)
    return planned.step.input


def _plans(
    pieces: Sequence[Reading], grid: Grid, name: str
) -> Iterator[tuple[list[int], tuple[int, ...]]]:
    """Cuts and widths, the best first: with the first value over columns or rows, spread or not."""
    found: list[tuple[float, list[int], tuple[int, ...]]] = []
    for start, spread in candidates(pieces[0]):
        costs = [*_costs(pieces, grid, name, start, spread)]
        if len(costs) == len(pieces):
            found.append(_divided(costs, grid.columns))
    for cycles, chosen, widths in sorted(found, key=lambda plan: plan[0]):
        if cycles < math.inf:
            yield chosen, widths


def _costs(
    pieces: Sequence[Reading], grid: Grid, name: str, start: Axis, spread: Spread
) -> Iterator[list[float]]:
    """By piece: cycles for 1, 2 … columns; infinite where there is no room."""
    axis = start
    for piece in pieces:
        found: list[float] = []
        after: Axis | None = None
        for width in range(1, grid.columns + 1):
            strip = replace(grid, columns=width)
            try:
                placing = assign(piece, strip, axis, spread, Form())
                if piece.outputs:
                    after = placing.layouts[piece.outputs[-1][1]].axis
                found.append(sum(predict(network_of(piece, placing, strip, name)).values()))
            except PassFailed:
                found.append(math.inf)
        yield found
        if after is None:
            return
        axis = after


def _divided(
    costs: Sequence[Sequence[float]], columns: int
) -> tuple[float, list[int], tuple[int, ...]]:
    """Neighbouring pieces on strips so that the slowest is as fast as can be: cycles, cuts, widths."""
    best: dict[tuple[int, int], tuple[float, list[int], tuple[int, ...]]] = {(0, 0): (0.0, [], ())}
    count = len(costs)
    for done in range(1, count + 1):
        for used in range(1, columns + 1):
            options: list[tuple[float, list[int], tuple[int, ...]]] = []
            for before in range(done):
                for width in range(1, used + 1):
                    known = best.get((before, used - width))
                    if known is None:
                        continue
                    own = sum(cost[width - 1] for cost in costs[before:done])
                    cuts = [*known[1], before - 1] if before else known[1]
                    options.append((max(known[0], own), cuts, (*known[2], width)))
            if options:
                best[done, used] = min(options, key=lambda option: (option[0], len(option[1])))
    ends = [best[count, used] for used in range(1, columns + 1) if (count, used) in best]
    return min(ends, key=lambda option: (option[0], len(option[1])))
