"""Products of integers whose scales are known before they run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp
from pyflame_rt.kernels.quantization import parameters_of_range
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
from pyflame_rt.passes.quantization.ranges import Ranges
from pyflame_rt.passes.quantization.scales import MOVEMENTS, dequantized


def make_static(
    module: ModuleOp,
    ranges: Ranges,
    data: np.dtype[Any],
    rounding: Rounding,
    exclude: Collection[str],
    outcome: Outcome,
) -> None:
    """Round what the products of a module take: `data` by ranges, weights as they are."""
    static = _Static(ranges, data, rounding, outcome)
    for op in products(module, exclude, outcome):
        static.quantize(op)


class _Static:
    """The values that are rounded already."""

    def __init__(
        self, ranges: Ranges, data: np.dtype[Any], rounding: Rounding, outcome: Outcome
    ) -> None:
        self._ranges = ranges
        self._data = data
        self._rounding = rounding
        self._outcome = outcome
        self._rounded: dict[SSAValue, SSAValue] = {}

    def quantize(self, op: Product) -> None:
        """Round both factors of a product, or none."""
        data, other = factors(op)
        weights = self._rounding.of(op)
        taken = (data,) if weights is not None else (data, other)
        for value in taken:
            if value not in self._rounded and self._ranges.of(source(value)) is None:
                self._outcome.skip(op, "the range of its data is not known")
                return
        given = [self._round(value) for value in taken]
        if weights is not None:
            given.append(_dequantized(Place(op), weights))
            _round_bias(op, given[0], weights)
            self._outcome.weights += 1
        for index, value in enumerate(given):
            op.operands[index] = value
        drop_unused(other)
        self._outcome.done(op)

    def _round(self, value: SSAValue) -> SSAValue:
        """A value rounded to integers, as reals; what it is moved from is rounded before."""
        if (known := self._rounded.get(value)) is not None:
            return known
        origin = source(value)
        bounds = self._ranges.of(origin)
        assert bounds is not None
        low, high = (np.array(bound) for bound in bounds)
        scale, zero_point = parameters_of_range(
            low, high, self._data, symmetric=self._rounding.symmetric
        )
        for moved in _chain(value, origin):
            if moved not in self._rounded:
                real = _rounded(moved, scale, zero_point)
                # Further products have the rounded value as operand already.
                self._rounded[moved] = self._rounded[real] = real
        return self._rounded[value]


def _round_bias(op: Product, data: SSAValue, weights: Weights) -> None:
    """Make a constant bias multiples of the scale of the sums: what integer products add, and so
    what those of reals add as well, here and where a model is exported to."""
    x = dequantized(data)
    if isinstance(op, GemmOp) and (op.alpha.value.data != 1 or op.beta.value.data != 1):
        return
    bias = op.c if isinstance(op, GemmOp) else op.bias
    array = None if bias is None else constant_of(bias)
    if bias is None or array is None or array.ndim != 1 or x is None or not x.is_single:
        return
    scale = x.scale.reshape(()).astype(np.float64) * weights.scale
    if weights.scale.ndim and array.shape != weights.scale.shape:
        return
    if not (np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny)).all():
        return
    whole = np.rint(array.astype(np.float64) / scale)
    real = Place(op).constant((whole * scale).astype(np.float32))
    op.operands[list(op.operands).index(bias)] = real
    drop_unused(bias)


def source(value: SSAValue) -> SSAValue:
    """What a value is moved from: there the integers are made, and then moved."""
    while True:
        op = value.owner
        if not isinstance(op, PfrtOp) or op.name not in MOVEMENTS or op.name == "pfrt.concat":
            return value
        value = op.operands[0]


def _chain(value: SSAValue, origin: SSAValue) -> list[SSAValue]:
    """From the source to the value, each moved from the one before."""
    found = [value]
    while found[-1] is not origin:
        owner = found[-1].owner
        assert isinstance(owner, PfrtOp)
        found.append(owner.operands[0])
    return found[::-1]


def _rounded(
    value: SSAValue, scale: np.ndarray[Any, Any], zero_point: np.ndarray[Any, Any]
) -> SSAValue:
    """dequantize(quantize(value)), which all users of the value take: one that took the reals would
    keep the op that makes them from being one of integers."""
    at = Place.after(value)
    factor, shift = at.constant(scale), at.constant(zero_point)
    integers = at.emit("quantize_linear", [value, factor, shift])
    real = at.emit("dequantize_linear", [integers, factor, shift])
    quantize = integers.owner
    value.replace_uses_with_if(real, lambda use: use.operation is not quantize)
    return real


def _dequantized(at: Place, weights: Weights) -> SSAValue:
    """Weights as reals; zero points that are all 0 need not be there."""
    zeros = at.constant(weights.zero_point) if weights.zero_point.any() else None
    operands = [at.constant(weights.values), at.constant(weights.scale), zeros]
    return at.emit("dequantize_linear", operands, {"axis": weights.axis})
