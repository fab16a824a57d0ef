"""Rules for recurrent networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, PropertyValue, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, attribute_rows, inputs, read_attributes
from pyflame_rt.kernels.recurrent import ACTIVATIONS

_COMMON = "clip: float, direction: string, layout: int"


def _recurrent(op_type: str, own: str = "") -> Rule:
    """A rule since opset 7, when the attribute output_sequence went; layout came in opset 14."""
    name = op_type.lower()

    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        operands, _ = inputs(b, name)
        _check_hidden_size(b)
        return b.emit(name, operands, recurrent_properties(b, own))

    return Rule(op_type, 7, build)


def recurrent_properties(
    b: NodeBuilder, own: str = ""
) -> dict[str, PropertyValue | Attribute | None]:
    """The properties of a recurrent op; `own` are the attributes that only this one has."""
    properties = read_attributes(b, attribute_rows(f"{_COMMON}, {own}"))
    given = b.texts("activations")
    canonical = {known.lower(): known for known in ACTIVATIONS}
    properties["activations"] = (
        tuple(canonical.get(text.lower(), text) for text in given) if given else None
    )
    for parameter in ("activation_alpha", "activation_beta"):
        numbers = b.numbers(parameter)
        properties[parameter] = np.array(numbers, np.float32) if numbers else None
    return properties


def _check_hidden_size(b: NodeBuilder) -> None:
    """The attribute may only repeat what the weights say."""
    size, weights = b.integer("hidden_size"), shape_of(b.operand(2))
    if size is None or weights is None or weights[-1] in (size, DYNAMIC):
        return
    raise b.error(f"hidden_size {size} is not that of the weights, {weights[-1]}")


RULES: tuple[Rule, ...] = (
    _recurrent("GRU", "linear_before_reset: flag"),
    _recurrent("LSTM", "input_forget: flag"),
    _recurrent("RNN"),
)
"""The rules of this family."""
