"""Algorithms on N x spatial x C data: windows are runs of as many elements as there are channels."""

from __future__ import annotations

import math
from typing import Any, cast

from xdsl.dialects.builtin import MemRefType

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, constant_of
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.types import numpy_dtype, shape_of, type_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.dialects.plan.algorithms.base import (
    Algorithm,
    Buffers,
    arithmetic,
    bytes_moved,
    channels_last,
)
from pyflame_rt.kernels.windows import WindowAxis

_CACHED = 1 << 20
"""Bytes of columns made at once: about what stays in a core's cache until they are multiplied."""

_STRIP = 1 << 16
"""Bytes of a depthwise convolution's result that are computed at once."""


def _axes(op: PfrtOp) -> tuple[tuple[WindowAxis, int], ...]:
    """Each spatial axis: how the window slides along it, and its size."""
    op = cast(WindowedOp, op)
    return tuple(zip(op.window_axes() or (), (op.data_shape or ())[2:], strict=True))


def _padded(op: PfrtOp) -> Buffers:
    """The padded input, unless nothing is padded."""
    op = cast(WindowedOp, op)
    shape: Shape = op.data_shape or (1, 1)
    sizes = tuple(
        max(size + axis.resolved_pads(size)[0], (count - 1) * axis.stride + axis.extent)
        for (axis, size), count in zip(_axes(op), op.output_sizes() or (), strict=True)
    )
    if sizes == shape[2:]:
        return ()
    return (MemRefType(type_of(op.data).element_type, (shape[0], *sizes, shape[1])),)


def _columns(op: PfrtOp) -> MemRefType[Any]:
    """Output positions x window x channels: what is multiplied with the weights at once."""
    conv = cast(ConvOp, op)
    window, outputs = conv.window or (), conv.output_sizes() or (1,)
    batch, channels = (conv.data_shape or (1, 1))[:2]
    element = type_of(conv.x).element_type
    row = math.prod((*outputs[1:], *window, channels)) * numpy_dtype(element).itemsize
    rows = max(1, min(batch * outputs[0], _CACHED // max(1, row)))
    return MemRefType(element, (rows, *outputs[1:], *window, channels))


def _im2col_scratch(op: PfrtOp) -> Buffers:
    return (*_padded(op), _columns(op))


def _im2col_cost(op: PfrtOp) -> float:
    """Columns are written and read once for each output position."""
    conv = cast(ConvOp, op)
    taps = math.prod((*(conv.window or ()), *(conv.output_sizes() or ())))
    batch, channels = (conv.data_shape or (1, 1))[:2]
    size = numpy_dtype(type_of(conv.x).element_type).itemsize
    return arithmetic(op) + 2 * size * taps * batch * channels


def _strip(op: PfrtOp) -> MemRefType[Any]:
    """A few rows of the result: the products of one tap, before they are added."""
    conv = cast(ConvOp, op)
    shape, element = conv.in_layout(_result(conv)), type_of(conv.x).element_type
    row = math.prod(shape[2:]) * numpy_dtype(element).itemsize
    return MemRefType(element, (max(1, min(shape[1], _STRIP // max(1, row))), *shape[2:]))


def _result(conv: ConvOp) -> tuple[int, ...]:
    batch, features = (conv.data_shape or (1,))[0], (shape_of(conv.w) or (1,))[0]
    return (batch, features, *(conv.output_sizes() or ()))


def _depthwise_scratch(op: PfrtOp) -> Buffers:
    return (*_padded(op), _strip(op))


def _reads_channels_last(op: PfrtOp) -> bool:
    """Whether not only the result of a convolution lies so, but also what it reads."""
    return channels_last(op) and cast(ConvOp, op).x_layout is None


def _is_pointwise(op: PfrtOp) -> bool:
    """Whether each output position sees just the input position of the same place, in one group."""
    return (
        _reads_channels_last(op)
        and cast(ConvOp, op).group.value.data == 1
        and all(
            axis.kernel == axis.stride == 1 and not any(axis.resolved_pads(size))
            for axis, size in _axes(op)
        )
    )


def _is_depthwise(op: PfrtOp) -> bool:
    """Whether every channel is convolved by itself, to one feature."""
    weights = shape_of(cast(ConvOp, op).w) or (0, 0)
    group = cast(ConvOp, op).group.value.data
    return _reads_channels_last(op) and weights[1] == 1 and weights[0] == group


def _axis_by_axis(op: PfrtOp) -> Buffers:
    """What a pool along each axis but the last one gives: output sizes up to there, then input."""
    data = cast(WindowedOp, op).data
    shape, sizes = shape_of(data) or (), shape_of(op.results[0]) or ()
    element = type_of(data).element_type
    return [MemRefType(element, (*sizes[:d], *shape[d:])) for d in range(2, len(shape) - 1)]


def _constant_statistics(op: PfrtOp) -> bool:
    return channels_last(op) and all(constant_of(value) is not None for value in op.operands[1:])


CHANNELS_LAST: tuple[Algorithm, ...] = (
    Algorithm("conv_gemm_1x1_nhwc", "pfrt.conv", late=False, applies=_is_pointwise, cost=arithmetic),
    Algorithm(
        "conv_depthwise_nhwc", "pfrt.conv", late=False, applies=_is_depthwise,
        scratch=_depthwise_scratch, cost=arithmetic,
    ),
    Algorithm(
        "conv_im2col_nhwc", "pfrt.conv", late=False, applies=channels_last,
        scratch=_im2col_scratch, cost=_im2col_cost,
    ),
    Algorithm(
        "max_pool_nhwc", "pfrt.max_pool", late=False, applies=channels_last,
        scratch=_axis_by_axis, cost=arithmetic,
    ),
    Algorithm(
        "average_pool_nhwc", "pfrt.average_pool", late=False, applies=channels_last,
        scratch=_axis_by_axis, cost=arithmetic,
    ),
    Algorithm(
        "global_average_pool_nhwc", "pfrt.global_average_pool", late=True, applies=channels_last,
        cost=arithmetic,
    ),
    Algorithm(
        "global_max_pool_nhwc", "pfrt.global_max_pool", late=True, applies=channels_last,
        cost=bytes_moved,
    ),
    Algorithm(
        "batch_normalization_folded_nhwc", "pfrt.batch_normalization", late=False,
        applies=_constant_statistics, in_place=(0,), cost=arithmetic,
    ),
)  # fmt: skip
"""The algorithms of this family."""
