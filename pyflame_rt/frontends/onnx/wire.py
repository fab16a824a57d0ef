"""Models in protobuf's wire format: raw tensors are located in the bytes, never copied.

`read_model` walks every nested message once, cuts each `raw_data` out, and gives protobuf the small
rest. In that rest `raw_data` is the 8-byte index of a span of the file, for every tensor alike, so
nothing in the bytes can pass for such an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from onnx.onnx_ml_pb2 import ModelProto, TensorProto

from pyflame_rt.errors import InvalidModelError

Bytes: TypeAlias = npt.NDArray[np.uint8]

MAX_DEPTH = 99
"""Messages nested in each other, as many as protobuf itself reads."""
MAX_FIELDS = 5_000_000
"""Fields of all messages together: an empty message of two bytes takes a hundred once parsed."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_RAW_TAG = 9 << 3 | _BYTES


@dataclass(frozen=True)
class _Layout:
    """What to do with the length-delimited fields of a message, by number.

    `nested` are messages to walk, `raw` is the field to cut out, `dropped` are left behind.
    """

    nested: dict[int, _Layout]
    raw: int = 0
    dropped: frozenset[int] = frozenset()


@cache
def _model_layout() -> _Layout:
    """The layout of ModelProto, from the descriptors of the installed onnx."""
    layouts: dict[str, _Layout] = {}
    # What is there for training is of no use here, and may be as large as the model.
    dropped = {"onnx.ModelProto": frozenset({20})}

    def layout(message: Descriptor) -> _Layout:
        if (known := layouts.get(message.full_name)) is None:
            is_tensor = message.full_name == "onnx.TensorProto"
            without = dropped.get(message.full_name, frozenset())
            known = _Layout({}, TensorProto.RAW_DATA_FIELD_NUMBER if is_tensor else 0, without)
            layouts[message.full_name] = known
            for field in message.fields:
                nested = field.message_type
                if nested is None or field.number in without:
                    continue
                # A message without messages in it holds nothing to cut and little to count.
                if any(f.message_type for f in nested.fields):
                    known.nested[field.number] = layout(nested)
        return known

    return layout(cast(Descriptor, ModelProto.DESCRIPTOR))


@dataclass(frozen=True)
class WireModel:
    """A parsed model without its raw tensors, and where those lie in its bytes."""

    proto: ModelProto
    data: Bytes
    spans: tuple[tuple[int, int], ...]

    def raw_data(self, tensor: TensorProto) -> Bytes | None:
        """The raw bytes of a tensor of this model, a view; None when it has no `raw_data`."""
        if not tensor.HasField("raw_data"):
            return None
        start, stop = self.spans[int.from_bytes(tensor.raw_data, "little")]
        return self.data[start:stop]


def read_model(data: Bytes, where: str) -> WireModel:
    """Parse a serialized ModelProto; tensors stay where they are.

    Raises InvalidModelError when the bytes are not such a message.
    """
    walker = _Walker(data.data, where)
    walker.walk(_model_layout(), 0, len(data), 0)
    proto = ModelProto()
    try:
        proto.ParseFromString(b"".join(walker.chunks))
    except DecodeError as error:
        raise _not_a_model(where, "its fields do not decode") from error
    return WireModel(proto, data, tuple(walker.spans))


def _not_a_model(where: str, why: str) -> InvalidModelError:
    return InvalidModelError(
        f"not an ONNX model: {why}", where=where, hint="the file may be damaged or incomplete"
    )


class _Walker:
    """Copies a message as slices of its bytes, with each raw tensor replaced by an index."""

    def __init__(self, data: memoryview[Any], where: str):
        self.chunks: list[bytes | memoryview[Any]] = []
        self.spans: list[tuple[int, int]] = []
        self._data = data
        self._where = where
        self._fields = 0

    def walk(self, layout: _Layout, start: int, end: int, depth: int) -> int:
        """Append the message in `data[start:end]` to the chunks; how many bytes that gives."""
        if depth > MAX_DEPTH:
            raise _not_a_model(self._where, f"messages are nested more than {MAX_DEPTH} deep")
        data, nested = self._data, layout.nested
        size = 0
        copied = position = start
        while position < end:
            field_start = position
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise _not_a_model(self._where, f"more than {MAX_FIELDS:,} fields")
            tag = data[position]
            position += 1
            if tag >= 0x80:
                tag, position = self._varint(field_start, end, 5)
            if tag >> 32 or tag < 8:
                raise _not_a_model(self._where, f"no field at byte {field_start}")
            kind, number = tag & 7, tag >> 3
            if kind == _BYTES:
                length, position = self._varint(position, end, 5)
                stop = position + length
                if stop > end:
                    raise _not_a_model(
                        self._where,
                        f"{length} bytes at byte {position} exceed the message around them",
                    )
                inner = nested.get(number)
                if inner is not None or number == layout.raw or number in layout.dropped:
                    size += self._copy(copied, field_start)
                    if inner is not None:
                        size += self._nested(inner, tag, position, stop, depth)
                    elif number == layout.raw:
                        size += self._cut(position, stop)
                    copied = stop
                position = stop
            elif kind == _VARINT:
                _, position = self._varint(position, end, 10)
            elif kind in (_FIXED32, _FIXED64):
                position += 8 if kind == _FIXED64 else 4
                if position > end:
                    raise _not_a_model(self._where, f"ends in the field at byte {field_start}")
            else:
                raise _not_a_model(self._where, f"no field at byte {field_start}")
        return size + self._copy(copied, end)

    def _copy(self, start: int, stop: int) -> int:
        if stop > start:
            self.chunks.append(self._data[start:stop])
        return stop - start

    def _nested(self, layout: _Layout, tag: int, start: int, stop: int, depth: int) -> int:
        at = len(self.chunks)
        self.chunks.append(b"")
        size = self.walk(layout, start, stop, depth + 1)
        head = self.chunks[at] = _encode(tag) + _encode(size)
        return size + len(head)

    def _cut(self, start: int, stop: int) -> int:
        field = bytes((_RAW_TAG, 8)) + len(self.spans).to_bytes(8, "little")
        self.spans.append((start, stop))
        self.chunks.append(field)
        return len(field)

    def _varint(self, position: int, end: int, most: int) -> tuple[int, int]:
        """The varint at `position` and where it ends."""
        data = self._data
        value = shift = 0
        for at in range(position, min(position + most, end)):
            byte = data[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at + 1
            shift += 7
        raise _not_a_model(self._where, f"no number at byte {position}")


def _encode(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
