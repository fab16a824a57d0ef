"""Equal ranges of the channels between two products, so that one scale suits all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.fusion.parts import is_open
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.products import (
    Outcome,
    Product,
    columns_of,
    drop_unused,
    factors,
    products,
)

Array: TypeAlias = npt.NDArray[Any]

_HOMOGENEOUS = frozenset(
    f"pfrt.{name}"
    for name in ("average_pool", "global_average_pool", "global_max_pool", "leaky_relu", "max_pool", "relu")
)  # fmt: skip
"""Ops f of one channel after the other with f(s x) = s f(x) for s > 0."""

_ROUNDS = 10
_SETTLED = 1e-3


@dataclass(frozen=True)
class PfrtEqualizeChannelsPass(ModulePass):
    """Scales the channels between two products so that their weights have equal ranges there.

    Before: `%a = pfrt.conv %x, %w1, %b1`, `%r = pfrt.relu %a`, `%y = pfrt.conv %r, %w2`
    After: the same with w1[i] / s[i], b1[i] / s[i] and w2[:, i] * s[i],

        s[i] = sqrt(max|w1[i]| max|w2[:, i]|) / max|w2[:, i]|

    which computes the same: what is between the two is linear for positive factors (relu, pooling).
    A chain of products is gone through until the factors are near 1. For weights quantized by one
    scale, which the widest channel decides. Nagel et al., "Data-Free Quantization Through Weight
    Equalization and Bias Correction", ICCV 2019, equation 11. Rounding changes: results agree to
    some units in the last place. Run it before ranges are recorded, which it changes.
    """

    name = "pfrt-equalize-channels"

    exclude: tuple[str, ...] = ()
    """What stays: names of results, and types of ops (`Conv`, `pfrt.gemm`)."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        found = [pair for first in products(op, self.exclude, Outcome()) if (pair := _pair(first))]
        weights: dict[SSAValue, Array] = {}
        for _ in range(_ROUNDS):
            if max((pair.equalize(weights) for pair in found), default=0.0) < _SETTLED:
                break
        for value, array in weights.items():
            new = Place.after(value).constant(array)
            value.replace_all_uses_with(new)
            drop_unused(value)


@dataclass(frozen=True)
class _Pair:
    """A product, and the one that alone takes its result, channel by channel."""

    first: Product
    second: Product

    def equalize(self, weights: dict[SSAValue, Array]) -> float:
        """Scale the channels between the two; how far the factors are from 1 at the most."""
        outer, inner = factors(self.first)[1], factors(self.second)[1]
        w1 = np.moveaxis(_of(outer, weights), columns_of(self.first), 0)
        w2 = np.moveaxis(_of(inner, weights), _rows_of(self.second), 0)
        ranges = [np.abs(w).reshape(w.shape[0], -1).max(1).astype(np.float64) for w in (w1, w2)]
        alive = (ranges[0] > 0) & (ranges[1] > 0)
        s = np.ones_like(ranges[0])
        s[alive] = np.sqrt(ranges[0][alive] / ranges[1][alive])
        weights[outer] = _scaled(_of(outer, weights), 1 / s, columns_of(self.first))
        weights[inner] = _scaled(_of(inner, weights), s, _rows_of(self.second))
        if (bias := _bias(self.first)) is not None:
            weights[bias] = (_of(bias, weights) / s).astype(np.float32)
        return float(np.abs(s - 1).max(initial=0))


def _pair(first: Product) -> _Pair | None:
    """The pair that a product is the first of."""
    if not is_open(first) or not _is_own(factors(first)[1]) or not _bias_fits(first):
        return None
    value: SSAValue = first.results[0]
    while value.has_one_use():
        user = next(iter(value.uses)).operation
        if user.parent is not first.parent:
            break
        if isinstance(user, ConvOp | GemmOp | MatmulOp):
            second: Product = user
            if factors(second)[0] is value and _takes_channels(first, second):
                return _Pair(first, second)
            break
        if not isinstance(user, PfrtOp) or user.name not in _HOMOGENEOUS:
            break
        value = user.results[0]
    declined(first, "no product alone takes its channels one by one")
    return None


def _takes_channels(first: Product, second: Product) -> bool:
    """Whether the second product's rows are the columns of the first."""
    weights, others = shape_of(factors(first)[1]), shape_of(factors(second)[1])
    if weights is None or others is None:
        return False
    if not _is_own(factors(second)[1]) or isinstance(first, ConvOp) != isinstance(second, ConvOp):
        return False
    if isinstance(second, ConvOp) and second.group.value.data != 1:
        # Of a depthwise convolution the rows are the features.
        return others[1] == 1 and others[0] == weights[0]
    if isinstance(second, GemmOp) and (second.trans_a or second.alpha.value.data != 1):
        return False
    if not isinstance(second, ConvOp) and len(others) != 2:
        return False
    return weights[columns_of(first)] == others[_rows_of(second)]


def _rows_of(op: Product) -> int:
    """The axis of an op's weights that runs along the channels of its data."""
    match op:
        case ConvOp():
            return 1 if op.group.value.data == 1 else 0
        case GemmOp():
            return 1 if op.trans_b else 0
        case MatmulOp():
            return 0


def _bias(op: Product) -> SSAValue | None:
    return op.c if isinstance(op, GemmOp) else op.bias


def _bias_fits(op: Product) -> bool:
    """Whether a bias is a vector of its own, as long as the result's channels."""
    if isinstance(op, GemmOp) and (
        op.alpha.value.data != 1 or op.beta.value.data != 1 or op.trans_a
    ):
        return False
    if not isinstance(op, ConvOp) and len(shape_of(factors(op)[1]) or ()) != 2:
        return False
    bias = _bias(op)
    if bias is None:
        return True
    count = (shape_of(factors(op)[1]) or (0,))[columns_of(op)]
    return _is_own(bias) and shape_of(bias) == (count,)


def _is_own(value: SSAValue) -> bool:
    """Whether a value is a constant that one op uses."""
    return constant_of(value) is not None and value.has_one_use()


def _of(value: SSAValue, weights: dict[SSAValue, Array]) -> Array:
    known = weights.get(value)
    if known is not None:
        return known
    array = constant_of(value)
    assert array is not None
    return array


def _scaled(array: Array, factors_: Array, axis: int) -> Array:
    shape = [1] * array.ndim
    shape[axis] = -1
    return (array * factors_.reshape(shape)).astype(np.float32)
