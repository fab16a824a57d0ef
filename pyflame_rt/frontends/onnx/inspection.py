"""What a model holds, told without building IR."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pyflame_rt.frontends.onnx.inlining import inline_functions
from pyflame_rt.frontends.onnx.loading import load
from pyflame_rt.frontends.onnx.model import ValueInfo
from pyflame_rt.frontends.onnx.support import UnsupportedNode, unsupported_operators


@dataclass(frozen=True)
class Inspection:
    """A summary of a model.

    `operators` counts nodes by operator (`domain::Name` outside ONNX's own), also those in
    subgraphs and in functions that are called; `parameters` counts elements of initializers.
    """

    graph_name: str
    ir_version: int
    opset_import: Mapping[str, int]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    operators: Mapping[str, int]
    parameters: int
    unsupported: tuple[UnsupportedNode, ...]


def inspect_onnx(source: str | os.PathLike[str] | bytes, *, name: str | None = None) -> Inspection:
    """Summarise a model.

    Raises InputError for what is neither path nor bytes, ModelNotFoundError, InvalidModelError.
    """
    model = inline_functions(load(source, name).model)
    graph = model.graph
    operators = Counter(node.operator for node in graph.walk())
    return Inspection(
        graph_name=graph.name,
        ir_version=model.ir_version,
        opset_import={domain or "ai.onnx": v for domain, v in model.opset_import.items()},
        inputs=tuple(value for value in graph.inputs if value.name not in graph.initializers),
        outputs=graph.outputs,
        operators=dict(sorted(operators.items(), key=lambda item: (-item[1], item[0]))),
        parameters=sum(max(0, math.prod(t.dims)) for t in graph.initializers.values()),
        unsupported=tuple(unsupported_operators(model)),
    )
