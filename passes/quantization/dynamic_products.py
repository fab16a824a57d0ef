"""Products of integers to which data are rounded when they run."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.quantization import DynamicQuantizeLinearOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.dialects.rewriting import carry
from pyflame_rt.passes.fusion.parts import is_open
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.products import (
    Outcome,
    Product,
    Rounding,
    Weights,
    drop_unused,
    factors,
    products,
)
from pyflame_rt.passes.quantization.scales import WINDOW


def make_dynamic(
    module: ModuleOp, rounding: Rounding, exclude: Collection[str], outcome: Outcome
) -> None:
    """Make products of integers: y = (sum (x - zx) (w - zw)) * (sx * sw) + bias.

    sx and zx are those of x, by its own range (`pfrt.dynamic_quantize_linear`), the integers ui8.
    """
    integers: dict[SSAValue, tuple[SSAValue, SSAValue, SSAValue]] = {}
    for op in products(module, exclude, outcome):
        why = _unfit(op, rounding)
        weights = None if why else rounding.of(op)
        if why or weights is None:
            outcome.skip(op, why or "its weights are no constant")
            continue
        data = factors(op)[0]
        if data not in integers:
            made = DynamicQuantizeLinearOp.create_op([data])
            q, scale, zero_point = Place.after(data).add(made)
            integers[data] = q, scale, zero_point
        outcome.done(op)
        outcome.weights += 1
        _replace(op, weights, *integers[data])


def _unfit(op: Product, rounding: Rounding) -> str:
    """Why a product is not one that integers can be multiplied in."""
    if rounding.dtype.itemsize != 1 or rounding.dtype.kind not in "iu":
        return f"there is no product of ui8 and {rounding.dtype.name}"
    if not is_open(op):
        return "something is done to its sums already"
    if isinstance(op, GemmOp) and (op.trans_a or op.alpha.value.data != 1):
        return "its first matrix is transposed, or the product scaled"
    if isinstance(op, ConvOp) and op.data_layout != "nchw":
        return "it is laid out for reals"
    if not isinstance(op, ConvOp) and any(len(shape_of(v) or ()) < 2 for v in factors(op)):
        return "it multiplies vectors"
    return ""


def _replace(op: Product, weights: Weights, q: SSAValue, scale: SSAValue, shift: SSAValue) -> None:
    at = Place(op)
    values, factor, zero_point = weights.values, weights.scale, weights.zero_point
    if isinstance(op, GemmOp) and op.trans_b:
        values = np.ascontiguousarray(values.T)
    integers = at.constant(values)
    zeros = at.constant(zero_point) if zero_point.any() else None
    if isinstance(op, ConvOp):
        window = {name: p for name, p in op.properties.items() if name in WINDOW}
        sums = at.emit("conv_integer", [q, integers, shift, zeros], window)
        trailing = (1,) * (values.ndim - 2)
        factor = factor.reshape(-1, *trailing) if factor.ndim else factor
    else:
        sums = at.emit("matmul_integer", [q, integers, shift, zeros])
    real = at.emit("cast", [sums], {"to": np.dtype(np.float32)})
    value = at.emit("mul", [real, at.emit("mul", [scale, at.constant(factor)])])
    match op:
        case ConvOp() if op.bias is not None:
            rank = len(shape_of(op.w) or ())
            axes = tuple(range(1, rank - 1))
            value = at.emit("add", [value, at.emit("unsqueeze", [op.bias, None], {"axes": axes})])
        case MatmulOp() if op.bias is not None:
            value = at.emit("add", [value, op.bias])
        case GemmOp() if op.c is not None:
            beta = op.beta.value.data
            addend = op.c if beta == 1 else at.emit("mul", [op.c, at.scalar(beta)])
            value = at.emit("add", [value, addend])
        case _:
            pass
    carry(op, [value])
    reals = factors(op)[1]
    Rewriter.replace_op(op, [], [value])
    drop_unused(reals)
