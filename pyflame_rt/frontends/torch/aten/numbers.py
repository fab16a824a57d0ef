"""Numbers and facts about tensors, tensors made of numbers, and what only moves or copies."""

from __future__ import annotations

import numpy as np

from pyflame_rt.dtypes import DType
from pyflame_rt.frontends.torch.aten import views
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.promotion import (
    BOOL,
    FLOAT64,
    INT64,
    is_complex,
    is_float,
)
from pyflame_rt.frontends.torch.aten.rules import Rule, View, aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int, Size
from pyflame_rt.frontends.torch.aten.values import Argument, Ints, Scalar, TensorValue, Value


def number_of(b: AtenBuilder, value: Value) -> Scalar:
    """The number that a tensor of one element holds; known only at run time it stays a tensor."""
    array = b.known(value)
    if array is not None:
        if array.size != 1:
            raise b.error(f"a tensor of {array.size} elements is no number")
        return array.reshape(-1)[0].item()
    if value.dtype.kind in "iu":
        return Size.of_item(value.ssa)
    if is_float(value.dtype):
        value = b.cast(value, FLOAT64)
    return TensorValue(b.reshape(value, ()).ssa, wrapped=True)


def _identity(name: str, view: View | None) -> Rule[[AtenBuilder, Value], Value]:
    @aten(name, view=view)
    def rule(b: AtenBuilder, self: Value) -> Value:
        return self

    return rule


@aten("contiguous", view=views.MAYBE_SAME)
def contiguous(b: AtenBuilder, self: Value, *, memory_format: Argument = 0) -> Value:
    """The tensor; its layout in memory does not matter here"""
    return self


@aten("clone")
def clone(b: AtenBuilder, self: Value, *, memory_format: Argument | None = None) -> Value:
    """A copy of the tensor"""
    return self


@aten("type_as")
def type_as(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The tensor with the element type of another"""
    return b.cast(self, other.dtype)


@aten("to", overload="dtype", view=views.MAYBE_SAME)
def to_dtype(
    b: AtenBuilder,
    self: Value,
    dtype: DType,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Argument | None = None,
) -> Value:
    """The tensor with another element type"""
    return b.cast(self, dtype)


@aten("to", overload="other", view=views.MAYBE_SAME)
def to_other(
    b: AtenBuilder,
    self: Value,
    other: Value,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Argument | None = None,
) -> Value:
    """The tensor with the element type of another"""
    return b.cast(self, other.dtype)


@aten("to", overload="prim_dtype", view=views.MAYBE_SAME)
def to_prim_dtype(
    b: AtenBuilder,
    self: Value,
    dtype: DType | None = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Value:
    """The tensor with another element type"""
    return self if dtype is None else b.cast(self, dtype)


@aten("to", overload="device", view=views.MAYBE_SAME)
def to_device(
    b: AtenBuilder,
    self: Value,
    device: Argument,
    dtype: DType,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Argument | None = None,
) -> Value:
    """The tensor with another element type; where it lies does not matter here"""
    return b.cast(self, dtype)


@aten("to", overload="prim_Device", view=views.MAYBE_SAME)
def to_prim_device(
    b: AtenBuilder,
    self: Value,
    device: Argument | None,
    dtype: DType | None = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Value:
    """The tensor with another element type; where it lies does not matter here"""
    return self if dtype is None else b.cast(self, dtype)


@aten("to", overload="dtype_layout", view=views.MAYBE_SAME)
def to_dtype_layout(
    b: AtenBuilder,
    self: Value,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Argument | None = None,
) -> Value:
    """The tensor with another element type"""
    return self if dtype is None else b.cast(self, dtype)


@aten("_to_copy")
def to_copy(
    b: AtenBuilder,
    self: Value,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
    non_blocking: bool = False,
    memory_format: Argument | None = None,
) -> Value:
    """A copy of the tensor with another element type"""
    return self if dtype is None else b.cast(self, dtype)


@aten("size", overload="int")
def size_int(b: AtenBuilder, self: Value, dim: int) -> Int:
    """The size of a dimension"""
    return b.size(self, dim)


@aten("size")
def size(b: AtenBuilder, self: Value) -> Ints:
    """The sizes of all dimensions"""
    return list(b.sizes(self))


@aten("sym_size", overload="int")
def sym_size_int(b: AtenBuilder, self: Value, dim: int) -> Int:
    """The size of a dimension"""
    return b.size(self, dim)


@aten("sym_size")
def sym_size(b: AtenBuilder, self: Value) -> Ints:
    """The sizes of all dimensions"""
    return list(b.sizes(self))


@aten("numel")
def numel(b: AtenBuilder, self: Value) -> Int:
    """The number of elements"""
    return b.numel(self)


@aten("sym_numel")
def sym_numel(b: AtenBuilder, self: Value) -> Int:
    """The number of elements"""
    return b.numel(self)


@aten("dim")
def dim(b: AtenBuilder, self: Value) -> int:
    """The number of dimensions"""
    return b.rank(self)


@aten("len", overload="Tensor")
def len_(b: AtenBuilder, t: Value) -> Int:
    """The size of the first dimension"""
    return b.size(t, 0)


@aten("is_floating_point")
def is_floating_point(b: AtenBuilder, self: Value) -> bool:
    """Whether the elements are floats"""
    return is_float(self.dtype)


@aten("is_complex")
def is_complex_(b: AtenBuilder, self: Value) -> bool:
    """Whether the elements are complex"""
    return is_complex(self.dtype)


@aten("item")
def item(b: AtenBuilder, self: Value) -> Scalar:
    """The number that a tensor of one element holds"""
    return number_of(b, self)


@aten("_local_scalar_dense")
def local_scalar_dense(b: AtenBuilder, self: Value) -> Scalar:
    """The number that a tensor of one element holds"""
    return number_of(b, self)


@aten("ScalarImplicit")
def scalar_implicit(b: AtenBuilder, a: Value) -> Scalar:
    """The number that a tensor of one element holds"""
    return number_of(b, a)


@aten("IntImplicit")
def int_implicit(b: AtenBuilder, a: Value) -> Int:
    """The integer that a tensor of one element holds"""
    return b.item(b.cast(a, INT64))


@aten("FloatImplicit")
def float_implicit(b: AtenBuilder, a: Value) -> Scalar:
    """The number that a tensor of one element holds"""
    return _as_float(b, number_of(b, a))


@aten("Int", overload="Tensor")
def int_of_tensor(b: AtenBuilder, a: Value) -> Int:
    """The number that a tensor of one element holds, towards zero"""
    return b.item(b.cast(a, INT64))


@aten("Float", overload="Tensor")
def float_of_tensor(b: AtenBuilder, a: Value) -> Scalar:
    """The number that a tensor of one element holds"""
    return _as_float(b, number_of(b, a))


def _as_float(b: AtenBuilder, number: Scalar) -> Scalar:
    if isinstance(number, bool | int | float):
        return float(number)
    return TensorValue(b.tensor(number, FLOAT64).ssa, wrapped=True)


@aten("Bool", overload="Tensor")
def bool_of_tensor(b: AtenBuilder, a: Value) -> Scalar:
    """Whether a tensor of one element holds something else than 0"""
    return number_of(b, b.cast(a, BOOL))


@aten("is_nonzero")
def is_nonzero(b: AtenBuilder, self: Value) -> Scalar:
    """Whether a tensor of one element holds something else than 0"""
    return number_of(b, b.cast(self, BOOL))


@aten("NumToTensor", overload="Scalar", namespace="prim")
def num_to_tensor(b: AtenBuilder, a: Scalar) -> Value:
    """A number as a tensor without dimensions"""
    dtype = FLOAT64 if isinstance(a, float) else None
    made = b.tensor(a, dtype)
    return TensorValue(made.ssa)


@aten("_assert_tensor_metadata")
def assert_tensor_metadata(
    b: AtenBuilder,
    a: Value,
    size: Ints | None = None,
    stride: Ints | None = None,
    dtype: DType | None = None,
    *,
    device: Argument | None = None,
    layout: Argument | None = None,
) -> None:
    """Nothing: what a tensor is, is known"""


@aten("sym_constrain_range_for_size")
def sym_constrain_range_for_size(
    b: AtenBuilder, size: Scalar, *, min: int | None = None, max: int | None = None
) -> None:
    """Nothing: sizes are checked where they are used"""


@aten("sym_constrain_range")
def sym_constrain_range(
    b: AtenBuilder, size: Scalar, *, min: int | None = None, max: int | None = None
) -> None:
    """Nothing: sizes are checked where they are used"""


@aten("_assert_scalar")
def assert_scalar(b: AtenBuilder, self: Scalar, assert_msg: str) -> None:
    """Nothing: a model's assertions do not change its results"""


@aten("_assert_async", overload="msg")
def assert_async(b: AtenBuilder, self: Value, assert_msg: str) -> None:
    """Nothing: a model's assertions do not change its results"""


@aten("equal")
def equal(b: AtenBuilder, self: Value, other: Value) -> Scalar:
    """Whether two tensors have the same shape and elements"""
    if self.rank != other.rank:
        return False
    pairs = zip(b.sizes(self), b.sizes(other), strict=True)
    if any(isinstance(m, int) and isinstance(n, int) and m != n for m, n in pairs):
        return False
    if b.sizes(self) != b.sizes(other):
        raise b.unsupported("shapes that may differ cannot be compared")
    same = b.one("equal", [*b.promote(self, other)])
    flags = b.cast(b.reshape(same, (b.numel(same),)), np.dtype(np.uint8))
    every = b.one("reduce_min", [flags, None], {"axes": (0,), "keepdims": False})
    return number_of(b, b.cast(every, BOOL))


RULES = (
    *(_identity(name, views.SAME) for name in ("alias", "detach", "lift_fresh", "positive")),
    *(_identity(name, views.MAYBE_SAME) for name in ("resolve_conj", "resolve_neg")),
    *(_identity(name, None) for name in ("lift_fresh_copy", "detach_copy", "alias_copy")),
    *rules_in(globals()),
)
