"""Products of dequantized factors whose results stay reals, as products of integers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.quantization import DequantizeLinearOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.dialects.rewriting import declined, replace
from pyflame_rt.passes.fusion.parts import one_a_channel
from pyflame_rt.passes.quantization.scales import WINDOW, Scaled, dequantized

Array = npt.NDArray[Any]

_MOST_TERMS: Final = (2**31 - 1) // 255**2
"""Of a sum that i32 holds whatever the bytes and their zero points are."""


class ProductOfReals(RewritePattern):
    """act(product(dequantize(a), dequantize(b)) + bias + residual) -> that, of integers.

    The result is not quantized: `pfrt.gemm` and `pfrt.matmul` become
    `pfrt.matmul_integer_to_float`, `pfrt.conv` becomes `pfrt.conv_integer_to_float`. b is a
    constant, which stays one of bytes.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        form = _FORMS.get(op.name)
        if form is None or not isinstance(op, PfrtOp):
            return
        made = form(op)
        if made is None:
            return
        if isinstance(made, str):
            declined(op, made)
            return
        owners = dict.fromkeys(value.owner for value in op.operands)
        replace(rewriter, op, made)
        # What is left would be folded to reals.
        for owner in owners:
            if isinstance(owner, DequantizeLinearOp) and not owner.result.uses:
                rewriter.erase(owner)


@dataclass(frozen=True)
class Factors:
    """What a product multiplies: data of one scale, and constants of one or of one a column or feature."""

    a: Scaled
    b: Scaled
    weights: Array
    made: list[Operation] = field(default_factory=list[Operation])
    """The ops that the product needs, in order."""

    @staticmethod
    def of(a: SSAValue, b: SSAValue, axis: int) -> Factors | str | None:
        """The factors of a product, b's scales along an axis; why they have no product of integers;
        or None if they are none."""
        left, right = dequantized(a), dequantized(b)
        if left is None and right is None:
            return None
        if left is None or right is None:
            return f"its {'first' if left is None else 'second'} factor is not quantized"
        weights = constant_of(right.value)
        if weights is None:
            return "its second factor is no constant"
        is_fit = right.is_single or right.axis % weights.ndim == axis % weights.ndim
        if not left.is_single or not is_fit:
            return "its scales are not one for the data, and one or one a column for the weights"
        with np.errstate(all="ignore"):
            scale = left.scale.astype(np.float32) * right.scale.astype(np.float32)
        if not (np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny)).all():
            return "the product of its scales is no normal number"
        return Factors(left, right, weights)

    def constant(self, array: Array) -> SSAValue:
        """A constant that the product needs."""
        self.made.append(ConstantOp.get(array))
        return self.made[-1].results[0]

    def zero_point(self, x: Scaled) -> SSAValue | None:
        """The zero point of either factor, one where all are the same; None for 0."""
        if not x.zero_point.any():
            return None
        return self.constant(x.zero_point[0]) if x.has_one_zero_point else x.op.zero_point

    def with_op(self, op: Operation) -> list[Operation]:
        """All ops, the product last."""
        return [*self.made, op]


def _matrices(op: PfrtOp) -> list[Operation] | str | None:
    """The product of matrices that a gemm or matmul is; or why it is none; or None."""
    assert isinstance(op, GemmOp | MatmulOp)
    a, b, c = (op.a, op.b, op.c) if isinstance(op, GemmOp) else (op.lhs, op.rhs, op.bias)
    turned = isinstance(op, GemmOp) and op.trans_b
    found = Factors.of(a, b, 0 if turned else -1)
    if not isinstance(found, Factors):
        return found
    if isinstance(op, GemmOp) and (
        op.trans_a or op.alpha.value.data != 1 or (c is not None and op.beta.value.data != 1)
    ):
        return "its first factor is transposed, or the product scaled"
    if found.weights.ndim != 2 or len(shape_of(found.a.value) or ()) < 2:
        return "it multiplies vectors, or several matrices"
    depth, columns = found.weights.shape[::-1] if turned else found.weights.shape
    if depth > _MOST_TERMS:
        return f"i32 does not hold every sum of {depth} products"
    weights = found.constant(np.ascontiguousarray(found.weights.T)) if turned else found.b.value
    addends = [value for value in (c, op.residual) if value is not None]
    added = _added(op, found, addends, columns)
    if added is None:
        return "what is added is neither one element a column nor of the result's shape"
    operands = [
        found.a.value, weights, found.a.op.scale, found.b.op.scale,
        found.zero_point(found.a), found.zero_point(found.b), *added,
    ]  # fmt: skip
    activation = {} if op.activation is None else {"activation": op.activation}
    product = MatmulIntegerToFloatOp.build(
        operands=[[] if value is None else value for value in operands],
        properties=activation,
        result_types=[op.results[0].type],
    )
    return found.with_op(product)


def _convolution(op: PfrtOp) -> list[Operation] | str | None:
    """The convolution of bytes that a conv is; or why it is none; or None."""
    assert isinstance(op, ConvOp)
    found = Factors.of(op.x, op.w, 0)
    if not isinstance(found, Factors):
        return found
    if op.data_layout != "nchw":
        return "it is laid out for reals"
    terms = math.prod(found.weights.shape[1:])
    if terms > _MOST_TERMS:
        return f"i32 does not hold every sum of {terms} products"
    operands = [
        found.a.value, found.b.value, found.a.op.scale, found.b.op.scale,
        found.zero_point(found.a), found.zero_point(found.b), op.bias, op.residual,
    ]  # fmt: skip
    kept = (*WINDOW, "activation")
    product = ConvIntegerToFloatOp.build(
        operands=[[] if value is None else value for value in operands],
        properties={name: op.properties[name] for name in kept if name in op.properties},
        result_types=[op.result.type],
    )
    return found.with_op(product)


def _added(
    op: PfrtOp, factors: Factors, addends: Sequence[SSAValue], columns: int
) -> tuple[SSAValue | None, SSAValue | None] | None:
    """The bias and the residual, in the order in which they are added; None where they are neither."""
    bias: SSAValue | None = None
    residual: SSAValue | None = None
    result = shape_of(op.results[0])
    for value in addends:
        shape, array = shape_of(value), constant_of(value)
        each = None
        if array is not None and result is not None:
            each = one_a_channel(array, columns, len(result) - 1, len(result))
        if residual is None and bias is None and shape == (columns,):
            bias = value
        elif residual is None and bias is None and each is not None:
            bias = factors.constant(np.ascontiguousarray(each))
        elif residual is None and value.type == op.results[0].type:
            residual = value
        else:
            return None
    return bias, residual


_FORMS: Final[dict[str, Callable[[PfrtOp], list[Operation] | str | None]]] = {
    "pfrt.conv": _convolution,
    "pfrt.gemm": _matrices,
    "pfrt.matmul": _matrices,
}
"""What is made of each kind of product."""
