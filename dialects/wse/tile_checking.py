"""What must hold of a tile, on every machine: its declarations together, and each op's names."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Mapping
from contextlib import contextmanager

from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.wse.attributes import CostAttr
from pyflame_rt.dialects.wse.base import COST, Scope, WseOp, name_of, number
from pyflame_rt.dialects.wse.dsds import DsdOp, DsrOp, FifoOp, LoadToDsrOp
from pyflame_rt.dialects.wse.maps import MapOp
from pyflame_rt.dialects.wse.program import ProgramOp
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp
from pyflame_rt.dialects.wse.scalars import MAX_COST
from pyflame_rt.dialects.wse.tasks import MAX_TASKS, CallOp, FuncOp, TaskOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp, TileOp, VarOp
from pyflame_rt.dialects.wse.vector import VectorOp

_DECLARATIONS = (
    *(ParamOp, BufferOp, VarOp, InputQueueOp, OutputQueueOp, DsdOp, FifoOp, DsrOp, TaskOp, FuncOp),
)


def check_tile(tile: TileOp, program: Mapping[str, Operation] | None) -> None:
    """Raise VerifyException for the first thing that is wrong, with the names of its program if any."""
    for op in tile.body.block.ops:
        tile.require("C1", isinstance(op, _DECLARATIONS), f"{op.name} is no declaration")
    inner = [op for op in tile.walk() if isinstance(op, WseOp) and op is not tile]
    for op in inner:
        # A verifier may come to a tile before what is in it, whose own constraints count here.
        with located(op):
            op.verify(verify_nested_ops=False)
    names = tile.symbols()
    _check_unique(tile, names)
    _check_tasks(tile, names)
    scope = Scope(names, program)
    for op in inner:
        with located(op):
            op.check(scope)
    _check_calls(tile, names)
    _check_costs(tile)
    _check_loaded(tile, names)


@contextmanager
def located(op: Operation) -> Generator[None]:
    """Say of what goes wrong with an op where it is: `task @main of tile @worker`."""
    try:
        yield
    except VerifyException as error:
        raise VerifyException(f"{error}{place_of(op)}") from None


def place_of(op: Operation) -> str:
    """Where an op is, in parentheses; nothing where that has no name."""
    places: list[str] = []
    outer = op.parent_op()
    while isinstance(outer, TaskOp | FuncOp | TileOp) or (
        outer and not isinstance(outer, ProgramOp)
    ):
        if isinstance(outer, TaskOp | FuncOp | TileOp):
            places.append(f"{outer.name.removeprefix('wse.')} @{name_of(outer.sym_name)}")
        outer = outer.parent_op()
    return f" ({' of '.join(places)})" if places else ""


def _unique_things(names: Mapping[str, Operation]) -> Iterator[tuple[str, str, Hashable, str]]:
    """Constraint, name, what must be unique, and how to call it."""
    for name, op in names.items():
        match op:
            case InputQueueOp() | OutputQueueOp():
                way = "input" if isinstance(op, InputQueueOp) else "output"
                queue = number(op.number)
                yield "C2", name, (way, queue), f"{way} queue {queue}"
            case TaskOp() if op.queue is not None:
                yield "C3", name, ("queue", name_of(op.queue)), f"the words of {op.queue}"
            case TaskOp() if op.id is not None:
                kind, id = op.kind.data, number(op.id)
                yield "C4", name, (kind, id), f"the id {id} of {kind} tasks"
            case _:
                pass


def _check_unique(tile: TileOp, names: Mapping[str, Operation]) -> None:
    seen: dict[Hashable, str] = {}
    for constraint, name, thing, text in _unique_things(names):
        other = seen.setdefault(thing, name)
        tile.require(constraint, other == name, f"@{other} and @{name} both have {text}")


def _check_tasks(tile: TileOp, names: Mapping[str, Operation]) -> None:
    tasks = [
        op
        for op in names.values()
        if isinstance(op, TaskOp) or (isinstance(op, FuncOp) and op.export is not None)
    ]
    tile.require("C5", len(tasks) <= MAX_TASKS, f"has {len(tasks)} tasks, of at most {MAX_TASKS}")


def _check_calls(tile: TileOp, names: Mapping[str, Operation]) -> None:
    """That no function calls itself: calls have no stack."""
    calls = {
        name: [call for call in op.walk() if isinstance(call, CallOp)]
        for name, op in names.items()
        if isinstance(op, FuncOp)
    }
    done: set[str] = set()
    for start in calls:
        path: list[str] = []
        pending = [(start, False)]
        while pending:
            name, leaves = pending.pop()
            if leaves:
                done.add(path.pop())
                continue
            if name in done:
                continue
            path.append(name)
            pending.append((name, True))
            for call in calls[name]:
                callee = name_of(call.callee)
                if callee in path:
                    with located(call):
                        call.fail("C2", f"@{callee} calls itself")
                pending.append((callee, False))


def _check_costs(tile: TileOp) -> None:
    for op in tile.walk():
        cost = op.attributes.get(COST)
        if cost is None:
            continue
        known = isinstance(cost, CostAttr) and cost.cycles.data <= MAX_COST
        tile.require("C6", known, f"{op.name} has the declared cost {cost}")


def _check_loaded(tile: TileOp, names: Mapping[str, Operation]) -> None:
    loaded: set[str] = set()
    used: set[str] = set()
    for op in tile.walk():
        match op:
            case LoadToDsrOp():
                loaded.add(name_of(op.dsr))
            case VectorOp():
                used |= {name_of(name) for name in op.vectors() if name is not None}
            case MapOp():
                used.add(name_of(op.vector))
            case _:
                pass
    for name, dsr in names.items():
        if isinstance(dsr, DsrOp) and name in used - loaded:
            with located(dsr):
                dsr.fail("C3", f"@{name} is used and never loaded")
