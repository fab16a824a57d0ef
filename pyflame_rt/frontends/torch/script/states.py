"""Attributes that a model changes while it runs: they become inputs and results of the module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.lattice import join
from pyflame_rt.dialects.pfrt.types import constant_attr
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.machine import Machine, Mutable
from pyflame_rt.frontends.torch.script.merging import Kind, carried, freeze, kind_of, uncarried
from pyflame_rt.frontends.torch.script.tensors import read
from pyflame_rt.frontends.torch.script.values import Instance, Known, Storage, Tensor

if TYPE_CHECKING:
    from pyflame_rt.frontends.torch.script.interpreter import Interpreter


@dataclass(frozen=True)
class State:
    """An attribute that is an input and a result: the module that has it, by path."""

    path: tuple[str, ...]
    attribute: str
    kind: Kind
    type: Attribute

    @property
    def name(self) -> str:
        """The attribute's name from the model on."""
        return ".".join((*self.path, self.attribute))

    def owner(self, root: Instance) -> Instance:
        """The module that has the attribute."""
        found = root
        for part in self.path:
            found = cast(Instance, found.attributes[part])
        return found

    def final(self, m: Machine, root: Instance) -> SSAValue:
        """The value that a run leaves."""
        value = self.owner(root).attributes[self.attribute]
        return carried(m, m.b, freeze(m, value), self.kind)


def states_of(m: Machine, root: Instance, states: Sequence[State]) -> list[Attribute]:
    """Give attributes the module's next arguments for values; returns what they begin with."""
    defaults: list[Attribute] = []
    block = m.main.block
    for state in states:
        owner = state.owner(root)
        value = owner.attributes[state.attribute]
        defaults.append(_default(m, value, state))
        argument = block.insert_arg(state.type, len(block.args))
        if isinstance(value, Tensor):
            value.storage.written(TensorValue(argument))
        else:
            owner.attributes[state.attribute] = uncarried(state.kind, argument)
    return defaults


def _default(m: Machine, value: Known, state: State) -> Attribute:
    if isinstance(value, Tensor):
        array = constant_of(read(m, value).ssa)
        assert array is not None
        return constant_attr(array)
    dtype = {"int": np.int64, "float": np.float64, "bool": np.bool_}[state.kind]
    return constant_attr(np.array(value, dtype))


def changed_states(
    interpreter: Interpreter, root: Instance, states: Sequence[State]
) -> tuple[State, ...] | None:
    """The states that there must be, if these are not all, or not of the types they need."""
    m = interpreter.m
    found = {(state.path, state.attribute): state for state in states}
    before = dict(found)
    for item, snapshot in list(m.regions[0].touched.values()):
        for owner, attribute in _attributes(interpreter, item, snapshot):
            path = tuple(owner.path.split(".")) if owner.path else ()
            key = (path, attribute)
            if key not in found:
                found[key] = _new_state(interpreter, owner, path, attribute, snapshot, item)
    for key, state in found.items():
        value = freeze(m, state.owner(root).attributes[state.attribute])
        kind = kind_of(value)
        if kind is None or kind != state.kind:
            raise m.unsupported(
                f"attribute {quoted(state.name)} becomes a value of another kind in a run"
            )
        final = carried(m, m.b, value, kind).type
        wider = join(state.type, final)
        if wider is None:
            raise m.unsupported(
                f"attribute {quoted(state.name)} is a {state.type} and becomes a {final}"
            )
        found[key] = replace(state, type=wider)
    return None if found == before else tuple(found.values())


def _attributes(
    interpreter: Interpreter, item: Mutable, snapshot: tuple[Known, ...]
) -> list[tuple[Instance, str]]:
    """The attributes of the model that an object which changed stands for."""
    m = interpreter.m
    match item:
        case Storage(owner=owner):
            if owner is None or item.version == snapshot[1]:
                return []
            return [(owner.instance, owner.attribute)]
        case Instance(is_loaded=True):
            before = snapshot[0]
            return [
                (item, name)
                for name, value in item.attributes.items()
                if before.get(name) is not value and (id(item), name) in interpreter.reads
            ]
        case Instance():
            return []
        case _:
            if item.serial < interpreter.first_serial:
                raise m.unsupported("a run changes a list or dict that belongs to the model")
            return []


def _new_state(
    interpreter: Interpreter,
    owner: Instance,
    path: tuple[str, ...],
    attribute: str,
    snapshot: tuple[Known, ...],
    item: Mutable,
) -> State:
    m = interpreter.m
    before = snapshot[0].get(attribute) if isinstance(item, Instance) else None
    if isinstance(item, Storage):
        value: TensorValue | None = snapshot[0]
        if value is None:
            assert item.make is not None
            value = item.make()
        return State(path, attribute, "tensor", value.ssa.type)
    name = ".".join((*path, attribute))
    if isinstance(before, Tensor):
        if before.storage.make is None or before.steps:
            raise m.unsupported(f"attribute {quoted(name)} has no value before the first run")
        return State(path, attribute, "tensor", before.storage.make().ssa.type)
    kind = kind_of(before)
    if kind is None or isinstance(before, Size | TensorValue):
        raise m.unsupported(
            f"attribute {quoted(name)} is read and changed in a run, and is no tensor or number"
        )
    if kind == "list":
        raise m.unsupported(f"attribute {quoted(name)} is a list that changes in a run")
    del owner
    return State(path, attribute, kind, carried(m, m.b, before, kind).type)


__all__ = ["State", "changed_states", "states_of"]
