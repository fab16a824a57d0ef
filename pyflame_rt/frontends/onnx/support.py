"""Which operators of a model have no rule, found for all of them before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx.model import Model
from pyflame_rt.frontends.onnx.ops import rule_for
from pyflame_rt.frontends.quoting import quoted

_SHOWN = 20


@dataclass(frozen=True)
class UnsupportedNode:
    """A node that cannot be imported, and why."""

    node: str
    op_type: str
    domain: str
    opset: int
    why: str

    def __str__(self) -> str:
        operator = f"{self.domain}::{self.op_type}" if self.domain else self.op_type
        shown = quoted(operator)[1:-1]
        return f"node {quoted(self.node)} ({shown}, opset {self.opset}): {self.why}"


def unsupported_operators(model: Model) -> Iterator[UnsupportedNode]:
    """Every node, also in subgraphs, for which there is no rule."""
    for node in model.graph.walk():
        rule = rule_for(node)
        if rule.build is None and rule.constant is None:
            yield UnsupportedNode(node.label, node.op_type, node.domain, node.opset, rule.why)


def require_supported(model: Model) -> None:
    """Raise UnsupportedOperatorError with every unsupported node of a model.

    Raises InvalidModelError when the model uses ONNX's operators without importing them.
    """
    nodes = list(unsupported_operators(model))
    if not nodes:
        return
    first = next((n for n in model.graph.walk() if not n.domain and not n.opset), None)
    if first is not None:
        raise InvalidModelError(
            "the model does not say which version of ONNX's operators it uses",
            where=first.where(model.file),
        )
    listed = "; ".join(str(node) for node in nodes[:_SHOWN])
    more = f"; and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
    count = "1 node has" if len(nodes) == 1 else f"{len(nodes)} nodes have"
    raise UnsupportedOperatorError(
        f"{count} an unsupported operator: {listed}{more}", where=model.file
    )
