"""An if whose condition is known only at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.ir import Block
from xdsl.ir import Region as IrRegion
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.control import IfOp, YieldOp
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.machine import Mutable, Region, ScriptRaise, restore
from pyflame_rt.frontends.torch.script.merging import Frozen, Merge, Rebuild, freeze
from pyflame_rt.frontends.torch.script.syntax import Body
from pyflame_rt.frontends.torch.script.values import (
    DictObject,
    Instance,
    Known,
    ListObject,
    Storage,
    Tensor,
)

if TYPE_CHECKING:
    from pyflame_rt.frontends.torch.script.interpreter import Frame, Interpreter


@dataclass
class Arm:
    """What an arm leaves: the variables that it assigned, and the objects that it changed."""

    region: Region
    names: Mapping[str, Known]
    """Frozen."""
    objects: Mapping[int, tuple[Mutable, Known]]
    """Frozen contents."""
    writes: set[tuple[int, str]]
    """The attributes that were written to."""


def branch(
    interpreter: Interpreter,
    frame: Frame,
    condition: TensorValue,
    then_body: Body,
    else_body: Body,
) -> None:
    """Interpret both arms into the regions of an if, and go on with what they leave.

    An arm that raises is taken as one that is never run.
    """
    m = interpreter.m
    then_arm = _arm(interpreter, frame, condition, then_body, said=True)
    else_arm = _arm(interpreter, frame, condition, else_body, said=False)
    if isinstance(then_arm, ScriptRaise) and isinstance(else_arm, ScriptRaise):
        raise then_arm
    for arm, other, said in ((then_arm, else_arm, True), (else_arm, then_arm, False)):
        if isinstance(arm, ScriptRaise) and isinstance(other, Arm):
            discard(other.region.block)
            m.assume(condition.ssa, not said)
            interpreter.execute_all(else_body if said else then_body, frame)
            return
    assert isinstance(then_arm, Arm) and isinstance(else_arm, Arm)
    _join(interpreter, frame, condition, then_arm, else_arm)


def _arm(
    interpreter: Interpreter, frame: Frame, condition: TensorValue, body: Body, *, said: bool
) -> Arm | ScriptRaise:
    m = interpreter.m
    before, writes = dict(frame.names), set(interpreter.writes)
    block = Block()
    outcome: Arm | ScriptRaise
    with m.region(block) as region:
        m.assume(condition.ssa, said)
        try:
            interpreter.execute_inner(body, frame)
            changed = {
                name: value
                for name, value in frame.names.items()
                if name not in before or before[name] is not value
            }
            names = {name: freeze(m, value) for name, value in changed.items()}
            objects = {
                key: (item, contents(interpreter, item))
                for key, (item, _) in region.touched.items()
            }
            outcome = Arm(region, names, objects, interpreter.writes - writes)
        except ScriptRaise as error:
            outcome = error
    roll_back(region)
    frame.names, interpreter.writes = before, writes
    if isinstance(outcome, ScriptRaise):
        discard(block)
    return outcome


def roll_back(region: Region) -> None:
    """Undo what was changed in a region."""
    for item, state in reversed(region.touched.values()):
        restore(item, state)


def discard(block: Block) -> None:
    """Drop the ops of a region that is not used."""
    for op in reversed(list(block.ops)):
        op.detach()
        op.erase(safe_erase=False)


def contents(interpreter: Interpreter, item: Mutable) -> Known:
    """What a changed object holds, frozen."""
    m = interpreter.m
    match item:
        case Storage():
            if item.stale:
                return item.stale
            return freeze(m, Tensor(item))
        case ListObject():
            return freeze(m, item)
        case DictObject():
            return {key: freeze(m, value) for key, value in item.items.items()}
        case Instance():
            return {key: freeze(m, value) for key, value in item.attributes.items()}


def _join(
    interpreter: Interpreter, frame: Frame, condition: TensorValue, then_arm: Arm, else_arm: Arm
) -> None:
    m = interpreter.m
    builders = (then_arm.region.builder, else_arm.region.builder)
    here = [builder.at(m.b.location, m.where) for builder in builders]
    merge = Merge(m, condition, here[0], here[1])
    names: dict[str, Rebuild] = {}
    for name in dict.fromkeys((*then_arm.names, *else_arm.names)):
        if all(name in arm.names or name in frame.names for arm in (then_arm, else_arm)):
            a, b = (
                arm.names[name] if name in arm.names else freeze(m, frame.names[name])
                for arm in (then_arm, else_arm)
            )
            names[name] = merge.plan(a, b)
    objects: list[tuple[Mutable, Known]] = []
    for key in dict.fromkeys((*then_arm.objects, *else_arm.objects)):
        item, _ = then_arm.objects.get(key) or else_arm.objects[key]
        a, b = (
            arm.objects[key][1] if key in arm.objects else contents(interpreter, item)
            for arm in (then_arm, else_arm)
        )
        objects.append((item, _plan_contents(merge, item, a, b)))
    # What only one arm writes, the other leaves as it was before: that reads it.
    interpreter.reads |= (then_arm.writes ^ else_arm.writes) - interpreter.writes
    interpreter.writes |= then_arm.writes & else_arm.writes
    results = _emit(interpreter, condition, merge, then_arm, else_arm)
    for name, rebuild in names.items():
        frame.names[name] = rebuild(results)
    for item, plan in objects:
        m.touch(item)
        _set_contents(item, plan, results)


def _plan_contents(merge: Merge, item: Mutable, a: Known, b: Known) -> Known:
    if isinstance(item, DictObject | Instance):
        if a.keys() != b.keys():
            raise merge.m.unsupported("an if known only at run time gives a dict different keys")
        return {key: merge.plan(a[key], b[key]) for key in a}
    if isinstance(item, Storage) and (isinstance(a, str) or isinstance(b, str)):
        return a if isinstance(a, str) else b
    return merge.plan_storage(a, b) if isinstance(item, Storage) else merge.plan(a, b)


def _set_contents(item: Mutable, plan: Known, results: Known) -> None:
    match item:
        case Storage():
            if isinstance(plan, str):
                item.stale = plan
                return
            merged: Tensor | None = plan(results)
            if merged is not None and merged.storage.value is not None:
                item.written(merged.storage.value)
        case ListObject():
            made: ListObject = plan(results)
            item.items, item.sequence = list(made.items), made.sequence
        case DictObject():
            item.items = {key: rebuild(results) for key, rebuild in plan.items()}
        case Instance():
            item.attributes = {key: rebuild(results) for key, rebuild in plan.items()}


def _emit(
    interpreter: Interpreter, condition: TensorValue, merge: Merge, then_arm: Arm, else_arm: Arm
) -> Known:
    m = interpreter.m
    if not merge.pairs:
        discard(then_arm.region.block)
        discard(else_arm.region.block)
        return ()
    then_block, else_block = then_arm.region.block, else_arm.region.block
    then_block.add_op(YieldOp([pair[0] for pair in merge.pairs]))
    else_block.add_op(YieldOp([pair[1] for pair in merge.pairs]))
    b = m.b
    try:
        op = IfOp.get(
            condition.ssa, IrRegion(then_block), IrRegion(else_block), location=b.location
        )
        op.verify_()
    except VerifyException as error:
        raise m.unsupported(
            f"the arms of an if known only at run time give different types: {error}"
        ) from error
    b.block.add_op(op)
    _note_sizes(interpreter, merge, op)
    return tuple(op.results)


def _note_sizes(interpreter: Interpreter, merge: Merge, op: IfOp) -> None:
    """Sizes on which both arms agree are the result's."""
    m = interpreter.m
    dims = m.main.facts.dims
    for result, (a, b) in zip(op.results, merge.pairs, strict=True):
        first, second = dims.get(a), dims.get(b)
        if (
            first is not None
            and first == second
            and all(isinstance(size, int) or m.is_size_visible(size) for size in first)
        ):
            dims[result] = first


__all__ = ["Frozen", "branch", "contents", "discard", "roll_back"]
