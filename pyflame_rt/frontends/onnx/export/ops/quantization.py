"""Quantization: which type results have, the zero point says where no attribute can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pyflame_rt.dialects.pfrt.types import dtype_of, static_shape_of
from pyflame_rt.frontends.onnx.export.nodes import Input, Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("quantize_linear")
def quantize_linear(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 21 a zero point says the type."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    operands: list[Input] = list(parts.operands)
    if target.opset < 21 and "output_dtype" in properties:
        del properties["output_dtype"]
        if operands[2] is None and dtype_of(op.result) != np.uint8:
            shape = static_shape_of(op.scale)
            if shape is None:
                raise Refused("QuantizeLinear has no output_dtype before opset 21")
            operands[2] = np.zeros(shape, dtype_of(op.result))
    return [fit(op, target, replace(parts, operands=tuple(operands), properties=properties))]


@rule("dequantize_linear")
def dequantize_linear(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 23 results have the type of the scale."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    if target.opset < 23 and dtype_of(op.result) == dtype_of(op.scale):
        properties.pop("output_dtype", None)
    return [fit(op, target, replace(parts, properties=properties))]


RULES: tuple[Rule, ...] = (dequantize_linear, quantize_linear)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
