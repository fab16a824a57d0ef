"""Rules for activations."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.constraints import is_float
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op, row


@onnx_op("Clip", since=1)
def clip_attributes(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 11 bounds are attributes, and what is clipped is floats."""
    operand = b.operand(0)
    b.limit_inputs(1)
    if not is_float(operand):
        raise b.error(f"is not defined on {operand.type}")
    return b.emit("clip", [operand, None, None], {"min": b.number("min"), "max": b.number("max")})


RULES: tuple[Rule, ...] = (
    row("Celu", 12, "alpha: float"),
    clip_attributes,
    row("Clip", 11),
    row("Elu", 1, "alpha: float"),
    row("Erf", 9),
    row("Gelu", 20, "approximate: string"),
    row("HardSigmoid", 1, "alpha: float, beta: float"),
    row("HardSwish", 14),
    row("LeakyRelu", 1, "alpha: float"),
    row("Mish", 18),
    row("PRelu", 7),
    row("Relu", 1),
    # The defaults of opset 1 have fewer digits.
    row("Selu", 6, "alpha: float, gamma: float"),
    row("Shrink", 9, "bias: float, lambd: float"),
    row("Sigmoid", 1),
    row("Softplus", 1),
    row("Softsign", 1),
    row("SwiGLU", 28, "alpha: float"),
    row("Swish", 24, "alpha: float"),
    row("Tanh", 1),
    row("ThresholdedRelu", 10, "alpha: float"),
)
"""The rules of this family."""
