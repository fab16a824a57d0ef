"""From a path or bytes to a checked model and a reader of its tensors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import onnx.parser

from pyflame_rt.errors import InputError, InvalidModelError
from pyflame_rt.frontends.onnx.external import ExternalFiles
from pyflame_rt.frontends.onnx.model import Model
from pyflame_rt.frontends.onnx.reading import read
from pyflame_rt.frontends.onnx.tensors import TensorReader
from pyflame_rt.frontends.onnx.wire import Bytes, read_model
from pyflame_rt.frontends.quoting import printable
from pyflame_rt.limits import DEFAULT_LIMITS, Limits
from pyflame_rt.weights import map_file

_MAX_TEXT = 16 << 20
_MAX_TEXT_DEPTH = 64
_SHOWN = 400
_CPP_ERRORS = (RuntimeError, ValueError, IndexError, OverflowError)
"""What exceptions of onnx's parser in C++ become in Python."""
_BYTES_NAME = "model.onnx"


@dataclass(frozen=True)
class LoadedModel:
    """A model and what is needed to read its tensors."""

    model: Model
    tensors: TensorReader


def load(
    source: str | os.PathLike[str] | bytes,
    name: str | None = None,
    *,
    base_directory: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> LoadedModel:
    """Load a model from a `.onnx` or `.onnxtxt` file, or from the bytes of an `.onnx` one.

    `name` stands for the file's name in locations and messages. `base_directory` is where external
    data is: the file's folder unless given, and nowhere for bytes.
    Raises InputError for what is neither path nor bytes, ModelNotFoundError, InvalidModelError.
    """
    if not isinstance(cast(object, source), str | os.PathLike | bytes):
        raise InputError(
            f"cannot load a model from {type(source).__name__}",
            hint="give a path or an ONNX model's bytes",
        )
    if isinstance(source, bytes):
        file, folder = name or _BYTES_NAME, None
        data: Bytes = np.frombuffer(source, np.uint8)
    else:
        path = Path(source)
        file, folder = name or path.name, path.parent
        data = map_file(path)
        if path.suffix.lower() == ".onnxtxt":
            data = _serialized(data, file)
    wire = read_model(data, file)
    external = ExternalFiles(folder if base_directory is None else Path(base_directory), limits)
    return LoadedModel(read(wire.proto, file), TensorReader(wire, external))


def _serialized(data: Bytes, file: str) -> Bytes:
    """The wire form of a model in ONNX's textual syntax."""
    if data.size > _MAX_TEXT:
        raise InvalidModelError(f"ONNX text of more than {_MAX_TEXT >> 20} MiB", where=file)
    try:
        text = data.tobytes().decode()
    except UnicodeDecodeError as error:
        raise InvalidModelError("ONNX text must be UTF-8", where=file) from error
    depth = 0
    for character in text:
        # onnx's parser recurses once a bracket.
        depth += (character in "([{<") - (character in ")]}>")
        if depth > _MAX_TEXT_DEPTH:
            raise InvalidModelError(
                f"ONNX text is nested more than {_MAX_TEXT_DEPTH} deep", where=file
            )
    try:
        proto = onnx.parser.parse_model(text)
    except (onnx.parser.ParseError, *_CPP_ERRORS) as error:
        why = printable(" ".join(str(error).split())[:_SHOWN])
        raise InvalidModelError(f"not ONNX text: {why}", where=file) from error
    return np.frombuffer(proto.SerializeToString(), np.uint8)
