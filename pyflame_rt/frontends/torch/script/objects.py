"""What an archive's pickles hold, as objects that the interpreter works with."""

from __future__ import annotations

from typing import cast

import numpy as np
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, NameLoc, StringAttr

from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.pickle_globals import DeviceRecord, EnumRecord, ObjectRecord
from pyflame_rt.frontends.torch.script.interpreter import Frame, Interpreter
from pyflame_rt.frontends.torch.script.machine import Machine
from pyflame_rt.frontends.torch.script.quantized import of_record, unpacked_state
from pyflame_rt.frontends.torch.script.values import (
    AttributeOf,
    Device,
    DictObject,
    EnumItem,
    Instance,
    Known,
    ListObject,
    Storage,
    Tensor,
)
from pyflame_rt.frontends.torch.storage import TensorRecord

_DEPTH = 128


class Objects:
    """Makes each object of a pickle once."""

    def __init__(self, interpreter: Interpreter):
        self._interpreter = interpreter
        self._made: dict[int, Known] = {}
        self._kept: list[object] = []
        self._storages: dict[int, Tensor] = {}

    def value(self, record: object, path: str = "", owner: AttributeOf | None = None) -> Known:
        """The object of what the pickle machine gave; `path` is its name from the model on."""
        m = self._interpreter.m
        if path.count(".") > _DEPTH:
            raise m.error("objects are nested too deeply")
        if id(record) in self._made:
            return self._made[id(record)]
        match record:
            case TensorRecord():
                made: Known = self._tensor(record, path, owner)
            case ObjectRecord():
                return self._object(record, path)
            case list():
                made = ListObject([])
                rows = cast("list[object]", record)
                self._keep(rows, made)
                for index, item in enumerate(rows):
                    made.items.append(self.value(item, f"{path}.{index}"))
                return made
            case dict():
                made = DictObject({})
                entries = cast("dict[object, object]", record)
                self._keep(entries, made)
                for key, item in entries.items():
                    made.items[key] = self.value(item, f"{path}.{key}"[:256])
                return made
            case tuple():
                items = cast("tuple[object, ...]", record)
                return tuple(self.value(x, f"{path}.{i}") for i, x in enumerate(items))
            case EnumRecord():
                return self._enum_item(record)
            case DeviceRecord():
                return Device(record.kind)
            case bool() | int() | float() | complex() | str() | None:
                return record
            case _:
                raise m.error(f"attribute {quoted(path)} is of a kind that is not read")
        self._keep(record, made)
        return made

    def _keep(self, record: object, made: Known) -> None:
        # Records are found by their identity, so they must live on.
        self._kept.append(record)
        self._made[id(record)] = made

    def _tensor(self, record: TensorRecord, path: str, owner: AttributeOf | None) -> Known:
        m = self._interpreter.m
        quantizer = record.quantizer
        if quantizer is not None:
            integers = Tensor(Storage(None, make=lambda: constant(m, record, path)))
            scales, zeros = (
                row.array() if isinstance(row, TensorRecord) else np.asarray(row)
                for row in (quantizer.scales, quantizer.zero_points)
            )
            return of_record(integers, scales, zeros, record.dtype.code, quantizer.axis)
        storage = Storage(None, make=lambda: constant(m, record, path), owner=owner)
        tensor = Tensor(storage)
        # Tied weights are one memory: writing to one of them must be noticed.
        first = self._storages.setdefault(id(record.storage), tensor)
        if first is not tensor:
            group = first.storage.group or [first.storage]
            group.append(storage)
            first.storage.group = storage.group = group
        return tensor

    def _object(self, record: ObjectRecord, path: str) -> Known:
        interpreter = self._interpreter
        name = record.qualified_name
        if (packed := self._packed(record, path)) is not None:
            self._keep(record, packed)
            return packed
        info = interpreter.symbols.require_class(name, interpreter.m.file)
        made = Instance(info, {}, path, is_loaded=True)
        self._keep(record, made)
        state: object = record.state
        if isinstance(state, dict) and "__setstate__" not in info.methods:
            for key, item in cast("dict[object, object]", state).items():
                if not isinstance(key, str):
                    raise interpreter.m.error("an attribute's name is no text")
                owner = AttributeOf(made, key)
                made.attributes[key] = self.value(item, owner.path, owner)
        elif "__setstate__" in info.methods:
            interpreter.call_method(made, "__setstate__", [self.value(cast(object, state), path)])
        elif state is not None:
            raise interpreter.m.error(f"the state of class {quoted(name)} is no dict")
        return made

    def _packed(self, record: ObjectRecord, path: str) -> Known:
        """Packed weights of quantized operators, which are objects of torch's own classes."""
        if not record.qualified_name.startswith("__torch__.torch.classes.quantized."):
            return None
        state = self.value(record.state, path)
        return unpacked_state(self._interpreter.m, record.qualified_name, state)

    def _enum_item(self, record: EnumRecord) -> Known:
        interpreter = self._interpreter
        name = record.qualified_name
        info = interpreter.symbols.require_class(name, interpreter.m.file)
        for item, expression in info.syntax.constants:
            value = interpreter.evaluate(expression, Frame())
            if type(value) is type(record.value) and value == record.value:
                return EnumItem(name, item, value)
        raise interpreter.m.error(f"enumeration {quoted(name)} has no item of that value")


def constant(m: Machine, record: TensorRecord, path: str) -> TensorValue:
    """A tensor of the archive as a constant at the beginning of the module."""
    place = FileLineColLoc(StringAttr("data.pkl"), IntAttr(0), IntAttr(0))
    location = NameLoc(StringAttr(path or "constant"), place)
    op = ConstantOp.get(record.array(), names=[path], location=location)
    m.main.block.add_op(op)
    # What a trace has as a tensor without dimensions was a number, and promotes types like one.
    return TensorValue(op.result, wrapped=not record.sizes and path.startswith("CONSTANTS."))
