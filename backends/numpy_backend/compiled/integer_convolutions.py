"""Convolutions, maxima, sums and copies of bytes, by machine code."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.numpy_backend.algorithms.pooling import pool_axes
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Run
from pyflame_rt.backends.numpy_backend.compiled.integers import requantized
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known, NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.kernels.windows import window_axes

if TYPE_CHECKING:
    from pyflame_rt.backends.native.integers.convolutions import Geometry
    from pyflame_rt.backends.native.integers.products import Epilogue
    from pyflame_rt.backends.native.integers.sums import Sum
    from pyflame_rt.backends.native.steps import Call as NativeCall
    from pyflame_rt.backends.native.steps import Place, Step

_BYTES = ("int8", "uint8")
_LYING, _PADDED, _MADE = 32, 33, 34
"""The numbers of the rooms for x and y as rows x columns x channels, and for a padded image."""

_MOST_TAPS = 32
"""Of windows whose maxima are taken at once."""
_MAXIMA = 0.02
"""Nanoseconds of a byte of a tap; about."""
_A_BYTE = 0.04


def qlinear_conv(schedule: IntegerSchedule, call: BoundCall) -> Run | None:
    """A convolution, quantized; None where weights or scales come with a run, or there are not two
    spatial axes."""
    constants = [i for i in (1, 3, 4, 5, 6, 7, 8) if call.has(i)]
    if not all(map(call.is_constant, constants)):
        return None
    epilogue = requantized(call, (1, 4, 6, 7), 8)
    return None if epilogue is None else _convolution(schedule, call, (0, 2, 3, 5), epilogue)


def qlinear_conv_add(schedule: IntegerSchedule, call: BoundCall) -> Run | None:
    """A convolution of data whose channels lie together, quantized, and a residual, as one; None where
    `qlinear_conv` has no form."""
    from pyflame_rt.backends.native.integers.finish import Adding

    constants = [i for i in (1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13) if call.has(i)]
    if not all(map(call.is_constant, constants)) or not call.in_layout("nhwc"):
        return None
    epilogue = requantized(call, (1, 4, 6, 7), 13)
    what = _sum_of(call, (6, 9, 11))
    if epilogue is None or what is None:
        return None
    adds = Adding(what.b.signed, what.quotients[0])
    limits = with_numbers(epilogue, what)
    epilogue = replace(epilogue, limits=limits, adds=adds)
    return _convolution(schedule, call, (0, 2, 3, 5), epilogue, 8)


def with_numbers(epilogue: Epilogue, what: Sum) -> Array:
    """Limits with the numbers of a sum behind them."""
    from pyflame_rt.backends.native.integers.finish import ADDED
    from pyflame_rt.backends.native.integers.products import on_lines

    numbers, limits = what.numbers(), epilogue.limits
    assert limits is not None
    found = on_lines((ADDED // 4 + numbers.size,), np.int32)
    found[: limits.size] = limits
    found[ADDED // 4 :] = numbers
    return found


def conv_integer(schedule: IntegerSchedule, call: BoundCall) -> Run | None:
    """The sums of a convolution, of data whose channels lie together; None where weights come with a
    run, or there are not two spatial axes."""
    from pyflame_rt.backends.native.integers.products import Epilogue

    if not call.in_layout("nhwc"):
        return None
    return _convolution(schedule, call, (0, 2, 1, 3), Epilogue())


def conv_integer_to_float(schedule: IntegerSchedule, call: BoundCall) -> Run | None:
    """The sums of a convolution times scales, plus a bias and a residual, and a function of that, of data
    whose channels lie together; None where what belongs to w comes with a run."""
    from pyflame_rt.backends.native.integers.products import Epilogue
    from pyflame_rt.backends.numpy_backend.compiled.forms import finish_of

    finish = finish_of(call)
    constants = [i for i in (1, 3, 5, 6) if call.has(i)]
    if finish is None or not all(map(call.is_constant, constants)) or not call.in_layout("nhwc"):
        return None
    residual = 7 if call.has(7) else None
    if residual is not None and call.shape(residual) != call.output_shape:
        return None
    bias = call.constant(6) if call.has(6) else None
    epilogue = Epilogue("float32", None, call.constant(3).reshape(-1), bias, finish=finish)
    return _convolution(schedule, call, (0, 4, 1, 5), epilogue, residual, scale=2)


def _convolution(
    schedule: IntegerSchedule,
    call: BoundCall,
    numbers: tuple[int, int, int, int],
    epilogue: Epilogue,
    residual: int | None = None,
    *,
    scale: int | None = None,
) -> Run | None:
    """Of x, its zero point, w, and zero points of these, by their numbers, as those of a residual and of
    x's scale; data whose channels do not lie together are turned before it and after it."""
    from pyflame_rt.backends.native.integers.convolutions import IntegerConvolution
    from pyflame_rt.backends.native.steps import Place

    data, shift, weights, shifts = numbers
    kind = call.input_types[data]
    if kind is None or kind.dtype.name not in _BYTES or not call.is_constant(weights):
        return None
    if call.has(shifts) and not call.is_constant(shifts):
        return None
    geometry = geometry_of(call, call.shape(weights))
    x, y, w = call.input(data), call.output, call.constant(weights)
    if geometry is None or (geometry.is_depthwise and epilogue.adds is not None):
        return None
    if not (x.flags.c_contiguous and y.flags.c_contiguous and w.itemsize == 1):
        return None
    zero = call.input(shift) if call.has(shift) else np.zeros((), x.dtype)
    taken = call.constant(shifts) if call.has(shifts) else None

    def packed(name: str, make: Callable[[], Array]) -> Array:
        of = b"" if taken is None else taken.tobytes()
        return call.pack(weights, ("native", schedule.columns, name, of), lambda _: make())

    convolution = IntegerConvolution.of(
        schedule, geometry, w, taken, epilogue, signed=x.dtype == np.int8, packed=packed
    )
    padded = call.rooms.get(_PADDED, np.dtype(np.uint8), geometry.room or 1)
    float_cpu = processors.of_floats(schedule.cpu)
    if call.in_layout("nhwc"):
        more = None if residual is None else call.input(residual)
        if more is not None and not more.flags.c_contiguous:
            return None
        factor = None if scale is None else call.input(scale)
        places = [None if array is None else Place(4 + k) for k, array in enumerate((more, factor))]
        steps = convolution.steps(
            Place(0), Place(1), Place(2), zero=Place(3), residual=places[0], scale=places[1]
        )
        return NativeStep(float_cpu, steps, (x, y, padded, zero, more, factor), [])
    lying, made = (
        call.rooms.get(number, np.dtype(np.uint8), size)
        for number, size in ((_LYING, x.size), (_MADE, y.size))
    )
    seen, positions = math.prod(geometry.sizes), math.prod(geometry.outputs)
    images, channels, features = geometry.images, geometry.channels, geometry.features
    steps = [
        turning(schedule, Place(0), Place(1), (images, channels, seen)),
        *convolution.steps(Place(1), Place(2), Place(4), zero=Place(5)),
        turning(schedule, Place(2), Place(3), (images, positions, features)),
    ]
    return NativeStep(float_cpu, steps, (x, lying, made, y, padded, zero), [])


def geometry_of(call: BoundCall, w: Sequence[int]) -> Geometry | None:
    """Sizes of a convolution of two spatial axes; None of others, and of empty ones."""
    from pyflame_rt.backends.native.integers.convolutions import Geometry

    x, y, params = call.shape(0), call.output_shape, call.params
    if len(x) != 4 or 0 in (*x, *w, *y):
        return None
    if call.in_layout("nhwc"):
        x, y = ((shape[0], shape[3], *shape[1:3]) for shape in (x, y))
    elif not call.in_layout("nchw"):
        return None
    axes = window_axes(
        tuple(w[2:]),
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
    )
    rows, columns = axes
    sizes = (x[2], x[3])
    begins = [a.resolved_pads(size)[0] for a, size in zip(axes, sizes, strict=True)]
    return Geometry(
        x[0], sizes, x[1], w[0], (w[2], w[3]), (y[2], y[3]),
        (begins[0], begins[1]), (rows.stride, columns.stride), (rows.dilation, columns.dilation),
        int(params.get("group", 1)),
    )  # fmt: skip


def turning(schedule: IntegerSchedule, x: Place, y: Place, sizes: tuple[int, int, int]) -> Step:
    """The step that turns so many matrices of bytes, of so many rows and columns."""
    from pyflame_rt.backends.native.integers.copying import MOST_MIXED, mixing_call
    from pyflame_rt.backends.native.integers.transposing import transposing_call
    from pyflame_rt.backends.native.steps import Place, Step

    count, rows, columns = sizes
    one = mixing_call if 1 < rows <= MOST_MIXED else transposing_call
    size = rows * columns
    calls = [
        one(
            schedule.cpu, Place(x.operand, x.offset + start), Place(y.operand, y.offset + start),
            rows, columns,
        )
        for start in range(0, count * size, size)
    ]  # fmt: skip
    return Step((tuple(calls),), count * size * _A_BYTE)


def max_pool(schedule: IntegerSchedule, call: BoundCall) -> Run | None:
    """The largest byte of each window, of data whose channels lie together."""
    from pyflame_rt.backends.native.integers.pools import MaximumKernel
    from pyflame_rt.backends.native.steps import Call as NativeCall
    from pyflame_rt.backends.native.steps import Place, Step

    x, y = call.input(0), call.output
    if x.ndim != 4 or not call.in_layout("nhwc") or 0 in (*x.shape, *y.shape):
        return None
    if not (x.flags.c_contiguous and y.flags.c_contiguous and x.dtype.name in _BYTES):
        return None
    axes = pool_axes(call)
    rows, columns = axes
    if rows.kernel * columns.kernel > _MOST_TAPS:
        return None
    top, left = (a.resolved_pads(n)[0] for a, n in zip(axes, x.shape[1:3], strict=True))
    kernel = MaximumKernel(
        schedule.cpu, 4 * schedule.lanes, rows.kernel, columns.kernel, x.dtype == np.int8
    )
    loaded = processors.loaded(kernel)
    filler = np.full(x.shape[3], np.iinfo(x.dtype).min, x.dtype)
    shares = [
        tuple(
            NativeCall(
                loaded,
                (
                    Place(0, n * x.strides[0]), Place(1, n * y.strides[0] + first * y.strides[1]),
                    filler.ctypes.data, first, last - first, y.shape[2], x.shape[3], x.shape[1],
                    x.shape[2], x.strides[1], x.strides[2], y.strides[1], rows.stride,
                    columns.stride, rows.dilation, columns.dilation, top, left,
                ),
                (filler,),
            )
            for n in range(len(x))
        )
        for first, last in _parts(y.shape[1], schedule.shares)
    ]  # fmt: skip
    work = y.size * rows.kernel * columns.kernel * _MAXIMA
    return NativeStep(processors.of_floats(schedule.cpu), [Step(tuple(shares), work)], (x, y), [])


def _parts(count: int, shares: int) -> list[tuple[int, int]]:
    bounds = [count * share // shares for share in range(shares + 1)]
    return [(a, b) for a, b in pairwise(bounds) if a < b]


def qlinear_add(schedule: IntegerSchedule, call: Call) -> CompiledSum | None:
    """The sum of two tensors, quantized; None where scales come with a run, or are no numbers."""
    if not all(map(call.is_constant, (1, 2, 4, 5, 6, 7))):
        return None
    what = _sum_of(call, (1, 4, 6))
    return None if what is None else CompiledSum(schedule, what, math.prod(call.output_shape))


def _sum_of(call: Call, scales: tuple[int, int, int]) -> Sum | None:
    """The sum whose constant scales have such numbers, zero points being next to them; None where they
    are no numbers."""
    from pyflame_rt.backends.native.integers.sums import Quantization, Sum, is_finite

    what = Sum(*(Quantization.of(call.constant(i), call.constant(i + 1)) for i in scales))
    return what if is_finite(what) else None


class _ByteSteps(Compiled):
    """Machine code for bytes that lie together."""

    schedule: IntegerSchedule

    @property
    def cpu(self) -> str:
        """The kind of code that calls it, which is of floats."""
        return processors.of_floats(self.schedule.cpu)

    def lie_together(self, arrays: Sequence[Known], late: Sequence[int]) -> bool:
        """Whether all elements of each array do."""
        return all(
            index in late or array is None or array.flags.c_contiguous
            for index, array in enumerate(arrays)
        )


@dataclass(frozen=True, eq=False)
class CompiledSum(_ByteSteps):
    """y = a + b, of so many bytes that stand for reals."""

    schedule: IntegerSchedule
    what: Sum
    count: int

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of the op's operands and y."""
        from pyflame_rt.backends.native.integers.sums import sum_step
        from pyflame_rt.backends.native.steps import Place

        if not self.lie_together(arrays, late):
            return None
        places = (Place(0), Place(3), Place(len(arrays) - 1))
        return (sum_step(self.schedule, self.what, places, self.count),)


def clip(schedule: IntegerSchedule, call: Call) -> CompiledBounds | None:
    """Bytes between two bounds; None where these come with a run."""
    if not call.one_dtype() or call.dtype.name not in _BYTES or call.has(1) or call.has(2):
        return None
    limits, given = np.iinfo(call.dtype), (call.params.get("min"), call.params.get("max"))
    found = [
        limit if bound is None else int(np.array(bound).astype(call.dtype))
        for bound, limit in zip(given, (limits.min, limits.max), strict=True)
    ]
    bounds = np.array(found, call.dtype)
    return CompiledBounds(schedule, bounds, math.prod(call.output_shape))


@dataclass(frozen=True, eq=False)
class CompiledBounds(_ByteSteps):
    """So many bytes between two."""

    schedule: IntegerSchedule
    bounds: Array
    count: int

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of x, bounds that are not there, and y."""
        from pyflame_rt.backends.native.integers.copying import bounding_call
        from pyflame_rt.backends.native.steps import Place, Step

        if not self.lie_together(arrays, late):
            return None
        places = Place(0), Place(len(arrays) - 1)
        schedule = self.schedule
        call = bounding_call(schedule.cpu, schedule.lanes, *places, self.bounds, self.count)
        return (Step(((call,),), self.count * _A_BYTE),)


def transpose(schedule: IntegerSchedule, call: Call) -> CompiledTurn | None:
    """y = x with neighbouring axes in another order; None where not just two groups of them change
    places, and of other types."""
    shape, rank = call.shape(0), len(call.shape(0))
    perm = tuple(call.params.get("perm") or reversed(range(rank)))
    if not call.one_dtype() or call.dtype.name not in _BYTES or 0 in shape:
        return None
    for start in range(rank):
        for middle in range(start + 1, rank):
            turned = (*range(start), *range(middle, rank), *range(start, middle))
            if perm == turned:
                parts = shape[:start], shape[start:middle], shape[middle:]
                count, rows, columns = map(math.prod, parts)
                return CompiledTurn(schedule, (count, rows, columns))
    return None


@dataclass(frozen=True, eq=False)
class CompiledTurn(_ByteSteps):
    """So many matrices of bytes turned."""

    schedule: IntegerSchedule
    sizes: tuple[int, int, int]

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of x and y."""
        from pyflame_rt.backends.native.steps import Place

        if not self.lie_together(arrays, late):
            return None
        return (turning(self.schedule, Place(0), Place(1), self.sizes),)


def concat(schedule: IntegerSchedule, call: Call) -> CompiledConcat | None:
    """Tensors of bytes behind each other along an axis."""
    if not call.one_dtype() or call.dtype.name not in _BYTES or 0 in call.output_shape:
        return None
    axis = int(call.params["axis"]) % len(call.output_shape)
    outer = math.prod(call.output_shape[:axis])
    widths = tuple(
        math.prod(kind.static_shape[axis:]) for kind in call.input_types if kind is not None
    )
    return CompiledConcat(schedule, outer, widths)


@dataclass(frozen=True, eq=False)
class CompiledConcat(_ByteSteps):
    """Rows of several matrices of bytes behind each other."""

    schedule: IntegerSchedule
    rows: int
    widths: tuple[int, ...]

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[Step, ...] | None:
        """As `Compiled.steps`, of the operands and y."""
        from pyflame_rt.backends.native.integers.copying import copying_call
        from pyflame_rt.backends.native.steps import Place, Step

        if not self.lie_together(arrays, late):
            return None
        schedule, total, start = self.schedule, sum(self.widths), 0
        calls: list[NativeCall] = []
        for index, width in enumerate(self.widths):
            places = Place(index), Place(len(self.widths), start)
            ways = (width, total)
            if width:
                calls.append(
                    copying_call(schedule.cpu, schedule.lanes, *places, self.rows, width, ways)
                )
            start += width
        return (Step((tuple(calls),), self.rows * total * _A_BYTE),)
