"""Files that torch writes, told apart by what is in them."""

from __future__ import annotations

import os

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.frontends.torch.checkpoint import Form, identify


def import_torch(source: str | os.PathLike[str] | bytes, *, name: str | None = None) -> ModuleOp:
    """The `pfrt` module of a TorchScript archive or an exported program, whatever it is called.

    Raises ModelNotFoundError; InvalidModelError when torch writes no such file;
    UnsupportedFormatError for a file that holds tensors without a graph; and what the importers of
    both raise.
    """
    form = identify(source)
    if form is Form.TorchScript:
        from pyflame_rt.frontends.torch.script import import_torchscript

        return import_torchscript(source, name=name)
    if form is Form.Exported:
        from pyflame_rt.frontends.torch.exported import import_exported

        return import_exported(source, name=name)
    where = name or ("<bytes>" if isinstance(source, bytes) else os.fspath(source))
    raise UnsupportedFormatError(
        f"is a {form.value} file: tensors, and no graph to run",
        where=where,
        hint="export the model with torch.export.save, or import its tensors with PyTorchImporter",
    )
