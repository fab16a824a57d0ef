"""Products of integers of 8 bits with constant weights, by machine code that multiplies bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.native import integer_processors
from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled_steps import Compiled, Known
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native.integer_products import Epilogue, Weights
    from pyflame_rt.backends.native.steps import Step

_BYTES = ("int8", "uint8")


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
