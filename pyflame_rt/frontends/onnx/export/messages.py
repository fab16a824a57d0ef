"""Attributes and types as messages of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from onnx.onnx_ml_pb2 import AttributeProto, TypeProto, ValueInfoProto
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute

from pyflame_rt.dialects.pfrt.containers import MapType, OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.types import DYNAMIC, AnyTensor, numpy_dtype
from pyflame_rt.frontends.onnx.export.nodes import AttributeEntry, TypeValue, code_of
from pyflame_rt.frontends.onnx.export.tensors import tensor_proto


def attribute_proto(name: str, entry: AttributeEntry) -> AttributeProto:
    """An attribute that is no graph."""
    proto = AttributeProto(name=name, type=entry.kind)
    value = entry.value
    match entry.kind:
        case "INT":
            proto.i = cast(int, value)
        case "FLOAT":
            proto.f = cast(float, value)
        case "STRING":
            proto.s = cast(str, value).encode()
        case "INTS":
            proto.ints.extend(cast("tuple[int, ...]", value))
        case "FLOATS":
            proto.floats.extend(cast("tuple[float, ...]", value))
        case "STRINGS":
            proto.strings.extend(item.encode() for item in cast("tuple[str, ...]", value))
        case "TENSOR":
            proto.t.CopyFrom(
                tensor_proto("", cast("np.ndarray[tuple[int, ...], np.dtype[np.generic]]", value))
            )
        case _:
            fill_type(proto.tp, cast(TypeValue, value).kind)
    return proto


def value_info(name: str, kind: Attribute, dims: Sequence[str] = ()) -> ValueInfoProto:
    """A declaration of a value; `dims` names dimensions, "" for one without a name."""
    proto = ValueInfoProto(name=name)
    fill_type(proto.type, kind, dims)
    return proto


def fill_type(proto: TypeProto, kind: Attribute, dims: Sequence[str] = ()) -> None:
    """Write a type of a value."""
    match kind:
        case SequenceType(item=item):
            fill_type(proto.sequence_type.elem_type, item)
        case OptionalType(item=item):
            fill_type(proto.optional_type.elem_type, item)
        case MapType(key=key, value=value):
            proto.map_type.key_type = code_of(numpy_dtype(key))
            proto.map_type.value_type.tensor_type.elem_type = code_of(numpy_dtype(value))
            proto.map_type.value_type.tensor_type.shape.SetInParent()
        case _:
            _fill_tensor(proto, cast(AnyTensor, kind), dims)


def _fill_tensor(proto: TypeProto, kind: AnyTensor, dims: Sequence[str]) -> None:
    tensor = proto.tensor_type
    tensor.elem_type = code_of(numpy_dtype(kind.element_type))
    if not isinstance(kind, TensorType):
        return
    shape = kind.get_shape()
    tensor.shape.SetInParent()
    for size, name in zip(shape, dims or ("",) * len(shape), strict=True):
        dim = tensor.shape.dim.add()
        if size != DYNAMIC:
            dim.dim_value = size
        elif name:
            dim.dim_param = name
