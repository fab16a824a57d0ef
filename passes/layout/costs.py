"""What ops and conversions cost in each layout, in microseconds of one core.

The figures are fits to the NumPy backend's algorithms on an AVX2 core at some 100 GFLOP/s, for the
layers of ResNet-50 and MobileNetV2 and some smaller ones. Only differences between layouts count:
what costs the same in both, a matrix product above all, is left out.

Copying windows costs for each run of elements that lie together, and for each byte. On nchw a run
is a row of output positions (single elements where the window takes strides); on nhwc it is
kernel * C elements. An op whose shapes are not all known runs by its kernel, which transposes;
elsewhere a dimension that is not known counts as 1 for the batch, as 32 otherwise.
"""

from __future__ import annotations

import math
from typing import cast

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, constant_of
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.convolution import ConvOp, ConvTransposeOp
from pyflame_rt.dialects.pfrt.integer_products import QuantizedConvOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, SplitOp
from pyflame_rt.dialects.pfrt.pooling import (
    AveragePoolOp,
    GlobalAveragePoolOp,
    GlobalMaxPoolOp,
    MaxPoolOp,
    PoolOp,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, static_shape_of
from pyflame_rt.dialects.plan.algorithms import sparse
from pyflame_rt.kernels.windows import WindowAxis
from pyflame_rt.passes.layout.assignment import Conversions

_NANO = 1e-3
_FLOPS = 100
"""Of a product in a nanosecond."""
_COMPILED = 20.0
"""What a compiled op saves, at least: the calls that it is elsewhere."""
_UNKNOWN, _TAP = 100.0, 1.0
"""The same where sizes are not known, beside so many nanoseconds for each tap of a channel."""
_BACK = 2.2
"""Gigabytes a second of a conversion back, of many channels."""
_SPREAD = 1.5
"""Nanoseconds of what an element adds at a tap, where that is written and added up."""
_FEW = 8
"""Channels that are moved piece by piece."""
_FAST_DTYPES = ("float32", "float64")
_BYTES = ("int8", "uint8")


def conversions(value: SSAValue, channel_axis: int, moves: bool) -> Conversions:
    """The cost of converting a value from nchw to nhwc and back; `moves`: elements change places.

    Reading whole rows is faster than writing them piecemeal, but for very few channels.
    """
    if not moves:
        return Conversions(1.0, 1.0)
    shape = _known(shape_of(value) or ())
    size = math.prod(shape) * dtype_of(value).itemsize
    channels = shape[channel_axis]
    back = 10.0 if channels < _FEW else _BACK
    return Conversions(2 + size / _forth(channels) * _NANO, 2 + size / back * _NANO)


def reads_either(op: PfrtOp) -> bool:
    """Whether an op on nchw also computes nhwc of nchw, at the cost of nhwc alone.

    A convolution copies its operand anyway where it pads; few channels lie together nowhere.
    """
    if not isinstance(op, ConvOp) or op.data_layout != "nchw" or not _has_algorithm(op):
        return False
    shape, axes = op.data_shape, op.window_axes()
    if shape is None or axes is None or op.group.value.data != 1:
        return False
    sizes = zip(axes, shape[2:], strict=True)
    return shape[1] < _FEW or any(any(axis.resolved_pads(size)) for axis, size in sizes)


def difference_reading_nchw(op: PfrtOp) -> float:
    """The `difference` of an op that `reads_either`: its copy of the operand changes the layout."""
    shape = _known(shape_of(op.operands[0]) or ())
    size = math.prod(shape) * dtype_of(op.operands[0]).itemsize
    return difference(op) + size * (1 / _forth(shape[1]) - 0.1) * _NANO


def _forth(channels: int) -> float:
    """Gigabytes a second to nhwc."""
    return 2.5 if channels < _FEW else 6.0


def difference(op: PfrtOp) -> float:
    """What an op whose operands are nchw costs more on nhwc than as it is."""
    if isinstance(op, LayoutOp) and not _has_algorithm(op):
        return _by_kernel(op)
    match op:
        case ConvOp():
            # There are sparse forms on nchw only.
            return _conv(op) + sparse.saved(op) / _FLOPS * _NANO
        case MaxPoolOp() | AveragePoolOp():
            return _pool(op)
        case GlobalAveragePoolOp() | GlobalMaxPoolOp():
            batch, channels, *sizes = _known(shape_of(op.operand) or ())
            positions = batch * math.prod(sizes)
            rows, nchw = batch * channels, positions * channels * 0.1
            return (positions * channels * 0.05 + positions * 8 - nchw - rows * 20) * _NANO
        case BatchNormalizationOp():
            return math.prod(_known(shape_of(op.operand) or ())) * 0.04 * _NANO
        case ConcatOp() | SplitOp() if op.axis.value.data in (
            1,
            1 - len(shape_of(op.operands[0]) or ()),
        ):
            values = op.operands if isinstance(op, ConcatOp) else op.results
            batch, _, *sizes = _known(shape_of(values[0]) or (1, 1))
            return len(values) * batch * math.prod(sizes) * 5 * _NANO
        case _:
            return 0.0


def is_compiled(op: PfrtOp) -> bool:
    """Whether there is machine code for an op on nhwc: convolutions of one group or of each channel by
    itself, and pools, of f32 and two spatial axes, whatever their sizes; transposed convolutions of one
    group and known sizes; or convolutions and maxima of bytes."""
    if isinstance(op, QuantizedConvOp | MaxPoolOp) and dtype_of(op.operands[0]).name in _BYTES:
        shapes = [static_shape_of(value) for value in (*op.operands, *op.results)]
        return None not in shapes and len(shapes[0] or ()) == 4
    if isinstance(op, GlobalAveragePoolOp | GlobalMaxPoolOp):
        # With known sizes they lie as those before them.
        return not _has_algorithm(op) and dtype_of(op.operands[0]).name == "float32"
    if isinstance(op, ConvTransposeOp):
        return _spread(op) > 0
    if not isinstance(op, ConvOp | MaxPoolOp | AveragePoolOp):
        return False
    shape = shape_of(op.operands[0]) or ()
    if len(shape) != 4 or dtype_of(op.operands[0]).name != "float32" or sparse.saved(op):
        return False
    return not isinstance(op, ConvOp) or op.group.value.data in (1, shape[1])


def saved_by_code(op: PfrtOp) -> float:
    """What an op that is compiled saves by that, at least."""
    if _has_algorithm(cast(LayoutOp, op)):
        return _COMPILED
    if isinstance(op, ConvTransposeOp):
        # Its result is large, and turned by machine code too where it is turned back.
        size = math.prod(_known(shape_of(op.result) or ())) * dtype_of(op.result).itemsize
        return (_spread(op) * _SPREAD + size / _BACK) * _NANO
    if not isinstance(op, ConvIntegerToFloatOp | ConvOp | PoolOp):
        return _UNKNOWN
    shape, outputs, axes = op.data_shape, op.output_sizes(), op.window_axes()
    if shape is None or outputs is None or axes is None:
        return _UNKNOWN
    batch, channels, *_ = _known(shape)
    positions = batch * math.prod(_known(outputs, batch=False))
    taps = math.prod(_or(axis.kernel, 3) for axis in axes)
    return _UNKNOWN + channels * positions * taps * _TAP * _NANO


def _spread(op: ConvTransposeOp) -> int:
    """How many numbers elements add at all taps; 0 if there is no machine code for an op."""
    values = (op.x, op.w, op.result)
    shape, axes, weights = op.data_shape, op.transposed_axes(), static_shape_of(op.w)
    if shape is None or axes is None or weights is None or len(weights) != 4:
        return 0
    is_known = all(static_shape_of(v) is not None and dtype_of(v).name == "float32" for v in values)
    is_plain = all(axis.dilation == 1 and axis.kernel >= axis.stride for axis in axes)
    if not (is_known and is_plain) or op.group.value.data != 1 or constant_of(op.w) is None:
        return 0
    batch, _, *sizes = shape
    return batch * math.prod(sizes) * math.prod(weights[1:])


def _conv(op: ConvOp) -> float:
    weights, shape, outputs = shape_of(op.w), op.data_shape, op.output_sizes()
    axes = op.window_axes()
    if weights is None or shape is None or outputs is None or axes is None:
        return _by_kernel(op)
    batch, channels, *_ = _known(shape)
    group, outputs = op.group.value.data, _known(outputs, batch=False)
    kernel = [_or(axis.kernel, 3) for axis in axes]
    taps, positions = math.prod(kernel), batch * math.prod(outputs)
    elements = channels * taps * positions
    plain = all(axis.stride == 1 for axis in axes)
    if weights[1] == 1 and weights[0] == group:
        tap_runs = 0 if plain else taps * positions
        return (elements * (0.22 - 0.3) + tap_runs * 10 - batch * channels * 350) * _NANO
    if group > 1:
        nhwc = positions * taps * group * 5 + elements * 0.08
    elif taps == 1 and plain and not _pads(op, axes):
        # The same product, transposed, is slightly slower where there are many positions.
        product = 2 * elements * _or(weights[0], 32) / _FLOPS
        return product * (0.04 if positions > 2000 else 0.0) * _NANO
    else:
        together = axes[-1].dilation == 1
        nhwc = positions * (taps // kernel[-1] if together else taps) * 5 + elements * 0.08
    if axes[-1].stride == 1:
        nchw = elements / max(1, outputs[-1]) * 6 + elements * 0.16
    else:
        nchw = elements * 0.4
    return (nhwc - nchw) * _NANO


def _pads(op: ConvOp, axes: tuple[WindowAxis, ...]) -> bool:
    return op.auto_pad.data == "NOTSET" and any(any(axis.pads) for axis in axes)


def _pool(op: PoolOp) -> float:
    shape, outputs = op.data_shape, op.output_sizes()
    if shape is None or outputs is None:
        return _by_kernel(op)
    batch, channels, *sizes = _known(shape)
    sizes, touched = list(sizes), 0
    for axis, (count, taps) in enumerate(
        zip(_known(outputs, batch=False), ints(op.kernel_shape), strict=True)
    ):
        sizes[axis] = count
        touched += batch * math.prod(sizes) * taps
    return touched * (channels * (0.1 - 0.4) + 3) * _NANO


def _has_algorithm(op: LayoutOp) -> bool:
    """Whether the backend has more than a kernel, which transposes and transposes back: of fast types
    and static shapes, as sessions make them of signatures that come back."""
    values = (*op.operands, *op.results)
    fast = all(dtype_of(v).name in _FAST_DTYPES and static_shape_of(v) is not None for v in values)
    return fast and isinstance(
        op,
        ConvOp | MaxPoolOp | AveragePoolOp | GlobalAveragePoolOp | GlobalMaxPoolOp
        | BatchNormalizationOp,
    )  # fmt: skip


def _by_kernel(op: PfrtOp) -> float:
    """Both conversions, at each run."""
    forth = conversions(op.operands[0], 1, True).to_source
    return forth + sum(conversions(result, 1, True).to_target for result in op.results)


def _known(shape: Shape, batch: bool = True) -> Shape:
    return tuple(_or(dim, 1 if batch and axis == 0 else 32) for axis, dim in enumerate(shape))


def _or(dim: int, guess: int) -> int:
    return guess if dim == DYNAMIC else dim
