"""Calls with a schedule, computed by machine code: products with constant weights.

What has no such form, and everything where code cannot be compiled, runs as it would without a
schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.blocks import Bindable, Bound, sequence
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Function, Implementation, Run
from pyflame_rt.backends.numpy_backend.epilogue import Activate, activate_of
from pyflame_rt.backends.numpy_backend.program import Constant, Invoke
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.epilogue import Activation

_FLOAT = np.dtype(np.float32)


def compiled(implementation: Implementation, invoke: Invoke) -> Implementation:
    """The implementation of a call that runs machine code where it can."""
    schedule = invoke.schedule
    if schedule is None or not kernels.runs(schedule.cpu):
        return implementation
    form = _FORMS.get(invoke.callee)
    if form is None:
        return implementation
    prepare = partial(_first, partial(form, schedule), implementation.prepare)
    return replace(implementation, prepare=prepare)


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
    """What follows a product: in registers, and after that."""

    bias: Array | None
    finish: Any
    activate: Activate | None


def ending_of(schedule: Schedule, call: Call, columns: int) -> Ending | None:
    """That of a call; None where machine code cannot do it, or not in this element type."""
    from pyflame_rt.backends.native.epilogues import Finish

    if not call.one_dtype() or call.dtype != _FLOAT:
        return None
    if call.has(3) and call.shape(3) != call.output_shape:
        return None
    bias = _bias(schedule, call, columns)
    if bias is None and call.has(2):
        return None
    name, numbers = _in_registers(call)
    finish = Finish(bias is not None, call.has(3), name, numbers)
    return Ending(bias, finish, None if name else activate_of(call))


def _in_registers(call: Call) -> tuple[str, tuple[float, ...]]:
    """The activation that machine code applies itself: its name and numbers; "" if there is none."""
    from pyflame_rt.backends.native.epilogues import numbers_of

    activation = call.params.get("activation")
    if not isinstance(activation, Activation):
        return "", ()
    numbers = numbers_of(activation.op, activation.properties)
    return ("", ()) if numbers is None else (activation.op, numbers)


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
class CompiledLinear(Bindable):
    """y = activation(x @ w + bias + residual) for so many rows of x, by machine code."""

    schedule: Schedule
    rows: int
    depth: int
    columns: int
    weights: Array
    ending: Ending
    _products: dict[tuple[int, int, int], Any] = field(default_factory=dict[Any, Any], init=False)
    """By the ways from row to row."""

    def __call__(self, *arrays: Any) -> None:
        x, _, _, residual, out = arrays
        x, y = self._matrix(x, self.depth), self._matrix(out, self.columns)
        residual = None if residual is None else self._matrix(residual, self.columns)
        product = self._product(x, y, residual)
        product(_address(x), _address(y), 0 if residual is None else _address(residual))
        if y is not out and not np.may_share_memory(y, out):
            np.copyto(out, y.reshape(out.shape))
        if self.ending.activate is not None:
            self.ending.activate(out)

    def on(self, *arrays: Any) -> Bound:
        """The call on these arrays."""
        x, _, _, residual, out = arrays
        given = [(x, self.depth), (out, self.columns)]
        given += [] if residual is None else [(residual, self.columns)]
        seen = [self._matrix(array, size) for array, size in given]
        if not all(np.may_share_memory(a, b) for a, (b, _) in zip(seen, given, strict=True)):
            # Copies would have to be made in every run.
            return partial(self, *arrays)
        more = seen[2] if residual is not None else None
        product = self._product(seen[0], seen[1], more)
        run = product.on(seen[0], seen[1], more)
        activate = self.ending.activate
        return run if activate is None else sequence([run, activate.on(out)])

    def knowing(self, arrays: Sequence[Any], late: int) -> Callable[[Any], object] | None:
        """As `Bindable.knowing`, for contiguous x of what comes into a plan, or y of what leaves it."""
        x, _, _, residual, out = arrays
        if late not in (0, len(arrays) - 1) or (late > 0 and self.ending.activate is not None):
            return None
        known = out if late == 0 else x
        if not all(a is None or _lies_well(a) for a in (known, residual)):
            return None
        size, more = _FLOAT.itemsize, 0 if residual is None else self.columns
        ways = (self.depth * size, self.columns * size, more * size)
        product, place = self._product_of(ways), _address(known)
        call, jobs, count = product.kernel.call, product.jobs.ctypes.data, len(product.jobs)
        other = 0 if residual is None else _address(residual)
        activate = None if self.ending.activate is None else self.ending.activate.on(out)

        def run(array: Array, held: object = (product, known, residual)) -> None:
            if not _lies_well(array):
                self(*arrays[:late], array, *arrays[late + 1 :])
                return
            address = _address(array)
            if late:
                call(place, address, other, jobs, count)
                return
            call(address, place, other, jobs, count)
            if activate is not None:
                activate()

        return run

    def _matrix(self, array: Array, columns: int) -> Array:
        """Rows that are contiguous each by itself; a copy if they lie otherwise."""
        matrix = array.reshape(self.rows, columns)
        if matrix.flags.aligned and (columns == 1 or matrix.strides[1] == _FLOAT.itemsize):
            return matrix
        return np.array(matrix, order="C")

    def _product(self, x: Array, y: Array, residual: Array | None) -> Any:
        key = (x.strides[0], y.strides[0], 0 if residual is None else residual.strides[0])
        return self._product_of(key)

    def _product_of(self, key: tuple[int, int, int]) -> Any:
        from pyflame_rt.backends.native.products import Layout, Product

        found = self._products.get(key)
        if found is None:
            layout, ending = Layout(self.rows, self.columns, self.depth, *key), self.ending
            found = Product.of(self.schedule, layout, self.weights, ending.bias, ending.finish)
            self._products[key] = found
        return found


def _lies_well(array: Array) -> bool:
    flags = array.flags
    return flags.c_contiguous and flags.aligned


def _address(array: Array) -> int:
    return array.__array_interface__["data"][0]


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


def _conv(schedule: Schedule, call: BoundCall) -> Run | None:
    from pyflame_rt.backends.numpy_backend.compiled_convolution import prepare

    return prepare(schedule, call)


_FORMS: Mapping[str, Callable[[Schedule, Any], Function | None]] = MappingProxyType(
    {
        "conv_gemm_1x1_nhwc": _conv_gemm_1x1,
        "conv_im2col_nhwc": _conv,
        "gemm": _gemm,
        "matmul": _matmul,
    }
)
