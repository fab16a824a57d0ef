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

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Function, Implementation, Run
from pyflame_rt.backends.numpy_backend.compiled import halves
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled
from pyflame_rt.backends.numpy_backend.program import Constant, Invoke
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.expressions import FUSED
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.dialects.plan.schedules import ELEMENTWISE, MOVEMENTS, REDUCTIONS, Schedule
from pyflame_rt.kernels.epilogue import Activation

if TYPE_CHECKING:
    from pyflame_rt.backends.native.floats.products import Finish
    from pyflame_rt.backends.native.steps import Number, Step

_FLOAT = np.dtype(np.float32)


def compiled(implementation: Implementation, invoke: Invoke) -> Implementation:
    """The implementation of a call that runs machine code where it can."""
    form, plain = form_of(invoke), implementation.prepare
    if halves.has_narrow_weights(invoke):
        plain = partial(halves.with_wide_weights, plain)
    elif form is None:
        return implementation
    return replace(implementation, prepare=partial(_first, form, plain))


def form_of(invoke: Invoke, name: str = "") -> Callable[[Any], Function | None] | None:
    """What prepares machine code for a call, by an algorithm of another name if one is given, or
    answers None; None if there is nothing to ask."""
    schedule, name = invoke.schedule, name or invoke.callee
    if isinstance(schedule, IntegerSchedule):
        known = name in _INTEGER_FORMS or name in _IMAGES
        if processors.runs(schedule.cpu) and known:
            return partial(_integers, name, schedule)
    elif schedule is not None and halves.runs(schedule) and name in _FORMS:
        return partial(_FORMS[name], schedule)
    return None


def _first(
    form: Callable[[Any], Function | None] | None,
    plain: Callable[[Any], Function | None],
    call: Any,
) -> Function | None:
    found = None if form is None else form(call)
    return plain(call) if found is None else found


def _gemm(schedule: Schedule, call: Call) -> Function | None:
    params = call.params
    alpha, beta = float(params["alpha"]), float(params["beta"]) if call.has(2) else 1.0
    turned = bool(params["trans_a"]), bool(params["trans_b"])
    if not turned[0] and (linear := _linear(schedule, call, turned[1], alpha, beta)) is not None:
        return linear
    return _products(schedule, call, turned) if alpha == beta == 1 else None


def _matmul(schedule: Schedule, call: Call) -> Function | None:
    linear = _linear(schedule, call, transposed=False)
    return _products(schedule, call, (False, False)) if linear is None else linear


def _linear(
    schedule: Schedule, call: Call, transposed: bool, alpha: float = 1, beta: float = 1
) -> Function | None:
    """alpha * x @ w + beta * a constant vector, w being constant; None where it is something else."""
    shape = call.shape(1)
    if not call.is_constant(1) or len(shape) != 2 or len(call.shape(0)) < 1:
        return None
    depth, columns = shape[::-1] if transposed else shape
    if 0 in (depth, columns, *call.output_shape):
        return None
    if (alpha, beta) != (1, 1) and schedule.elements != "f32":
        return None
    weights = _weights(schedule, call, transposed, alpha)
    return _compiled_linear(schedule, call, weights, depth, columns, beta)


def _products(schedule: Schedule, call: Call, turned: tuple[bool, bool]) -> Function | None:
    """x @ w of what is known in a run only, for each of several matrices."""
    from pyflame_rt.backends.numpy_backend.compiled import products

    if schedule.elements != "f32" or 0 in call.output_shape:
        return None
    if not call.output_shape:
        return None
    ending = ending_of(schedule, call, call.output_shape[-1])
    return None if ending is None else products.prepare(schedule, call, ending, turned)


def _compiled_linear(
    schedule: Schedule, call: Call, weights: Array, depth: int, columns: int, beta: float = 1
) -> CompiledLinear | None:
    ending = ending_of(schedule, call, columns, beta)
    if ending is None:
        return None
    rows = math.prod(call.output_shape) // columns
    is_rounded = schedule.elements == halves.PAIRS
    rounded = halves.Rounded.of(call, rows, depth) if is_rounded else None
    return CompiledLinear(schedule, rows, depth, columns, weights, ending, rounded)


@dataclass(frozen=True, eq=False)
class Ending:
    """What follows a product in registers: a bias, and an activation."""

    bias: Array | None
    finish: Finish


def ending_of(schedule: Schedule, call: Call, columns: int, beta: float = 1) -> Ending | None:
    """That of a call; None where machine code cannot do it, or not in this element type. The bias is
    taken `beta` times."""
    if not halves.has_types(schedule, call):
        return None
    if call.has(3) and call.shape(3) != call.output_shape:
        return None
    bias, finish = _bias(schedule, call, columns, beta), finish_of(call)
    if finish is None or (bias is None and call.has(2)):
        return None
    return Ending(bias, finish)


def finish_of(call: Call) -> Finish | None:
    """The activation of a call; None if there is no code for it."""
    from pyflame_rt.backends.native.floats.products import Finish
    from pyflame_rt.backends.native.writing.activations import numbers_of

    activation = call.params.get("activation")
    if not isinstance(activation, Activation):
        return Finish()
    numbers = numbers_of(activation.op, activation.properties)
    return None if numbers is None else Finish(activation.op, numbers)


def _weights(schedule: Schedule, call: Call, transposed: bool, alpha: float = 1) -> Array:
    """Packed weights, `alpha` times; panels of those of a whole constant that are packed for other
    calls too."""
    key = halves.key_of(schedule, transposed)
    key = key if alpha == 1 else (key, alpha)

    def make(w: Array) -> Array:
        w = w if alpha == 1 else w * w.dtype.type(alpha)
        return halves.packed(schedule, w.T if transposed else w)

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


def _bias(schedule: Schedule, call: Call, columns: int, beta: float = 1) -> Array | None:
    """The packed bias, `beta` times; None if there is none, or it is no constant vector."""
    from pyflame_rt.backends.native.floats.products import pack_bias

    if not call.is_constant(2):
        return None
    shape = call.shape(2)
    if math.prod(shape) != columns or shape[-1:] != (columns,):
        return None

    def make(bias: Array) -> Array:
        return pack_bias(schedule.columns, bias if beta == 1 else bias * bias.dtype.type(beta))

    return call.pack(2, ("native", schedule.columns, beta), make)


@dataclass(frozen=True, eq=False)
class CompiledLinear(Compiled):
    """y = activation(x @ w + bias + residual) for so many rows of x, by machine code."""

    schedule: Schedule
    rows: int
    depth: int
    columns: int
    weights: Array
    ending: Ending
    rounded: halves.Rounded | None = None
    """Where x is rounded to, if it is."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Any], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of x, w, bias, residual and y."""
        from pyflame_rt.backends.native.floats.products import Layout, Product
        from pyflame_rt.backends.native.steps import Place

        x, residual, y = 0, 3, len(arrays) - 1
        ways: list[int] = []
        for index, columns in ((x, self.depth), (y, self.columns), (residual, self.columns)):
            way = self._way(arrays[index], columns, index in late)
            if way is None:
                return None
            ways.append(way)
        has_residual = arrays[residual] is not None or residual in late
        before: tuple[Step, ...] = ()
        source: Number = Place(x)
        if (rounded := self.rounded) is not None:
            before = (rounded.step(self.schedule, x, ways[0]),)
            source, ways[0] = rounded.address, rounded.way
        layout = Layout(self.rows, self.columns, self.depth, *ways)
        ending = self.ending
        product = Product.of(
            self.schedule, layout, self.weights, ending.bias, ending.finish, self.schedule.shares
        )
        more = Place(residual) if has_residual else None
        return (*before, product.step(source, Place(y), more))

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
    key = halves.key_of(schedule)

    def make(w: Array) -> Array:
        return halves.packed(schedule, w.reshape(features, depth).T)

    linear = _compiled_linear(schedule, call, call.pack(1, key, make), depth, features)
    if linear is None:
        return None
    arrays = (x, None, None, call.optional(3), call.output)
    return linear.on(*arrays)


def _window(name: str, schedule: Schedule, call: BoundCall) -> Run | None:
    from pyflame_rt.backends.numpy_backend.compiled import windows

    return windows.FORMS[name](schedule, call)


def _attention(schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import attention

    return attention.prepare(schedule, call)


def _movement(name: str, schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import movement

    return getattr(movement, name)(schedule, call)


def _elementwise(schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import elementwise

    return elementwise.prepare(schedule, call)


def _reduction(name: str, schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import reductions

    if name.startswith("global"):
        return reductions.global_pool(name, schedule, call)
    return reductions.reduction(name.removeprefix("reduce_"), schedule, call)


def _cast(schedule: Schedule, call: Call) -> Function | None:
    return halves.cast(schedule, call) or _elementwise(schedule, call)


def _named_row(name: str, callee: str, schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import rows

    return getattr(rows, name)(callee, schedule, call)


def _row(name: str, schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import rows

    return getattr(rows, name)(schedule, call)


def _global_pool(name: str, schedule: Schedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import pools

    return getattr(pools, name)(schedule, call)


def _conv(schedule: Schedule, call: BoundCall) -> Run | None:
    from pyflame_rt.backends.numpy_backend.compiled.convolution import prepare

    return prepare(schedule, call)


def _conv_transpose(schedule: Schedule, call: BoundCall) -> Run | None:
    from pyflame_rt.backends.numpy_backend.compiled.transposed import prepare

    return prepare(schedule, call)


def _batch_normalization(schedule: Schedule, call: BoundCall) -> Run | None:
    from pyflame_rt.backends.numpy_backend.compiled.normalization import batch_normalization

    return batch_normalization(schedule, call)


def _integers(name: str, schedule: IntegerSchedule, call: Call) -> Function | None:
    from pyflame_rt.backends.numpy_backend.compiled import integer_convolutions, integers

    if (form := _IMAGES.get(name)) is not None:
        return getattr(integer_convolutions, form)(schedule, call)
    return getattr(integers, name)(schedule, call)


_INTEGER_FORMS = (
    "dequantize_linear", "dynamic_quantize_linear", "matmul_integer", "matmul_integer_to_float",
    "qlinear_matmul", "quantize_linear",
)  # fmt: skip

_IMAGES: Mapping[str, str] = MappingProxyType(
    {
        "clip": "clip",
        "concat": "concat",
        "conv_integer_nhwc": "conv_integer",
        "conv_integer_to_float_nhwc": "conv_integer_to_float",
        "max_pool_bytes_nhwc": "max_pool",
        "qlinear_add": "qlinear_add",
        "qlinear_conv": "qlinear_conv",
        "qlinear_conv_add_nhwc": "qlinear_conv_add",
        "qlinear_conv_nhwc": "qlinear_conv",
        "transpose": "transpose",
    }
)
"""Algorithms on bytes that may be images, and the names of their forms."""

_FORMS: Mapping[str, Callable[[Schedule, Any], Function | None]] = MappingProxyType(
    {
        "conv_gemm_1x1_nhwc": _conv_gemm_1x1,
        **dict.fromkeys(("conv_im2col_nhwc", "conv_winograd_nhwc"), _conv),
        **{
            name: partial(_window, name)
            for name in ("average_pool_nhwc", "conv_depthwise_nhwc", "max_pool_nhwc")
        },
        "conv_transpose_nhwc": _conv_transpose,
        "attention": _attention,
        "batch_normalization_folded_nhwc": _batch_normalization,
        **{name: partial(_movement, name) for name in MOVEMENTS},
        **dict.fromkeys((*ELEMENTWISE, FUSED), _elementwise),
        "cast": _cast,
        **{name: partial(_reduction, name) for name in REDUCTIONS},
        "gemm": _gemm,
        "global_average_pool_nhwc": partial(_global_pool, "global_average_pool"),
        "global_max_pool_nhwc": partial(_global_pool, "global_max_pool"),
        "group_normalization": partial(_named_row, "group_norm", "group_normalization"),
        "instance_normalization": partial(_named_row, "group_norm", "instance_normalization"),
        "layer_normalization": partial(_row, "layer_norm"),
        "lrn": partial(_row, "channel_norm"),
        "log_softmax": partial(_named_row, "any_softmax", "log_softmax"),
        "rms_normalization": partial(_row, "rms_norm"),
        "softmax": partial(_row, "softmax"),
        "matmul": _matmul,
    }
)
