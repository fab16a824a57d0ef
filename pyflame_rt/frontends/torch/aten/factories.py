"""Tensors made of numbers and sizes; where they are to lie does not matter here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from pyflame_rt.dtypes import DType
from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.activation import number
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.promotion import FLOAT32, INT64, result_type
from pyflame_rt.frontends.torch.aten.rules import Rule, aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int, Size
from pyflame_rt.frontends.torch.aten.values import (
    Argument,
    Dtype,
    Ints,
    Scalar,
    TensorValue,
    Value,
)

_MOST = 1 << 24
"""What is known at import is a constant of at most so many elements."""


def _filled(b: AtenBuilder, size: Sequence[Int], value: Scalar, dtype: Dtype) -> Value:
    if isinstance(value, TensorValue | Size):
        return b.expand(b.tensor(value, dtype), size)
    return b.full(size, b.scalar_array(value, dtype))


def _of_size(name: str, value: int, overload: str = "") -> Rule[..., Value]:
    @aten(name, overload=overload)
    def rule(
        b: AtenBuilder,
        size: Ints,
        *,
        dtype: DType | None = None,
        layout: Argument | None = None,
        device: Argument | None = None,
        pin_memory: Argument | None = None,
    ) -> Value:
        return _filled(b, size, value, b.dtype(dtype, FLOAT32))

    return rule


@aten("empty", overload="memory_format")
def empty(
    b: AtenBuilder,
    size: Ints,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
    memory_format: Argument | None = None,
) -> Value:
    """A tensor of which nothing is said: zeros"""
    return _filled(b, size, 0, b.dtype(dtype, FLOAT32))


@aten("full")
def full(
    b: AtenBuilder,
    size: Ints,
    fill_value: Scalar,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """A tensor of one number"""
    return _filled(b, size, fill_value, b.dtype(dtype, result_type([fill_value])))


def _like(name: str, value: int) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        self: Value,
        *,
        dtype: DType | None = None,
        layout: Argument | None = None,
        device: Argument | None = None,
        pin_memory: Argument | None = None,
        memory_format: Argument | None = None,
    ) -> Value:
        return _filled(b, b.sizes(self), value, b.dtype(dtype, self.dtype))

    return rule


@aten("full_like")
def full_like(
    b: AtenBuilder,
    self: Value,
    fill_value: Scalar,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
    memory_format: Argument | None = None,
) -> Value:
    """One number in the shape of a tensor"""
    return _filled(b, b.sizes(self), fill_value, b.dtype(dtype, self.dtype))


def _new(name: str, value: int) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        self: Value,
        size: Ints,
        *,
        dtype: DType | None = None,
        layout: Argument | None = None,
        device: Argument | None = None,
        pin_memory: Argument | None = None,
    ) -> Value:
        return _filled(b, size, value, b.dtype(dtype, self.dtype))

    return rule


@aten("new_full")
def new_full(
    b: AtenBuilder,
    self: Value,
    size: Ints,
    fill_value: Scalar,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """One number, of the type of a tensor"""
    return _filled(b, size, fill_value, b.dtype(dtype, self.dtype))


def _range(b: AtenBuilder, start: Scalar, end: Scalar, step: Scalar, dtype: DType | None) -> Value:
    given = (start, end, step)
    natural = INT64 if result_type(given).kind in "biu" else FLOAT32
    wanted = b.dtype(dtype, natural)
    if all(isinstance(n, bool | int | float) for n in given):
        first, last, by = (n for n in given if isinstance(n, bool | int | float))
        if by == 0 or (last - first) / by < 0:
            raise b.error("the step does not lead from the start to the end")
        count = math.ceil((last - first) / by)
        if count > _MOST:
            raise b.error(f"has {count} elements")
        # Each element on its own, so that errors do not add up.
        values = np.arange(count) * by + first
        return b.constant(values.astype(wanted))
    if result_type(given).kind not in "biu":
        bounds = [b.tensor(n, FLOAT32) for n in given]
        return b.cast(b.one("range", bounds), wanted)
    made = b.one("range", [b.tensor(n, INT64) for n in given])
    if isinstance(start, int) and isinstance(end, int | Size) and step == 1:
        b.type_as(made, (sizes.subtract(end, start),))
    return b.cast(made, wanted)


@aten("arange")
def arange(
    b: AtenBuilder,
    end: Scalar,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """The numbers from 0 to before end"""
    return _range(b, 0, end, 1, dtype)


@aten("arange", overload="start")
def arange_start(
    b: AtenBuilder,
    start: Scalar,
    end: Scalar,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """The numbers from start to before end"""
    return _range(b, start, end, 1, dtype)


@aten("arange", overload="start_step")
def arange_step(
    b: AtenBuilder,
    start: Scalar,
    end: Scalar,
    step: Scalar = 1,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """The numbers from start to before end, step apart"""
    return _range(b, start, end, step, dtype)


@aten("linspace")
def linspace(
    b: AtenBuilder,
    start: Scalar,
    end: Scalar,
    steps: int,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """So many numbers from start to end, equally far apart"""
    if not 0 <= steps <= _MOST:
        raise b.error(f"has {steps} elements")
    values = np.linspace(number(b, start), number(b, end), steps)
    return b.constant(values.astype(b.dtype(dtype, FLOAT32)))


def _eye(b: AtenBuilder, rows: Int, columns: Int, dtype: DType | None) -> Value:
    n, m = b.int(rows), b.int(columns)
    if n < 0 or m < 0 or n * m > _MOST:
        raise b.error(f"is {n} by {m}")
    return b.constant(np.eye(n, m, dtype=b.dtype(dtype, FLOAT32)))


@aten("eye")
def eye(
    b: AtenBuilder,
    n: Int,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """The identity matrix"""
    return _eye(b, n, n, dtype)


@aten("eye", overload="m")
def eye_m(
    b: AtenBuilder,
    n: Int,
    m: Int,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """Ones on the diagonal of a matrix"""
    return _eye(b, n, m, dtype)


@aten("scalar_tensor")
def scalar_tensor(
    b: AtenBuilder,
    s: Scalar,
    *,
    dtype: DType | None = None,
    layout: Argument | None = None,
    device: Argument | None = None,
    pin_memory: Argument | None = None,
) -> Value:
    """A number as a tensor, of f32 if nothing else is said"""
    return b.tensor(s, b.dtype(dtype, FLOAT32))


def _tensor(b: AtenBuilder, data: Argument, dtype: DType | None) -> Value:
    flat: list[Scalar] = []
    shape = _flattened(b, data, flat)
    wanted = b.dtype(dtype, result_type(flat) if flat else FLOAT32)
    if any(isinstance(item, TensorValue | Size) for item in flat):
        rows = [b.reshape(b.tensor(item, wanted), (1,)) for item in flat]
        return b.reshape(rows[0] if len(rows) == 1 else b.one("concat", [rows], {"axis": 0}), shape)
    arrays = [b.scalar_array(cast(complex, item), wanted) for item in flat]
    return b.constant(np.array(arrays, wanted).reshape(shape))


def _flattened(b: AtenBuilder, data: Argument, flat: list[Scalar]) -> tuple[int, ...]:
    """The elements of nested lists, and their shape."""
    if not isinstance(data, list | tuple):
        if not isinstance(data, bool | int | float | complex | Size | TensorValue):
            raise b.error("a tensor is made of numbers")
        flat.append(data)
        return ()
    items = cast("Sequence[Argument]", data)
    shapes = {_flattened(b, item, flat) for item in items}
    if len(shapes) > 1:
        raise b.error("the lists differ in length")
    return (len(items), *(shapes.pop() if shapes else ()))


def _tensor_of(overload: str, parameter: str) -> Rule[..., Value]:
    if parameter == "t":

        @aten("tensor", overload=overload)
        def number_(
            b: AtenBuilder,
            t: Scalar,
            *,
            dtype: DType | None = None,
            device: Argument | None = None,
            requires_grad: bool = False,
        ) -> Value:
            return _tensor(b, t, dtype)

        return number_

    @aten("tensor", overload=overload)
    def nested(
        b: AtenBuilder,
        data: Argument,
        *,
        dtype: DType | None = None,
        device: Argument | None = None,
        requires_grad: bool = False,
    ) -> Value:
        return _tensor(b, data, dtype)

    return nested


def _random(name: str, op: str) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        size: Ints,
        *,
        dtype: DType | None = None,
        layout: Argument | None = None,
        device: Argument | None = None,
        pin_memory: Argument | None = None,
    ) -> Value:
        wanted = b.dtype(dtype, FLOAT32)
        if all(isinstance(n, int) for n in size):
            return b.one(op, [], {"shape": b.ints(size), "dtype": wanted})
        return b.one(f"{op}_like", [_filled(b, size, 0, wanted)])

    return rule


def _random_like(name: str, op: str) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        self: Value,
        *,
        dtype: DType | None = None,
        layout: Argument | None = None,
        device: Argument | None = None,
        pin_memory: Argument | None = None,
        memory_format: Argument | None = None,
    ) -> Value:
        return b.one(op, [self], {"dtype": b.dtype(dtype, self.dtype)})

    return rule


RULES = (
    _of_size("zeros", 0),
    _of_size("ones", 1),
    *(_like(f"{name}_like", n) for name, n in (("zeros", 0), ("ones", 1), ("empty", 0))),
    *(_new(f"new_{name}", n) for name, n in (("zeros", 0), ("ones", 1), ("empty", 0))),
    *(_tensor_of(overload, "t") for overload in ("bool", "int", "float", "complex")),
    _tensor_of("", "data"),
    _random("rand", "random_uniform"),
    _random("randn", "random_normal"),
    _random_like("rand_like", "random_uniform_like"),
    _random_like("randn_like", "random_normal_like"),
    *rules_in(globals()),
)
