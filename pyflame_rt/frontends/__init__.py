"""Frontends: bytes of a model file in, a `pfrt` module out. Chosen by the file's extension; files
that torch writes are then told apart by what is in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol, TypeAlias, cast

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.errors import UnsupportedFormatError

Source: TypeAlias = str | os.PathLike[str] | bytes


class Frontend(Protocol):
    """Reads a model from a path, or from its bytes."""

    def __call__(self, source: Source, *, name: str | None = None) -> ModuleOp:
        """The module of a model; `name` stands for the file's in locations and messages."""
        ...


_FRONTENDS = {
    ".onnx": "pyflame_rt.frontends.onnx:import_onnx",
    ".onnxtxt": "pyflame_rt.frontends.onnx:import_onnx",
    ".pt": "pyflame_rt.frontends.torch.loading:import_torch",
    ".pt2": "pyflame_rt.frontends.torch.loading:import_torch",
    ".pth": "pyflame_rt.frontends.torch.loading:import_torch",
    # Tensors without a graph: what to do with them is said when such a file is opened.
    ".safetensors": "pyflame_rt.frontends.torch.loading:import_torch",
}


def extensions() -> tuple[str, ...]:
    """The extensions, with their dots, of the files that a frontend reads."""
    return tuple(_FRONTENDS)


def frontend_for(path: str | os.PathLike[str]) -> Frontend:
    """The frontend for a file, imported now. Raises UnsupportedFormatError when there is none."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FRONTENDS:
        raise UnsupportedFormatError(
            f'no frontend reads "{suffix}" files' if suffix else "a model file needs an extension",
            where=str(path),
            hint=f"known are {', '.join(_FRONTENDS)}",
        )
    module, _, function = _FRONTENDS[suffix].partition(":")
    return cast(Frontend, cast("Callable[..., object]", getattr(import_module(module), function)))
