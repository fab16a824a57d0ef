"""Reductions over dimensions, and running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pyflame_rt.dtypes import DType
from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.activation import number
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.functions import floats
from pyflame_rt.frontends.torch.aten.pieces import diagonal
from pyflame_rt.frontends.torch.aten.promotion import BOOL, INT64, is_float
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Ints, Scalar, Value


def _all(b: AtenBuilder, self: Value, dim: Sequence[Int] | None) -> tuple[int, ...]:
    """The axes; all of them when none is given."""
    if not dim:
        return tuple(range(b.rank(self)))
    axes = b.axes(self, dim)
    return axes if b.rank(self) else ()


def reduced(b: AtenBuilder, op: str, self: Value, axes: tuple[int, ...], keepdim: bool) -> Value:
    """A reduction over some axes, of which there may be none."""
    if not axes:
        if op in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"):
            return self
        properties = {"axes": (0,), "keepdims": False}
        return b.one(op, [b.reshape(self, (1, *b.sizes(self))), None], properties)
    return b.one(op, [self, None], {"axes": axes, "keepdims": keepdim})


def _summed(b: AtenBuilder, self: Value, dtype: DType | None) -> Value:
    """What is summed: integers and bools as i64."""
    if dtype is not None:
        return b.cast(self, dtype)
    return b.cast(self, INT64) if self.dtype.kind in "biu" else self


def _sum(
    b: AtenBuilder,
    op: str,
    self: Value,
    dim: Sequence[Int] | None,
    keepdim: bool,
    dtype: DType | None,
) -> Value:
    return reduced(b, op, _summed(b, self, dtype), _all(b, self, dim), keepdim)


@aten("sum", overload="dim_IntList")
def sum_dim(
    b: AtenBuilder,
    self: Value,
    dim: Ints | None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Value:
    """The sum over dimensions"""
    return _sum(b, "reduce_sum", self, dim, keepdim, dtype)


@aten("sum")
def sum_(b: AtenBuilder, self: Value, *, dtype: DType | None = None) -> Value:
    """The sum of all elements"""
    return _sum(b, "reduce_sum", self, None, False, dtype)


@aten("prod")
def prod(b: AtenBuilder, self: Value, *, dtype: DType | None = None) -> Value:
    """The product of all elements"""
    return _sum(b, "reduce_prod", self, None, False, dtype)


@aten("prod", overload="dim_int")
def prod_dim(
    b: AtenBuilder, self: Value, dim: int, keepdim: bool = False, *, dtype: DType | None = None
) -> Value:
    """The product over a dimension"""
    return _sum(b, "reduce_prod", self, (dim,), keepdim, dtype)


def _mean(
    b: AtenBuilder, self: Value, dim: Sequence[Int] | None, keepdim: bool, dtype: DType | None
) -> Value:
    x = self if dtype is None else b.cast(self, dtype)
    if x.dtype.kind in "biu":
        raise b.error("the mean of integers needs a dtype of floats")
    return reduced(b, "reduce_mean", x, _all(b, self, dim), keepdim)


@aten("mean")
def mean(b: AtenBuilder, self: Value, *, dtype: DType | None = None) -> Value:
    """The mean of all elements"""
    return _mean(b, self, None, False, dtype)


@aten("mean", overload="dim")
def mean_dim(
    b: AtenBuilder,
    self: Value,
    dim: Ints | None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Value:
    """The mean over dimensions"""
    return _mean(b, self, dim, keepdim, dtype)


@aten("amax")
def amax(b: AtenBuilder, self: Value, dim: Ints = (), keepdim: bool = False) -> Value:
    """The largest element over dimensions"""
    return reduced(b, "reduce_max", self, _all(b, self, dim), keepdim)


@aten("amin")
def amin(b: AtenBuilder, self: Value, dim: Ints = (), keepdim: bool = False) -> Value:
    """The least element over dimensions"""
    return reduced(b, "reduce_min", self, _all(b, self, dim), keepdim)


@aten("max")
def max_(b: AtenBuilder, self: Value) -> Value:
    """The largest element"""
    return reduced(b, "reduce_max", self, _all(b, self, None), False)


@aten("min")
def min_(b: AtenBuilder, self: Value) -> Value:
    """The least element"""
    return reduced(b, "reduce_min", self, _all(b, self, None), False)


def arg(b: AtenBuilder, op: str, self: Value, axis: int, keepdim: bool) -> Value:
    """Where the extreme element of an axis is."""
    if b.rank(self) == 0:
        return b.constant(np.array(0, np.int64))
    given = b.cast(self, np.dtype(np.uint8)) if self.dtype == BOOL else self
    return b.one(op, [given], {"axis": axis, "keepdims": keepdim})


@aten("max", overload="dim")
def max_dim(b: AtenBuilder, self: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """The largest element over a dimension, and where it is"""
    axis = b.axis(self, dim)
    value = reduced(b, "reduce_max", self, _all(b, self, (axis,)), keepdim)
    return value, arg(b, "arg_max", self, axis, keepdim)


@aten("min", overload="dim")
def min_dim(b: AtenBuilder, self: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """The least element over a dimension, and where it is"""
    axis = b.axis(self, dim)
    value = reduced(b, "reduce_min", self, _all(b, self, (axis,)), keepdim)
    return value, arg(b, "arg_min", self, axis, keepdim)


@aten("aminmax")
def aminmax(
    b: AtenBuilder, self: Value, *, dim: int | None = None, keepdim: bool = False
) -> tuple[Value, Value]:
    """The least and the largest element, of all or over a dimension"""
    axes = _all(b, self, None if dim is None else (dim,))
    least, most = (reduced(b, op, self, axes, keepdim) for op in ("reduce_min", "reduce_max"))
    return least, most


def _arg_all(b: AtenBuilder, op: str, self: Value, dim: int | None, keepdim: bool) -> Value:
    if dim is not None:
        return arg(b, op, self, b.axis(self, dim), keepdim)
    place = arg(b, op, b.reshape(self, (b.numel(self),)), 0, False)
    return b.reshape(place, (1,) * b.rank(self)) if keepdim else place


@aten("argmax")
def argmax(b: AtenBuilder, self: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """Where the largest element is, among all or along a dimension"""
    return _arg_all(b, "arg_max", self, dim, keepdim)


@aten("argmin")
def argmin(b: AtenBuilder, self: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """Where the least element is, among all or along a dimension"""
    return _arg_all(b, "arg_min", self, dim, keepdim)


def _truth(b: AtenBuilder, op: str, self: Value, dim: Sequence[Int] | None, keepdim: bool) -> Value:
    flags = b.cast(b.cast(self, BOOL), np.dtype(np.uint8))
    found = reduced(b, op, flags, _all(b, self, dim), keepdim)
    return b.cast(found, self.dtype if self.dtype.name == "uint8" else BOOL)


@aten("all")
def all_(b: AtenBuilder, self: Value) -> Value:
    """Whether no element is 0"""
    return _truth(b, "reduce_min", self, None, False)


@aten("all", overload="dim")
def all_dim(b: AtenBuilder, self: Value, dim: int, keepdim: bool = False) -> Value:
    """Whether no element of a dimension is 0"""
    return _truth(b, "reduce_min", self, (dim,), keepdim)


@aten("all", overload="dims")
def all_dims(b: AtenBuilder, self: Value, dim: Ints | None = None, keepdim: bool = False) -> Value:
    """Whether no element of dimensions is 0"""
    return _truth(b, "reduce_min", self, dim, keepdim)


@aten("any")
def any_(b: AtenBuilder, self: Value) -> Value:
    """Whether an element is not 0"""
    return _truth(b, "reduce_max", self, None, False)


@aten("any", overload="dim")
def any_dim(b: AtenBuilder, self: Value, dim: int, keepdim: bool = False) -> Value:
    """Whether an element of a dimension is not 0"""
    return _truth(b, "reduce_max", self, (dim,), keepdim)


@aten("any", overload="dims")
def any_dims(b: AtenBuilder, self: Value, dim: Ints | None = None, keepdim: bool = False) -> Value:
    """Whether an element of dimensions is not 0"""
    return _truth(b, "reduce_max", self, dim, keepdim)


def count(b: AtenBuilder, self: Value, axes: Sequence[int]) -> Int:
    """How many elements are reduced to one."""
    return sizes.product(b.size(self, axis) for axis in axes)


def variance(
    b: AtenBuilder,
    self: Value,
    dim: Sequence[Int] | None,
    correction: Scalar | None,
    keepdim: bool,
) -> tuple[Value, Value]:
    """The variance over dimensions, its divisor less by a correction, and the mean."""
    axes = _all(b, self, dim)
    mean = reduced(b, "reduce_mean", self, axes, True)
    away = b.one("sub", [self, mean])
    squares = reduced(b, "reduce_sum_square", away, axes, keepdim)
    less = 1.0 if correction is None else number(b, correction)
    total = count(b, self, axes)
    if isinstance(total, int):
        divisor = b.constant(max(total - less, 0.0), self.dtype)
    else:
        elements = b.cast(b.number(total), self.dtype)
        rest = b.one("sub", [elements, b.constant(less, self.dtype)])
        divisor = b.one("max", [[rest, b.constant(0, self.dtype)]])
    if not keepdim and axes:
        mean = b.one("squeeze", [mean, None], {"axes": axes})
    return b.one("div", [squares, divisor]), mean


@aten("var")
def var(b: AtenBuilder, self: Value, unbiased: bool = True) -> Value:
    """The variance of all elements"""
    return variance(b, self, None, int(unbiased), False)[0]


@aten("var", overload="dim")
def var_dim(
    b: AtenBuilder, self: Value, dim: Ints | None, unbiased: bool = True, keepdim: bool = False
) -> Value:
    """The variance over dimensions"""
    return variance(b, self, dim, int(unbiased), keepdim)[0]


@aten("var", overload="correction")
def var_correction(
    b: AtenBuilder,
    self: Value,
    dim: Ints | None = None,
    *,
    correction: Scalar | None = None,
    keepdim: bool = False,
) -> Value:
    """The variance over dimensions"""
    return variance(b, self, dim, correction, keepdim)[0]


@aten("std")
def std(b: AtenBuilder, self: Value, unbiased: bool = True) -> Value:
    """The standard deviation of all elements"""
    return b.one("sqrt", [variance(b, self, None, int(unbiased), False)[0]])


@aten("std", overload="dim")
def std_dim(
    b: AtenBuilder, self: Value, dim: Ints | None, unbiased: bool = True, keepdim: bool = False
) -> Value:
    """The standard deviation over dimensions"""
    return b.one("sqrt", [variance(b, self, dim, int(unbiased), keepdim)[0]])


@aten("std", overload="correction")
def std_correction(
    b: AtenBuilder,
    self: Value,
    dim: Ints | None = None,
    *,
    correction: Scalar | None = None,
    keepdim: bool = False,
) -> Value:
    """The standard deviation over dimensions"""
    return b.one("sqrt", [variance(b, self, dim, correction, keepdim)[0]])


@aten("var_mean", overload="correction")
def var_mean(
    b: AtenBuilder,
    self: Value,
    dim: Ints | None = None,
    *,
    correction: Scalar | None = None,
    keepdim: bool = False,
) -> tuple[Value, Value]:
    """The variance and the mean over dimensions"""
    return variance(b, self, dim, correction, keepdim)


def norm_of(
    b: AtenBuilder, self: Value, order: float, axes: tuple[int, ...], keepdim: bool
) -> Value:
    """(sum of |x| to the power of order) to the power of 1 / order."""
    match order:
        case 1 | 2:
            return reduced(b, f"reduce_l{order:.0f}", self, axes, keepdim)
        case math.inf:
            return reduced(b, "reduce_max", b.one("abs", [self]), axes, keepdim)
        case _ if order == -math.inf:
            return reduced(b, "reduce_min", b.one("abs", [self]), axes, keepdim)
        case 0:
            zero = b.constant(0, self.dtype)
            present = b.one("not", [b.one("equal", [self, zero])])
            return reduced(b, "reduce_sum", b.cast(present, self.dtype), axes, keepdim)
        case _:
            exponent = b.constant(order, self.dtype)
            powers = b.one("pow", [b.one("abs", [self]), exponent])
            total = reduced(b, "reduce_sum", powers, axes, keepdim)
            return b.one("pow", [total, b.constant(1 / order, self.dtype)])


def _norm(
    b: AtenBuilder,
    self: Value,
    order: Scalar | None,
    dim: Sequence[Int] | None,
    keepdim: bool,
    dtype: DType | None,
) -> Value:
    x = self if dtype is None else b.cast(self, dtype)
    if not is_float(x.dtype):
        raise b.error("a norm is one of floats")
    return norm_of(b, x, 2.0 if order is None else number(b, order), _all(b, x, dim), keepdim)


@aten("linalg_vector_norm")
def linalg_vector_norm(
    b: AtenBuilder,
    self: Value,
    ord: Scalar = 2,
    dim: Ints | None = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Value:
    """The norm of vectors over dimensions"""
    return _norm(b, self, ord, dim, keepdim, dtype)


@aten("norm", overload="Scalar")
def norm(b: AtenBuilder, self: Value, p: Scalar = 2) -> Value:
    """The norm of all elements"""
    return _norm(b, self, p, None, False, None)


@aten("norm", overload="ScalarOpt_dim")
def norm_dim(
    b: AtenBuilder, self: Value, p: Scalar | None, dim: Ints, keepdim: bool = False
) -> Value:
    """The norm of vectors over dimensions"""
    return _norm(b, self, p, dim, keepdim, None)


@aten("logsumexp")
def logsumexp(b: AtenBuilder, self: Value, dim: Ints, keepdim: bool = False) -> Value:
    """log(sum(exp(x))) over dimensions"""
    return reduced(b, "reduce_log_sum_exp", floats(b, self), _all(b, self, dim), keepdim)


def _running(b: AtenBuilder, op: str, self: Value, dim: int, dtype: DType | None) -> Value:
    x = _summed(b, self, dtype)
    axis = b.axis(x, dim)
    return x if b.rank(x) == 0 else b.one(op, [x, None], {"axis": axis})


@aten("cumsum")
def cumsum(b: AtenBuilder, self: Value, dim: int, *, dtype: DType | None = None) -> Value:
    """The sum of each element and those before it"""
    return _running(b, "cum_sum", self, dim, dtype)


@aten("cumprod")
def cumprod(b: AtenBuilder, self: Value, dim: int, *, dtype: DType | None = None) -> Value:
    """The product of each element and those before it"""
    return _running(b, "cum_prod", self, dim, dtype)


def _nonzero_count(b: AtenBuilder, self: Value, dim: Sequence[Int] | None) -> Value:
    flags = b.cast(b.cast(self, BOOL), INT64)
    return reduced(b, "reduce_sum", flags, _all(b, self, dim), False)


@aten("count_nonzero")
def count_nonzero(b: AtenBuilder, self: Value, dim: int | None = None) -> Value:
    """How many elements are not 0"""
    return _nonzero_count(b, self, None if dim is None else (dim,))


@aten("count_nonzero", overload="dim_IntList")
def count_nonzero_dims(b: AtenBuilder, self: Value, dim: Ints) -> Value:
    """How many elements over dimensions are not 0"""
    return _nonzero_count(b, self, dim)


@aten("var_mean", overload="dim")
def var_mean_dim(
    b: AtenBuilder, self: Value, dim: Ints | None, unbiased: bool = True, keepdim: bool = False
) -> tuple[Value, Value]:
    """The variance and the mean over dimensions"""
    return variance(b, self, dim, int(unbiased), keepdim)


@aten("std_mean", overload="correction")
def std_mean(
    b: AtenBuilder,
    self: Value,
    dim: Ints | None = None,
    *,
    correction: Scalar | None = None,
    keepdim: bool = False,
) -> tuple[Value, Value]:
    """The standard deviation and the mean over dimensions"""
    var, mean = variance(b, self, dim, correction, keepdim)
    return b.one("sqrt", [var]), mean


@aten("trace")
def trace(b: AtenBuilder, self: Value) -> Value:
    """The sum of the diagonal of a matrix"""
    return _sum(b, "reduce_sum", diagonal(b, self), None, False, None)


RULES = rules_in(globals())
