"""Products and convolutions of integers of 8 bits with constant weights, by machine code that multiplies
bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.numpy_backend.calls import Call, Implementation, late
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native.integers.products import Epilogue, Weights
    from pyflame_rt.backends.native.steps import Step

_BYTES = ("int8", "uint8")
_LATE = ("zero", "scale", "residual")
"""What a product may have beside x and y that is not known before."""


def matmul_integer(schedule: IntegerSchedule, call: Call) -> CompiledIntegerLinear | None:
    """(a - zero point) @ (b - zero points) as i32; None where b is no constant matrix."""
    from pyflame_rt.backends.native.integers.products import Epilogue

    return _linear(schedule, call, (0, 1), (2, 3), Epilogue())


def matmul_integer_to_float(schedule: IntegerSchedule, call: Call) -> CompiledIntegerLinear | None:
    """(a - zero point) @ (b - zero points) * scales + bias + residual, and a function of it; None where
    scales of b, or a bias, come with a run."""
    from pyflame_rt.backends.native.integers.products import Epilogue
    from pyflame_rt.backends.numpy_backend.compiled.forms import finish_of

    finish = finish_of(call)
    if not call.is_constant(3) or not _is_single(call, 2) or finish is None:
        return None
    if (call.has(6) and not call.is_constant(6)) or math.prod(call.shape(2)) != 1:
        return None
    if call.has(7) and call.shape(7) != call.output_shape:
        return None
    bias = call.constant(6) if call.has(6) else None
    scales = call.constant(3).reshape(-1)
    epilogue = Epilogue("float32", None, scales, bias, finish=finish)
    return _linear(schedule, call, (0, 1), (4, 5), epilogue, scale=2, residual=7)


def qlinear_matmul(schedule: IntegerSchedule, call: Call) -> CompiledIntegerLinear | None:
    """The same plus a bias, quantized; None where scales or zero points come with a run."""
    if not all(call.is_constant(i) for i in (1, 4, 6, 7)) or not _is_single(call, 1, 6, 7):
        return None
    if call.has(8) and not call.is_constant(8):
        return None
    found = requantized(call, (1, 4, 6, 7), 8)
    return None if found is None else _linear(schedule, call, (0, 3), (2, 5), found)


def requantized(call: Call, numbers: tuple[int, int, int, int], bias: int) -> Epilogue | None:
    """The rounding by scales of x, w and y, and the zero point of y; None by what is not finite."""
    from pyflame_rt.backends.native.integers.products import Epilogue, limits_of

    if call.dtype.name not in _BYTES:
        return None
    left, right, result = (call.constant(i).astype(np.float32) for i in numbers[:3])
    with np.errstate(all="ignore"):
        factor = left.reshape(()) * right.reshape(-1) / result.reshape(())
    if not np.isfinite(factor).all():
        return None
    zero_point = call.constant(numbers[3]).reshape(())
    limits = np.iinfo(zero_point.dtype)
    bounds = limits_of(limits.min, limits.max, int(zero_point))
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
    *,
    scale: int | None = None,
    residual: int | None = None,
) -> CompiledIntegerLinear | None:
    """That of a call with its matrices, and their zero points, at such positions; of f32 with a's scale
    and a residual."""
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
    more = residual if residual is not None and call.has(residual) else None
    return CompiledIntegerLinear(schedule, rows, weights, epilogue, signed, (a, zero, scale, more))


def _weights(
    schedule: IntegerSchedule, call: Call, b: int, zero_point: int, shape: tuple[int, int, int]
) -> Weights:
    from pyflame_rt.backends.native.integers.products import Weights

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
    inputs: tuple[int, int | None, int | None, int | None]
    """The positions of x, its zero point, its scale, and a residual."""

    @property
    def cpu(self) -> str:
        """The kind of code that calls it, which is of floats."""
        return processors.of_floats(self.schedule.cpu)

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of the inputs of the call and y."""
        from pyflame_rt.backends.native.integers.products import IntegerProduct, Windows
        from pyflame_rt.backends.native.steps import Place

        (x, zero, scale, residual), y = self.inputs, len(arrays) - 1
        depth, columns = self.weights.depth, self.weights.columns
        size = 1 if self.epilogue.result == "bytes" else 4
        ways: list[int] = []
        for index, width, item in ((x, depth, 1), (y, columns, size), (residual, columns, 4)):
            if index is None:
                ways.append(0)
                continue
            way = self._way(arrays[index], width, item, index in late)
            if way is None:
                return None
            ways.append(way)
        layout = Windows(self.rows, columns, depth, *ways)
        product = IntegerProduct.of(
            self.schedule, layout, self.weights, self.epilogue, signed=self.signed
        )
        more = (None if index is None else Place(index) for index in (zero, scale, residual))
        return (product.step(Place(x), Place(y), **dict(zip(_LATE, more, strict=True))),)

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
        return processors.of_floats(self.schedule.cpu)

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of inputs and results."""
        from pyflame_rt.backends.native.integers.quantize import steps_of
        from pyflame_rt.backends.native.steps import Place

        for index in self.places[:2]:
            array = arrays[index]
            if index not in late and (array is None or not array.flags.c_contiguous):
                return None
        places = [Place(index) for index in self.places]
        cpu, shares = self.schedule.cpu, self.schedule.shares
        return steps_of(cpu, places, self.count, shares, self.how, signed=self.signed)


def _nothing(_: Call) -> None:
    return None


ONLY_COMPILED: Mapping[str, Implementation] = MappingProxyType(
    {
        "matmul_integer_to_float": late("matmul_integer_to_float", _nothing, "activation", arity=8),
        **{
            name: late(
                name, _nothing, "axis", "block_size", "saturate", "output_dtype", "precision"
            )
            for name in (
                "dequantize_linear",
                "dynamic_quantize_linear",
                "qlinear_add",
                "quantize_linear",
            )
        },
    }
)
"""What runs the kernel unless there is machine code for it."""
