"""Models of one node with what is fed to them: those of ONNX's own suite."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, TypeProto, helper, numpy_helper

Value = Any
"""An array, a list of such, or None."""


@dataclass(frozen=True)
class Case:
    """A model of one node; `expected` are its results, where it came with them."""

    name: str
    model: ModelProto
    feed: Mapping[str, Value]
    expected: Sequence[Value] | None = None
    rtol: float = 1e-3
    atol: float = 1e-7

    @property
    def op(self) -> str:
        """The operator of its node."""
        return self.model.graph.node[0].op_type

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators that it imports."""
        return next(e.version for e in self.model.opset_import if e.domain in ("", "ai.onnx"))


@cache
def suite() -> tuple[Case, ...]:
    """The node tests of onnx.backend.test whose model is one node of ONNX's own operators."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    found: list[Case] = []
    for test in tests:
        model = test.model
        if (
            model is None
            or len(model.graph.node) != 1
            or model.graph.node[0].domain
            or model.functions
        ):
            continue
        domains = {entry.domain for entry in model.opset_import}
        if not domains & {"", "ai.onnx"}:
            continue
        names = [value.name for value in model.graph.input]
        for inputs, outputs in test.data_sets or ():
            # Tests leave out optional inputs at the end, and those that have initializers.
            feed = dict(zip(names, map(_array, inputs), strict=False))
            results = [_array(output) for output in outputs]
            found.append(Case(test.name, model, feed, results, test.rtol, test.atol))
    return tuple(found)


def _array(value: Any) -> Value:
    """Types that NumPy lacks stand as tensors in the suite, and some scalars as NumPy's."""
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class SequenceOf:
    """The type of a sequence of tensors."""

    dtype: Any


def one_node(
    name: str,
    op: str,
    opset: int,
    inputs: Sequence[Value],
    attributes: Mapping[str, Any] | None = None,
    outputs: Sequence[Any] = (np.float32,),
    constant: Sequence[int] = (),
) -> Case:
    """A case by hand: `outputs` are the types of the results, `constant` inputs initializers."""
    names = [f"i{k}" for k in range(len(inputs))]
    results = [f"o{k}" for k in range(len(outputs))]
    node = helper.make_node(op, names, results, **(attributes or {}))
    fed = {n: v for k, (n, v) in enumerate(zip(names, inputs, strict=True)) if k not in constant}
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_value_info(n, _type_of(v)) for n, v in fed.items()],
        [helper.make_value_info(n, _type(k)) for n, k in zip(results, outputs, strict=True)],
        [numpy_helper.from_array(inputs[k], names[k]) for k in constant],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return Case(name, model, fed)


def _type_of(value: Value) -> TypeProto:
    if isinstance(value, list):
        return _type(SequenceOf(value[0].dtype))
    code = helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor_type_proto(code, value.shape)


def _type(kind: Any) -> TypeProto:
    match kind:
        case TypeProto():
            return kind
        case SequenceOf(dtype=dtype):
            return helper.make_sequence_type_proto(_type(dtype))
        case _:
            code = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
            return helper.make_tensor_type_proto(code, None)
