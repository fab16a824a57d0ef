"""What a `.pfm` file says of its model before the nodes: name, inputs and outputs of `@main`.

It is derived from the module when a file is written, and again when one is read: a file whose
summary says something else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    MemRefType,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation

from pyflame_rt import dtypes
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_element_type, is_string, numpy_dtype
from pyflame_rt.frontends.pfm.layout import NOT_A_TENSOR, STRING_ELEMENT, TensorInfo


@dataclass(frozen=True)
class Summary:
    """Name of the graph, inputs and outputs."""

    graph_name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def summary_of(module: Operation) -> Summary:
    """The summary of a module, which may be invalid; of one without `@main` there is not much."""
    main = StringAttr("main")
    name = _graph_name(module)
    for region in module.regions:
        for op in region.ops:
            if isinstance(op, FuncOp) and op.properties.get("sym_name") == main:
                return Summary(name, *_signature(op))
    return Summary(name, (), ())


def _signature(function: FuncOp) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    kinds = function.properties.get("function_type")
    if not isinstance(kinds, FunctionType):
        return (), ()
    return (
        _infos(kinds.inputs.data, function.properties.get("arg_attrs")),
        _infos(kinds.outputs.data, function.properties.get("res_attrs")),
    )


def _graph_name(module: Operation) -> str:
    about = module.attributes.get("pfrt.model")
    name = about.data.get("graph_name") if isinstance(about, DictionaryAttr) else None
    return name.data if isinstance(name, StringAttr) else ""


def _infos(kinds: Sequence[Attribute], attrs: Attribute | None) -> tuple[TensorInfo, ...]:
    rows = cast("ArrayAttr[Attribute]", attrs).data if isinstance(attrs, ArrayAttr) else ()
    return tuple(
        _info(kind, rows[index] if index < len(rows) else None) for index, kind in enumerate(kinds)
    )


def _info(kind: Attribute, attrs: Attribute | None) -> TensorInfo:
    entries: Mapping[str, Attribute] = attrs.data if isinstance(attrs, DictionaryAttr) else {}
    name = entries.get("pfrt.name")
    text = name.data if isinstance(name, StringAttr) else ""
    dims: tuple[int | str | None, ...] | None = None
    if isinstance(kind, TensorType | MemRefType):
        shape = cast("TensorType[Any] | MemRefType[Any]", kind).get_shape()
        symbols = _symbols(entries.get("pfrt.dims"), len(shape))
        dims = tuple(
            (symbol or None) if size == DYNAMIC else size
            for size, symbol in zip(shape, symbols, strict=True)
        )
    return TensorInfo(text, _element(cast(Attribute, kind)), dims)


def _element(kind: Attribute) -> int:
    element: Attribute | None = getattr(kind, "element_type", None)
    if element is None or not is_element_type(element):
        return NOT_A_TENSOR
    return STRING_ELEMENT if is_string(kind) else dtypes.by_numpy()[numpy_dtype(element)].onnx


def _symbols(dims: Attribute | None, rank: int) -> Sequence[str]:
    items = cast("ArrayAttr[Attribute]", dims).data if isinstance(dims, ArrayAttr) else ()
    symbols = [item.data for item in items if isinstance(item, StringAttr)]
    return symbols if len(symbols) == len(items) == rank else [""] * rank
