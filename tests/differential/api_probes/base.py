"""What probes of a session API are made of: a table, tiny models, and outcomes in normal form."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
X = np.arange(6, dtype=np.float32).reshape(2, 3)
Y = np.ones(3, np.float32)


@dataclass(frozen=True)
class Api:
    """The module under test, and a folder for its files."""

    module: ModuleType
    folder: Path

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def session(self, model: object, options: Any = None, **keywords: Any) -> Any:
        """A session that logs nothing."""
        if options is None:
            options = self.module.SessionOptions()
        options.log_severity_level = 4
        keywords.setdefault("providers", ["CPUExecutionProvider"])
        return self.module.InferenceSession(model, options, **keywords)


Body = Callable[[Api], object]
PROBES: dict[str, Body] = {}


def probe(name: str) -> Callable[[Body], Body]:
    """Register a probe: what it returns or raises is compared."""

    def register(body: Body) -> Body:
        assert name not in PROBES, name
        PROBES[name] = body
        return body

    return register


def tensor(name: str, shape: Sequence[object] | None, element: int = FLOAT) -> ValueInfoProto:
    """An input or output."""
    return helper.make_tensor_value_info(name, element, shape)


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    initializers: Sequence[object] = (),
    *,
    opset: int = 18,
    ir_version: int = 10,
    domains: dict[str, int] | None = None,
) -> bytes:
    """A model's bytes; initializers are TensorProtos or (name, array)."""
    tensors = [
        numpy_helper.from_array(item[1], item[0]) if isinstance(item, tuple) else item
        for item in initializers
    ]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors, doc_string="gdoc")
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, n) for domain, n in (domains or {}).items()]
    made = helper.make_model(
        graph, opset_imports=opsets, ir_version=ir_version, producer_name="prod", domain="dom"
    )
    made.model_version, made.doc_string = 7, "doc"
    helper.set_model_props(made, {"k": "v"})
    return made.SerializeToString()


def add_and_multiply() -> bytes:
    """x of [N, 3] and y of [3] to their sum and product."""
    return model(
        [
            helper.make_node("Add", ["x", "y"], ["sum"], "add0"),
            helper.make_node("Mul", ["x", "y"], ["product"], "mul0"),
        ],
        [tensor("x", ["N", 3]), tensor("y", [3])],
        [tensor("sum", ["N", 3]), tensor("product", ["N", 3])],
    )


def identity(element: int = FLOAT, shape: Sequence[object] | None = ("N",), **about: Any) -> bytes:
    """x to y, the same."""
    node = helper.make_node("Identity", ["x"], ["y"], "id0")
    return model([node], [tensor("x", shape, element)], [tensor("y", shape, element)], **about)


def one_node(op: str, *, opset: int = 18, name: str = "", **attributes: Any) -> bytes:
    """x of [1] through a node of one input, to y."""
    node = helper.make_node(op, ["x"], ["y"], name, **attributes)
    return model([node], [tensor("x", [1])], [tensor("y", [1])], opset=opset)


def kinds(arrays: Sequence[np.ndarray]) -> list[object]:
    """dtype and shape of each array."""
    return [(type(a).__name__, str(a.dtype), a.shape) for a in arrays]


@dataclass(frozen=True)
class Outcome:
    """What a probe came to: a value, or an exception's class and text; and warnings."""

    value: object = None
    error: BaseException | None = None
    warned: tuple[str, ...] = ()

    def text(self, module: str) -> str:
        """The error's text without what differs from run to run."""
        return normal(str(self.error), module)


def observe(body: Body, api: Api) -> Outcome:
    """Run a probe."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value, error = body(api), None
        except Exception as raised:
            value, error = None, raised
    texts = tuple(f"{w.category.__name__}: {w.message}" for w in caught)
    return Outcome(value, error, texts)


def normal(text: str, module: str) -> str:
    """A text without addresses, C++ positions, the module's name and line breaks."""
    text = re.sub(r"\b0x[0-9a-f]+", "ADDRESS", text)
    text = re.sub(r"/onnxruntime_src/\S+:\d+ .*?\)( const)?( \[with [^\]]*\])? ", "", text)
    # A C++ condition.
    text = re.sub(r"^(.* )?was false\. ", "", text)
    text = re.sub(rf"\b{module}\.", "ort.", text)
    return " ".join(text.split())
