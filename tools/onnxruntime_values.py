"""The values that ONNX Runtime computes, those between a model's nodes included."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy.typing as npt

from pyflame_rt.errors import BackendError, InvalidModelError
from pyflame_rt.tools.command import UsageError

Array: TypeAlias = npt.NDArray[Any]


def run(
    path: str | os.PathLike[str], inputs: Mapping[str, Array], *, layers: bool = False
) -> dict[str, Array]:
    """Run a model file without graph optimizations; outputs by name, with `layers` every value.

    Raises UsageError when ONNX Runtime is not installed or the file is not ONNX, BackendError when
    it rejects the model.
    """
    if Path(path).suffix.lower() not in (".onnx", ".onnxtxt"):
        raise UsageError("--compare onnxruntime needs an .onnx or .onnxtxt model", where=str(path))
    try:
        onnxruntime: Any = import_module("onnxruntime")
    except ImportError as error:
        raise UsageError("onnxruntime is not installed", hint="pip install onnxruntime") from error
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        model = _model(path, layers)
        session: Any = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        values = session.run(names, dict(inputs))
    except (UsageError, InvalidModelError):
        raise
    except Exception as error:
        raise BackendError(f"onnxruntime: {str(error).splitlines()[0]}", where=str(path)) from error
    return cast("dict[str, Array]", dict(zip(names, values, strict=True)))


def _model(path: str | os.PathLike[str], layers: bool) -> str | bytes:
    import onnx
    import onnx.parser

    is_text = Path(path).suffix.lower() == ".onnxtxt"
    if not layers and not is_text:
        return os.fspath(path)
    if is_text:
        model = onnx.parser.parse_model(Path(path).read_text(encoding="utf-8"))
    else:
        model = cast(onnx.ModelProto, cast(Any, onnx).load(os.fspath(path)))
    if layers:
        known = {output.name for output in model.graph.output}
        values = (name for node in model.graph.node for name in node.output if name)
        extra = [name for name in dict.fromkeys(values) if name not in known]
        # Without a type: ONNX Runtime infers it.
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
    return model.SerializeToString()
