"""Ops between dequantization and quantization, as integer ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.integer_products import QlinearConvOp, QlinearMatmulOp
from pyflame_rt.dialects.pfrt.quantization import DequantizeLinearOp, QuantizeLinearOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.rewriting import declined, describe, replace
from pyflame_rt.passes.fusion.parts import (
    is_open,
    one_a_channel,
    own_properties,
    rewrite,
    sole_producer,
)
from pyflame_rt.passes.quantization.clamping import bounded, bounds, clamp
from pyflame_rt.passes.quantization.real_results import ProductOfReals
from pyflame_rt.passes.quantization.scales import MOVEMENTS, WINDOW, Scaled, dequantized, scaled

Array = npt.NDArray[Any]

_LARGEST = 2**31 - 1


class QuantizedAgain(RewritePattern):
    """quantize(dequantize(q)) -> q, of the same scale, zero point and type."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, QuantizeLinearOp) or (y := scaled(op)) is None:
            return
        x = dequantized(op.x)
        if x is not None and x.same(y):
            replace(rewriter, op, [], [x.value])
            if not x.op.result.uses:
                rewriter.erase(x.op)


class MovementOfIntegers(RewritePattern):
    """quantize(move(dequantize(q), …)) -> move(q, …), of one scale, zero point and type."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, QuantizeLinearOp) or (y := scaled(op)) is None:
            return
        move = op.x.owner
        if not isinstance(move, PfrtOp) or move.name not in MOVEMENTS or len(move.results) != 1:
            return
        count = len(move.operands) if move.name == "pfrt.concat" else 1
        moved = [dequantized(value) for value in move.operands[:count]]
        integers = [x.value for x in moved if x is not None and x.same(y)]
        if len(integers) < count:
            declined(op, f"{move.name} moves values that are not of one scale")
            return
        if sole_producer(op.x, op, (type(move),)) is None:
            return
        new = type(move).create(
            operands=[*integers, *move.operands[count:]],
            properties={name: p for name, p in move.properties.items() if name != "names"},
            result_types=[op.result.type],
        )
        replace(rewriter, op, new)
        _erase(rewriter, move)


class ProductOfIntegers(RewritePattern):
    """quantize(act(product(dequantize(a), dequantize(b)) + bias)) -> an integer product.

    The product is a convolution, or of matrices; act is nothing, `pfrt.relu` or `pfrt.clip`. The
    sums are exact, times (scale of a * scale of b / scale of the result) in f32 and rounded once. A
    bias is rounded to integers in the scale of the sums.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, QuantizeLinearOp) or (y := scaled(op)) is None or not y.is_single:
            return
        chain, low, high = clamp(op)
        user = chain[-1] if chain else op
        product = sole_producer(user.operands[0], user, (ConvOp, GemmOp, MatmulOp))
        if product is None or not is_open(product):
            return
        factors = _factors(product)
        if isinstance(factors, str):
            declined(op, f"{describe(product)}: {factors}")
            return
        made = factors.product(product, y, op)
        if isinstance(made, str):
            declined(op, f"{describe(product)}: {made}")
            return
        limits = bounds(y, low, high)
        if limits is not None:
            made.append(bounded(made[-1].results[0], *limits))
        replace(rewriter, op, made)
        for dead in (*chain, product):
            _erase(rewriter, dead)


@dataclass(frozen=True)
class Factors:
    """What a product multiplies, b's one scale or one a column or feature, and adds, in reals."""

    a: Scaled
    b: Scaled
    bias: Array | None

    def product(
        self, op: ConvOp | GemmOp | MatmulOp, y: Scaled, last: QuantizeLinearOp
    ) -> list[Operation] | str:
        """The integer product with what it needs, the product last; or why there is none."""
        made: list[Operation] = []

        def constant(array: Array) -> SSAValue:
            made.append(ConstantOp.get(array))
            return made[-1].results[0]

        def parameters(x: Scaled) -> tuple[SSAValue, SSAValue]:
            given = x.op.zero_point
            if given is None or x.has_one_zero_point:
                given = constant(x.zero_point[0] if x.has_one_zero_point else x.zero_point)
            return x.op.scale, given

        b = self.b.value
        if isinstance(op, GemmOp) and op.trans_b:
            weights = constant_of(b)
            if weights is None:
                return "b is transposed, and no constant"
            b = constant(np.ascontiguousarray(weights.T))
        bias: SSAValue | None = None
        if self.bias is not None:
            scales = self.a.scale.astype(np.float64) * self.b.scale
            whole = np.rint(self.bias / scales)
            if not (np.abs(whole) <= _LARGEST).all():
                return "the bias has no integers in the scale of the sums"
            columns = _columns(op)
            bias = constant(np.broadcast_to(whole, (columns,)).astype(np.int32))
        operands = [
            self.a.value, *parameters(self.a), b, *parameters(self.b), *parameters(y), bias,
        ]  # fmt: skip
        kind = QlinearConvOp if isinstance(op, ConvOp) else QlinearMatmulOp
        window = own_properties(op) if isinstance(op, ConvOp) else {}
        made.append(
            kind.build(
                operands=[[] if value is None else value for value in operands],
                properties={name: window[name] for name in WINDOW if name in window},
                result_types=[last.result.type],
            )
        )
        return made


def _columns(op: ConvOp | GemmOp | MatmulOp) -> int:
    """How many elements a bias has, DYNAMIC if that is not known."""
    if isinstance(op, ConvOp):
        return (shape_of(op.w) or (DYNAMIC,))[0]
    if isinstance(op, GemmOp):
        return op.extents()[3]
    return (shape_of(op.rhs) or (DYNAMIC,))[-1]


def _factors(op: ConvOp | GemmOp | MatmulOp) -> Factors | str:
    """The factors of a product of quantized values; or why their sums are not such of integers."""
    if isinstance(op, ConvOp):
        a, b, addend, axis = dequantized(op.x), dequantized(op.w), op.bias, 0
    elif isinstance(op, GemmOp):
        if op.trans_a or op.alpha.value.data != 1 or (op.c and op.beta.value.data != 1):
            return "a is transposed, or the product scaled"
        a, b, addend, axis = dequantized(op.a), dequantized(op.b), op.c, 0 if op.trans_b else 1
    else:
        a, b, addend = dequantized(op.lhs), dequantized(op.rhs), op.bias
        shape = shape_of(op.rhs)
        if not shape or len(shape) < 2 or len(shape_of(op.lhs) or ()) < 2:
            return "it multiplies vectors"
        axis = len(shape) - 1
    if a is None or b is None:
        return f"{'its first factor' if a is None else 'its second factor'} is not quantized"
    rank = len(shape_of(b.value) or ())
    if not a.is_single or not (b.is_single or (rank and b.axis % rank == axis and rank < 5)):
        return "its scales are not one for the first factor, and one or one a column for the other"
    if isinstance(op, ConvOp) and op.data_layout != "nchw":
        return "it is laid out for reals"
    bias: Array | None = None
    if addend is not None:
        columns, result = _columns(op), shape_of(op.results[0])
        channel = 1 if isinstance(op, ConvOp) else -1
        real = _real(addend)
        if real is None or columns == DYNAMIC or result is None:
            return "its bias is no constant"
        if isinstance(op, ConvOp):
            bias = real
        else:
            bias = one_a_channel(real, columns, len(result) + channel, len(result))
        if bias is None:
            return "its addend is not one element a column"
    return Factors(a, b, bias)


def _real(value: SSAValue) -> Array | None:
    """A constant, or the integers of one dequantized, as f64."""
    op = value.owner
    if not isinstance(op, DequantizeLinearOp):
        array = constant_of(value)
        return None if array is None else array.astype(np.float64)
    parts = [None if v is None else constant_of(v) for v in (op.x, op.scale, op.zero_point)]
    x, scale, shift = parts
    if x is None or scale is None or (op.zero_point is not None and shift is None):
        return None
    if x.ndim > 1 or scale.ndim > 1 or op.block_size.value.data:
        return None
    zero = 0.0 if shift is None else shift.astype(np.float64)
    return (x.astype(np.float64) - zero) * scale.astype(np.float64)


def _erase(rewriter: PatternRewriter, op: Operation) -> None:
    """Erase an op, and dequantizations that only it used: folding would make reals of constants."""
    owners = dict.fromkeys(value.owner for value in op.operands)
    rewriter.erase(op)
    for owner in owners:
        if isinstance(owner, DequantizeLinearOp) and not owner.result.uses:
            rewriter.erase(owner)


@dataclass(frozen=True)
class PfrtFoldQuantizationPass(ModulePass):
    """Makes integer ops of the ops of reals between dequantization and quantization.

    Before: `%a = pfrt.dequantize_linear %x, %sx, %zx : …`, `%b = pfrt.dequantize_linear %w, %sw, %zw : …`,
    `%c = pfrt.conv %a, %b : …`, `%r = pfrt.relu %c : …`, `%y = pfrt.quantize_linear %r, %sy, %zy : …`
    After: `%y = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy : …`

        y = saturate(round((sum (x - zx) (w - zw) + round(bias / (sx sw))) * (sx sw / sy)) + zy)

    Convolutions, `pfrt.gemm` and `pfrt.matmul` of integers of 8 bits with constant scales become
    `pfrt.qlinear_conv` and `pfrt.qlinear_matmul`. An activation that bounds (relu, clip) is what
    saturation does, or a `pfrt.clip` of integers. What only moves elements (`pfrt.reshape`,
    `pfrt.max_pool`, `pfrt.concat`, …) moves integers where all scales are the same; quantizing what
    was dequantized by the same scale is nothing. Products of dequantized data and constants whose results
    are not quantized become `pfrt.matmul_integer_to_float` and `pfrt.conv_integer_to_float`, with
    whatever is added to them, so that weights stay bytes.

    The reals between are exact where they were rounded, so a result may differ by one quantum.
    Runs before constants are folded, which makes reals of quantized weights.
    """

    name = "pfrt-fold-quantization"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, QuantizedAgain(), MovementOfIntegers(), ProductOfIntegers())
        # After those whose results are quantized again.
        rewrite(op, ProductOfReals())
