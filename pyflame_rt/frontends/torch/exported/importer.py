"""An exported program to a `pfrt` module."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FileLineColLoc,
    IntAttr,
    IntegerAttr,
    LocationAttr,
    ModuleOp,
    NameLoc,
    StringAttr,
    i64,
)
from xdsl.ir import Attribute, Block, Region, SSAValue

from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, constant_attr, element_type, tensor
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.promotion import INT64
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import Scalar, TensorValue, numpy_of
from pyflame_rt.frontends.torch.exported.expressions import Expression, Symbol
from pyflame_rt.frontends.torch.exported.json_text import Json
from pyflame_rt.frontends.torch.exported.loading import Exported, load
from pyflame_rt.frontends.torch.exported.memory import Tensor
from pyflame_rt.frontends.torch.exported.nodes import Frame, Interpreter, hint, known_targets
from pyflame_rt.frontends.torch.exported.program import TensorMeta
from pyflame_rt.frontends.torch.exported.state import written_inputs
from pyflame_rt.frontends.torch.script.importer import drop_unused
from pyflame_rt.frontends.torch.storage import TensorRecord

_SHOWN = 20
_HELD = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}


def import_exported(source: str | os.PathLike[str] | bytes, *, name: str | None = None) -> ModuleOp:
    """The `pfrt` module of a program that `torch.export.save` wrote: a path, or its bytes.

    `name` stands for the file's name in locations and messages. Weights are views of the mapped
    file; buffers that the program changes are arguments and results marked `pfrt.state`. What a
    program writes to its inputs is no result. No pickle in the archive is opened.
    Raises ModelNotFoundError, InvalidModelError, UnsupportedFormatError, and
    UnsupportedOperatorError, which lists every operator that has no rule.
    """
    exported = load(source, name)
    _require_supported(exported)
    return _Importer(exported).module()


def _require_supported(exported: Exported) -> None:
    known = known_targets()
    missing = [
        f"{quoted(node.target)[1:-1]} at node {quoted(node.label)}"
        + (f" of {quoted(node.module)}" if node.module else "")
        for node in exported.program.graph.walk()
        if not known(node.target)
    ]
    if not missing:
        return
    listed = "; ".join(missing[:_SHOWN])
    more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    count = "1 operator is" if len(missing) == 1 else f"{len(missing)} operators are"
    raise UnsupportedOperatorError(f"{count} not supported: {listed}{more}", where=exported.file)


@dataclass
class _Importer:
    exported: Exported
    block: Block = field(default_factory=Block)
    arguments: list[DictionaryAttr] = field(default_factory=list[DictionaryAttr])
    states: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def module(self) -> ModuleOp:
        """The module with `@main`, the program's graph."""
        program = self.exported.program
        builder = AtenBuilder(self.block, self._location("inputs"), self.exported.file)
        interpreter = Interpreter(self.exported.file)
        frame = Frame(program.graph, builder, 0, {})
        self._inputs(interpreter, frame)
        interpreter.run(frame)
        values, rows = self._outputs(interpreter, frame)
        self.block.add_op(func.ReturnOp(*values))
        drop_unused(self.block)
        function = func.FuncOp(
            "main",
            ([argument.type for argument in self.block.args], [value.type for value in values]),
            Region(self.block),
            arg_attrs=ArrayAttr(self.arguments),
            res_attrs=ArrayAttr(rows),
        )
        return ModuleOp([function], {"pfrt.model": self._about()})

    # Inputs.

    def _inputs(self, interpreter: Interpreter, frame: Frame) -> None:
        """Define the program's inputs: weights as constants, the others as arguments."""
        program = self.exported.program
        if len(program.inputs) != len(program.graph.inputs):
            raise self._error(
                f"has {len(program.graph.inputs)} inputs and {len(program.inputs)} descriptions"
            )
        written = written_inputs(program)
        arguments: list[tuple[Tensor, TensorMeta]] = []
        # State comes after the inputs that forward has.
        ordered = sorted(program.inputs, key=lambda row: row[0] in _HELD)
        for kind, spec in ordered:
            if kind in _HELD:
                fields = spec.fields(("arg", _HELD[kind]), ("persistent",))
                name = fields["arg"].fields(("name",))["name"].name
                held = fields[_HELD[kind]].name
                self._held(frame, kind, name, held, name in written)
            elif kind == "user_input":
                found = self._user_input(frame, spec.fields(("arg",))["arg"])
                arguments += [] if found is None else [found]
            elif kind == "constant_input":
                self._constant_input(frame, spec)
            else:
                raise spec.unsupported("is an input of a kind that is not supported")
        # Symbols that are dimensions by themselves first: they tell those of other dimensions.
        for alone in (True, False):
            for value, meta in arguments:
                for axis, size in enumerate(meta.sizes):
                    if isinstance(size, Symbol) == alone:
                        dim = Size.of_dim(value.value.ssa, axis)
                        interpreter.symbols.tell(size, dim)
        for value, meta in arguments:
            interpreter.note(frame.builder, value.value, meta)

    def _held(self, frame: Frame, kind: str, name: str, held: str, is_written: bool) -> None:
        records = self.exported.constants if kind == "tensor_constant" else self.exported.weights
        # Buffers that are not in the state dict are constants of the archive.
        record = records.get(held) or self.exported.constants.get(held)
        if record is None:
            raise self._error(f"has no tensor for the {kind} {quoted(held)}")
        if is_written:
            value = self._argument(record.array().dtype, record.sizes, held, (), record)
            self.states[held] = frame.define(name, value)
            return
        op = ConstantOp.get(record.array(), names=[held], location=self._location(held))
        self.block.add_op(op)
        frame.define(name, TensorValue(op.result))

    def _argument(
        self,
        dtype: Any,
        shape: Sequence[int],
        name: str,
        dims: Sequence[str],
        state: TensorRecord | None = None,
    ) -> TensorValue:
        argument = self.block.insert_arg(tensor(element_type(dtype), shape), len(self.block.args))
        argument.name_hint = hint(name)
        attrs: dict[str, Attribute] = {"pfrt.name": StringAttr(name)}
        if any(dims):
            attrs["pfrt.dims"] = ArrayAttr([StringAttr(dim) for dim in dims])
        if state is not None:
            attrs["pfrt.state"] = StringAttr(name)
            attrs["pfrt.default"] = constant_attr(state.array())
        self.arguments.append(DictionaryAttr(attrs))
        return TensorValue(argument)

    def _user_input(self, frame: Frame, arg: Json) -> tuple[Tensor, TensorMeta] | None:
        tag, value = arg.union()
        if tag == "as_tensor":
            name = value.fields(("name",))["name"].name
            meta = frame.graph.tensors.get(name)
            if meta is None:
                raise value.fail("is an input that nothing is said of")
            shape = [dim if isinstance(dim, int) else DYNAMIC for dim in meta.sizes]
            if any(0 > dim != DYNAMIC for dim in shape):
                raise value.fail("is an input of a negative size")
            dims = [dim.name if isinstance(dim, Symbol) else "" for dim in meta.sizes]
            found = self._argument(numpy_of(meta.dtype), shape, name, dims)
            return frame.define(name, found), meta
        if tag == "as_sym_int" and "as_name" in value.object:
            name = value.union()[1].name
            argument = self._argument(INT64, (), name, ())
            frame.values[name] = Size.of_item(argument.ssa)
            return None
        # Python values that the program was exported for.
        if tag not in ("as_none", "as_int", "as_float", "as_bool", "as_string", "as_sym_int"):
            raise value.unsupported(f"is an input of a kind that is not supported: {tag[:32]}")
        return None

    def _constant_input(self, frame: Frame, spec: Json) -> None:
        fields = spec.fields(("name", "value"))
        tag, value = fields["value"].union()
        readers = {
            "as_int": "integer",
            "as_float": "number",
            "as_bool": "flag",
            "as_string": "text",
        }
        known = None if tag not in readers else getattr(value, readers[tag])
        frame.values[fields["name"].name] = known

    # Outputs.

    def _outputs(
        self, interpreter: Interpreter, frame: Frame
    ) -> tuple[list[SSAValue], list[DictionaryAttr]]:
        program = self.exported.program
        values: list[SSAValue] = []
        rows: list[DictionaryAttr] = []
        taken: set[str] = set()
        states = dict(self.states)
        builder = frame.builder.at(self._location("outputs"), self.exported.file)

        def give(value: SSAValue, name: str, dims: Sequence[str], state: str | None) -> None:
            given, number = name, 1
            while given in taken:
                number += 1
                given = f"{name}_{number}"
            taken.add(given)
            attrs: dict[str, Attribute] = {"pfrt.name": StringAttr(given)}
            if any(dims):
                attrs["pfrt.dims"] = ArrayAttr([StringAttr(dim) for dim in dims])
            if state is not None:
                attrs["pfrt.state"] = StringAttr(state)
            values.append(value)
            rows.append(DictionaryAttr(attrs))

        mutated: dict[str, Tensor] = {}
        for kind, spec in program.outputs:
            if kind == "user_output":
                arg = spec.fields(("arg",))["arg"]
                tag, item = arg.union()
                if tag == "as_none":
                    continue
                found = interpreter.argument(frame, arg)
                if not isinstance(found, TensorValue | Size | bool | int | float):
                    raise item.unsupported("is a result of a kind that is not supported")
                name = _name_of(item) or f"output_{len(values)}"
                meta = frame.graph.tensors.get(name) if tag == "as_tensor" else None
                dims = _dims(meta.sizes) if meta is not None else ()
                give(builder.tensor(cast(Scalar, found)).ssa, name, dims, None)
            elif kind == "buffer_mutation":
                fields = spec.fields(("arg", "buffer_name"))
                name = fields["arg"].fields(("name",))["name"].name
                mutated[fields["buffer_name"].name] = frame.tensor(name, spec)
            elif kind not in ("user_input_mutation", "token"):
                raise spec.unsupported("is a result of a kind that is not supported")
        for state, value in states.items():
            give(mutated.get(state, value).read(builder, 0).ssa, state, (), state)
        return values, rows

    # The rest.

    def _location(self, label: str) -> LocationAttr:
        place = FileLineColLoc(StringAttr(self.exported.file), IntAttr(0), IntAttr(0))
        return NameLoc(StringAttr(label), place)

    def _error(self, why: str) -> InvalidModelError:
        return InvalidModelError(why, where=self.exported.file)

    def _about(self) -> DictionaryAttr:
        program = self.exported.program
        texts = {
            "graph_name": self.exported.name,
            "producer_name": "pytorch",
            "producer_version": program.torch_version,
            "domain": "",
            "description": "",
            "graph_description": "",
        }
        ranges = {
            f"range of {name}": StringAttr(
                f"{'' if low is None else low}..{'' if high is None else high}"
            )
            for name, (low, high) in program.ranges.items()
        }
        return DictionaryAttr(
            {
                **{key: StringAttr(value) for key, value in texts.items()},
                "version": IntegerAttr(0, i64),
                "ir_version": IntegerAttr(0, i64),
                "custom_metadata": DictionaryAttr(ranges),
                "opset_import": DictionaryAttr(
                    {name: IntegerAttr(version, i64) for name, version in program.opsets.items()}
                ),
            }
        )


def _name_of(item: Json) -> str | None:
    if item.tag not in ("name", "as_name"):
        return None
    return item.union()[1].name


def _dims(sizes: Sequence[Expression]) -> list[str]:
    return [size.name if isinstance(size, Symbol) else "" for size in sizes]
