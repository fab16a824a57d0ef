"""What a model's method returns, as results of the module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dtypes import strings
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.machine import Machine
from pyflame_rt.frontends.torch.script.tensors import read
from pyflame_rt.frontends.torch.script.values import (
    Choice,
    Device,
    DictObject,
    EnumItem,
    Instance,
    Known,
    ListObject,
    Record,
    Tensor,
)


@dataclass(frozen=True)
class Output:
    """A result of the module; `name` is "" where the code has none."""

    name: str
    value: SSAValue


def outputs(m: Machine, returned: Known) -> list[Output]:
    """The tensors, numbers and texts in what a method returned, in order.

    Items of dicts and named tuples have their keys for names, others are numbered from 1:
    `output.1`. What is None is left out.
    """
    found = list(_leaves(m, returned, ""))
    return [
        Output(row.name or f"output.{number}", row.value) for number, row in enumerate(found, 1)
    ]


def _leaves(m: Machine, value: Known, name: str) -> Iterator[Output]:
    value = m.settled(value)
    match value:
        case None:
            return
        case ListObject(sequence=SSAValue() as sequence):
            yield Output(name, sequence)
        case ListObject():
            for index, item in enumerate(value.items):
                yield from _leaves(m, item, f"{name}.{index}" if name else "")
        case tuple():
            for index, item in enumerate(cast("tuple[Known, ...]", value)):
                yield from _leaves(m, item, f"{name}.{index}" if name else "")
        case Record():
            for key, item in zip(value.fields, value.items, strict=True):
                yield from _leaves(m, item, _joined(name, key))
        case DictObject():
            for key, item in value.items.items():
                yield from _leaves(m, item, _joined(name, str(key)))
        case Instance() | Choice():
            raise m.unsupported("returns an object, or a value that depends on the run")
        case _:
            yield Output(name, _leaf(m, value))


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _leaf(m: Machine, value: Known) -> SSAValue:
    b = m.b
    match value:
        case Tensor():
            return read(m, value).ssa
        case TensorValue():
            return value.ssa
        case EnumItem():
            return _leaf(m, value.value)
        case Device():
            return b.constant(strings([value.name], ())).ssa
        case str():
            return b.constant(strings([value], ())).ssa
        case int() | Size() if not isinstance(value, bool):
            return b.number(value).ssa
        case bool() | float() | complex():
            return b.constant(np.array(value)).ssa
        case _:
            raise m.unsupported("returns what is neither tensor, number nor text")
