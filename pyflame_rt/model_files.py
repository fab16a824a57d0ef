"""`save_model` and `load_model`: graphs to files and back, in the format of the extension."""

from __future__ import annotations

import os

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import compiler, module_files
from pyflame_rt.graph import Graph


def save_model(model: Graph | ModuleOp, path: str | os.PathLike[str]) -> None:
    """Write a model to a `.pfm`, `.onnx` or `.mlir` file, which is replaced as a whole or not at all.

    Raises PyFlameRTError when the file cannot be written or its format cannot hold the model,
    UnsupportedFormatError for another extension, and what `Graph.program` raises.
    """
    module = model if isinstance(model, ModuleOp) else model.program().module
    module_files.require_savable(path)
    module_files.save(module, path)


def load_model(path: str | os.PathLike[str], *, verify: bool = False) -> Graph:
    """Read a model of any format and check it; its tensors stay in the file until they are used.

    With `verify` the tensors of a `.pfm` file are compared with their checksums, which reads them.
    Raises ModelNotFoundError, InvalidModelError, UnsupportedFormatError, UnsupportedOperatorError,
    ValidationError.
    """
    if verify and module_files.is_pfm_file(path):
        from pyflame_rt.frontends.pfm import PfmFile

        PfmFile.open(path).verify()
    return Graph.of_program(compiler.load(path))
