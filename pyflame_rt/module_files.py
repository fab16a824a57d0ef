"""Modules in files: `.mlir` text with its weights beside it, `.pfm`, and models of other programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.ir import Attribute

from pyflame_rt import formats, frontends
from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.ir_text import has_locations, parse, to_text

if TYPE_CHECKING:
    from pyflame_rt.dialects.pfrt.attributes import WeightAttr

StrPath: TypeAlias = str | os.PathLike[str]
Loader: TypeAlias = Callable[[Path, Context], ModuleOp]
Saver: TypeAlias = Callable[[ModuleOp, Path], None]

__all__ = [
    "has_locations",
    "is_for_text",
    "is_onnx",
    "is_pfm_file",
    "load",
    "load_bytes",
    "load_weights",
    "load_weights_beside",
    "loaders",
    "parse",
    "require_savable",
    "save",
    "savers",
    "to_text",
    "used_weights",
    "write",
]

WEIGHTS_SUFFIX = ".weights"
PFM_SUFFIX = ".pfm"
_MAGIC = 4
_ZIP = b"PK\x03\x04"


def load(
    path: StrPath, ctx: Context, weights: StrPath | None = None, *, format: str | None = None
) -> ModuleOp:
    """The module in a file, by its extension (or `format`), one of `loaders`.

    Weights of IR are mapped from `weights` and from the `.weights` file beside it, if there is
    one. The module is not verified. Raises ModelNotFoundError, UnsupportedFormatError,
    InvalidModelError, and what the frontend raises.
    """
    source = Path(path)
    suffix = source.suffix.lower() if format is None else f".{format}"
    if format is None and suffix not in formats.loaders():
        # What is inside decides: no other of our formats begins like that.
        suffix = _suffix_by_content(source) or suffix
    loader = loaders().get(suffix)
    if loader is None:
        raise UnsupportedFormatError(
            f'no frontend reads "{source.suffix}" files',
            where=str(path),
            hint=f"the extensions are {', '.join(sorted(loaders()))}",
        )
    if weights is not None:
        load_weights(weights, ctx)
    return loader(source, ctx)


def loaders() -> dict[str, Loader]:
    """File extension -> what reads such a file."""
    models = {known: _model_loader(known) for known in frontends.extensions()}
    return {".mlir": _load_ir, PFM_SUFFIX: _load_pfm} | models | formats.loaders()


def savers() -> dict[str, Saver]:
    """File extension -> what writes such a file; it replaces one that is there, or raises."""
    ours: dict[str, Saver] = {".mlir": _save_ir, PFM_SUFFIX: _save_pfm, ".onnx": _save_onnx}
    return ours | formats.savers()


def load_bytes(data: bytes, name: str | None, ctx: Context) -> ModuleOp:
    """The module of a model in memory: `.pfm`, one of torch's archives, or else ONNX.

    `name` stands for a file's in messages. Raises as `load` does.
    """
    suffix = _suffix_of(data[:_MAGIC]) or ".onnx"
    if suffix == PFM_SUFFIX:
        from pyflame_rt.frontends.pfm import read_pfm

        return read_pfm(data, ctx, name=name)
    return frontends.frontend_for(f"model{suffix}")(data, name=name)


def is_pfm_file(path: StrPath) -> bool:
    """Whether a file begins as `.pfm` files do, whatever it is called."""
    return _suffix_by_content(path) == PFM_SUFFIX


def is_onnx(data: bytes) -> bool:
    """Whether `load_bytes` takes these for an ONNX model."""
    return _suffix_of(data[:_MAGIC]) is None


def _suffix_by_content(path: StrPath) -> str | None:
    try:
        # Not of a pipe, which would be empty afterwards.
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return _suffix_of(file.read(_MAGIC))
    except (OSError, ValueError):
        return None


def _suffix_of(beginning: bytes) -> str | None:
    """The extension of what begins so, where that says it: `.pfm` files and torch's archives."""
    from pyflame_rt.frontends.pfm import is_pfm

    if is_pfm(beginning):
        return PFM_SUFFIX
    return ".pt" if beginning.startswith(_ZIP) else None


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
    """Write a module in the format of the file's extension; IR text when it is none of `savers`.

    IR text has locations, and a `.weights` file beside it when any weight is used.
    Raises PyFlameRTError when the files cannot be written, and then none has changed; among others
    UnsupportedFormatError for the extension of a format that is only read.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix in loaders():
        require_savable(path)
    savers().get(suffix, _save_ir)(module, target)


def require_savable(path: StrPath) -> None:
    """Raises UnsupportedFormatError unless the extension is that of a format that is written."""
    suffix = Path(path).suffix.lower()
    if suffix not in savers():
        raise UnsupportedFormatError(
            f'"{suffix}" files cannot be written',
            where=str(path),
            hint=f"the extensions are {', '.join(savers())}",
        )


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


def _save_ir(module: ModuleOp, path: Path) -> None:
    write(path, to_text(module), used_weights(module))


def _save_pfm(module: ModuleOp, path: Path) -> None:
    from pyflame_rt.frontends.pfm import write_pfm

    write_pfm(module, path)


def _save_onnx(module: ModuleOp, path: Path) -> None:
    from pyflame_rt.frontends.onnx.export import save_onnx

    save_onnx(module, path)


def _load_pfm(path: Path, ctx: Context) -> ModuleOp:
    from pyflame_rt.frontends.pfm import read_pfm

    return read_pfm(path, ctx)


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
