"""One operator on given inputs: as an ONNX model, and as what is fed to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import dtypes

Array = np.ndarray[Any, np.dtype[Any]]
Shapes = Literal["static", "symbolic", "unranked"]


@dataclass(frozen=True)
class Case:
    """A node of operator `op` in version `opset` of `domain`, its inputs (None: absent) and
    attributes.

    `constants` are the positions of the inputs that are initializers; the others are fed, their
    shapes declared as `shapes` says. The last `captured` of them are no inputs of the node, but
    seen by the subgraphs among its attributes: input k is called `i<k>`.
    `magnitude` is the size of the numbers that a result is a difference of, where the result's own
    size is no measure of the rounding to expect.
    """

    op: str
    opset: int
    inputs: tuple[Array | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    captured: int = 0
    constants: frozenset[int] = frozenset()
    shapes: Shapes = "static"
    magnitude: float = 0.0
    domain: str = ""

    @property
    def arrays(self) -> list[Array]:
        """The inputs that are there."""
        return [array for array in self.inputs if array is not None]

    def feed(self) -> dict[str, Array]:
        """What is fed, by name."""
        return {
            f"i{k}": array
            for k, array in enumerate(self.inputs)
            if array is not None and k not in self.constants
        }

    def model(self) -> bytes:
        """The model of this node alone."""
        own = self.inputs[: len(self.inputs) - self.captured]
        names = ["" if array is None else f"i{k}" for k, array in enumerate(own)]
        results = [f"o{k}" for k in range(self.outputs)]
        node = helper.make_node(self.op, names, results, domain=self.domain, **self.attributes)
        initializers = [
            numpy_helper.from_array(array, f"i{k}")
            for k, array in enumerate(self.inputs)
            if array is not None and k in self.constants
        ]
        graph = helper.make_graph(
            [node],
            "one_node",
            [self._declared(name, array) for name, array in self.feed().items()],
            [helper.make_empty_tensor_value_info(name) for name in results],
            initializers,
        )
        opsets = [helper.make_opsetid(self.domain, self.opset)]
        if self.domain:
            opsets.append(helper.make_opsetid("", 17))
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()

    def _declared(self, name: str, array: Array) -> Any:
        is_text = array.dtype == np.object_
        element = TensorProto.STRING if is_text else dtypes.by_numpy()[array.dtype].onnx
        shape: list[int | str] | None = list(array.shape)
        if self.shapes == "symbolic":
            shape = [f"{name}_{axis}" for axis in range(array.ndim)]
        elif self.shapes == "unranked":
            shape = None
        return helper.make_tensor_value_info(name, element, shape)
