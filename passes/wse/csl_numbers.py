"""Numbers that a CSL program gives, of what the SDK's memcpy library leaves to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, i64
from xdsl.ir import Operation

from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.wse.attributes import Rectangle
from pyflame_rt.dialects.wse.base import integer, name_of, number
from pyflame_rt.dialects.wse.limits import LIMITS
from pyflame_rt.dialects.wse.program import ColorOp, PlaceOp, ProgramOp, RouteOp
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp, QueueOp
from pyflame_rt.dialects.wse.tasks import TaskOp
from pyflame_rt.dialects.wse.tile import TileOp

# On wse3, colours whose routers have switches, as others have found who compiled for it.
SWITCHED: Final = frozenset({*range(10), 12, 13, 16, 17, 20})
# Colours 21 to 23, queues 0 and 1 and task ids from 27 on belong to memcpy. Ids below 8 are those of
# data tasks on wse3, where an input queue stands for its data task.
COLORS: Final = 21
FIRST_QUEUE: Final = 2
LOCAL_IDS: Final = range(8, 27)


def number_colors(program: ProgramOp, machine: str) -> None:
    """Give each colour its number: the one it has, or a free one.

    Colours that a router swaps are 2k and 2k + 1, as a swap flips the lowest bit. On wse3 some colours have no
    switches; those that need them choose first. Raises PassFailed.
    """
    switched = _switched(program) if machine != "wse2" else set[str]()
    colors = {name_of(op.sym_name): op for op in program.body.block.ops if isinstance(op, ColorOp)}
    taken = {number(op.number) for op in colors.values() if op.number is not None}
    for name, other in _swaps(program):
        first, second = colors[name], colors[other]
        if first.number is None and second.number is None:
            pairs = (k for k in range(0, COLORS - 1, 2) if not {k, k + 1} & taken)
            _give(first, next(pairs, None), taken)
        for one, two in ((first, second), (second, first)):
            if two.number is None:
                wanted = number(one.number) ^ 1
                _give(two, None if wanted in taken else wanted, taken)
        if number(first.number) ^ 1 != number(second.number):
            numbers = f"{number(first.number)} and {number(second.number)}"
            raise failed(first, f"@{name} and @{other} are swapped: {numbers} are no 2k and 2k + 1")
    for name, op in sorted(colors.items(), key=lambda entry: entry[0] not in switched):
        has_switch = name in switched
        if op.number is None:
            free = (k for k in range(COLORS) if k not in taken)
            good = (k for k in free if not has_switch or k in SWITCHED)
            _give(op, next(good, None), taken)
        elif number(op.number) >= COLORS:
            raise failed(op, f"colour {number(op.number)} is memcpy's", hint="use 0 to 20")
        if has_switch and number(op.number) not in SWITCHED:
            known = ", ".join(map(str, sorted(SWITCHED)))
            raise failed(
                op, f"colour {number(op.number)} has no switches on wse3", hint=f"use one of {known}"
            )  # fmt: skip


def _switched(program: ProgramOp) -> set[str]:
    """Colours whose routes have several positions."""
    return {
        name_of(op.color)
        for op in program.body.block.ops
        if isinstance(op, RouteOp) and len(op.positions.data) > 1
    }


def _swaps(program: ProgramOp) -> Iterator[tuple[str, str]]:
    for op in program.body.block.ops:
        if isinstance(op, RouteOp):
            for other in (op.swap_x, op.swap_y):
                if other is not None and name_of(other) != name_of(op.color):
                    yield name_of(op.color), name_of(other)


def _give(color: ColorOp, value: int | None, taken: set[int]) -> None:
    if value is None:
        raise failed(color, f"@{name_of(color.sym_name)} finds no number of 0 to {COLORS - 1}")
    color.number = integer(value)
    taken.add(value)


def number_queues(tile: TileOp, machine: str) -> None:
    """Move the queues of a tile beyond memcpy's. Raises PassFailed when there are not as many."""
    limits = LIMITS[machine]
    for kind, there in (
        (InputQueueOp, limits.input_queues),
        (OutputQueueOp, limits.output_queues),
    ):
        queues: list[QueueOp] = [op for op in tile.body.block.ops if isinstance(op, kind)]
        left = there[FIRST_QUEUE:]
        if all(number(queue.number) in left for queue in queues):
            continue
        if len(queues) > len(left):
            way = "input" if kind is InputQueueOp else "output"
            raise failed(
                queues[-1],
                f"@{name_of(tile.sym_name)} has {len(queues)} {way} queues, of {len(left)} that "
                f"memcpy leaves on {machine}",
            )
        for queue, value in zip(sorted(queues, key=lambda q: number(q.number)), left, strict=False):
            queue.properties["number"] = IntegerAttr(value, i64)


def number_tasks(tile: TileOp, colors: Sequence[int], machine: str) -> None:
    """Give each local task an id. Raises PassFailed when there are not as many."""
    tasks = [op for op in tile.body.block.ops if isinstance(op, TaskOp) and op.kind.data == "local"]
    fixed = {number(task.id, -1) for task in tasks} & set(LOCAL_IDS)
    # On wse2 the number of a colour is the id of its data task.
    free = [i for i in LOCAL_IDS if i not in fixed and (machine != "wse2" or i not in colors)]
    for task in tasks:
        if number(task.id, -1) in fixed:
            continue
        if not free:
            raise failed(task, f"@{name_of(tile.sym_name)} has more local tasks than there are ids")
        task.id = integer(free.pop(0))


def empty_rectangles(program: ProgramOp) -> list[Rectangle]:
    """The PEs where no tile runs."""
    used = np.zeros(program.shape, bool)
    for op in program.body.block.ops:
        if isinstance(op, PlaceOp):
            used[op.where.data.index()] = True
    found: list[Rectangle] = []
    row = 0
    while row < len(used):
        last = row + 1
        while last < len(used) and (used[last] == used[row]).all():
            last += 1
        edges = np.flatnonzero(np.diff(np.pad(~used[row], 1).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2).tolist():
            found.append(Rectangle.of(slice(start, stop), slice(row, last)))
        row = last
    return found


def free_name(wanted: str, *scopes: Mapping[str, Operation]) -> str:
    """A name that none of some tiles has."""
    while any(wanted in scope for scope in scopes):
        wanted += "_"
    return wanted
