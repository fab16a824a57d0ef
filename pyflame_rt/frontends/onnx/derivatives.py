"""Derivatives: how the gradient of an op's result becomes those of its operands.

A derivative takes the op and `dy`, the gradient with respect to its result `y`, emits ops, and
returns a gradient for each operand, None for one that the result does not depend on smoothly.
Gradients have the shape that broadcasting gave `y`; `Emitter.sum_to` brings them to an operand's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.reduction import ReduceOp
from pyflame_rt.dialects.pfrt.shape import TransposeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, PropertyValue, dtype_of, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.kernels.reduction import reduced_axes

Gradients: TypeAlias = Sequence[SSAValue | None]


@dataclass(frozen=True)
class Emitter:
    """What derivatives build with; every method appends ops and returns a value."""

    b: NodeBuilder

    def emit(self, name: str, *operands: OperandArg, **properties: PropertyValue) -> SSAValue:
        """The result of `pfrt.<name>`."""
        return self.b.emit(name, operands, properties)[0]

    def number(self, value: float, like: SSAValue) -> SSAValue:
        """A scalar of an operand's element type."""
        return self.b.constant(np.array(value).astype(dtype_of(like)))

    def filled(self, value: float, like: SSAValue) -> SSAValue:
        """A tensor of an operand's type, all of one number."""
        one = np.array([value]).astype(dtype_of(like))
        return self.emit("constant_of_shape", self.emit("shape", like), value=one)

    def reshaped(self, value: SSAValue, like: SSAValue) -> SSAValue:
        """The elements in an operand's shape."""
        return self.b.reshape_like(value, like)[0]

    def sum_to(self, value: SSAValue, like: SSAValue) -> SSAValue:
        """The gradient of an operand from that of what it was broadcast to: a sum over copies."""
        wide, shape = shape_of(value), shape_of(like)
        if wide is None or shape is None:
            raise self.b.unsupported("the gradient of a broadcast needs known ranks")
        padded = (1,) * (len(wide) - len(shape)) + shape
        if DYNAMIC in (*wide, *shape):
            return self._sum_to_unknown(value, like, len(wide) - len(shape))
        axes = tuple(k for k, (a, z) in enumerate(zip(padded, wide, strict=True)) if a != z)
        if axes:
            value = self.emit("reduce_sum", value, None, axes=axes)
        return value if wide == shape else self.reshaped(value, like)

    def _sum_to_unknown(self, value: SSAValue, like: SSAValue, missing: int) -> SSAValue:
        """Which dimensions are copies is known at run time: those that differ."""
        dims = self.emit("shape", like)
        if missing:
            dims = self.emit("concat", [self.b.constant(np.ones(missing, np.int64)), dims], axis=0)
        same = self.emit("equal", self.emit("shape", value), dims)
        axes = self.emit("non_zero", self.emit("not", same))
        flat = self.emit("reshape", axes, None, shape=(-1,))
        summed = self.emit("reduce_sum", value, flat, noop_with_empty_axes=True)
        return self.reshaped(summed, like)


Derivative: TypeAlias = Callable[[Emitter, PfrtOp, SSAValue], Gradients]


def _add(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = a + b + ...: dy for each."""
    return [dy] * len(op.operands)


def _sub(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = a - b: da = dy, db = -dy."""
    return dy, e.emit("neg", dy)


def _mul(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = a * b: da = dy * b, db = dy * a."""
    a, b = op.operands
    return e.emit("mul", dy, b), e.emit("mul", dy, a)


def _div(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = a / b: da = dy / b, db = -da * y."""
    da = e.emit("div", dy, op.operands[1])
    return da, e.emit("neg", e.emit("mul", da, op.results[0]))


def _pow(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = a^b: da = dy * b * a^(b - 1), db = dy * y * log(a), which is NaN for negative a."""
    a, b = op.operands
    exponent = e.emit("cast", b, to=dtype_of(a))
    less = e.emit("pow", a, e.emit("sub", exponent, e.number(1, a)))
    da = e.emit("mul", e.emit("mul", dy, exponent), less)
    db = e.emit("mul", e.emit("mul", dy, op.results[0]), e.emit("log", a))
    return da, e.emit("cast", db, to=dtype_of(b))


def _neg(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = -x: dx = -dy."""
    return (e.emit("neg", dy),)


def _exp(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = exp(x): dx = dy * y."""
    return (e.emit("mul", dy, op.results[0]),)


def _log(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = log(x): dx = dy / x."""
    return (e.emit("div", dy, op.operands[0]),)


def _sqrt(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = sqrt(x): dx = dy / (2 * y)."""
    y = op.results[0]
    return (e.emit("div", dy, e.emit("add", y, y)),)


def _reciprocal(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = 1 / x: dx = -dy * y * y."""
    y = op.results[0]
    return (e.emit("neg", e.emit("mul", dy, e.emit("mul", y, y))),)


def _abs(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = |x|: dx = dy * sign(x), 0 at 0."""
    return (e.emit("mul", dy, e.emit("sign", op.operands[0])),)


def _sin(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = sin(x): dx = dy * cos(x)."""
    return (e.emit("mul", dy, e.emit("cos", op.operands[0])),)


def _cos(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = cos(x): dx = -dy * sin(x)."""
    return (e.emit("neg", e.emit("mul", dy, e.emit("sin", op.operands[0]))),)


def _tanh(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = tanh(x): dx = dy * (1 - y * y)."""
    y = op.results[0]
    return (e.emit("mul", dy, e.emit("sub", e.number(1, y), e.emit("mul", y, y))),)


def _sigmoid(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = 1 / (1 + exp(-x)): dx = dy * y * (1 - y)."""
    y = op.results[0]
    return (e.emit("mul", dy, e.emit("mul", y, e.emit("sub", e.number(1, y), y))),)


def _softplus(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = log(1 + exp(x)): dx = dy * sigmoid(x)."""
    return (e.emit("mul", dy, e.emit("sigmoid", op.operands[0])),)


def _relu(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = max(x, 0): dx = dy where x > 0, else 0."""
    zero = e.number(0, dy)
    return (e.emit("where", e.emit("greater", op.operands[0], zero), dy, zero),)


def _where(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = a where c, else b: da = dy where c, else 0; db = dy where not c, else 0."""
    condition, zero = op.operands[0], e.number(0, dy)
    return None, e.emit("where", condition, dy, zero), e.emit("where", condition, zero, dy)


def _cast(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = x in another type: dx = dy in x's."""
    return (e.emit("cast", dy, to=dtype_of(op.operands[0])),)


def _softmax(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = softmax(x): dx = y * (dy - sum(dy * y))."""
    y = op.results[0]
    total = e.emit("reduce_sum", e.emit("mul", dy, y), None, axes=(_integer(op, "axis"),))
    return (e.emit("mul", y, e.emit("sub", dy, total)),)


def _log_softmax(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = log(softmax(x)): dx = dy - exp(y) * sum(dy)."""
    total = e.emit("reduce_sum", dy, None, axes=(_integer(op, "axis"),))
    return (e.emit("sub", dy, e.emit("mul", e.emit("exp", op.results[0]), total)),)


def _matmul(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = a b: da = dy b^T, db = a^T dy, of the matrices in the last two dimensions."""
    a, b = op.operands
    return e.emit("matmul", dy, _transposed(e, b)), e.emit("matmul", _transposed(e, a), dy)


def _transposed(e: Emitter, value: SSAValue) -> SSAValue:
    rank = len(shape_of(value) or ())
    if rank < 2:
        raise e.b.unsupported(f"the gradient of a product needs matrices, got {value.type}")
    return e.emit("transpose", value, perm=(*range(rank - 2), rank - 1, rank - 2))


def _gemm(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = alpha * a b + beta * c: da = alpha * dy b^T, db = alpha * a^T dy, dc = beta * dy.

    Of an operand that is transposed, the gradient is too: (dy b^T)^T = b dy^T.
    """
    a, b, *rest = op.operands
    over_a, over_b = bool(_integer(op, "trans_a")), bool(_integer(op, "trans_b"))
    alpha = cast("FloatAttr[Any]", op.properties["alpha"]).value.data
    beta = cast("FloatAttr[Any]", op.properties["beta"]).value.data

    def product(x: SSAValue, z: SSAValue, trans_x: bool, trans_z: bool) -> SSAValue:
        return e.emit("gemm", x, z, None, alpha=alpha, trans_a=trans_x, trans_b=trans_z)

    da = product(b, dy, over_b, True) if over_a else product(dy, b, False, not over_b)
    db = product(dy, a, True, over_a) if over_b else product(a, dy, not over_a, False)
    return da, db, *[e.emit("mul", dy, e.number(beta, dy)) for _ in rest]


def _reduce_sum(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = sum of x: dx = dy for each element of it."""
    x, reduced = op.operands[0], cast(ReduceOp, op)
    shape, axes = shape_of(x), reduced.known_axes()
    if shape is None or (axes is None and reduced.axes_value is not None):
        raise e.b.unsupported("the gradient of a reduction needs a known rank and axes")
    along = reduced_axes(len(shape), axes or (), bool(_integer(op, "noop_with_empty_axes")))
    if not _integer(op, "keepdims") and along:
        dy = e.emit("unsqueeze", dy, None, axes=along)
    return (e.emit("expand", dy, e.emit("shape", x)), None)


def _reduce_mean(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = mean of x: dx = dy / n for each element of it, n = size(x) / size(y)."""
    sizes = [e.emit("size", value) for value in (op.operands[0], op.results[0])]
    large, small = (e.emit("cast", size, to=dtype_of(dy)) for size in sizes)
    return _reduce_sum(e, op, e.emit("mul", dy, e.emit("div", small, large)))


def _rearranged(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = x in another shape: dx = dy in x's."""
    return e.reshaped(dy, op.operands[0]), None


def _transpose(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = x with its dimensions permuted: dx = dy with them permuted back."""
    perm = cast(TransposeOp, op).perm
    if perm is None:
        return (e.emit("transpose", dy),)
    return (e.emit("transpose", dy, perm=tuple(np.argsort(ints(perm)).tolist())),)


def _same(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y = x, perhaps broadcast: dx = dy."""
    return dy, None


def _steps(e: Emitter, op: PfrtOp, dy: SSAValue) -> Gradients:
    """y is constant around x: dx = 0."""
    return (None,)


def _integer(op: PfrtOp, name: str) -> int:
    return cast("IntegerAttr[Any]", getattr(op, name)).value.data


DERIVATIVES: Mapping[str, Derivative] = {
    "abs": _abs,
    "add": _add,
    "cast": _cast,
    "ceil": _steps,
    "cos": _cos,
    "div": _div,
    "exp": _exp,
    "expand": _same,
    "flatten": _rearranged,
    "floor": _steps,
    "gemm": _gemm,
    "identity": _same,
    "log": _log,
    "log_softmax": _log_softmax,
    "matmul": _matmul,
    "mul": _mul,
    "neg": _neg,
    "pow": _pow,
    "reciprocal": _reciprocal,
    "reduce_mean": _reduce_mean,
    "reduce_sum": _reduce_sum,
    "relu": _relu,
    "reshape": _rearranged,
    "round": _steps,
    "sigmoid": _sigmoid,
    "sign": _steps,
    "sin": _sin,
    "softmax": _softmax,
    "softplus": _softplus,
    "sqrt": _sqrt,
    "squeeze": _rearranged,
    "sub": _sub,
    "sum": _add,
    "tanh": _tanh,
    "transpose": _transpose,
    "unsqueeze": _rearranged,
    "where": _where,
}
"""Derivatives by the name of the op without its dialect."""
