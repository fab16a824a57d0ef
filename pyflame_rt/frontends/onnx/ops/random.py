"""Rules for draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op, row

_NORMAL = "seed: float, mean: float, scale: float"
_UNIFORM = "seed: float, low: float, high: float"


@onnx_op("Dropout", since=7)
def dropout_7(b: NodeBuilder) -> Sequence[SSAValue]:
    """Inference leaves everything in place; the mask has the type of the operand."""
    b.limit_inputs(1)
    b.number("ratio")
    operand = b.operand(0)
    kind = dtype_of(operand) if b.node.opset < 10 else np.dtype(np.bool_)
    return _kept(b, operand, kind)


@onnx_op("Dropout", since=12)
def dropout_12(b: NodeBuilder) -> Sequence[SSAValue]:
    """Whether it is training is an input."""
    b.limit_inputs(3)
    seed, operand, known = b.integer("seed"), b.operand(0), b.known(2)
    if not b.has_input(2) or (known is not None and not known.any()):
        return _kept(b, operand, np.dtype(np.bool_))
    ratio = b.optional(1) if b.has_input(1) else b.constant(np.array(0.5, np.float32))
    return b.emit("dropout", [operand, ratio, b.operand(2)], {"seed": seed})


def _kept(b: NodeBuilder, operand: SSAValue, mask_kind: np.dtype[np.generic]) -> Sequence[SSAValue]:
    kept = b.emit("identity", [operand])
    if not any(b.node.outputs[1:2]):
        return kept
    (shape,) = b.emit("shape", [operand])
    (mask,) = b.emit("constant_of_shape", [shape], {"value": np.ones(1, mask_kind)})
    return (*kept, mask)


RULES: tuple[Rule, ...] = (
    row("Bernoulli", 15, "dtype: dtype, seed: float"),
    dropout_7,
    dropout_12,
    row("Multinomial", 7, "dtype: dtype, seed: float, sample_size: int"),
    row("RandomNormal", 1, f"shape: ints!, dtype: dtype, {_NORMAL}"),
    row("RandomNormalLike", 1, f"dtype: dtype, {_NORMAL}"),
    row("RandomUniform", 1, f"shape: ints!, dtype: dtype, {_UNIFORM}"),
    row("RandomUniformLike", 1, f"dtype: dtype, {_UNIFORM}"),
)
"""The rules of this family."""
