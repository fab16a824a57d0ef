"""A checked ONNX model to a `pfrt` module."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FileLineColLoc,
    IntAttr,
    IntegerAttr,
    ModuleOp,
    NameLoc,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Block, Region, SSAValue

from pyflame_rt.dialects.pfrt.lattice import compatible, widest
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    constant_attr,
    tensor_of,
)
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx.builder import Constant, NodeBuilder, Scope, hint
from pyflame_rt.frontends.onnx.inlining import inline_functions
from pyflame_rt.frontends.onnx.loading import load
from pyflame_rt.frontends.onnx.model import Graph, Initializer, Model, Node, ValueInfo
from pyflame_rt.frontends.onnx.ops import rule_for
from pyflame_rt.frontends.onnx.ordering import ordered
from pyflame_rt.frontends.onnx.support import require_supported
from pyflame_rt.frontends.onnx.tensors import TensorProto, TensorReader
from pyflame_rt.frontends.onnx.value_types import value_type
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.limits import DEFAULT_LIMITS, Limits


def import_onnx(
    source: str | os.PathLike[str] | bytes,
    *,
    name: str | None = None,
    initializers_as_inputs: bool | Collection[str] = False,
    initializers: Mapping[str, npt.NDArray[Any]] | None = None,
    base_directory: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ModuleOp:
    """The `pfrt` module of an ONNX model: a path (`.onnx`, `.onnxtxt`) or the bytes of an `.onnx`.

    `name` stands for the file's name in locations and messages. Weights are views of the mapped
    file. Initializers that are also inputs of the graph, which may be overridden from IR version 4
    on, become constants; with `initializers_as_inputs` all of them, or those named, become
    arguments, and what the file holds their `pfrt.default`. `initializers` are the arrays of those
    that the model only declares.
    External data is read from `base_directory`, the file's folder unless given; bytes without one
    cannot have any. No link is followed there, and no file used that has another name as well.
    Raises ModelNotFoundError, InvalidModelError, and UnsupportedOperatorError, which lists every
    operator that cannot be imported.
    """
    loaded = load(source, name, base_directory=base_directory, limits=limits)
    model = inline_functions(loaded.model)
    require_supported(model)
    overridable = [value.name for value in _overridable(model)]
    if isinstance(initializers_as_inputs, bool):
        arguments = frozenset(overridable if initializers_as_inputs else ())
    else:
        arguments = frozenset(initializers_as_inputs)
    if unknown := sorted(arguments.difference(overridable)):
        raise InvalidModelError(
            f"{quoted(unknown[0])} is not an initializer that can be overridden",
            where=model.file,
            hint=f"those are {', '.join(overridable) or 'none'}",
        )
    return _Importer(model, loaded.tensors, arguments, initializers or {}).module()


@dataclass(frozen=True)
class _Importer:
    model: Model
    tensors: TensorReader
    overridden: frozenset[str] = frozenset()
    """Initializers that become arguments."""
    given: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict[str, "npt.NDArray[Any]"])
    """Arrays of initializers that are not in the model."""

    @property
    def file(self) -> str:
        """The file's name for messages."""
        return self.model.file

    def module(self) -> ModuleOp:
        """The module with `@main`, the model's graph."""
        graph = self.model.graph
        fixed = graph.initializers.keys() - self.overridden
        inputs = [value for value in graph.inputs if value.name not in fixed]
        block = Block(arg_types=[self._input_type(value) for value in inputs])
        scope = Scope(block)
        for argument, value in zip(block.args, inputs, strict=True):
            argument.name_hint = hint(value.name)
            scope.define(value.name, argument)
        results = self.build_graph(graph, scope)
        for value, result in zip(graph.outputs, results, strict=True):
            self._check_output(value, result)
        block.add_op(func.ReturnOp(*results))
        function = func.FuncOp(
            "main",
            ([argument.type for argument in block.args], [result.type for result in results]),
            Region(block),
            arg_attrs=self._argument_attrs(inputs, block.args),
            res_attrs=_value_attrs(graph.outputs, [result.type for result in results]),
        )
        return ModuleOp([function], {"pfrt.model": self._model_attr()})

    def build_graph(
        self, graph: Graph, scope: Scope, owner: Node | None = None
    ) -> Sequence[SSAValue]:
        """Build a graph's nodes in a scope that holds its inputs; the values of its outputs.

        `owner` is the node whose subgraph it is.
        """
        for name, initializer in graph.initializers.items():
            if name not in scope.values:
                scope.pending[name] = partial(self._initializer, name, initializer)
        for node in ordered(graph, self.file):
            self._build_node(node, scope)
        results: list[SSAValue] = []
        for output in graph.outputs:
            if (value := scope.value(output.name)) is None:
                raise InvalidModelError(
                    f"output {quoted(output.name)} is not produced by any node"
                    + ("" if owner is None else " of its subgraph"),
                    where=self.file if owner is None else owner.where(self.file),
                )
            results.append(value)
        return results

    def _build_node(self, node: Node, scope: Scope) -> None:
        rule = rule_for(node)
        location = NameLoc(
            StringAttr(node.label),
            FileLineColLoc(StringAttr(self.file), IntAttr(node.index), IntAttr(0)),
        )
        build_graph = partial(self.build_graph, owner=node)
        builder = NodeBuilder(node, self.file, scope, self.tensors, location, build_graph)
        if rule.constant is not None:
            array = rule.constant(builder)
            name = node.outputs[0] if node.outputs else ""
            values: Sequence[SSAValue | Constant] = [Constant(array, name, location)]
        elif rule.build is not None:
            values = rule.build(builder)
            builder.name_results(values)
        else:
            raise builder.unsupported(rule.why)
        if (unread := next(builder.unread_attributes(), None)) is not None:
            raise builder.error(f"operator {node.operator} has no attribute {quoted(unread)}")
        for position, name in enumerate(node.outputs):
            if not name:
                continue
            if position >= len(values):
                raise builder.error(f"has {len(node.outputs)} outputs, at most {len(values)}")
            scope.define(name, values[position])

    def _initializer(self, name: str, initializer: Initializer) -> Constant:
        where = f"{self.file}: initializer {quoted(name)}"
        if name in self.given:
            array = self.given[name]
        elif isinstance(initializer, TensorProto):
            array = self.tensors.array(initializer, where)
        else:
            array = self.tensors.sparse(initializer, where)
        place = FileLineColLoc(StringAttr(self.file), IntAttr(0), IntAttr(0))
        return Constant(array, name, NameLoc(StringAttr(name), place))

    def _input_type(self, value: ValueInfo) -> Attribute:
        return value_type(value, f"{self.file}: input {quoted(value.name)}")

    def _check_output(self, declared: ValueInfo, value: SSAValue) -> None:
        if not _says_its_type(declared):
            return
        where = f"{self.file}: output {quoted(declared.name)}"
        kind = value_type(declared, where)
        # Files are often wrong about shapes, which nothing depends on.
        if not compatible(widest(kind), value.type):
            raise InvalidModelError(
                f"declared {kind}, but its node gives {value.type}", where=where
            )

    def _argument_attrs(
        self, inputs: Sequence[ValueInfo], arguments: Sequence[SSAValue]
    ) -> ArrayAttr[DictionaryAttr]:
        """What is known of the arguments, defaults included."""
        rows: list[DictionaryAttr] = []
        for row, value, argument in zip(
            _value_attrs(inputs, [a.type for a in arguments]), inputs, arguments, strict=True
        ):
            initializer = self.model.graph.initializers.get(value.name)
            if initializer is None:
                rows.append(row)
                continue
            default = self._initializer(value.name, initializer).array
            if not compatible(argument.type, kind := tensor_of(default)):
                raise InvalidModelError(
                    f"declared {argument.type}, but its initializer is a {kind}",
                    where=f"{self.file}: input {quoted(value.name)}",
                )
            rows.append(DictionaryAttr({**row.data, "pfrt.default": constant_attr(default)}))
        return ArrayAttr(rows)

    def _model_attr(self) -> DictionaryAttr:
        """What is known about the model beside its graph."""
        model = self.model
        overridable = _overridable(model)
        attrs = _about(model)
        if overridable:
            kinds = [self._input_type(value) for value in overridable]
            rows = _value_attrs(overridable, kinds)
            attrs["overridable_initializers"] = ArrayAttr(
                DictionaryAttr({**row.data, "type": kind})
                for row, kind in zip(rows, kinds, strict=True)
            )
        return DictionaryAttr(attrs)


def _value_attrs(
    declared: Sequence[ValueInfo], kinds: Sequence[Attribute]
) -> ArrayAttr[DictionaryAttr]:
    """Names and symbolic dimensions of arguments or results."""
    attrs: list[DictionaryAttr] = []
    for info, kind in zip(declared, kinds, strict=True):
        attr: dict[str, Attribute] = {"pfrt.name": StringAttr(info.name)}
        shape = cast("TensorType[Any]", kind).get_shape() if isinstance(kind, TensorType) else None
        if shape is not None and info.shape is not None and len(shape) == len(info.shape):
            dims = [
                symbol if isinstance(symbol, str) and size == DYNAMIC else ""
                for size, symbol in zip(shape, info.shape, strict=True)
            ]
            if any(dims):
                attr["pfrt.dims"] = ArrayAttr([StringAttr(dim) for dim in dims])
        attrs.append(DictionaryAttr(attr))
    return ArrayAttr(attrs)


def _about(model: Model) -> dict[str, Attribute]:
    """What is known about the model beside its graph."""
    texts = {
        "graph_name": model.graph.name,
        "producer_name": model.producer_name,
        "producer_version": model.producer_version,
        "domain": model.domain,
        "description": model.description,
        "graph_description": model.graph.description,
    }
    opsets = {domain or "ai.onnx": version for domain, version in model.opset_import.items()}
    return {
        **{key: StringAttr(value) for key, value in texts.items()},
        "version": IntegerAttr(model.version, i64),
        "ir_version": IntegerAttr(model.ir_version, i64),
        "custom_metadata": DictionaryAttr({k: StringAttr(v) for k, v in model.metadata.items()}),
        "opset_import": DictionaryAttr({k: IntegerAttr(v, i64) for k, v in opsets.items()}),
    }


def _says_its_type(value: ValueInfo) -> bool:
    """Whether an output's declaration says what it is; the file may leave it open."""
    if value.kind == "tensor":
        return value.element != TensorProto.UNDEFINED
    return value.item is not None and _says_its_type(value.item)


def _overridable(model: Model) -> list[ValueInfo]:
    """Inputs that are initializers too; they may be fed."""
    # Before IR version 4 every initializer had to be an input, which meant nothing.
    if model.ir_version < 4:
        return []
    graph = model.graph
    found = [value for value in graph.inputs if value.name in graph.initializers]
    return [value for value in found if value.kind == "tensor"]
