"""A module as a model: its function's graph, and what is known about it beside that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy.typing as npt
from onnx import helper
from onnx.onnx_ml_pb2 import GraphProto, ModelProto, OperatorSetIdProto
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.control import YieldOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.names import op_type_of
from pyflame_rt.dialects.pfrt.types import ConstantValue, constant_array
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.errors import MissingWeightsError, UnsupportedOperatorError, ValidationError
from pyflame_rt.frontends.onnx.export.flattening import flattened
from pyflame_rt.frontends.onnx.export.graphs import GraphWriter, Refusal
from pyflame_rt.frontends.onnx.export.lowering import smallest_target
from pyflame_rt.frontends.onnx.export.messages import value_info
from pyflame_rt.frontends.onnx.export.naming import Names
from pyflame_rt.frontends.onnx.export.schemas import (
    LATEST_OPSET,
    ML,
    TRAINING,
    Target,
    domain_of,
    type_name,
)
from pyflame_rt.frontends.onnx.export.tensors import Initializer, sparse_proto
from pyflame_rt.limits import Expansion

Array = npt.NDArray[Any]

DEFAULT_OPSET = 17
LEAST_OPSET = 7
_LEAST_IR_VERSION = 4
"""The first in which an initializer need not be an input too."""
_SPARSE_IR_VERSION = 5
"""The first with sparse tensors."""
_IR_VERSIONS = {"int4": 10, "float4": 11, "float8e8m0": 12, "int2": 13}
"""IR versions that know element types of which no operator set has to know."""
_SHOWN = 10
"""Operators that an error lists."""


@dataclass(frozen=True)
class Exported:
    """A model: `proto` has no graph, `graph` no initializers, whose values are not read yet."""

    proto: ModelProto
    graph: GraphProto
    initializers: Sequence[Initializer]


@dataclass(frozen=True)
class _Row:
    """What is known of an argument or result of the function."""

    name: str
    dims: tuple[str, ...]
    default: Array | None


@dataclass(frozen=True)
class _About:
    """What is known about a model beside its graph, from `pfrt.model`."""

    attrs: Mapping[str, Attribute]

    def text(self, name: str) -> str:
        """A text, "" when there is none."""
        attr = self.attrs.get(name)
        return attr.data if isinstance(attr, StringAttr) else ""

    def number(self, name: str) -> int:
        """A number, 0 when there is none."""
        attr = self.attrs.get(name)
        return cast("IntegerAttr[Any]", attr).value.data if isinstance(attr, IntegerAttr) else 0

    def entries(self, name: str) -> Mapping[str, Attribute]:
        """The entries of a dictionary."""
        attr = self.attrs.get(name)
        return attr.data if isinstance(attr, DictionaryAttr) else {}

    def rows(self, name: str) -> Iterator[Mapping[str, Attribute]]:
        """The dictionaries of a list."""
        attr = self.attrs.get(name)
        rows = cast("ArrayAttr[Attribute]", attr).data if isinstance(attr, ArrayAttr) else ()
        return (row.data for row in rows if isinstance(row, DictionaryAttr))


def exported(module: ModuleOp, opset: int | None, name: str) -> Exported:
    """The model of a function of a module.

    Raises ValidationError for an opset or function that there is not, UnsupportedOperatorError for
    ops that the opset cannot say, MissingWeightsError.
    """
    if opset is not None and not LEAST_OPSET <= opset <= LATEST_OPSET:
        raise ValidationError(
            f"opset {opset} cannot be written",
            hint=f"choose one of {LEAST_OPSET} to {LATEST_OPSET}",
        )
    function = flattened(module, name)
    writer = GraphWriter(_target(function, opset))
    block = function.body.block
    last = block.last_op
    returned = () if last is None else tuple(last.operands)
    arguments = _rows(function.arg_attrs, len(block.args))
    results = _rows(function.res_attrs, len(returned))
    names = Names()
    inputs = [
        _name(names, row, value, "input") for row, value in zip(arguments, block.args, strict=True)
    ]
    outputs = [
        _name(names, row, value, "output") for row, value in zip(results, returned, strict=True)
    ]
    graph = writer.function(function, inputs, outputs)
    if writer.refusals:
        raise _unsupported(writer.refusals, writer.target)
    attr = module.attributes.get("pfrt.model")
    about = _About(attr.data if isinstance(attr, DictionaryAttr) else {})
    graph.name = about.text("graph_name") or name
    graph.doc_string = about.text("graph_description")
    initializers = list(writer.initializers)
    for label, argument, row in zip(inputs, block.args, arguments, strict=True):
        graph.input.append(value_info(label, argument.type, row.dims))
        if row.default is not None:
            initializers.append(Initializer(label, row.default))
    for label, value, row in zip(outputs, returned, results, strict=True):
        graph.output.append(value_info(label, value.type, row.dims))
    # What may be overridden is an input too, unless nothing needs it any more.
    known = {initializer.name: initializer for initializer in initializers}
    for row in about.rows("overridable_initializers"):
        label, kind = _text(row.get("pfrt.name")), row.get("type")
        if label in known and label not in inputs and kind is not None:
            graph.input.append(value_info(label, kind, _dims(row)))
    proto = _proto(about, writer, function, initializers)
    taken = {value.name for value in graph.input}
    dense: list[Initializer] = []
    expansion = Expansion()
    for row in initializers:
        found = None if row.name in taken else sparse_proto(row, expansion)
        if found is None:
            dense.append(row)
        else:
            graph.sparse_initializer.append(found)
            proto.ir_version = max(proto.ir_version, _SPARSE_IR_VERSION)
    return Exported(proto, graph, dense)


def _target(function: func.FuncOp, opset: int | None) -> Target:
    """The versions to write for: the one given, and otherwise the smallest that hold everything."""
    opsets = range(DEFAULT_OPSET, LATEST_OPSET + 1) if opset is None else (opset,)
    highest = Target(opsets[0])
    for op in function.walk():
        if isinstance(op, func.FuncOp | func.ReturnOp | YieldOp | ConstantOp):
            continue
        if opset is not None and domain_of(op_type_of(op.name)) != ML:
            continue
        found = smallest_target(op, opsets) or smallest_target(op, opsets, expanding=True)
        if found is not None:
            highest = Target(max(highest.opset, found.opset), max(highest.ml, found.ml))
    return highest


def _unsupported(refusals: Sequence[Refusal], target: Target) -> UnsupportedOperatorError:
    """One error for all ops that cannot be written, with the opset that each needs."""
    texts: list[str] = []
    needed: list[int] = []
    for refusal in refusals:
        found = smallest_target(refusal.op, range(LEAST_OPSET, LATEST_OPSET + 1), expanding=True)
        if found is not None:
            needed.append(found.opset)
        needs = "no opset can" if found is None else f"needs opset {found.opset}"
        texts.append(f"{describe(refusal.op)}: {refusal.why}, {needs}")
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return UnsupportedOperatorError(
        f"opset {target.opset} cannot say {'; '.join(texts[:_SHOWN])}{more}",
        hint=f"export with opset {max(needed)}" if len(needed) == len(refusals) else None,
    )


def _proto(
    about: _About, writer: GraphWriter, function: func.FuncOp, initializers: Sequence[Initializer]
) -> ModelProto:
    """The model without its graph."""
    domains = {"": writer.target.opset, **writer.domains}
    opsets = [OperatorSetIdProto(domain=key, version=version) for key, version in domains.items()]
    own = [row for row in opsets if row.domain in ("", ML, TRAINING)]
    proto = ModelProto(
        ir_version=max(
            _LEAST_IR_VERSION,
            about.number("ir_version"),
            helper.find_min_ir_version_for(own),
            _ir_version_of_types(function, initializers),
        ),
        producer_name=about.text("producer_name") or "pyflame_rt",
        producer_version=about.text("producer_version"),
        domain=about.text("domain"),
        model_version=about.number("version"),
        doc_string=about.text("description"),
        opset_import=opsets,
    )
    for key, value in about.entries("custom_metadata").items():
        proto.metadata_props.add(key=key, value=_text(value))
    return proto


def _ir_version_of_types(function: func.FuncOp, initializers: Sequence[Initializer]) -> int:
    names = {initializer.array.dtype.name for initializer in initializers}
    for op in function.walk():
        names.update(type_name(value.type) for value in op.results)
    names.update(type_name(value.type) for value in function.body.block.args)
    return max(
        (version for name in names for part, version in _IR_VERSIONS.items() if part in name),
        default=0,
    )


def _rows(attrs: ArrayAttr[DictionaryAttr] | None, count: int) -> list[_Row]:
    if attrs is None:
        return [_Row("", (), None)] * count
    return [
        _Row(
            _text(row.data.get("pfrt.name")),
            _dims(row.data),
            _default(row.data.get("pfrt.default")),
        )
        for row in attrs
    ]


def _text(attr: Attribute | None) -> str:
    return attr.data if isinstance(attr, StringAttr) else ""


def _dims(row: Mapping[str, Attribute]) -> tuple[str, ...]:
    attr = row.get("pfrt.dims")
    return (
        tuple(map(_text, cast("ArrayAttr[Attribute]", attr))) if isinstance(attr, ArrayAttr) else ()
    )


def _default(attr: Attribute | None) -> Array | None:
    if attr is None:
        return None
    array = constant_array(cast(ConstantValue, attr))
    if array is None:
        raise MissingWeightsError(
            "the default of an input is missing", hint="give the side file with --weights FILE"
        )
    return array


def _name(names: Names, row: _Row, value: SSAValue, default: str) -> str:
    return names.claim(row.name or value.name_hint or default)
