"""Sums of quantized tensors as one op, for backends that have machine code for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, SumOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.integer_products import QlinearConvOp
from pyflame_rt.dialects.pfrt.integer_sums import QlinearAddOp, QlinearConvAddOp
from pyflame_rt.dialects.pfrt.quantization import DequantizeLinearOp, QuantizeLinearOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.rewriting import declined, replace
from pyflame_rt.passes.fusion.inlining import inlined
from pyflame_rt.passes.fusion.parts import (
    is_open,
    is_sum_of_two,
    own_properties,
    rewrite,
    sole_producer,
)
from pyflame_rt.passes.quantization.clamping import bounded, bounds, clamp
from pyflame_rt.passes.quantization.scales import Scaled, dequantized, scaled


class SumOfIntegers(RewritePattern):
    """quantize(act(dequantize(a) + dequantize(b))) -> clip(qlinear_add(a, b)), act being bounds."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, QuantizeLinearOp) or (y := scaled(op)) is None or not y.is_single:
            return
        chain, low, high = clamp(op)
        user = chain[-1] if chain else op
        total = sole_producer(user.operands[0], user, (AddOp, SumOp))
        if total is None or not is_sum_of_two(total) or not is_open(total):
            return
        found = [dequantized(value) for value in total.operands]
        parts = [x for x in found if x is not None and x.is_single]
        if len(parts) < 2:
            return
        shapes = {shape_of(x.value) for x in parts}
        if len(shapes) != 1 or DYNAMIC in (next(iter(shapes)) or (DYNAMIC,)):
            declined(op, "what is added has not one known shape")
            return
        made: list[Operation] = []
        operands = [v for x in (*parts, y) for v in _parameters(x, made)]
        made.append(QlinearAddOp.create(operands=operands, result_types=[op.result.type]))
        limits = bounds(y, low, high)
        if limits is not None:
            made.append(bounded(made[-1].results[0], *limits))
        replace(rewriter, op, made)
        for dead in (*chain, total):
            rewriter.erase(dead)
        for x in dict.fromkeys(part.op for part in parts):
            if not x.result.uses:
                rewriter.erase(x)


class SumAfterConvolution(RewritePattern):
    """qlinear_add(qlinear_conv(x, w), r) -> qlinear_conv_add(x, w, r), of images of known sizes."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, QlinearAddOp):
            return
        given = op.operands
        sides = ((*given[:3], *given[3:6]), (*given[3:6], *given[:3]))
        found = [
            (conv, side)
            for side in sides
            if (conv := sole_producer(side[0], op, (QlinearConvOp,))) is not None
            and _takes_a_sum(conv, side)
        ]
        if not found:
            return
        # Of two, the one that is computed last has the other's result.
        block = op.parent
        conv, side = max(found, key=lambda pair: _index(pair[0])) if block else found[0]
        operands = [*conv.operands[:6], *side[1:], *given[6:], *conv.operands[8:]]
        new = QlinearConvAddOp.create(
            operands=operands, properties=own_properties(conv), result_types=[op.result.type]
        )
        replace(rewriter, op, new)
        rewriter.erase(conv)


def _takes_a_sum(conv: QlinearConvOp, side: Sequence[SSAValue]) -> bool:
    """Whether a convolution of one group has constant weights and two spatial axes, and what it makes is
    what is added."""
    constants = [constant_of(value) for value in (*conv.operands[3:], *side[1:3], *side[4:])]
    if any(array is None for array in constants) or conv.group.value.data != 1:
        return False
    shapes = [shape_of(value) for value in (conv.x, conv.result)]
    if any(shape is None or len(shape) != 4 or DYNAMIC in shape for shape in shapes):
        return False
    parameters = zip((conv.y_scale, conv.y_zero_point), side[1:3], strict=True)
    return all(_same(a, b) for a, b in parameters)


def _same(a: SSAValue, b: SSAValue) -> bool:
    left, right = constant_of(a), constant_of(b)
    assert left is not None and right is not None
    return left.dtype == right.dtype and left.tobytes() == right.tobytes()


def _index(op: Operation) -> int:
    block = op.parent
    return -1 if block is None else block.get_operation_index(op)


def _parameters(x: Scaled, made: list[Operation]) -> list[SSAValue]:
    """The integers, if there are any yet, with scale and zero point."""
    shift = x.op.zero_point
    if shift is None:
        made.append(ConstantOp.get(x.zero_point))
        shift = made[-1].results[0]
    given = [x.value] if isinstance(x.op, DequantizeLinearOp) else []
    return [*given, x.op.scale, shift]


@dataclass(frozen=True)
class PfrtFuseQuantizedSumsPass(ModulePass):
    """Makes `pfrt.qlinear_add` of sums between dequantization and quantization.

    Before: `%a = pfrt.dequantize_linear %x, %sx, %zx : …`, `%b = pfrt.dequantize_linear %w, %sw, %zw : …`,
    `%s = pfrt.add %a, %b : …`, `%r = pfrt.relu %s : …`, `%y = pfrt.quantize_linear %r, %sy, %zy : …`
    After: `%y = pfrt.qlinear_add %x, %sx, %zx, %w, %sw, %zw, %sy, %zy : …`

        y = saturate(round(((x - zx) sx + (w - zw) sw) / sy) + zy)

    with the same bits: the op means those that it replaces. Where a `pfrt.qlinear_conv` of images makes x
    for this sum alone, both become `pfrt.qlinear_conv_add`. An activation that bounds (relu, clip) is
    what saturation does, or a `pfrt.clip` of integers. Requires constant scales, one a tensor, and
    known shapes, which are the same. Regions of fused ops that stand between are taken apart; where
    there are no such sums, they stay.
    """

    name = "pfrt-fuse-quantized-sums"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for fused in [inner for inner in op.walk() if isinstance(inner, FusedOp)]:
            if _is_between(fused):
                inlined(fused)
        rewrite(op, SumOfIntegers())
        rewrite(op, SumAfterConvolution())


def _is_between(op: FusedOp) -> bool:
    """Whether two quantized tensors are added in a region, and the result is quantized."""
    given = [v for v in op.inputs if isinstance(v.owner, DequantizeLinearOp)]
    takes = [use.operation for value in op.results for use in value.uses]
    return (
        len(given) == 2
        and len(takes) == 1
        and isinstance(takes[0], QuantizeLinearOp)
        and any(isinstance(inner, AddOp | SumOp) for inner in op.ops)
    )
