"""The targets `pfm` and `onnx`, and those of registered formats: modules as files of models."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from pyflame_rt import formats
from pyflame_rt.errors import PyFlameRTError


@dataclass(frozen=True)
class BinaryTarget(Target):
    """A target whose output is a file of bytes."""

    extension: ClassVar[str]
    """That of its files, with the dot."""

    @abstractmethod
    def save(self, module: ModuleOp, path: Path) -> None:
        """Write a module to a file, which is replaced as a whole or not at all.

        Raises PyFlameRTError when it cannot be written, or cannot hold the module.
        """

    @abstractmethod
    def dump(self, module: ModuleOp, stream: IO[bytes]) -> None:
        """Write a module to a stream. Raises as `save`."""

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        stream: IO[bytes] | None = getattr(output, "buffer", None)
        if stream is None or output.isatty():
            raise PyFlameRTError(
                "its output is not text", where=f"target {self.name}", hint="give a file with -o"
            )
        self.dump(module, stream)


@dataclass(frozen=True)
class PfmTarget(BinaryTarget):
    """A `.pfm` file: the module with its weights, and where its ops come from unless `locations`
    is false."""

    name = "pfm"
    extension = ".pfm"

    locations: bool = True

    def save(self, module: ModuleOp, path: Path) -> None:
        from pyflame_rt.frontends.pfm import write_pfm

        write_pfm(module, path, locations=self.locations)

    def dump(self, module: ModuleOp, stream: IO[bytes]) -> None:
        from pyflame_rt.frontends.pfm import dump_pfm

        dump_pfm(module, stream, locations=self.locations)


@dataclass(frozen=True)
class OnnxTarget(BinaryTarget):
    """An `.onnx` file in the vocabulary of version `opset` of ai.onnx."""

    name = "onnx"
    extension = ".onnx"

    opset: int = 17

    def save(self, module: ModuleOp, path: Path) -> None:
        from pyflame_rt.frontends.onnx.export import save_onnx

        save_onnx(module, path, opset=self.opset)

    def dump(self, module: ModuleOp, stream: IO[bytes]) -> None:
        from pyflame_rt.frontends.onnx.export import export_onnx

        stream.write(export_onnx(module, opset=self.opset).SerializeToString())


def target_for(path: str) -> BinaryTarget | None:
    """The target whose files have a path's extension; None for text."""
    suffix = Path(path).suffix.lower()
    ours = next((t for t in (PfmTarget(), OnnxTarget()) if t.extension == suffix), None)
    return ours or formats.target_for(path)
