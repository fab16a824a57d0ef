"""IR in files: `.mlir` text with its weights beside it, and models through their frontends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.ir import Attribute

from pyflame_rt import frontends
from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.ir_text import has_locations, parse, to_text

if TYPE_CHECKING:
    from pyflame_rt.dialects.pfrt.attributes import WeightAttr

StrPath: TypeAlias = str | os.PathLike[str]
Loader: TypeAlias = Callable[[Path, Context], ModuleOp]

__all__ = [
    "has_locations",
    "is_for_text",
    "load",
    "load_bytes",
    "load_weights",
    "load_weights_beside",
    "loaders",
    "parse",
    "save",
    "to_text",
    "used_weights",
    "write",
]

WEIGHTS_SUFFIX = ".weights"


def load(
    path: StrPath, ctx: Context, weights: StrPath | None = None, *, format: str | None = None
) -> ModuleOp:
    """The module in a file, by its extension (or `format`): `.mlir`, `.onnx` or `.onnxtxt`.

    Weights of IR are mapped from `weights` and from the `.weights` file beside it, if there is
    one. The module is not verified. Raises ModelNotFoundError, UnsupportedFormatError,
    InvalidModelError, and what the frontend raises.
    """
    source = Path(path)
    loader = loaders().get(source.suffix.lower() if format is None else f".{format}")
    if loader is None:
        formats = ", ".join(sorted(loaders()))
        raise UnsupportedFormatError(
            f'no frontend reads "{source.suffix}" files',
            where=str(path),
            hint=f"the extensions are {formats}",
        )
    if weights is not None:
        load_weights(weights, ctx)
    return loader(source, ctx)


def loaders() -> dict[str, Loader]:
    """File extension -> what reads such a file."""
    return {".mlir": _load_ir} | {known: _model_loader(known) for known in frontends.extensions()}


def load_bytes(data: bytes, name: str) -> ModuleOp:
    """The module of a model in memory. Raises as `load` does."""
    from pyflame_rt.frontends.onnx import import_onnx

    return import_onnx(data, name=name)


def load_weights(path: StrPath, ctx: Context) -> None:
    """Map a weights side file into a Context, for IR that is parsed afterwards."""
    from pyflame_rt.dialects.pfrt.attributes import weight_store

    weight_store(ctx).load(path)


def load_weights_beside(path: StrPath, ctx: Context) -> None:
    """Map the `.weights` file beside an IR file, if there is one."""
    beside = Path(path).with_suffix(WEIGHTS_SUFFIX)
    if beside.is_file():
        load_weights(beside, ctx)


def save(module: ModuleOp, path: StrPath) -> None:
    """Write a module's text with locations, and its weights to the `.weights` file beside it.

    Raises PyFlameRTError when the files cannot be written; then neither has changed.
    """
    write(path, to_text(module), used_weights(module))


def write(path: StrPath, text: str, weights: Iterable[WeightAttr]) -> None:
    """Write IR text and, when there are weights whose values are at hand, their side file.

    A device or pipe gets the text alone. Raises PyFlameRTError when the files cannot be written.
    """
    from pyflame_rt.files import atomic_writer, is_device
    from pyflame_rt.weights import write_side_file

    present = [attr.data for attr in weights if attr.data.is_present]
    with atomic_writer(path) as stream:
        stream.write(text.encode())
        if present and not is_device(path):
            write_side_file(Path(path).with_suffix(WEIGHTS_SUFFIX), present)


def is_for_text(path: StrPath) -> bool:
    """Whether a path may hold IR: not a model, lost to its own IR, nor the weights beside a text."""
    suffix = Path(path).suffix.lower()
    return suffix == ".mlir" or suffix not in (WEIGHTS_SUFFIX, *loaders())


def used_weights(module: ModuleOp) -> Iterator[WeightAttr]:
    """Every weight handle in a module, in order, repeated where it is used again."""
    for op in module.walk():
        for attr in (*op.properties.values(), *op.attributes.values()):
            yield from _weights_in(attr)


def _weights_in(attr: Attribute) -> Iterator[WeightAttr]:
    from pyflame_rt.dialects.pfrt.attributes import WeightAttr

    match attr:
        case WeightAttr():
            yield attr
        case ArrayAttr():
            for item in attr:
                yield from _weights_in(item)
        case DictionaryAttr():
            for item in attr.data.values():
                yield from _weights_in(item)
        case _:
            return


def _load_ir(path: Path, ctx: Context) -> ModuleOp:
    from pyflame_rt.weights import map_file

    data = map_file(path).tobytes()
    load_weights_beside(path, ctx)
    return parse(data, ctx, str(path))


def _model_loader(extension: str) -> Loader:
    def load_model(path: Path, ctx: Context) -> ModuleOp:
        # The format may be given, whatever the file is called.
        return frontends.frontend_for(path.with_suffix(extension))(path)

    return load_model
