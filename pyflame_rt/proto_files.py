"""Values in ONNX's `.pb` files: tensors, sequences, optionals and maps, as test data folders hold
them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy.typing as npt
from google.protobuf.message import DecodeError, Message
from onnx import MapProto, OptionalProto, SequenceProto, TensorProto, numpy_helper
from xdsl.ir import Attribute

from pyflame_rt.dialects.pfrt.containers import MapType, OptionalType, SequenceType
from pyflame_rt.dtypes import strings
from pyflame_rt.errors import InputError

Array: TypeAlias = npt.NDArray[Any]
M = TypeVar("M", bound=Message)


def read_proto(path: str | os.PathLike[str], kind: Attribute | None = None) -> Any:
    """The value in a file: an array, or what a type that is no tensor's says it is.

    Sequences are lists, optionals None or what they hold, maps dicts. Raises InputError.
    """
    source = Path(path)
    read = _Reader(str(source.parent))
    what = next(
        (name for container, name in _NAMES.items() if isinstance(kind, container)), "tensor"
    )
    try:
        data = source.read_bytes()
        match what:
            case "sequence":
                return read.sequence(_known(SequenceProto.FromString(data)))
            case "optional":
                return read.optional(_known(OptionalProto.FromString(data)))
            case "map":
                return read.map(_known(MapProto.FromString(data)))
            case _:
                return read.tensor(TensorProto.FromString(data))
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"is not an ONNX {what}: {reason}", where=str(path)) from error


_NAMES: dict[type[Attribute], str] = {
    SequenceType: "sequence",
    OptionalType: "optional",
    MapType: "map",
}
_UNREADABLE = (DecodeError, OSError, ValueError, TypeError, KeyError, RuntimeError)
"""What protobuf and onnx raise of bytes that mean something else, or nothing."""


def _known(proto: M) -> M:
    """The message. Raises ValueError for one of another kind, which may look like an empty one."""
    size = proto.ByteSize()
    proto.DiscardUnknownFields()
    if proto.ByteSize() != size:
        raise ValueError("it has fields of something else")
    return proto


class _Reader:
    def __init__(self, folder: str):
        self._folder = folder

    def tensor(self, proto: TensorProto) -> Array:
        if not proto.data_type:
            raise ValueError("it has no element type")
        if proto.data_type == TensorProto.STRING:
            shape = tuple(proto.dims)
            return strings([text.decode() for text in proto.string_data], shape)
        return numpy_helper.to_array(proto, self._folder)

    def sequence(self, proto: SequenceProto) -> list[Any]:
        match proto.elem_type:
            case SequenceProto.TENSOR:
                return [self.tensor(item) for item in proto.tensor_values]
            case SequenceProto.MAP:
                return [self.map(item) for item in proto.map_values]
            case SequenceProto.SEQUENCE:
                return [self.sequence(item) for item in proto.sequence_values]
            case SequenceProto.UNDEFINED if not proto.ByteSize():
                return []
            case _:
                raise ValueError("its items are no tensors, maps or sequences")

    def optional(self, proto: OptionalProto) -> Any:
        match proto.elem_type:
            case OptionalProto.UNDEFINED:
                return None
            case OptionalProto.TENSOR:
                return self.tensor(proto.tensor_value)
            case OptionalProto.SEQUENCE:
                return self.sequence(proto.sequence_value)
            case OptionalProto.MAP:
                return self.map(proto.map_value)
            case OptionalProto.OPTIONAL:
                return self.optional(proto.optional_value)
            case _:
                raise ValueError("it holds no tensor, sequence or map")

    def map(self, proto: MapProto) -> dict[Any, Any]:
        is_text = proto.key_type == TensorProto.STRING
        keys = [key.decode() for key in proto.string_keys] if is_text else list(proto.keys)
        values = [value.item() for value in self.sequence(proto.values)]
        return dict(zip(keys, values, strict=True))
