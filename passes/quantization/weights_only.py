"""Weights of few bits for products that stay as they are: what is stored is small, sums are of reals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.passes.pruning.layers import Layer, layers_of
from pyflame_rt.passes.quantization.blocks import Blocked, BlockRounding
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.products import Outcome, columns_of, drop_unused, products

Array: TypeAlias = npt.NDArray[Any]


def make_weights_only(
    module: ModuleOp,
    rounding: BlockRounding,
    exclude: Collection[str],
    outcome: Outcome,
    grams: Mapping[str, Array] | None = None,
) -> None:
    """Put integers, with a scale for each block of inputs, in the place of constant weights.

    `grams`, by the names of layers (`pruning.recording.grams_of`): the sums of x x^T of what layers
    are fed; those that are there round with feedback of errors, others to the nearest.
    """
    layers: dict[Operation | Block, Layer] = {each.constant: each for each in layers_of(module)}
    done: set[Operation | Block] = set()
    for op, owner in [(op, op.operands[1].owner) for op in products(module, exclude, outcome)]:
        if owner in done:
            outcome.done(op)
            continue
        layer = layers.get(owner)
        if why := _unfit(layer, rounding):
            outcome.skip(op, why)
        elif layer is not None:
            _replace(layer, _blocked(layer, rounding, (grams or {}).get(layer.name)))
            outcome.done(op)
            outcome.weights += 1
            done.add(owner)


def _unfit(layer: Layer | None, rounding: BlockRounding) -> str:
    """Why the weights of a product stay as they are."""
    if layer is None:
        return "its weights are no constant matrix of its own"
    columns = layer.matrix(layer.weights).shape[1]
    if columns < rounding.size:
        return f"its {columns} inputs are fewer than a block of {rounding.size}"
    if not np.isfinite(layer.weights).all():
        return "its weights are not finite"
    return ""


def in_rows(layer: Layer, gram: Array) -> Array:
    """Gram matrices of a layer for columns in the order in which convolutions store them.

    Layers count taps first and the channels of one tap after the other.
    """
    columns = gram.shape[-1]
    counted = cast("Array", np.arange(columns))
    order = counted.reshape(-1, layer.channels).T.reshape(-1)
    return gram[:, order[:, None], order]


def _blocked(layer: Layer, rounding: BlockRounding, gram: Array | None) -> Blocked:
    """A row an output, the columns of a convolution as they are stored."""
    w = layer.weights
    matrix = w.reshape(w.shape[0], -1) if isinstance(layer.op, ConvOp) else layer.matrix(w)
    if gram is None:
        return rounding.nearest(matrix)
    if isinstance(layer.op, ConvOp):
        gram = in_rows(layer, gram)
    size = len(matrix) // layer.groups
    parts = [
        rounding.with_feedback(matrix[group * size : (group + 1) * size], gram[group])
        for group in range(layer.groups)
    ]
    values, scale, zero_point = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("values", "scale", "zero_point")
    )
    return Blocked(values, scale, zero_point, rounding.size)


def _replace(layer: Layer, blocked: Blocked) -> None:
    old: SSAValue = layer.constant.result
    at = Place.after(old)
    values, scale, zero_point = blocked.values, blocked.scale, blocked.zero_point
    axis = 1 if columns_of(layer.op) == 0 else 0
    if axis == 0:
        values, scale, zero_point = (a.T.copy() for a in (values, scale, zero_point))
    zeros = at.constant(zero_point) if zero_point.astype(np.int8).any() else None
    operands = [at.constant(values), at.constant(scale), zeros]
    new = at.emit("dequantize_linear", operands, {"axis": axis, "block_size": blocked.size})
    shape = layer.weights.shape
    if len(shape) > 2:
        new = at.emit("reshape", [new, None], {"shape": shape})
    old.replace_all_uses_with(new)
    drop_unused(old)
