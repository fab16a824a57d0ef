"""Products of vectors and matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.activation import number
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.elementwise import binary, scaled
from pyflame_rt.frontends.torch.aten.promotion import is_float
from pyflame_rt.frontends.torch.aten.reduction import norm_of
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.shape import transposed
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Ints, Scalar, Value, Values


def product(b: AtenBuilder, lhs: Value, rhs: Value) -> Value:
    """The matrix product, of vectors and of batches too."""
    if lhs.dtype != rhs.dtype:
        raise b.error(f"multiplies {lhs.dtype} and {rhs.dtype}")
    return b.one("matmul", [lhs, rhs])


def projected(b: AtenBuilder, value: Value, weight: Value, bias: Value | None) -> Value:
    """value @ weight^T + bias"""
    if value.dtype != weight.dtype:
        raise b.error(f"multiplies {value.dtype} and {weight.dtype}")
    if value.rank == 2 and weight.rank == 2:
        return b.one("gemm", [value, weight, bias], {"trans_b": True})
    y = product(b, value, transposed(b, weight, -1, -2) if b.rank(weight) == 2 else weight)
    return y if bias is None else b.one("add", [y, bias])


@aten("linear")
def linear(b: AtenBuilder, input: Value, weight: Value, bias: Value | None = None) -> Value:
    """input @ weight^T + bias"""
    return projected(b, input, weight, bias)


@aten("matmul")
def matmul(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The matrix product, of vectors and of batches too"""
    return product(b, self, other)


@aten("mm")
def mm(b: AtenBuilder, self: Value, mat2: Value) -> Value:
    """The product of two matrices"""
    return product(b, self, mat2)


@aten("bmm")
def bmm(b: AtenBuilder, self: Value, mat2: Value) -> Value:
    """The products of batches of matrices"""
    return product(b, self, mat2)


@aten("mv")
def mv(b: AtenBuilder, self: Value, vec: Value) -> Value:
    """The product of a matrix and a vector"""
    return product(b, self, vec)


@aten("dot")
def dot(b: AtenBuilder, self: Value, tensor: Value) -> Value:
    """The product of two vectors"""
    return product(b, self, tensor)


@aten("outer")
def outer(b: AtenBuilder, self: Value, vec2: Value) -> Value:
    """All products of an element of one vector and one of another"""
    column = b.one("unsqueeze", [self, None], {"axes": (1,)})
    return binary(b, "mul", column, vec2)


def _added(b: AtenBuilder, self: Value, made: Value, beta: Scalar, alpha: Scalar) -> Value:
    result = scaled(b, made, alpha, made.dtype)
    if beta == 0:
        return result
    return binary(b, "add", scaled(b, self, beta, self.dtype), result)


@aten("addmm")
def addmm(
    b: AtenBuilder, self: Value, mat1: Value, mat2: Value, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Value:
    """beta * self + alpha * mat1 @ mat2"""
    if is_float(mat1.dtype) and b.rank(self) <= 2 and mat1.rank == 2:
        factors = {"alpha": number(b, alpha), "beta": number(b, beta)}
        return b.one("gemm", [mat1, mat2, None if beta == 0 else self], factors)
    return _added(b, self, product(b, mat1, mat2), beta, alpha)


@aten("baddbmm")
def baddbmm(
    b: AtenBuilder,
    self: Value,
    batch1: Value,
    batch2: Value,
    *,
    beta: Scalar = 1,
    alpha: Scalar = 1,
) -> Value:
    """beta * self + alpha * batch1 @ batch2"""
    return _added(b, self, product(b, batch1, batch2), beta, alpha)


@aten("addmv")
def addmv(
    b: AtenBuilder, self: Value, mat: Value, vec: Value, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Value:
    """beta * self + alpha * mat @ vec"""
    return _added(b, self, product(b, mat, vec), beta, alpha)


@aten("einsum")
def einsum(b: AtenBuilder, equation: str, tensors: Values, *, path: Ints | None = None) -> Value:
    """Sums of products, as Einstein wrote them"""
    return b.one("einsum", [tensors], {"equation": equation.replace(" ", "")})


@aten("tensordot")
def tensordot(
    b: AtenBuilder, self: Value, other: Value, dims_self: Ints, dims_other: Ints
) -> Value:
    """The sum of products over pairs of dimensions"""
    left, right = b.axes(self, dims_self), b.axes(other, dims_other)
    if len(left) != len(right):
        raise b.error("there must be as many dimensions of one as of the other")
    kept = [
        [i for i in range(b.rank(v)) if i not in axes] for v, axes in ((self, left), (other, right))
    ]
    first = b.one("transpose", [self], {"perm": (*kept[0], *left)}) if b.rank(self) else self
    second = b.one("transpose", [other], {"perm": (*right, *kept[1])}) if b.rank(other) else other
    rows = [b.size(self, axis) for axis in kept[0]]
    columns = [b.size(other, axis) for axis in kept[1]]
    inner = _product([b.size(self, axis) for axis in left])
    made = product(
        b,
        b.reshape(first, (_product(rows), inner)),
        b.reshape(second, (inner, _product(columns))),
    )
    return b.reshape(made, (*rows, *columns))


def _product(numbers: Sequence[Int]) -> Int:
    return sizes.product(numbers)


@aten("bilinear")
def bilinear(
    b: AtenBuilder, input1: Value, input2: Value, weight: Value, bias: Value | None = None
) -> Value:
    """input1 @ weight @ input2^T for each row of the weights, + bias"""
    y = b.one("einsum", [[input1, weight, input2]], {"equation": "...i,oij,...j->...o"})
    return y if bias is None else b.one("add", [y, bias])


@aten("cdist")
def cdist(
    b: AtenBuilder, x1: Value, x2: Value, p: float = 2.0, compute_mode: int | None = None
) -> Value:
    """The distance of each row of one matrix to each of another"""
    first = b.one("unsqueeze", [x1, None], {"axes": (b.rank(x1) - 1,)})
    second = b.one("unsqueeze", [x2, None], {"axes": (b.rank(x2) - 2,)})
    away = binary(b, "sub", first, second)
    return norm_of(b, away, p, (b.rank(away) - 1,), False)


@aten("cosine_similarity")
def cosine_similarity(
    b: AtenBuilder, x1: Value, x2: Value, dim: int = 1, eps: float = 1e-08
) -> Value:
    """The cosine of the angle between vectors along a dimension"""
    x, y = b.promote(x1, x2)
    if x.rank != y.rank:
        raise b.unsupported("is supported between tensors of as many dimensions")
    axis = b.axis(x, dim)
    units: list[Value] = []
    for value in (x, y):
        length = b.one("reduce_l2", [value, None], {"axes": (axis,), "keepdims": True})
        length = b.one("max", [[length, b.constant(eps, x.dtype)]])
        units.append(b.one("div", [value, length]))
    properties = {"axes": (axis,), "keepdims": False}
    return b.one("reduce_sum", [b.one("mul", units), None], properties)


@aten("_cdist_forward")
def cdist_forward(
    b: AtenBuilder, x1: Value, x2: Value, p: float, compute_mode: int | None
) -> Value:
    """The distance of each row of one matrix to each of another"""
    return cdist(b, x1, x2, p, compute_mode)


@aten("inner")
def inner(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The sum of products over the last dimension"""
    if b.rank(self) == 0 or b.rank(other) == 0:
        return binary(b, "mul", self, other)
    return tensordot(b, self, other, (-1,), (-1,))


@aten("linalg_cross")
def linalg_cross(b: AtenBuilder, self: Value, other: Value, *, dim: int = -1) -> Value:
    """The cross product of vectors along a dimension"""
    axis = b.axis(self, dim)
    x, y = b.promote(self, other)
    one, two = (b.constant(np.array(order, np.int64)) for order in ((1, 2, 0), (2, 0, 1)))
    rows = [
        b.one("gather", [value, order], {"axis": axis})
        for value, order in ((x, one), (y, two), (x, two), (y, one))
    ]
    return b.one("sub", [b.one("mul", rows[:2]), b.one("mul", rows[2:])])


RULES = rules_in(globals())
