"""Computing on quantized tensors as f32 that hold integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, TensorType, f32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from pyflame_rt.dialects.pfrt.activation import ClipOp
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.integer_products import QlinearConvOp, QlinearMatmulOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.quantization import (
    DequantizeLinearOp,
    DynamicQuantizeLinearOp,
    QuantizeLinearOp,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, PropertyValue, dtype_of, shape_of, tensor
from pyflame_rt.dialects.plan.algorithms.exactness import is_exact
from pyflame_rt.dialects.rewriting import carry
from pyflame_rt.passes.conversion.quantized_sums import Real, total
from pyflame_rt.passes.conversion.widened_products import measured, widened
from pyflame_rt.passes.fusion.inlining import inlined
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.scales import MOVEMENTS, WINDOW, Scale, scale_of, scaled

Array = npt.NDArray[Any]

_EXACT = 1 << 24
"""Below it, f32 holds every integer."""

_IMAGE = 4
"""Dimensions."""

_LEAST_CHANNELS, _LEAST_POSITIONS = 128, 128
"""Of halves, and of results, for which fewer multiplications are less time."""


@dataclass(frozen=True)
class Centered:
    """A quantized tensor less its zero point, as f32."""

    value: SSAValue
    zero_point: int


@dataclass(frozen=True)
class _Unrounded:
    """Sums whose products with positive factors are rounded to integers of a scale."""

    sums: SSAValue
    factor: Array
    scale: Scale


@dataclass(frozen=True)
class PfrtWidenQuantizationPass(ModulePass):
    """Makes ops on integers of 8 bits compute in f32, where that is exact, for which BLAS has products.

    Before: `%y = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy : …`
    After: `%s = pfrt.conv %c, %v : …` of f32 that hold x - zx and w - zw, `%m = pfrt.mul %s, %f`,
    `%r = pfrt.round %m`, `%d = pfrt.clip %r`; `%d` is y - zy in f32, `%y` is made where it is needed.

        y - zy = clip(round(sum (x - zx) (w - zw) * (sx sw / sy)), least - zy, greatest - zy)

    A sum of integers below 2^24 is exact in f32 in whatever order it is made: the weights that are
    there say how large one can become. Where it could be larger, two halves of the terms are summed
    and added, which rounds once, as the sum would be; where these could, the op stays as it is. The
    result has the same bits, but for NaN, which quantization makes the least integer and which stays
    NaN here until integers are needed. Quantization, dequantization, movements and bounds between such ops
    are of f32 too, so that no integers of 8 bits are made between them. What is fused beside them is
    taken apart: lay data out, and fuse, with the new ops.

    Of the sum of two such tensors that is quantized again, x = a sa + b sb, the result is
    clip(round((a p + b) g)) where that is the same for all integers a and b that there are, of which there
    are 65,536 pairs; p and g are near sa / sb and sb / sy. Maxima of windows of a convolution's result are
    taken of the sums, which are rounded afterwards: there are fewer.

    Data that are quantized by their own range, and products of integers of which reals are made
    (`pfrt.matmul_integer_to_float`, `pfrt.conv_integer_to_float`), are of f32 too: what is infinite, or NaN, becomes NaN there, of all
    that the range is measured of.
    """

    name = "pfrt-widen-quantization"

    unknown: bool = False
    """Only what has sizes that are not known, and convolutions of one spatial axis or three: the rest is
    left to machine code for integers."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        blocks = [b for inner in op.walk() for r in inner.regions for b in r.blocks]
        for block in blocks:
            if not isinstance(block.parent_op(), ModuleOp | FusedOp):
                _Widening(self.unknown).widen(block)


class _Widening:
    """The quantized values of one block that are there in f32."""

    def __init__(self, unknown: bool) -> None:
        self._unknown = unknown
        self._centered: dict[SSAValue, Centered] = {}
        self._measured: dict[tuple[SSAValue, SSAValue | None], SSAValue] = {}
        """Of integers and their zero point, neither of which is known: the difference."""
        self._unrounded: dict[SSAValue, _Unrounded] = {}
        """Of integers less their zero point what is rounded to them."""
        self._reals: dict[SSAValue, Real] = {}
        """What dequantized tensors are made of."""
        self._narrowed: list[Operation] = []
        """What may turn out to be used by nobody; before what uses it."""

    def widen(self, block: Block) -> None:
        """Rewrite the ops of a block, in order."""
        for op in tuple(block.ops):
            if self._unknown and all(map(_is_known, op.results)) and not _is_left(op):
                continue
            match op:
                case QuantizeLinearOp():
                    self._quantize(op)
                case DequantizeLinearOp():
                    self._dequantize(op)
                case QlinearConvOp() | QlinearMatmulOp():
                    self._product(op)
                case DynamicQuantizeLinearOp() | MatmulIntegerToFloatOp() if self._unknown:
                    # There is machine code for these whatever the sizes.
                    pass
                case DynamicQuantizeLinearOp():
                    self._quantize_dynamically(op)
                case ConvIntegerToFloatOp() | MatmulIntegerToFloatOp():
                    self._product_of_reals(op)
                case ClipOp():
                    self._clip(op)
                case PfrtOp() if op.name in MOVEMENTS:
                    self._move(op)
                case _:
                    pass
        for op in reversed(self._narrowed):
            if op.parent is not None and not op.results[0].uses:
                Rewriter.erase_op(op)
        if self._centered or self._measured:
            for op in tuple(block.ops):
                if isinstance(op, FusedOp):
                    inlined(op)

    def _quantize(self, op: QuantizeLinearOp) -> None:
        y = scaled(op)
        if y is None or not y.is_single:
            return
        at = Place(op)
        if (sums := total(op.x, self._reals, y)) is not None:
            old = cast(Operation, op.x.owner)
            self._narrowed += [*(cast(Operation, x.owner) for x in old.operands), old]
            scaled_a = at.emit("mul", [sums.a, at.constant(np.array(sums.ratio))])
            both = at.emit("add", [scaled_a, sums.b])
            self._rounded(op, at, at.emit("mul", [both, at.constant(np.array(sums.factor))]), y)
            return
        ratio = at.emit("div", [op.x, at.constant(y.scale.reshape(()))])
        self._rounded(op, at, ratio, y)

    def _dequantize(self, op: DequantizeLinearOp) -> None:
        x, centered = scaled(op), self._centered.get(op.x)
        if x is None or centered is None or not x.is_single:
            return
        if int(x.zero_point[0]) == centered.zero_point:
            at = Place(op)
            factor = at.constant(x.scale.reshape(()))
            real = at.emit("mul", [centered.value, factor])
            self._reals[real] = Real(centered.value, x)
            _replace(op, real)

    def _product(self, op: QlinearConvOp | QlinearMatmulOp) -> None:
        is_conv = isinstance(op, QlinearConvOp)
        data, weights = (op.x, op.w) if is_conv else (op.a, op.b)
        w, bias = constant_of(weights), None if op.bias is None else constant_of(op.bias)
        if w is None or (op.bias is not None and bias is None):
            return
        if is_conv and op.data_layout != "nchw":
            return
        if w.ndim < 2 or (not is_conv and (w.ndim != 2 or len(shape_of(data) or ()) < 2)):
            return
        scales = [
            scale_of(op.operands[k], op.operands[k + 1], dtype_of(value))
            for k, value in ((1, data), (4, weights), (6, op.result))
        ]
        found = [scale for scale in scales if scale is not None]
        if len(found) < 3 or not (found[0].is_single and found[2].is_single):
            return
        a, b, y = found
        # One scale a feature: rows of a convolution's weights, columns of a matrix.
        axis = 0 if is_conv else 1
        if b.scale.size not in (1, w.shape[axis]):
            return
        aligned = (-1, *(1,) * (w.ndim - 1 - axis))
        exact = w.astype(np.float32) - b.zero_point.astype(np.float32).reshape(aligned)
        factor = a.scale * b.scale / y.scale
        if not np.isfinite(factor).all():
            return
        at = Place(op)
        sums = self._sums(op, at, exact, a, bias)
        if sums is None:
            return
        each = factor.reshape(-1, *(1,) * (w.ndim - 2)) if is_conv else factor
        product = at.emit("mul", [sums, at.constant(each)])
        rounded = self._rounded(op, at, product, y)
        if is_conv and (each > 0).all():
            self._unrounded[rounded] = _Unrounded(sums, each, y)

    def _quantize_dynamically(self, op: DynamicQuantizeLinearOp) -> None:
        found, at = measured(op), Place(op)
        start = len(at.made)
        shift = at.emit("cast", [found.zero_point], {"to": np.dtype(np.uint8)})
        moved = at.emit("add", [found.value, found.zero_point])
        narrow = at.emit("cast", [moved], {"to": np.dtype(np.uint8)})
        self._narrowed += at.made[start:]
        self._measured[narrow, shift] = found.value
        values = [narrow, found.scale, shift]
        carry(op, values)
        Rewriter.replace_op(op, [], values)

    def _product_of_reals(self, op: ConvIntegerToFloatOp | MatmulIntegerToFloatOp) -> None:
        is_conv = isinstance(op, ConvIntegerToFloatOp)
        data, given = (op.x, op.x_zero_point) if is_conv else (op.a, op.a_zero_point)
        value, reach = self._measured.get((data, given)), None
        if value is None:
            zero = np.zeros(1, dtype_of(data)) if given is None else constant_of(given)
            if zero is not None:
                scale = Scale(np.ones(1, np.float32), zero.reshape(-1))
                value, reach = self._as_centered(Place(op), data, scale), scale.centered
            elif not is_conv or given is None:
                return
            else:
                value = self._measured[data, given] = _difference(Place(op), data, given)
        result = widened(op, value, reach)
        if result is not None:
            _replace(op, result)

    def _sums(
        self, op: QlinearConvOp | QlinearMatmulOp, at: Place, w: Array, a: Scale, bias: Array | None
    ) -> SSAValue | None:
        """The sums of a product; of two halves of their terms where all are too many for f32.

        Each half is exact, and adding them rounds once, as making an f32 of the whole sum does.
        """
        is_conv = isinstance(op, QlinearConvOp)
        data, axis, along = (op.x, 0, 1) if is_conv else (op.a, 1, 0)
        halves = [(w, bias)]
        is_split = is_conv and not self._unknown and _gains_by_halves(op, w, a)
        if is_split or _largest(w, axis, a, bias) > _EXACT:
            if is_conv and op.group.value.data != 1:
                return None
            first, second = np.array_split(w, 2, along)
            halves = [(first, bias), (second, None)]
        if any(_largest(part, axis, a, addend) > _EXACT for part, addend in halves):
            return None
        x = self._as_centered(at, data, a)
        window = {k: v for k, v in op.properties.items() if k in WINDOW} if is_conv else {}
        middle, end = halves[0][0].shape[along], w.shape[along]
        channels = 1 if is_conv else len(shape_of(data) or ()) - 1
        taken = [x]
        if len(halves) > 1:
            # Both before the first product: where threads divide these, they wait for each other once.
            spans = _span(channels, 0, middle), _span(channels, middle, end)
            taken = [at.emit("slice", [x, *(None,) * 4], span) for span in spans]
        sums: list[SSAValue] = []
        for (part, addend), value in zip(halves, taken, strict=True):
            added = None if addend is None else at.constant(addend.astype(np.float32))
            operands = [value, at.constant(np.ascontiguousarray(part)), added]
            sums.append(at.emit("conv" if is_conv else "matmul", operands, window))
        return sums[0] if len(sums) == 1 else at.emit("add", sums)

    def _clip(self, op: ClipOp) -> None:
        x = self._centered.get(op.operand)
        if x is None or op.min_value is not None or op.max_value is not None:
            return
        bounds: dict[str, PropertyValue] = {}
        for name, bound in (("min", op.min), ("max", op.max)):
            if isinstance(bound, IntegerAttr):
                # Of unsigned types the number may be there as the signed one of the same bits.
                number = np.array(bound.value.data).astype(dtype_of(op.operand))
                bounds[name] = float(number) - x.zero_point
        at = Place(op)
        self._define(op, at, at.emit("clip", [x.value], bounds), x.zero_point)

    def _move(self, op: PfrtOp) -> None:
        count = len(op.operands) if op.name == "pfrt.concat" else 1
        found = [x for value in op.operands[:count] if (x := self._centered.get(value)) is not None]
        if len(found) < count or len({x.zero_point for x in found}) != 1 or len(op.results) != 1:
            return
        at, kind = Place(op), tensor(f32, shape_of(op.results[0]))
        operands = [*(x.value for x in found), *op.operands[count:]]
        of = self._unrounded.get(found[0].value) if op.name == "pfrt.max_pool" else None
        if of is not None and op.operands[0].has_one_use() and found[0].value.has_one_use():
            # Greater sums make no smaller integers, and there are fewer of them.
            self._narrowed[:0] = _made_by(found[0].value, 3)
            operands = [of.sums]
        else:
            of = None
        properties = {name: value for name, value in op.properties.items() if name != "names"}
        new = type(op).create(operands=operands, properties=properties, result_types=[kind])
        moved = at.add(new)[0]
        if of is None:
            self._define(op, at, moved, found[0].zero_point)
        else:
            self._rounded(op, at, at.emit("mul", [moved, at.constant(of.factor)]), of.scale)

    def _rounded(self, op: PfrtOp, at: Place, value: SSAValue, y: Scale) -> SSAValue:
        """Make the result of the op at hand of what is to be rounded; it less its zero point."""
        low, high = y.centered
        bounded = at.emit(
            "clip", [at.emit("round", [value])], {"min": float(low), "max": float(high)}
        )
        self._define(op, at, bounded, int(y.zero_point[0]))
        return bounded

    def _define(self, op: PfrtOp, at: Place, value: SSAValue, zero_point: int) -> None:
        """Replace the op at hand by a conversion of f32, which goes if nobody uses it."""
        old = op.results[0]
        shifted = value
        if zero_point:
            shifted = at.emit("add", [value, at.scalar(zero_point)])
        narrow = at.emit("cast", [shifted], {"to": dtype_of(old)})
        self._narrowed += at.made[-2 if zero_point else -1 :]
        _replace(op, narrow)
        self._centered[narrow] = Centered(value, zero_point)

    def _as_centered(self, at: Place, value: SSAValue, scale: Scale) -> SSAValue:
        zero_point = int(scale.zero_point[0])
        known = self._centered.get(value)
        if known is not None and known.zero_point == zero_point:
            return known.value
        wide = at.emit("cast", [value], {"to": np.dtype(np.float32)})
        if zero_point:
            wide = at.emit("sub", [wide, at.scalar(zero_point)])
        if known is None:
            self._centered[value] = Centered(wide, zero_point)
        return wide


def _gains_by_halves(op: QlinearConvOp, w: Array, x: Scale) -> bool:
    """Whether Winograd's algorithm rounds nothing of halves of the channels, but something of all."""
    axes, channels, positions = op.window_axes() or [], w.shape[1], op.output_sizes() or ()
    if w.shape[2:] != (3, 3) or channels % 2 or op.group.value.data != 1:
        return False
    is_dense = all(axis.stride == axis.dilation == 1 for axis in axes)
    if not is_dense or min(w.shape[0], channels // 2) < _LEAST_CHANNELS:
        return False
    if DYNAMIC not in positions and math.prod(positions) < _LEAST_POSITIONS:
        return False
    exact = w.astype(np.float32)
    low, high = x.centered
    halves = (exact[:, : channels // 2], exact[:, channels // 2 :])
    if is_exact(exact, (low, high)):
        return False
    return all(is_exact(half, (low, high)) for half in halves)


def _made_by(value: SSAValue, count: int) -> list[Operation]:
    """So many ops in a row, the last of which makes a value."""
    ops = [cast(Operation, value.owner)]
    while len(ops) < count:
        ops.insert(0, cast(Operation, ops[0].operands[0].owner))
    return ops


def _span(axis: int, start: int, end: int) -> dict[str, PropertyValue]:
    return {"starts": (start,), "ends": (end,), "axes": (axis,)}


def _difference(at: Place, value: SSAValue, zero_point: SSAValue) -> SSAValue:
    """Integers less a zero point that is known in a run, as f32."""
    to_reals = {"to": np.dtype(np.float32)}
    return at.emit("sub", [at.emit("cast", [part], to_reals) for part in (value, zero_point)])


def _is_left(op: Operation) -> bool:
    """Whether there is no machine code for an op, whatever the sizes: it is for images."""
    return isinstance(op, ConvIntegerToFloatOp) and len(shape_of(op.w) or ()) != _IMAGE


def _is_known(value: SSAValue) -> bool:
    shape = shape_of(value) if isinstance(value.type, TensorType) else None
    return shape is not None and DYNAMIC not in shape


def _replace(op: PfrtOp, value: SSAValue) -> None:
    carry(op, [value])
    Rewriter.replace_op(op, [], [value])


def _largest(weights: Array, axis: int, x: Scale, bias: Array | None) -> float:
    """The largest absolute value that a sum can have, along the way too: of whichever of its terms."""
    others = tuple(k for k in range(weights.ndim) if k != axis)
    low, high = (abs(bound) for bound in x.centered)
    ups = np.maximum(weights, 0, dtype=np.float64).sum(others)
    downs = np.maximum(-weights, 0, dtype=np.float64).sum(others)
    most, least = ups * high + downs * low, ups * low + downs * high
    if bias is not None:
        # Wherever it is added.
        most = most + np.maximum(bias, 0, dtype=np.float64)
        least = least + np.maximum(-bias.astype(np.float64), 0)
    return float(max(most.max(initial=0), least.max(initial=0)))
