"""Convolutions: the window's shape, which is that of the weights, is told as an attribute too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.onnx.export.nodes import AttributeValue, Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule
from pyflame_rt.frontends.onnx.export.schemas import Target


def _convolution(name: str, operands: int) -> Rule:
    """A rule for an op whose first operands are the operator's inputs."""

    def nodes(op: Any, target: Target) -> Sequence[Node]:
        parts = parts_of(op)
        properties = dict(parts.properties)
        if name == "deform_conv" and op.auto_pad.data != "NOTSET":
            if (pads := op.resolved_pads()) is None:
                raise Refused("DeformConv has no auto_pad, and the sizes are not known")
            properties |= {"auto_pad": "NOTSET", "pads": pads}
        weights = shape_of(op.w)
        known = weights is not None and DYNAMIC not in weights[2:]
        attributes: dict[str, AttributeValue] = (
            {"kernel_shape": weights[2:]} if weights is not None and known else {}
        )
        parts = replace(
            parts,
            operands=parts.operands[:operands],
            dynamic=parts.dynamic[:operands],
            properties=properties,
        )
        return [fit(op, target, parts, attributes=attributes)]

    return Rule(f"pfrt.{name}", nodes)


RULES: tuple[Rule, ...] = (
    _convolution("conv", 3),
    _convolution("conv_integer", 4),
    _convolution("conv_transpose", 3),
    _convolution("deform_conv", 5),
    _convolution("qlinear_conv", 9),
)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
