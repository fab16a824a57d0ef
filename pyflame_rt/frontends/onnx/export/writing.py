"""Models to files and messages: large tensors go from their array to the file, without a copy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TypeAlias

from onnx.onnx_ml_pb2 import GraphProto, ModelProto, TensorProto

from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.files import atomic_writer, is_device
from pyflame_rt.frontends.onnx.export.models import Exported
from pyflame_rt.frontends.onnx.export.tensors import Initializer, tensor_proto

StrPath: TypeAlias = str | os.PathLike[str]

MAX_MESSAGE = 2**31 - 1
"""Bytes of a message of protobuf."""
EXTERNAL = 1024
"""Bytes of a tensor from which on it goes to the file beside a model that is too large."""
SUFFIX = ".data"

_ALIGNMENT = 64
_PAGE = 4096
_GRAPH, _INITIALIZER, _RAW = (
    ModelProto.GRAPH_FIELD_NUMBER,
    GraphProto.INITIALIZER_FIELD_NUMBER,
    TensorProto.RAW_DATA_FIELD_NUMBER,
)
_SLACK = 1 << 20
"""Bytes that are left free for what is counted only roughly."""


def as_message(model: Exported) -> ModelProto:
    """The model in memory, its tensors copied. Raises UnsupportedFormatError if it is too large."""
    if _total(model) > MAX_MESSAGE:
        raise UnsupportedFormatError(
            "the model is larger than a message can be, 2 GB", hint="write it to a file"
        )
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    proto.graph.CopyFrom(model.graph)
    proto.graph.initializer.extend(tensor_proto(row.name, row.array) for row in model.initializers)
    return proto


def write(model: Exported, path: StrPath, external_data: int | None) -> None:
    """Write the model's file, and `<file>.data` beside it when tensors go there.

    Those are the tensors of at least `external_data` bytes; with None all but the smallest, and
    only if the model is larger than 2 GB. Both files are complete or not there.
    Raises PyFlameRTError when they cannot be written.
    """
    least = external_data
    if least is None and _total(model) > MAX_MESSAGE:
        least = EXTERNAL
    outside = [row for row in model.initializers if _goes_outside(row, least)]
    if outside and is_device(path):
        raise UnsupportedFormatError(
            "a model whose tensors lie beside it needs a file", where=str(path)
        )
    places: dict[str, tuple[int, int]] = {}
    target = Path(path)
    beside = target.with_name(target.name + SUFFIX)
    with ExitStack() as stack:
        stream = stack.enter_context(atomic_writer(path))
        if outside:
            data = stack.enter_context(atomic_writer(beside))
            places = _write_data(data, outside)
        _write_model(stream, model, places, beside.name)


def _goes_outside(row: Initializer, least: int | None) -> bool:
    return least is not None and row.is_raw and row.size >= max(least, 1)


def _total(model: Exported) -> int:
    """Bytes of the model as one message, at most."""
    tensors = sum(row.header().ByteSize() + row.size + 32 for row in model.initializers)
    return model.proto.ByteSize() + model.graph.ByteSize() + tensors + _SLACK


def _write_data(stream: IO[bytes], rows: Sequence[Initializer]) -> dict[str, tuple[int, int]]:
    """Write tensors one after the other; where each begins and how long it is."""
    places: dict[str, tuple[int, int]] = {}
    at = 0
    for row in rows:
        # Pages of their own let a reader map a large tensor by itself.
        boundary = _PAGE if row.size >= _PAGE else _ALIGNMENT
        gap = -at % boundary
        stream.write(bytes(gap))
        stream.write(row.raw())
        places[row.name] = at + gap, row.size
        at += gap + row.size
    return places


def _write_model(
    stream: IO[bytes], model: Exported, places: dict[str, tuple[int, int]], beside: str
) -> None:
    """Write the message field by field, so that it is never in memory as a whole."""
    graph = model.graph.SerializeToString()
    heads = [_head(row, places.get(row.name), beside) for row in model.initializers]
    sizes = [
        len(head) + (row.size if _is_inside(row, places) else 0)
        for head, row in zip(heads, model.initializers, strict=True)
    ]
    total = len(graph) + sum(len(_key(_INITIALIZER, size)) + size for size in sizes)
    stream.write(model.proto.SerializeToString())
    stream.write(_key(_GRAPH, total))
    stream.write(graph)
    for row, head, size in zip(model.initializers, heads, sizes, strict=True):
        stream.write(_key(_INITIALIZER, size))
        stream.write(head)
        if _is_inside(row, places):
            stream.write(row.raw())


def _is_inside(row: Initializer, places: dict[str, tuple[int, int]]) -> bool:
    return row.is_raw and row.name not in places


def _head(row: Initializer, place: tuple[int, int] | None, beside: str) -> bytes:
    """A tensor up to its raw values, or as a whole where they are elsewhere."""
    proto = row.header()
    if place is not None:
        proto.data_location = TensorProto.EXTERNAL
        entries = {"location": beside, "offset": str(place[0]), "length": str(place[1])}
        for key, value in entries.items():
            proto.external_data.add(key=key, value=value)
        return proto.SerializeToString()
    data = proto.SerializeToString()
    return data + _key(_RAW, row.size) if row.is_raw else data


def _key(field: int, size: int) -> bytes:
    """What goes before a field of bytes: its number and its size."""
    return bytes([*_varint(field << 3 | 2), *_varint(size)])


def _varint(number: int) -> Iterator[int]:
    while number >= 0x80:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number
