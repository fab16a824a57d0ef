"""Model formats that programs and plugins add: what reads and writes files of an extension.

A loader returns a `Graph` in ONNX's vocabulary (or a module of IR), a saver gets one. Everything
that reads or writes models asks here: sessions, `module_files`, `pfrt-opt`, `pfrt-run`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.errors import (
    InvalidModelError,
    ModelNotFoundError,
    PyFlameRTError,
    UnsupportedFormatError,
    ValidationError,
)
from pyflame_rt.registrations import Registry

if TYPE_CHECKING:
    from pyflame_rt.binary_targets import BinaryTarget
    from pyflame_rt.graph import Graph

Loader: TypeAlias = Callable[[Path, Context], ModuleOp]
Saver: TypeAlias = Callable[[ModuleOp, Path], None]

_OURS = (".mlir", ".onnx", ".onnxtxt", ".pfm", ".pt", ".pt2", ".pth", ".safetensors", ".weights")


class ModelLoader(ABC):
    """Reads models of a format."""

    @abstractmethod
    def extensions(self) -> list[str]:
        """The extensions of its files, with the dot."""

    @abstractmethod
    def load(self, path: str) -> Graph | ModuleOp:
        """The model in a file. Whatever it raises is told as InvalidModelError, with the path."""

    def can_load(self, path: str) -> bool:
        """Whether it reads this file: by its extension, unless overridden."""
        return Path(path).suffix.lower() in self.extensions()


class ModelSaver(ABC):
    """Writes models in a format."""

    @abstractmethod
    def default_extension(self) -> str:
        """The extension of its files, with the dot."""

    @abstractmethod
    def save(self, graph: Graph, path: str) -> None:
        """Write a model, whose nodes are ONNX operators, to a file."""


class FormatRegistry:
    """The formats that were added."""

    def __init__(self) -> None:
        self._loaders: Registry[ModelLoader] = Registry("model loader")
        self._savers: Registry[ModelSaver] = Registry("model saver")

    @staticmethod
    def instance() -> FormatRegistry:
        """The registry."""
        return _instance()

    def register_loader(self, loader: ModelLoader) -> None:
        """Add a loader. Several may share an extension: the first that `can_load` a file reads it.

        Raises ValidationError for extensions that are none, or those of PyFlameRT's own formats.
        """
        known = loader.extensions()
        for extension in known:
            _check_extension(extension, type(loader).__name__)
        self._loaders.add(f"{' '.join(known)} ({type(loader).__name__})", loader)

    def register_saver(self, saver: ModelSaver) -> None:
        """Add a saver. Raises ValidationError when its extension has one, or cannot have one."""
        extension = saver.default_extension()
        _check_extension(extension, type(saver).__name__)
        self._savers.add(extension, saver)

    def unregister(self, extension: str) -> bool:
        """Forget loaders and savers of an extension; whether there were any."""
        names = [
            name
            for name, loader in zip(self._loaders, self._loaders.values(), strict=True)
            if extension in loader.extensions()
        ]
        for name in names:
            self._loaders.remove(name)
        return self._savers.remove(extension) or bool(names)

    def loaders(self) -> tuple[ModelLoader, ...]:
        """The loaders, in the order of registration."""
        return self._loaders.values()

    def savers(self) -> tuple[ModelSaver, ...]:
        """The savers, in the order of registration."""
        return self._savers.values()


@cache
def _instance() -> FormatRegistry:
    return FormatRegistry()


def loaders() -> dict[str, Loader]:
    """Extension -> what reads such a file, of the formats that were added."""
    registry = FormatRegistry.instance()
    known = [extension for loader in registry.loaders() for extension in loader.extensions()]
    return dict.fromkeys(known, _load)


def savers() -> dict[str, Saver]:
    """Extension -> what writes such a file, of the formats that were added."""
    found = FormatRegistry.instance().savers()
    return {saver.default_extension(): partial(_save, saver) for saver in found}


def target_for(path: str) -> BinaryTarget | None:
    """The target whose files have a path's extension, of the formats that were added."""
    from pyflame_rt.binary_targets import BinaryTarget

    suffix = Path(path).suffix.lower()
    if (saver := savers().get(suffix)) is None:
        return None

    @dataclass(frozen=True)
    class FormatTarget(BinaryTarget):
        """A format that a plugin writes."""

        name = suffix.removeprefix(".")
        extension = suffix

        def save(self, module: ModuleOp, path: Path) -> None:
            saver(module, path)

        def dump(self, module: ModuleOp, stream: Any) -> None:
            raise UnsupportedFormatError(
                "is written to files only", where=f"target {self.name}", hint="give one with -o"
            )

    return FormatTarget()


def _check_extension(extension: str, owner: str) -> None:
    if not extension.startswith(".") or extension.lower() != extension or len(extension) < 2:
        raise ValidationError(f'"{extension}" is no extension such as ".json"', where=owner)
    if extension in _OURS:
        raise ValidationError(f'"{extension}" files are read by PyFlameRT itself', where=owner)


def _load(path: Path, ctx: Context) -> ModuleOp:
    for loader in FormatRegistry.instance().loaders():
        try:
            if loader.can_load(str(path)):
                return _module(loader.load(str(path)), path)
        except PyFlameRTError:
            raise
        except FileNotFoundError as error:
            raise ModelNotFoundError(
                "no such file", where=str(path), hint="check the path"
            ) from error
        except Exception as error:
            raise InvalidModelError(_told(error), where=str(path)) from error
    raise UnsupportedFormatError("no loader of its extension takes the file", where=str(path))


def _module(loaded: object, path: Path) -> ModuleOp:
    from pyflame_rt.graph import Graph

    if isinstance(loaded, Graph):
        return loaded.program().module
    if isinstance(loaded, ModuleOp):
        return loaded
    raise InvalidModelError(
        f"its loader returned a {type(loaded).__name__}, not a Graph", where=str(path)
    )


def _save(saver: ModelSaver, module: ModuleOp, path: Path) -> None:
    from pyflame_rt.frontends.onnx.export import export_onnx
    from pyflame_rt.graph import Graph

    graph = Graph.of_onnx(export_onnx(module))
    try:
        saver.save(graph, str(path))
    except PyFlameRTError:
        raise
    except Exception as error:
        raise PyFlameRTError(f"cannot be written: {_told(error)}", where=str(path)) from error


def _told(error: Exception) -> str:
    text = str(error)
    if isinstance(error, ValueError | OSError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
