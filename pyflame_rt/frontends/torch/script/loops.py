"""Loops: those of a known number of passes are interpreted pass by pass, others become an op."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from xdsl.dialects.builtin import TensorType, i1, i64
from xdsl.ir import Attribute, Block, SSAValue
from xdsl.ir import Region as IrRegion
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.containers import SequenceType
from pyflame_rt.dialects.pfrt.control import LoopOp, YieldOp
from pyflame_rt.dialects.pfrt.lattice import join, widest
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, numpy_dtype
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.branches import contents, discard, roll_back
from pyflame_rt.frontends.torch.script.machine import Machine, Mutable, ScriptBuilder
from pyflame_rt.frontends.torch.script.merging import (
    Frozen,
    Kind,
    carried,
    freeze,
    kind_of,
    sequence_of,
    uncarried,
)
from pyflame_rt.frontends.torch.script.syntax import (
    Assign,
    Body,
    Expression,
    For,
    If,
    Name,
    TupleOf,
    While,
    With,
)
from pyflame_rt.frontends.torch.script.tensors import link, outdate
from pyflame_rt.frontends.torch.script.text import ssa_name
from pyflame_rt.frontends.torch.script.values import (
    MISSING,
    UNSET,
    Instance,
    Known,
    ListObject,
    Storage,
    Tensor,
)

if TYPE_CHECKING:
    from pyflame_rt.frontends.torch.script.interpreter import Frame, Interpreter

_ATTEMPTS = 6


def for_loop(interpreter: Interpreter, frame: Frame, loop: For) -> None:
    """Interpret a for, over a range or the items of a list."""
    m = interpreter.m
    values = interpreter.evaluate(loop.iterable, frame)
    if values is MISSING:
        interpreter.assign(loop.target, MISSING, frame)
        interpreter.execute_inner(loop.body, frame)
        return
    if isinstance(values, RunTimeRange) or (
        isinstance(values, range) and len(values) > m.limits.script_unrolled
    ):
        start, count, step = _extent(m, values)
        _run(interpreter, frame, Loop(loop.body, loop.target, start, step), count, None)
        return
    items = list(values) if isinstance(values, range) else interpreter.items(values)
    if len(items) > m.limits.script_unrolled:
        raise m.over("unrolled", f"a loop over {len(items)} items is not believed")
    for item in items:
        interpreter.assign(loop.target, item, frame)
        interpreter.execute_inner(loop.body, frame)


@dataclass(frozen=True)
class RunTimeRange:
    """A range whose length is known only at run time."""

    start: Known
    count: Known
    step: Known


def _extent(m: Machine, values: Known) -> tuple[Known, Known, Known]:
    if isinstance(values, range):
        return values.start, len(values), values.step
    return values.start, values.count, values.step


def while_loop(interpreter: Interpreter, frame: Frame, loop: While) -> None:
    """Interpret a while, pass by pass as long as its condition is known."""
    m = interpreter.m
    for _ in range(m.limits.script_unrolled + 1):
        value = interpreter.evaluate(loop.condition, frame)
        if value is MISSING:
            interpreter.execute_inner(loop.body, frame)
            return
        condition = m.truth(value)
        if not isinstance(condition, bool):
            _run(interpreter, frame, Loop(loop.body, None, 0, 1, loop.condition), None, condition)
            return
        if not condition:
            return
        interpreter.execute_inner(loop.body, frame)
    raise m.over("unrolled", f"a loop runs more than {m.limits.script_unrolled} times")


@dataclass(frozen=True)
class Loop:
    """What a loop repeats."""

    body: Body
    target: Expression | None
    start: Known
    step: Known
    condition: Expression | None = None


@dataclass(frozen=True)
class Carried:
    """A variable, or a changed object, that a loop hands from pass to pass."""

    name: str
    item: Mutable | None
    kind: Kind
    type: Attribute
    initial: SSAValue
    path: tuple[int, ...] = ()
    """Where in a variable that is a tuple."""
    origins: tuple[Storage, ...] = ()
    """What a tensor may be a view of."""


@dataclass(frozen=True)
class Pass:
    """One interpretation of the body, in a block of its own."""

    block: Block
    condition: SSAValue
    values: tuple[SSAValue, ...]
    """Of what is carried, at the end."""


@dataclass(frozen=True)
class _Late:
    """What turns out to change in a loop, and the type of the value that it ends with."""

    name: str
    item: Mutable | None
    kind: Kind
    final: Attribute


class _Again(Exception):
    """The body must be interpreted again, with more or wider values that are carried."""

    def __init__(self, rows: Sequence[Carried], late: Sequence[_Late] = ()):
        super().__init__()
        self.rows = tuple(rows)
        self.late = tuple(late)


def _run(
    interpreter: Interpreter,
    frame: Frame,
    loop: Loop,
    count: Known | None,
    condition: TensorValue | None,
) -> None:
    """Make a loop of a body that is interpreted until what it carries has settled types."""
    m = interpreter.m
    if m.loops >= m.limits.script_loop_nesting:
        raise m.over("loop_nesting", "loops known only at run time are nested too deeply")
    m.loops += 1
    writes = set(interpreter.writes)
    try:
        rows = _initial(interpreter, frame, loop)
        for attempt in range(_ATTEMPTS):
            try:
                made = _pass(interpreter, frame, loop, rows, widen=attempt >= 2)
                break
            except _Again as again:
                late = [_begin(interpreter, frame, row) for row in again.late]
                rows = (*again.rows, *late)
        else:
            raise m.unsupported("what a loop carries does not settle")
    finally:
        m.loops -= 1
    # A loop that is not run at all leaves attributes as they were before: that reads them.
    interpreter.reads |= interpreter.writes - writes
    interpreter.writes = writes
    results = _emit(interpreter, count, condition, rows, made)
    for row, result in zip(rows, results, strict=True):
        _leave(interpreter, frame, row, result)


def _initial(interpreter: Interpreter, frame: Frame, loop: Loop) -> tuple[Carried, ...]:
    rows: list[Carried] = []
    names = dict.fromkeys(assigned(loop.body))
    targets = set(assigned_to(loop.target)) if loop.target is not None else set[str]()
    for name in names:
        if name in frame.names and name not in targets:
            found = [
                _row_of(interpreter, name, path, leaf)
                for path, leaf in _leaves(frame.names[name], ())
            ]
            known = [row for row in found if row is not None]
            if len(known) == len(found):
                rows.extend(known)
    return tuple(rows)


def _row_of(
    interpreter: Interpreter, name: str, path: tuple[int, ...], value: Known
) -> Carried | None:
    m = interpreter.m
    frozen = freeze(m, value)
    kind = kind_of(frozen)
    if kind is None or kind == "list":
        return None
    initial = carried(m, m.b, frozen, kind)
    origins = (value.storage,) if isinstance(value, Tensor) else ()
    return Carried(name, None, kind, initial.type, initial, path, origins)


def _leaves(value: Known, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Known]]:
    """The parts of a tuple, in all depths; any other value is its own part."""
    if not isinstance(value, tuple):
        yield path, value
        return
    for index, item in enumerate(cast("tuple[Known, ...]", value)):
        yield from _leaves(item, (*path, index))


def _part(m: Machine, value: Known, path: tuple[int, ...]) -> Known:
    for index in path:
        if not isinstance(value, tuple) or index >= len(cast("tuple[Known, ...]", value)):
            raise m.unsupported("a tuple becomes another kind of value in a loop of the run")
        value = cast("tuple[Known, ...]", value)[index]
    return value


def _with_part(value: Known, path: tuple[int, ...], part: Known) -> Known:
    if not path:
        return part
    items = list(cast("tuple[Known, ...]", value))
    items[path[0]] = _with_part(items[path[0]], path[1:], part)
    return tuple(items)


def assigned(body: Body) -> Iterator[str]:
    """The variables that statements assign to, also in blocks."""
    for statement in body:
        match statement:
            case Assign():
                yield from assigned_to(statement.target)
            case If():
                yield from assigned(statement.then_body)
                yield from assigned(statement.else_body)
            case While() | With():
                yield from assigned(statement.body)
            case For():
                yield from assigned_to(statement.target)
                yield from assigned(statement.body)
            case _:
                pass


def assigned_to(target: Expression) -> Iterator[str]:
    """The variables of a target."""
    items: Iterable[Expression] = target.items if isinstance(target, TupleOf) else (target,)
    for item in items:
        if isinstance(item, Name):
            yield item.name


def _pass(
    interpreter: Interpreter,
    frame: Frame,
    loop: Loop,
    rows: Sequence[Carried],
    *,
    widen: bool,
) -> Pass:
    m = interpreter.m
    given = rows
    before = dict(frame.names)
    scalars = [TensorType(i64, []), TensorType(i1, [])]
    block = Block(arg_types=[*scalars, *(row.type for row in rows)])
    try:
        with m.region(block) as region:
            try:
                for row, argument in zip(rows, block.args[2:], strict=True):
                    _enter(m, frame, row, argument)
                if loop.target is not None:
                    number = interpreter.scalar("mul", Size.of_item(block.args[0]), loop.step)
                    number = interpreter.scalar("add", loop.start, number)
                    interpreter.assign(loop.target, number, frame)
                interpreter.execute_inner(loop.body, frame)
                value: Known = True
                if loop.condition is not None:
                    value = interpreter.evaluate(loop.condition, frame)
                    value = m.truth(value)
                condition = carried(m, m.b, value, "bool")
                _require_all_carried(interpreter, frame, loop, rows, before, region.touched)
                values = tuple(_final(interpreter, frame, row) for row in rows)
                rows = tuple(_with_origins(m, frame, row, region.serial) for row in rows)
            finally:
                roll_back(region)
                frame.names = before
        _require_settled(m, given, rows, values, widen=widen)
    except BaseException:
        discard(block)
        raise
    return Pass(block, condition, values)


def _enter(m: Machine, frame: Frame, row: Carried, argument: SSAValue) -> None:
    match row.item:
        case None:
            argument.name_hint = ssa_name(row.name)
            _set_variable(frame, row, argument)
        case Storage() as storage:
            m.touch(storage)
            storage.written(TensorValue(argument))
        case ListObject() as target:
            m.touch(target)
            target.items, target.sequence = [], argument
        case Instance() as instance:
            m.touch(instance)
            instance.attributes[row.name] = uncarried(row.kind, argument)
        case _:
            raise m.unsupported("a loop known only at run time changes a dict")


def _set_variable(frame: Frame, row: Carried, value: SSAValue) -> None:
    part = uncarried(row.kind, value)
    for origin in row.origins:
        link(part, Tensor(origin))
    frame.names[row.name] = _with_part(frame.names[row.name], row.path, part)


def _with_origins(m: Machine, frame: Frame, row: Carried, serial: int) -> Carried:
    """What is carried, with the older tensor that it is a view of at the end of a pass."""
    if row.item is not None or row.kind != "tensor":
        return row
    storage = _part(m, frame.names[row.name], row.path).storage
    if storage.serial >= serial or storage in row.origins:
        return row
    return replace(row, origins=(*row.origins, storage))


def _final(interpreter: Interpreter, frame: Frame, row: Carried) -> SSAValue:
    m = interpreter.m
    match row.item:
        case None:
            value = freeze(m, _part(m, frame.names[row.name], row.path))
        case Instance() as instance:
            value = freeze(m, instance.attributes[row.name])
        case item:
            value = contents(interpreter, item)
    if isinstance(value, str) and isinstance(row.item, Storage):
        raise m.unsupported("a loop changes a tensor in place that may be the same as another")
    return carried(m, m.b, value, row.kind)


def _require_all_carried(
    interpreter: Interpreter,
    frame: Frame,
    loop: Loop,
    rows: Sequence[Carried],
    before: dict[str, Known],
    touched: dict[int, tuple[Mutable, tuple[Known, ...]]],
) -> None:
    """Ask for another pass when something changes that is not carried."""
    m = interpreter.m
    added: list[_Late] = []
    known = {row.name for row in rows if row.item is None}
    targets = set[str]() if loop.target is None else set(assigned_to(loop.target))
    for name in dict.fromkeys(assigned(loop.body)):
        value = frame.names.get(name)
        if name in known | targets or name not in before or value is before[name]:
            continue
        if before[name] is not UNSET and not isinstance(before[name], ListObject):
            raise m.unsupported(
                f"variable {name!a} becomes a value of another kind in a loop known only at run time"
            )
        added.append(_late(interpreter, name, None, value))
    slots = {(id(row.item), row.name) for row in rows if row.item is not None}
    for item, state in list(touched.values()):
        if isinstance(item, Instance):
            for name, value in item.attributes.items():
                if (id(item), name) not in slots and value is not state[0].get(name):
                    added.append(_late(interpreter, name, item, value))
            continue
        if isinstance(item, Storage) and item.captured:
            raise m.unsupported(
                "a loop changes in place a tensor that is in a list whose length depends on the run",
                hint="put a clone() into the list",
            )
        if (id(item), "") not in slots:
            added.append(_late(interpreter, "", item, contents(interpreter, item)))
    if added:
        raise _Again(rows, added)


def _late(interpreter: Interpreter, name: str, item: Mutable | None, value: Known) -> _Late:
    m = interpreter.m
    frozen = freeze(m, value)
    kind = kind_of(frozen)
    if kind is None:
        raise m.unsupported(f"a loop known only at run time changes {name or 'a value'!a}")
    return _Late(name, item, kind, carried(m, m.b, frozen, kind).type)


def _begin(interpreter: Interpreter, frame: Frame, late: _Late) -> Carried:
    """What a loop begins with for a value that changes in it."""
    m = interpreter.m
    value: Known
    match late.item:
        case None:
            value = frame.names[late.name]
        case Instance() as instance:
            value = instance.attributes.get(late.name, UNSET)
        case item:
            value = contents(interpreter, item)
    frozen = freeze(m, value)
    if value is UNSET and late.kind != "list":
        kind, initial = _blank(m.b, late.final)
    elif late.kind == "list" and isinstance(frozen, Frozen):
        item = late.final.item if isinstance(late.final, SequenceType) else None
        initial = sequence_of(m, m.b, frozen, item)
        kind = join(initial.type, late.final)
    else:
        initial = carried(m, m.b, frozen, late.kind)
        kind = initial.type
    if kind is None:
        raise m.unsupported(f"a loop carries a {initial.type} that becomes a {late.final}")
    return Carried(late.name, late.item, late.kind, kind, initial)


def _blank(b: ScriptBuilder, like: Attribute) -> tuple[Attribute | None, SSAValue]:
    """A value to begin with, where nothing reads it."""
    assert is_tensor(like)
    shape = like.get_shape() if isinstance(like, TensorType) else ()
    shape = tuple(0 if n == DYNAMIC else n for n in shape)
    initial = b.full(shape, np.zeros((), numpy_dtype(like.element_type))).ssa
    return join(initial.type, like), initial


def _require_settled(
    m: Machine,
    given: Sequence[Carried],
    rows: Sequence[Carried],
    values: Sequence[SSAValue],
    *,
    widen: bool,
) -> None:
    """Ask for another pass when a value is of a wider type at the end than at the beginning."""
    joined: list[Carried] = []
    for row, value in zip(rows, values, strict=True):
        kind = join(row.type, value.type)
        if kind is None:
            raise m.unsupported(f"a loop carries a {row.type} that becomes a {value.type}")
        joined.append(replace(row, type=widest(kind) if widen and kind != row.type else kind))
    if any(a.type != b.type or a.origins != b.origins for a, b in zip(given, joined, strict=True)):
        raise _Again(joined)


def _emit(
    interpreter: Interpreter,
    count: Known | None,
    condition: TensorValue | None,
    rows: Sequence[Carried],
    made: Pass,
) -> Sequence[SSAValue]:
    m = interpreter.m
    b = m.b
    made.block.add_op(YieldOp([made.condition, *made.values]))
    trip = None if count is None else b.number(count).ssa
    start = None if condition is None else condition.ssa
    try:
        op = LoopOp.get(
            trip, start, [row.initial for row in rows], IrRegion(made.block), location=b.location
        )
        op.verify_()
    except VerifyException as error:
        raise m.unsupported(f"a loop cannot be expressed: {error}") from error
    b.block.add_op(op)
    return op.results


def _leave(interpreter: Interpreter, frame: Frame, row: Carried, result: SSAValue) -> None:
    m = interpreter.m
    match row.item:
        case None:
            _set_variable(frame, row, result)
        case Storage() as storage:
            m.touch(storage)
            storage.written(TensorValue(result))
            outdate(m, storage)
        case ListObject() as target:
            m.touch(target)
            target.items, target.sequence = [], result
        case Instance() as instance:
            m.touch(instance)
            instance.attributes[row.name] = uncarried(row.kind, result)
        case _:
            raise m.unsupported("a loop known only at run time changes a dict")
