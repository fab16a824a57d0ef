"""Calls with a schedule, computed by machine code: products with constant weights.

What has no such form, and everything where code cannot be compiled, runs as it would without a
schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.native import integer_processors, kernels
from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Function, Implementation, Run
from pyflame_rt.backends.numpy_backend.compiled_steps import Compiled
from pyflame_rt.backends.numpy_backend.program import Constant, Invoke
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.dialects.plan.schedules import ELEMENTWISE, Schedule
from pyflame_rt.kernels.epilogue import Activation

if TYPE_CHECKING:
    from pyflame_rt.backends.native.products import Finish
    from pyflame_rt.backends.native.steps import Step

_FLOAT = np.dtype(np.float32)


def compiled(implementation: Implementation, invoke: Invoke) -> Implementation:
    """The implementation of a call that runs machine code where it can."""
    schedule = invoke.schedule
    form: Callable[[Any], Function | None] | None = None
    if isinstance(schedule, IntegerSchedule):
        if integer_processors.runs(schedule.cpu) and invoke.callee in _INTEGER_FORMS:
            form = partial(_integers, invoke.callee, schedule)
    elif schedule is not None and kernels.runs(schedule.cpu) and invoke.callee in _FORMS:
        form = partial(_FORMS[invoke.callee], schedule)
    if form is None:
        return implementation
    return replace(implementation, prepare=partial(_first, form, implementation.prepare))


def _first(
    form: Callable[[Any], Function | None], plain: Callable[[Any], Function | None], call: Any
) -> Function | None:
    found = form(call)
    return plain(call) if found is None else found


def _gemm(schedule: Schedule, call: Call) -> Function | None:
    params = call.params
    if params["alpha"] != 1 or params["trans_a"] or (call.has(2) and params["beta"] != 1):
        return None
    return _linear(schedule, call, bool(params["trans_b"]))


def _matmul(schedule: Schedule, call: Call) -> Function | None:
    return _linear(schedule, call, transposed=False)


def _linear(schedule: Schedule, call: Call, transposed: bool) -> Function | None:
    """x @ w + a constant vector, w being constant; None where it is something else."""
    shape = call.shape(1)
    if not call.is_constant(1) or len(shape) != 2 or len(call.shape(0)) < 1:
        return None
    depth, columns = shape[::-1] if transposed else shape
    if 0 in (depth, columns, *call.output_shape):
        return None
    weights = _weights(schedule, call, transposed)
    return _compiled_linear(schedule, call, weights, depth, columns)


def _compiled_linear(
    schedule: Schedule, call: Call, weights: Array, depth: int, columns: int
) -> CompiledLinear | None:
    ending = ending_of(schedule, call, columns)
    if ending is None:
        return None
    rows = math.prod(call.output_shape) // columns
    return CompiledLinear(schedule, rows, depth, columns, weights, ending)


@dataclass(frozen=True, eq=False)
class Ending:
    """What follows a product in registers: a bias, and an activation."""

    bias: Array | None
    finish: Finish


def ending_of(schedule: Schedule, call: Call, columns: int) -> Ending | None:
    """That of a call; None where machine code cannot do it, or not in this element type."""
    if not call.one_dtype() or call.dtype != _FLOAT:
        return None
    if call.has(3) and call.shape(3) != call.output_shape:
        return None
    bias, finish = _bias(schedule, call, columns), finish_of(call)
    if finish is None or (bias is None and call.has(2)):
        return None
    return Ending(bias, finish)


def finish_of(call: Call) -> Finish | None:
    """The activation of a call; None if there is no code for it."""
    from pyflame_rt.backends.native.activations import numbers_of
    from pyflame_rt.backends.native.products import Finish

    activation = call.params.get("activation")
    if not isinstance(activation, Activation):
        return Finish()
    numbers = numbers_of(activation.op, activation.properties)
    return None if numbers is None else Finish(activation.op, numbers)


def _weights(schedule: Schedule, call: Call, transposed: bool) -> Array:
    """Packed weights; panels of those of a whole constant that are packed for other calls too."""
    from pyflame_rt.backends.native.products import pack

    key = ("native", schedule.columns, transposed)

    def make(w: Array) -> Array:
        return pack(schedule.columns, w.T if transposed else w)

    part = call.invoke.inputs[1]
    assert isinstance(part, Constant)
    if part.whole is not None and part.whole.array.ndim == 2:
        whole, width = part.whole, schedule.columns
        along, across = (1, 0) if transposed else (0, 1)
        taken, end = part.index[across], whole.array.shape[across]
        is_deep = part.index[along] == slice(0, whole.array.shape[along])
        if is_deep and taken.start % width == 0 and (taken.stop % width == 0 or taken.stop == end):
            packed = call.packed(
                (1, key), lambda: packing.packed(whole.packs, whole.array, key, make)
            )
            return packed[taken.start // width : -(-taken.stop // width)]
    return call.pack(1, key, make)


def _bias(schedule: Schedule, call: Call, columns: int) -> Array | None:
    """The packed bias; None if there is none, or it is no constant vector."""
    from pyflame_rt.backends.native.products import pack_bias

    if not call.is_constant(2):
        return None
    shape = call.shape(2)
    if math.prod(shape) != columns or shape[-1] != columns:
        return None
    make = partial(pack_bias, schedule.columns)
    return call.pack(2, ("native", schedule.columns), make)


@dataclass(frozen=True, eq=False)
class CompiledLinear(Compiled):
    """y = activation(x @ w + bias + residual) for so many rows of x, by machine code."""

    schedule: Schedule
    rows: int
    depth: int
    columns: int
    weights: Array
    ending: Ending

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Any], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of x, w, bias, residual and y."""
        from pyflame_rt.backends.native.products import Layout, Product
        from pyflame_rt.backends.native.steps import Place

        x, residual, y = 0, 3, len(arrays) - 1
        ways: list[int] = []
        for index, columns in ((x, self.depth), (y, self.columns), (residual, self.columns)):
            way = self._way(arrays[index], columns, index in late)
            if way is None:
                return None
            ways.append(way)
        has_residual = arrays[residual] is not None or residual in late
        layout = Layout(self.rows, self.columns, self.depth, *ways)
        ending = self.ending
        product = Product.of(
            self.schedule, layout, self.weights, ending.bias, ending.finish, self.schedule.shares
        )
        more = Place(residual) if has_residual else None
        return (product.step(Place(x), Place(y), more),)

    def _way(self, array: Array | None, columns: int, is_late: bool) -> int | None:
        """The way from row to row; None where rows are not contiguous each by itself."""
        if is_late or array is None:
            return columns * _FLOAT.itemsize
        matrix = array.reshape(self.rows, columns)
        is_well = matrix.flags.aligned and (columns == 1 or matrix.strides[1] == _FLOAT.itemsize)
        return matrix.strides[0] if is_well and np.may_share_memory(matrix, array) else None


def _conv_gemm_1x1(schedule: Schedule, call: BoundCall) -> Run | None:
    """A product of all positions, where windows are single elements without gaps."""
    x, shape = call.input(0), call.shape(1)
    is_plain = call.in_layout("nhwc") and call.params.get("x_layout", "nhwc") == "nhwc"
    if not is_plain or not call.is_constant(1) or 0 in (*shape, *call.shape(0)):
        return None
    features, depth = shape[:2]
    positions = math.prod(call.output_shape[:-1])
    if math.prod(shape) != features * depth or math.prod(x.shape) != positions * depth:
        return None
    key = ("native", schedule.columns)

    def make(w: Array) -> Array:
        from pyflame_rt.backends.native.products import pack

        return pack(schedule.columns, w.reshape(features, depth).T)

    linear = _compiled_linear(schedule, call, call.pack(1, key, make), depth, features)
    if linear is None:
        return None
    arrays = (x, None, None, call.optional(3), call.output)
    return linear.on(*arrays)


def _window(name: str, schedule: Schedule, call: BoundCall) -> Run | None:
    from pyflame_rt.backends.numpy_backend import compiled_windows

    return compiled_windows.FORMS[name](schedule, call)


def _attention(schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend import compiled_attention

    return compiled_attention.prepare(schedule, call)


def _movement(name: str, schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend import compiled_movement

    return getattr(compiled_movement, name)(schedule, call)


def _elementwise(schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend import compiled_elementwise

    return compiled_elementwise.prepare(schedule, call)


def _row(name: str, schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend import compiled_rows

    return getattr(compiled_rows, name)(schedule, call)


def _conv(schedule: Schedule, call: BoundCall) -> Run | None:
    from pyflame_rt.backends.numpy_backend.compiled_convolution import prepare

    return prepare(schedule, call)


def _integers(name: str, schedule: IntegerSchedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend import compiled_integers

    return getattr(compiled_integers, name)(schedule, call)


_INTEGER_FORMS = (
    "dequantize_linear", "dynamic_quantize_linear", "matmul_integer", "qlinear_conv",
    "qlinear_matmul", "quantize_linear",
)  # fmt: skip

_FORMS: Mapping[str, Callable[[Schedule, Any], Function | None]] = MappingProxyType(
    {
        "conv_gemm_1x1_nhwc": _conv_gemm_1x1,
        "conv_im2col_nhwc": _conv,
        **{
            name: partial(_window, name)
            for name in ("average_pool_nhwc", "conv_depthwise_nhwc", "max_pool_nhwc")
        },
        "attention": _attention,
        "copy": partial(_movement, "copy"),
        "transpose": partial(_movement, "transpose"),
        **dict.fromkeys(ELEMENTWISE, _elementwise),
        "gemm": _gemm,
        "layer_normalization": partial(_row, "layer_norm"),
        "rms_normalization": partial(_row, "rms_norm"),
        "softmax": partial(_row, "softmax"),
        "matmul": _matmul,
    }
)
