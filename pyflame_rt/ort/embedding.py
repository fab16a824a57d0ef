"""ONNX models whose external data is given in memory: it is put into the model before it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.ort.value import OrtValue


def embedded(
    source: str | os.PathLike[str] | bytes,
    values: Mapping[str, OrtValue],
    files: Mapping[str, memoryview],
) -> str | os.PathLike[str] | bytes:
    """An ONNX model with the external initializers that are given in it; the source itself where
    there is none of them.

    `values` replaces initializers by name, `files` stands for external files. Tensors that lie in
    other files are looked for there only if the source itself can be used.
    Raises InvalidModelError for a range outside of a file in memory.
    """
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        model = onnx.load_model_from_string(data)
    except (OSError, DecodeError):
        # Reading it says what is wrong.
        return source
    found = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    changed = [t for t in found if _embed(t, values, files)]
    return model.SerializeToString() if changed else source


def _embed(
    tensor: TensorProto, values: Mapping[str, OrtValue], files: Mapping[str, memoryview]
) -> bool:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if tensor.name in values:
        array = values[tensor.name].numpy()
        made = numpy_helper.from_array(array, tensor.name)
        tensor.CopyFrom(made)
        return True
    file = files.get(entries.get("location", ""))
    if file is None:
        return False
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", len(file) - offset))
    except ValueError as error:
        raise InvalidModelError(str(error), where=f'initializer "{tensor.name}"') from error
    if not 0 <= offset <= offset + length <= len(file):
        raise InvalidModelError(
            f"external data at bytes {offset}..{offset + length} lies outside its file of "
            f"{len(file)} bytes",
            where=f'initializer "{tensor.name}"',
        )
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = file[offset : offset + length].tobytes()
    return True


def memory(buffer: object, length: int) -> memoryview:
    """The first bytes of an object that has a buffer. Raises TypeError, ValueError."""
    raw = np.frombuffer(cast(Any, buffer), np.uint8)
    if length > raw.size:
        raise ValueError(f"{length} bytes of a buffer of {raw.size}")
    return memoryview(cast(Any, raw))[:length]
