"""Modules as ONNX models: the opposite of `import_onnx`.

`flattening` takes fused forms apart, `lowering` finds the nodes of each op by the rules of `ops`
or by ONNX's own definitions (`nodes`, `schemas`), `graphs` and `models` put them together with
names and metadata, `writing` brings them to a file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx.onnx_ml_pb2 import ModelProto
    from xdsl.dialects.builtin import ModuleOp

__all__ = ["export_onnx", "save_onnx"]


def export_onnx(module: ModuleOp, *, opset: int | None = 17, function: str = "main") -> ModelProto:
    """The ONNX model of a module's function, for an operator set (7 to 28).

    Ops that the operator set lacks are made of what it has; `opset` None is the smallest from 17
    on that needs nothing of that. The module is left as it is.
    Raises UnsupportedOperatorError, which lists every op that cannot be said and the opset that it
    needs, ValidationError, MissingWeightsError, and UnsupportedFormatError above 2 GB.
    """
    from pyflame_rt.frontends.onnx.export.models import exported
    from pyflame_rt.frontends.onnx.export.writing import as_message

    return as_message(exported(module, opset, function))


def save_onnx(
    module: ModuleOp,
    path: str | os.PathLike[str],
    *,
    opset: int | None = 17,
    function: str = "main",
    external_data: int | None = None,
) -> None:
    """Write the ONNX model of a module's function to a file, atomically.

    Tensors of at least `external_data` bytes go to the file `<path>.data`; None means all but the
    smallest, and only where the model would be larger than 2 GB. Raises as `export_onnx` does, and
    PyFlameRTError when a file cannot be written.
    """
    from pyflame_rt.frontends.onnx.export.models import exported
    from pyflame_rt.frontends.onnx.export.writing import write

    write(exported(module, opset, function), path, external_data)
