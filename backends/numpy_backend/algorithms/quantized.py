"""Products of integers of 8 bits by BLAS on f32, which holds integers up to 2^24 exactly.

The depth is cut where a sum could become larger: by the weights that are there, not by the largest
that might be. The parts are added up as int32, which wraps as ONNX's accumulator does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.blocks import Bound, sequence
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Call,
    Function,
    Implementation,
    Run,
    bound,
    by_kernel,
    late,
)
from pyflame_rt.backends.numpy_backend.products import Product, Shape
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.windows import window_axes

_EXACT = 1 << 24
_F32 = np.dtype(np.float32)

_LEFT, _SUMS, _MORE, _PART = 4, 5, 6, 7
"""The numbers of the rooms for a as f32, a part's sums, their int32, and parts within a product."""

_CACHED, _FEW_ROWS = 1 << 19, 64
"""Bytes of sums that are finished before the next ones, and the least rows of those."""

_LARGEST = 255
"""The largest difference of an integer of 8 bits and a zero point."""


def cuts(weights: Array, axis: int) -> list[slice]:
    """Equal parts of the depth, an axis of integers, that keep all sums exact: few, at least one."""
    depth = weights.shape[axis]
    total = np.abs(weights, dtype=np.float64).sum(axis).max(initial=0) * _LARGEST
    for count in range(max(1, math.ceil(total / _EXACT)), depth + 1):
        size = -(-depth // count)
        found = [slice(start, min(start + size, depth)) for start in range(0, depth, size)]
        parts = (np.moveaxis(weights, axis, 0)[part] for part in found)
        if all(
            np.abs(p, dtype=np.float64).sum(0).max(initial=0) * _LARGEST <= _EXACT for p in parts
        ):
            return found
    return [slice(k, k + 1) for k in range(depth)]


def shifted(w: Array, zero_point: Array | None) -> Array:
    """Weights less their zero point, which broadcasts, as f32."""
    wide = w.astype(np.float32)
    return wide if zero_point is None else wide - zero_point.astype(np.float32)


def _constant(call: Call, index: int) -> Array | None:
    return call.constant(index) if call.has(index) else None


@dataclass(frozen=True)
class _Requantize:
    """(sums * factor) rounded, plus a zero point, as integers of 8 bits."""

    low: Array
    high: Array

    @staticmethod
    def to(dtype: np.dtype[Any]) -> _Requantize:
        """To such integers."""
        limits = np.iinfo(dtype)
        return _Requantize(np.array(limits.min, _F32), np.array(limits.max, _F32))

    def __call__(self, sums: Array, factor: Array, shift: Array, out: Array) -> None:
        np.multiply(sums, factor, sums)
        np.rint(sums, sums)
        np.add(sums, shift, sums)
        sums.clip(self.low, self.high, sums)
        np.copyto(out, sums, casting="unsafe")


def _factor(left: Array, right: Array, result: Array) -> Array:
    return left.reshape(()).astype(_F32) * right.astype(_F32) / result.reshape(()).astype(_F32)


@dataclass(frozen=True)
class _Matmul:
    """The exact products of rows with constant weights, some rows at a time."""

    products: tuple[tuple[slice, Product], ...]
    rows: int
    depth: int
    columns: int
    at_once: int
    left: Array
    sums: Array
    more: Array
    part: Array

    @staticmethod
    def of(call: Call, a: int, b: int, zero_point: int) -> _Matmul | None:
        """That of a call with its matrices and b's zero point at such positions."""
        kinds = call.input_types[a], call.input_types[b]
        if not call.is_constant(b) or (call.has(zero_point) and not call.is_constant(zero_point)):
            return None
        if any(kind is None or kind.dtype.name not in ("int8", "uint8") for kind in kinds):
            return None
        if (
            len(call.shape(b)) != 2
            or len(call.shape(a)) < 2
            or 0 in (*call.shape(a), *call.shape(b))
        ):
            return None
        (depth, columns), rows = call.shape(b), math.prod(call.shape(a)[:-1])
        shift = _constant(call, zero_point)
        key = b"" if shift is None else shift.tobytes()
        whole = shifted(call.constant(b), shift)
        products: list[tuple[slice, Product]] = []
        for part in cuts(whole, 0):
            shape = Shape.of(part.stop - part.start, columns, _F32)
            pack = partial(_packed, shape, part, shift)
            products.append((part, Product(shape, call.pack(b, (shape, part.start, key), pack))))
        at_once = min(rows, max(_FEW_ROWS, _CACHED // (4 * columns)))
        size = at_once * columns * 4
        return _Matmul(
            tuple(products), rows, depth, columns, at_once,
            call.rooms.get(_LEFT, _F32, at_once * depth * 4),
            call.rooms.get(_SUMS, _F32, size),
            call.rooms.get(_MORE, np.dtype(np.int32), size),
            call.rooms.get(_PART, _F32, size),
        )  # fmt: skip

    def blocks(self, a: Array, zero_point: Array | None) -> Iterator[tuple[slice, Array]]:
        """Some rows, and their sums: as f32 if there is one part, else as int32."""
        a = a.reshape(self.rows, self.depth)
        for start in range(0, self.rows, self.at_once):
            taken = slice(start, min(start + self.at_once, self.rows))
            count = taken.stop - start
            left = self.left[: count * self.depth].reshape(count, self.depth)
            if zero_point is None:
                np.copyto(left, a[taken])
            else:
                np.subtract(a[taken], zero_point.reshape(()), left, dtype=_F32)
            yield taken, self._sums(left, count)

    def _sums(self, left: Array, count: int) -> Array:
        shape, size = (count, self.columns), count * self.columns
        sums = self.sums[:size].reshape(shape)
        if len(self.products) == 1:
            self._multiply(self.products[0][1], left, sums)
            return sums
        total = np.zeros(shape, np.int32)
        more = self.more[:size].reshape(shape)
        for part, product in self.products:
            self._multiply(product, left[:, part], sums)
            np.copyto(more, sums, casting="unsafe")
            np.add(total, more, total)
        return total

    def _multiply(self, product: Product, left: Array, sums: Array) -> None:
        for step in product.steps(left, sums, self.part):
            step()


def _packed(shape: Shape, part: slice, zero_point: Array | None, w: Array) -> Array:
    return shape.pack(shifted(w, zero_point)[part])


def _matmul_integer(call: Call) -> Function | None:
    prepared = _Matmul.of(call, 0, 1, 3)
    if prepared is None or (call.has(2) and math.prod(call.shape(2)) != 1):
        return None
    matmul = prepared

    def run(a: Array, _b: Array, zero_point: Array | None, _zero: Array | None, out: Array) -> None:
        y = out.reshape(matmul.rows, matmul.columns)
        for taken, sums in matmul.blocks(a, zero_point):
            np.copyto(y[taken], sums, casting="unsafe")

    return run


def _qlinear_matmul(call: Call) -> Function | None:
    prepared = _Matmul.of(call, 0, 3, 5)
    single = all(math.prod(call.shape(i)) == 1 for i in (1, 2, 6, 7))
    if prepared is None or not single or call.dtype.name not in ("int8", "uint8"):
        return None
    if math.prod(call.shape(4)) not in (1, prepared.columns):
        return None
    matmul, requantize = prepared, _Requantize.to(call.dtype)
    kernel = partial(kernels.table()["qlinear_matmul"], **call.params)

    def run(*arrays: Array) -> None:
        a, a_scale, a_zero_point, _, b_scale, _, y_scale, y_zero_point, bias, out = arrays
        factor = _factor(a_scale, b_scale.reshape(-1), y_scale)
        if not np.isfinite(factor).all():
            np.copyto(out, kernel(*arrays[:-1]))
            return
        shift = y_zero_point.reshape(()).astype(_F32)
        y = out.reshape(matmul.rows, matmul.columns)
        for taken, part in matmul.blocks(a, a_zero_point):
            sums = part if bias is None else part.astype(np.int32, copy=False) + bias
            requantize(sums.astype(_F32, copy=False), factor, shift, y[taken])

    return run


@dataclass(frozen=True)
class _Convolution:
    """The exact sums of one image after the other: x as f32 and padded, columns, products."""

    call: BoundCall
    weights: tuple[tuple[slice, Array], ...]
    group: int

    @staticmethod
    def of(call: BoundCall, w: int, zero_point: int) -> _Convolution | None:
        """That of a call with its weights and their zero point at such positions."""
        shapes = (*call.shape(0), *call.shape(w), *call.output_shape)
        if not call.is_constant(w) or not call.in_layout("nchw") or 0 in shapes:
            return None
        if call.has(zero_point) and not call.is_constant(zero_point):
            return None
        group, shift = int(call.params.get("group", 1)), _constant(call, zero_point)
        if shift is not None:
            shift = shift.reshape(-1, *(1,) * (len(call.shape(w)) - 1))
        whole = shifted(call.constant(w), shift)
        flat = whole.reshape(group, whole.shape[0] // group, -1)
        key = b"" if shift is None else shift.tobytes()
        parts = [
            (part, call.pack(w, (group, part.start, part.stop, key), partial(_cut, flat, part)))
            for part in cuts(flat, 2)
        ]
        return _Convolution(call, tuple(parts), group)

    def steps(self, image: int, zero_point: Array | None, window: Sequence[int]) -> list[Bound]:
        """The steps that put the sums of an image into the last scratch buffer, as int32."""
        call = self.call
        x = call.input(0)[image]
        padded = call.scratch_of(0, self._padded_shape(window), _F32)
        outputs = call.output_shape[2:]
        columns = call.scratch_of(1, (x.shape[0], *window, *outputs), _F32)
        inside = self._inside(padded, x.shape[1:], window)
        zero = np.zeros((), x.dtype) if zero_point is None else zero_point.reshape(())
        view = as_strided(
            padded,
            columns.shape,
            (
                padded.strides[0],
                *(
                    a.dilation * s
                    for a, s in zip(self._axes(window), padded.strides[1:], strict=True)
                ),
                *(
                    a.stride * s
                    for a, s in zip(self._axes(window), padded.strides[1:], strict=True)
                ),
            ),
            writeable=False,
        )
        return [
            partial(padded.fill, 0),
            partial(np.subtract, x, zero, inside, dtype=_F32),
            partial(np.copyto, columns, view),
            *self._multiply(columns.reshape(self.group, -1, math.prod(outputs))),
        ]

    def _multiply(self, columns: Array) -> Iterator[Bound]:
        positions = columns.shape[2]
        shape = (self.group, self.weights[0][1].shape[1], positions)
        sums, total = self.call.scratch_of(2, shape, _F32), self.total(shape)
        more = np.empty(shape, np.int32) if len(self.weights) > 1 else total
        for index, (part, weights) in enumerate(self.weights):
            yield partial(np.matmul, weights, columns[:, part], sums)
            yield partial(np.copyto, more if index else total, sums, casting="unsafe")
            if index:
                yield partial(np.add, total, more, total)

    def total(self, shape: Sequence[int]) -> Array:
        """The sums of an image."""
        return self.call.scratch_of(3, shape, np.dtype(np.int32))

    def floats(self, shape: Sequence[int]) -> Array:
        """Room for the sums as f32."""
        return self.call.scratch_of(2, shape, _F32)

    def _axes(self, window: Sequence[int]):
        params = self.call.params
        return window_axes(
            tuple(window),
            params.get("strides", ()),
            params.get("pads", ()),
            params.get("dilations", ()),
            params.get("auto_pad", "NOTSET"),
        )

    def _padded_shape(self, window: Sequence[int]) -> tuple[int, ...]:
        channels, *sizes = self.call.shape(0)[1:]
        outputs = self.call.output_shape[2:]
        return (
            channels,
            *(
                max(a.resolved_pads(size)[0] + size, (count - 1) * a.stride + a.extent)
                for a, size, count in zip(self._axes(window), sizes, outputs, strict=True)
            ),
        )

    def _inside(self, padded: Array, sizes: Sequence[int], window: Sequence[int]) -> Array:
        begins = (a.resolved_pads(n)[0] for a, n in zip(self._axes(window), sizes, strict=True))
        parts = (slice(b, b + n) for b, n in zip(begins, sizes, strict=True))
        return padded[(slice(None), *parts)]


def _cut(weights: Array, part: slice, _w: Array) -> Array:
    return np.ascontiguousarray(weights[:, :, part])


def _conv_integer(call: BoundCall) -> Run | None:
    prepared = _Convolution.of(call, 1, 3)
    if prepared is None:
        return None
    steps: list[Bound] = []
    for image, y in enumerate(call.output):
        steps += prepared.steps(image, call.optional(2), call.shape(1)[2:])
        steps.append(partial(np.copyto, y, prepared.total(y.shape)))
    return sequence(steps)


def _qlinear_conv(call: BoundCall) -> Run | None:
    prepared = _Convolution.of(call, 3, 5)
    if prepared is None or call.dtype.name not in ("int8", "uint8"):
        return None
    convolution, requantize = prepared, _Requantize.to(call.dtype)
    trailing = (1,) * (len(call.output_shape) - 2)
    images = [
        convolution.steps(i, call.input(2), call.shape(3)[2:]) for i in range(len(call.output))
    ]
    kernel = partial(kernels.table()["qlinear_conv"], **call.params)
    x_scale, w_scale, y_scale, y_zero_point = (call.input(i) for i in (1, 4, 6, 7))
    bias = call.optional(8)

    def run() -> None:
        factor = _factor(x_scale, w_scale.reshape(-1, *trailing), y_scale)
        if not np.isfinite(factor).all():
            np.copyto(call.output, kernel(*call.inputs))
            return
        shift = y_zero_point.reshape(()).astype(_F32)
        for steps, y in zip(images, call.output, strict=True):
            for step in steps:
                step()
            total, sums = convolution.total(y.shape), convolution.floats(y.shape)
            if bias is not None:
                np.add(total, bias.reshape(-1, *trailing), total)
            np.copyto(sums, total, casting="unsafe")
            requantize(sums, factor, shift, y)

    return run


_POOL = (
    "kernel_shape", "ceil_mode", "strides", "pads", "dilations", "auto_pad", "layout",
)  # fmt: skip
_CONV = ("strides", "pads", "dilations", "group", "auto_pad", "layout")

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("conv_integer", _conv_integer, *_CONV),
    bound("qlinear_conv", _qlinear_conv, *_CONV),
    # Kernels where there is no machine code.
    *(
        bound(f"{name}_nhwc", by_kernel, *_CONV)
        for name in ("conv_integer", "qlinear_conv", "qlinear_conv_add")
    ),
    bound("conv_integer_to_float_nhwc", by_kernel, *_CONV, "activation"),
    bound("max_pool_bytes_nhwc", by_kernel, *_POOL),
    late("matmul_integer", _matmul_integer, arity=4, raw=(1,)),
    late("qlinear_matmul", _qlinear_matmul, raw=(3,)),
)
