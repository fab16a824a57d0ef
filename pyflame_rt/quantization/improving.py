"""What makes models lose less when they are quantized: ranges made equal, errors taken back."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import FloatAttr, ModuleOp, f32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import Rewriter

from pyflame_rt import pipelines
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp
from pyflame_rt.dialects.pfrt.quantization import DequantizeLinearOp, QuantizeLinearOp
from pyflame_rt.dialects.rewriting import carry
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.kernels.quantization import dequantize_linear, quantize_linear
from pyflame_rt.passes.fusion.parts import extended, is_open
from pyflame_rt.passes.pruning.columns import columns_of
from pyflame_rt.passes.pruning.layers import Layer, layers_of
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.products import PRODUCTS, Product, drop_unused, factors
from pyflame_rt.passes.quantization.smoothing import smooth, smoothings
from pyflame_rt.pruning.feeding import Feeds, batches
from pyflame_rt.quantization.observing import Observer
from pyflame_rt.quantization.preparing import prepared
from pyflame_rt.quantization.rounded_weights import real_weights, settings

Array: TypeAlias = npt.NDArray[Any]

RECOGNIZE: Final = "pfrt-recognize-normalization"


def equalize_channels(graph: Graph) -> Graph:
    """The graph with equal ranges of the channels between two products: `pfrt-equalize-channels`."""
    return Graph.of_program(prepared(graph, "pfrt-equalize-channels"))


def smooth_activations(graph: Graph, data: Feeds, alpha: float = 0.5) -> Graph:
    """The graph with channels of wide range made narrower where products of matrices take them.

    SmoothQuant: channel j is divided by s[j] = max|x[j]|^alpha / max|w[j]|^(1 - alpha) in the layer
    norm or product that makes it, and the weights that take it are multiplied by that. max|x[j]| is
    what was seen on `data`, a feed or several. Raises ValidationError for an alpha outside of
    [0, 1], and as runs do.
    """
    if not 0 <= alpha <= 1:
        raise ValidationError(f"alpha must be from 0 to 1, got {alpha}", where="smooth_activations")
    program = prepared(graph, RECOGNIZE)
    values = [each.value for each in smoothings(program.module) if _is_of_main(each.value)]
    if values:
        observe = Observer(program, values)
        greatest: dict[SSAValue, Array] = {}
        for feed in batches(data, "smooth_activations"):
            for value, array in zip(values, observe(feed), strict=True):
                seen: Array = np.abs(array).reshape(-1, array.shape[-1]).max(axis=0, initial=0)
                known = greatest.get(value)
                greatest[value] = seen if known is None else np.maximum(known, seen)
        smooth(program.module, greatest, alpha)
    return Graph.of_program(program)


def correct_biases(quantized: Graph, reference: Graph, data: Feeds) -> Graph:
    """The quantized graph with biases that take back the mean error of each output channel.

    The error of a product is W' x' - W x, x' and W' what x and W are rounded to; its mean over
    `data`, W' E[x'] - W E[x], goes off the bias: Nagel, van Baalen, Blankevoort, Welling, "Data-Free
    Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2, with
    E[x] as it was seen. `reference` is the graph before it was quantized
    (`QuantizationResult.reference`). Raises ValidationError when the two do not have the same
    products, as of a dynamically quantized graph, and as runs do.
    """
    given, before = quantized.program(), reference.program()
    program = Program(given.ctx, given.module.clone(), given.name)
    rounded, reals = _products(program.module), _products(before.module)
    if len(rounded) != len(reals) or not reals:
        raise ValidationError(
            f"{len(rounded)} products cannot be those of a graph with {len(reals)}",
            where="correct_biases",
        )
    layers = {layer.op: layer for layer in layers_of(before.module)}
    pairs = [
        (op, layers[real])
        for op, real in zip(rounded, reals, strict=True)
        if real in layers and _is_of_main(layers[real].input) and _is_changed(op)
    ]
    inputs = list(dict.fromkeys(layer.input for _, layer in pairs))
    sums: dict[Product, Array] = {}
    count = 0
    if pairs:
        observe = Observer(before, inputs)
        for feed in batches(data, "correct_biases"):
            seen = dict(zip(inputs, observe(feed), strict=True))
            count += 1
            for op, layer in pairs:
                error = _mean_error(op, layer, seen[layer.input])
                sums[op] = sums[op] + error if op in sums else error
    for op, _ in pairs:
        _shift(op, -sums[op] / count)
    pipelines.verify_module(program.module)
    return Graph.of_program(program)


def _mean_error(op: Product, layer: Layer, x: Array) -> Array:
    """W' E[x'] - W E[x] of each output of a layer, over a batch."""
    weights = real_weights(factors(op)[1])
    assert weights is not None
    wanted, found = (layer.matrix(w).astype(np.float64) for w in (layer.weights, weights))
    before = columns_of(layer, x).mean(axis=1)
    after = columns_of(layer, _rounded(factors(op)[0], x)).mean(axis=1)
    size = len(wanted) // layer.groups
    parts = [slice(group * size, (group + 1) * size) for group in range(layer.groups)]
    return np.concatenate(
        [found[p] @ after[g] - wanted[p] @ before[g] for g, p in enumerate(parts)]
    )


def _rounded(value: SSAValue, x: Array) -> Array:
    """What the data of a product are rounded to, if they are."""
    back = value.owner
    if not isinstance(back, DequantizeLinearOp) or not isinstance(back.x.owner, QuantizeLinearOp):
        return x
    op = back.x.owner
    scale = constant_of(op.scale)
    shift = None if op.zero_point is None else constant_of(op.zero_point)
    if scale is None or scale.size != 1:
        return x
    integers = quantize_linear(x, scale, shift, **settings(op))
    return dequantize_linear(integers, scale, shift)


def _products(module: ModuleOp) -> list[Product]:
    return [op for op in module.walk() if isinstance(op, PRODUCTS)]


def _is_changed(op: Product) -> bool:
    """Whether a product has other weights now, and its sums can be shifted."""
    if real_weights(factors(op)[1]) is None or constant_of(factors(op)[1]) is not None:
        return False
    if isinstance(op, GemmOp) and op.alpha.value.data != 1:
        return False
    bias = _bias(op)
    if bias is None:
        return is_open(op)
    if isinstance(op, GemmOp) and op.beta.value.data == 0:
        return False
    return constant_of(bias) is not None or (_is_rounded(bias) and bias.has_one_use())


def _is_rounded(bias: SSAValue) -> bool:
    """Whether a bias is a constant of integers, in scales of the sums."""
    return isinstance(bias.owner, DequantizeLinearOp) and real_weights(bias) is not None


def _bias(op: Product) -> SSAValue | None:
    return op.c if isinstance(op, GemmOp) else op.bias


def _shift(op: Product, shift: Array) -> None:
    """Add to the bias of a product, which gets one if it has none."""
    bias = _bias(op)
    name = "c" if isinstance(op, GemmOp) else "bias"
    at = Place(op)
    if bias is None:
        beta = {"beta": FloatAttr(1.0, f32)} if isinstance(op, GemmOp) else {}
        addend = at.constant(shift.astype(np.float32))
        new = extended(op, op.result.type, operands={name: addend}, properties=beta)
        at.add(new)
        carry(op, new.results)
        Rewriter.replace_op(op, [], new.results)
        return
    factor = op.beta.value.data if isinstance(op, GemmOp) else 1.0
    if isinstance(back := bias.owner, DequantizeLinearOp):
        _shift_integers(back, shift / factor)
        return
    array = constant_of(bias)
    assert array is not None
    moved = array.astype(np.float64) + shift / factor
    value = at.constant(moved.astype(np.float32))
    slot = next(k for k, operand in enumerate(op.operands) if operand is bias)
    op.operands[slot] = value
    drop_unused(bias)


def _shift_integers(op: DequantizeLinearOp, shift: Array) -> None:
    """Add the nearest integers."""
    old, scale = op.x, constant_of(op.scale)
    array = constant_of(old)
    assert array is not None and scale is not None
    limits = np.iinfo(array.dtype)
    moved = np.rint(array + shift / scale.astype(np.float64))
    op.operands[0] = Place(op).constant(np.clip(moved, limits.min, limits.max).astype(array.dtype))
    drop_unused(old)


def _is_of_main(value: SSAValue) -> bool:
    """Whether a value is one of the main function itself, not of a branch or loop."""
    owner = value.owner
    block = owner if isinstance(owner, Block) else owner.parent
    return block is not None and isinstance(block.parent_op(), FuncOp)
