"""Products and convolutions of integers of 8 bits with constant weights, by machine code that multiplies
bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.native import integer_processors
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Implementation, Run, late
from pyflame_rt.backends.numpy_backend.compiled_steps import Compiled, Known, NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.kernels.windows import window_axes

if TYPE_CHECKING:
    from pyflame_rt.backends.native.integer_convolutions import Geometry
    from pyflame_rt.backends.native.integer_products import Epilogue, Weights
    from pyflame_rt.backends.native.steps import Step

_BYTES = ("int8", "uint8")
_LYING, _PADDED, _MADE = 32, 33, 34
"""The numbers of the rooms for x and y as rows x columns x channels, and for a padded image."""


def matmul_integer(schedule: IntegerSchedule, call: Call) -> CompiledIntegerLinear | None:
    """(a - zero point) @ (b - zero points) as i32; None where b is no constant matrix."""
    from pyflame_rt.backends.native.integer_products import Epilogue

    return _linear(schedule, call, (0, 1), (2, 3), Epilogue())


def qlinear_matmul(schedule: IntegerSchedule, call: Call) -> CompiledIntegerLinear | None:
    """The same plus a bias, quantized; None where scales or zero points come with a run."""
    if not all(call.is_constant(i) for i in (1, 4, 6, 7)) or not _is_single(call, 1, 6, 7):
        return None
    if call.has(8) and not call.is_constant(8):
        return None
    found = _requantized(call, (1, 4, 6, 7), 8)
    return None if found is None else _linear(schedule, call, (0, 3), (2, 5), found)


def qlinear_conv(schedule: IntegerSchedule, call: BoundCall) -> Run | None:
    """The convolution of images that lie as channels x rows x columns, which are turned before it and
    after it; None where weights or scales come with a run, or there are not two spatial axes."""
    from pyflame_rt.backends.native.integer_convolutions import IntegerConvolution
    from pyflame_rt.backends.native.integer_transposing import transposing_call
    from pyflame_rt.backends.native.steps import Place, Step

    geometry, kind = _geometry(call), call.input_types[0]
    constants = [i for i in (1, 3, 4, 5, 6, 7, 8) if call.has(i)]
    if geometry is None or not all(map(call.is_constant, constants)):
        return None
    epilogue = _requantized(call, (1, 4, 6, 7), 8)
    if epilogue is None or kind is None or kind.dtype.name not in _BYTES:
        return None
    x, y, zero = call.input(0), call.output, call.input(2)
    if not (x.flags.c_contiguous and y.flags.c_contiguous and call.constant(3).itemsize == 1):
        return None
    convolution = IntegerConvolution.of(
        schedule, geometry, call.constant(3), call.constant(5), epilogue,
        signed=x.dtype == np.int8,
    )  # fmt: skip
    lying, made, padded = (
        call.rooms.get(number, np.dtype(np.uint8), size)
        for number, size in ((_LYING, x.size), (_MADE, y.size), (_PADDED, geometry.room or 1))
    )
    cpu, (images, channels), features = schedule.cpu, x.shape[:2], y.shape[1]
    seen, positions = math.prod(geometry.sizes), math.prod(geometry.outputs)
    before = [
        transposing_call(cpu, Place(0, start), Place(1, start), channels, seen)
        for start in range(0, images * channels * seen, channels * seen)
    ]
    after = [
        transposing_call(cpu, Place(2, start), Place(3, start), positions, features)
        for start in range(0, images * features * positions, features * positions)
    ]
    steps = [
        Step.of(*before),
        *convolution.steps(Place(1), Place(2), Place(4), zero=Place(5)),
        Step.of(*after),
    ]
    float_cpu = integer_processors.of_floats(cpu)
    return NativeStep(float_cpu, steps, (x, lying, made, y, padded, zero), [])


def _geometry(call: BoundCall) -> Geometry | None:
    from pyflame_rt.backends.native.integer_convolutions import Geometry

    x, w, params = call.shape(0), call.shape(3), call.params
    if len(x) != 4 or 0 in (*x, *w, *call.output_shape) or not call.in_layout("nchw"):
        return None
    axes = window_axes(
        w[2:],
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
    )
    rows, columns = axes
    sizes = (x[2], x[3])
    begins = [a.resolved_pads(size)[0] for a, size in zip(axes, sizes, strict=True)]
    return Geometry(
        x[0], sizes, x[1], w[0], (w[2], w[3]), (call.output_shape[2], call.output_shape[3]),
        (begins[0], begins[1]), (rows.stride, columns.stride), (rows.dilation, columns.dilation),
        int(params.get("group", 1)),
    )  # fmt: skip


def _requantized(call: Call, numbers: tuple[int, int, int, int], bias: int) -> Epilogue | None:
    """The rounding by scales of x, w and y, and the zero point of y; None by what is not finite."""
    from pyflame_rt.backends.native.integer_products import Epilogue, limits_of

    if call.dtype.name not in _BYTES:
        return None
    left, right, result = (call.constant(i).astype(np.float32) for i in numbers[:3])
    with np.errstate(all="ignore"):
        factor = left.reshape(()) * right.reshape(-1) / result.reshape(())
    if not np.isfinite(factor).all():
        return None
    limits = np.iinfo(call.dtype)
    bounds = limits_of(limits.min, limits.max, int(call.constant(numbers[3]).reshape(())))
    addend = call.constant(bias) if call.has(bias) else None
    return Epilogue("bytes", addend, factor, limits=bounds)


def _is_single(call: Call, *inputs: int) -> bool:
    return all(math.prod(call.shape(i)) == 1 for i in inputs if call.has(i))


def _linear(
    schedule: IntegerSchedule,
    call: Call,
    operands: tuple[int, int],
    zero_points: tuple[int, int],
    epilogue: Epilogue,
) -> CompiledIntegerLinear | None:
    """That of a call with its matrices, and their zero points, at such positions."""
    (a, b), (x_zero, w_zero) = operands, zero_points
    kinds = [call.input_types[i] for i in operands]
    if any(kind is None or kind.dtype.name not in _BYTES for kind in kinds):
        return None
    is_known = call.is_constant(b) and (not call.has(w_zero) or call.is_constant(w_zero))
    if not is_known or len(call.shape(b)) != 2 or len(call.shape(a)) < 2:
        return None
    (depth, columns), rows = call.shape(b), math.prod(call.shape(a)[:-1])
    if 0 in (rows, depth, columns) or not _is_single(call, x_zero):
        return None
    if epilogue.factors is not None and epilogue.factors.size not in (1, columns):
        return None
    if call.has(w_zero) and math.prod(call.shape(w_zero)) not in (1, columns):
        return None
    weights = _weights(schedule, call, b, w_zero, (1, depth, columns))
    zero = x_zero if call.has(x_zero) else None
    signed = kinds[0] is not None and kinds[0].dtype == np.int8
    return CompiledIntegerLinear(schedule, rows, weights, epilogue, signed, (a, zero))


def _weights(
    schedule: IntegerSchedule, call: Call, b: int, zero_point: int, shape: tuple[int, int, int]
) -> Weights:
    from pyflame_rt.backends.native.integer_products import Weights

    width = schedule.columns
    shift = call.constant(zero_point) if call.has(zero_point) else None
    key = ("native", width, b"" if shift is None else shift.tobytes())

    def make(w: Array) -> Array:
        return Weights.of(width, w, shift).whole

    return Weights.over(width, call.pack(b, key, make), shape)


@dataclass(frozen=True, eq=False)
class CompiledIntegerLinear(Compiled):
    """y = epilogue((x - zero point) @ w) for so many rows of x, by machine code."""

    schedule: IntegerSchedule
    rows: int
    weights: Weights
    epilogue: Epilogue
    signed: bool
    inputs: tuple[int, int | None]
    """The positions of x and of its zero point."""

    @property
    def cpu(self) -> str:
        """The kind of code that calls it, which is of floats."""
        return integer_processors.of_floats(self.schedule.cpu)

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of the inputs of the call and y."""
        from pyflame_rt.backends.native.integer_products import IntegerProduct, Windows
        from pyflame_rt.backends.native.steps import Place

        (x, zero), y = self.inputs, len(arrays) - 1
        depth, columns = self.weights.depth, self.weights.columns
        size = 1 if self.epilogue.result == "bytes" else 4
        ways: list[int] = []
        for index, width, item in ((x, depth, 1), (y, columns, size)):
            way = self._way(arrays[index], width, item, index in late)
            if way is None:
                return None
            ways.append(way)
        layout = Windows(self.rows, columns, depth, *ways)
        product = IntegerProduct.of(
            self.schedule, layout, self.weights, self.epilogue, signed=self.signed
        )
        return (product.step(Place(x), Place(y), zero=None if zero is None else Place(zero)),)

    def _way(self, array: Known, columns: int, size: int, is_late: bool) -> int | None:
        """The way from row to row; None where rows are not contiguous each by itself."""
        if is_late or array is None:
            return columns * size
        matrix = array.reshape(self.rows, columns)
        is_well = matrix.flags.aligned and (columns == 1 or matrix.strides[1] == size)
        return matrix.strides[0] if is_well and np.may_share_memory(matrix, array) else None


def quantize_linear(schedule: IntegerSchedule, call: Call) -> CompiledQuantize | None:
    """f32 as bytes by one scale and zero point; None for other types, and for blocks."""
    return _quantize(schedule, call, 0, call.into_types[0].dtype)


def dequantize_linear(schedule: IntegerSchedule, call: Call) -> CompiledQuantize | None:
    """Bytes as f32 by one scale and zero point; None for other types, and for blocks."""
    kind = call.input_types[0]
    return None if kind is None else _quantize(schedule, call, None, kind.dtype)


def dynamic_quantize_linear(schedule: IntegerSchedule, call: Call) -> CompiledQuantize | None:
    """f32 as ui8, with the scale and zero point of their range."""
    kind = call.input_types[0]
    if kind is None or kind.dtype != np.float32:
        return None
    count = math.prod(kind.static_shape)
    return CompiledQuantize(schedule, count, "dynamic", False, (0, 1, 2, 3))


def _quantize(
    schedule: IntegerSchedule, call: Call, x: int | None, dtype: np.dtype[Any]
) -> CompiledQuantize | None:
    """From f32, which are input `x`, to bytes of a type, or the other way."""
    kinds = call.input_types
    floats = call.into_types[0] if x is None else kinds[x]
    is_whole = call.has(2) and _is_single(call, 1, 2) and not call.params.get("block_size")
    if floats is None or not is_whole or dtype.name not in _BYTES:
        return None
    scale, zero, into = kinds[1], kinds[2], len(kinds)
    if scale is None or zero is None or zero.dtype != dtype:
        return None
    precision = call.params.get("precision")
    if {floats.dtype, scale.dtype, precision or scale.dtype} != {np.dtype(np.float32)}:
        return None
    count, signed = math.prod(floats.static_shape), dtype == np.int8
    if x is None:
        return CompiledQuantize(schedule, count, "back", signed, (into, 0, 1, 2))
    return CompiledQuantize(schedule, count, "given", signed, (0, into, 1, 2))


@dataclass(frozen=True, eq=False)
class CompiledQuantize(Compiled):
    """Between so many f32 and bytes: by a `given` scale and zero point, `back`, or `dynamic`."""

    schedule: IntegerSchedule
    count: int
    how: str
    signed: bool
    places: tuple[int, int, int, int]
    """The positions of f32, bytes, scale and zero point."""

    @property
    def cpu(self) -> str:
        """The kind of code that calls it, which is of floats."""
        return integer_processors.of_floats(self.schedule.cpu)

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of inputs and results."""
        from pyflame_rt.backends.native.integer_quantize import dequantize_call, quantize_call
        from pyflame_rt.backends.native.steps import Place, Step

        for index in self.places[:2]:
            array = arrays[index]
            if index not in late and (array is None or not array.flags.c_contiguous):
                return None
        x, y, scale, zero = (Place(index) for index in self.places)
        given = (self.schedule.cpu, x, y, scale, zero, self.count)
        if self.how == "back":
            return (Step.of(dequantize_call(*given, signed=self.signed)),)
        is_dynamic = self.how == "dynamic"
        call = quantize_call(*given, dynamic=is_dynamic, signed=self.signed)
        return (Step.of(call),)


def _nothing(_: Call) -> None:
    return None


ONLY_COMPILED: Mapping[str, Implementation] = MappingProxyType(
    {
        name: late(name, _nothing, "axis", "block_size", "saturate", "output_dtype", "precision")
        for name in ("dequantize_linear", "dynamic_quantize_linear", "quantize_linear")
    }
)
"""What runs the kernel unless there is machine code for it."""
