"""Node: one operation of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pyflame_rt.dialects.pfrt.types import PropertyValue

AttributeValue: TypeAlias = PropertyValue | list[int] | list[float] | list[str]


@dataclass(frozen=True)
class Node:
    """One operation: what it is, and the values it reads and defines by name; "" is an absent one.

    The operator type is ONNX's, with its domain where that is another: `com.example::Swish`. Fused
    operations have the documentation's names, such as `FusedConvRelu`.
    """

    op_type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])

    def __str__(self) -> str:
        operands, results = ", ".join(self.inputs), ", ".join(self.outputs)
        return f"{self.name or '(unnamed)'}: {self.op_type}({operands}) -> {results}"
