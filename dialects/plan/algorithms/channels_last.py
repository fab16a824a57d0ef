"""Algorithms on N x spatial x C data: windows are runs of as many elements as there are channels."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import MemRefType

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.types import dtype_of, numpy_dtype, shape_of, type_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.dialects.plan.algorithms import exactness
from pyflame_rt.dialects.plan.algorithms.base import (
    Algorithm,
    Buffers,
    arithmetic,
    bytes_moved,
    channels_last,
)
from pyflame_rt.dialects.plan.algorithms.strips import Strips
from pyflame_rt.kernels.windows import WindowAxis


def _axes(op: PfrtOp) -> tuple[tuple[WindowAxis, int], ...]:
    """Each spatial axis: how the window slides along it, and its size."""
    op = cast(WindowedOp, op)
    return tuple(zip(op.window_axes() or (), (op.data_shape or ())[2:], strict=True))


def _strips(op: PfrtOp, phases: bool = False) -> Strips:
    """How a convolution goes over its result; with `phases`, those of its stride on two axes."""
    batch, channels, *sizes = cast(ConvOp, op).data_shape or (1, 1)
    axes = tuple(axis for axis, _ in _axes(op))
    if phases and len(axes) == 1:
        axes, sizes = (*axes, WindowAxis(1)), (*sizes, 1)
    return Strips(batch, tuple(sizes), channels, axes, axes[-1].stride if phases else 0)


def _itemsize(op: PfrtOp) -> int:
    return numpy_dtype(type_of(op.operands[0]).element_type).itemsize


def _im2col_scratch(op: PfrtOp) -> Buffers:
    """What a strip sees if that is padded or not channels last, and the columns made of it."""
    conv, strips = cast(ConvOp, op), _strips(op)
    element = type_of(conv.x).element_type
    at_once = strips.of_columns(_itemsize(op))
    columns = MemRefType(element, strips.columns(at_once))
    if not strips.is_padded and conv.x_layout is None:
        return (columns,)
    return (MemRefType(element, strips.padded(at_once)), columns)


def _im2col_cost(op: PfrtOp) -> float:
    """Columns are written and read once for each output position."""
    conv = cast(ConvOp, op)
    taps = math.prod((*(conv.window or ()), *(conv.output_sizes() or ())))
    batch, channels = (conv.data_shape or (1, 1))[:2]
    return arithmetic(op) + 2 * _itemsize(op) * taps * batch * channels


def _depthwise_scratch(op: PfrtOp) -> Buffers:
    """What a strip sees, padded and by phases of the stride, and the sum of one phase."""
    strips, element = _strips(op, phases=True), type_of(cast(ConvOp, op).x).element_type
    at_once = strips.of_channels(_itemsize(op))
    buffers: list[MemRefType[Any]] = []
    if strips.is_padded:
        buffers.append(MemRefType(element, strips.padded(at_once)))
    if strips.axes[-1].stride > 1:
        sums = (*at_once, *strips.outputs[1:], strips.channels)
        buffers.append(MemRefType(element, sums))
    return buffers


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


_WINOGRAD_CHANNELS = 32
"""With fewer, moving elements about takes longer than what it saves."""


def _takes_winograd(op: PfrtOp) -> bool:
    """Whether windows of 3 x 3 without gaps slide over many channels, in one group, of f32.

    Weights that are all integers were quantized, and their sums are meant to be exact: they have to be.
    """
    conv = cast(ConvOp, op)
    weights, axes = shape_of(conv.w) or (0, 0), [axis for axis, _ in _axes(op)]
    is_shaped = (
        _reads_channels_last(op)
        and dtype_of(conv.x).name == "float32"
        and conv.group.value.data == 1
        and weights[2:] == (3, 3)
        and all(axis.stride == axis.dilation == 1 for axis in axes)
        and min(weights[:2]) >= _WINOGRAD_CHANNELS
        and 0 not in (conv.data_shape or ())
    )
    # Values may have to be made first: they are asked for last.
    w = constant_of(conv.w) if is_shaped else None
    if w is None or not _are_integers(w):
        return w is not None
    span = exactness.span_of(conv.x)
    return span is not None and exactness.is_exact(w, span)


def _are_integers(weights: npt.NDArray[Any]) -> bool:
    """Whether weights are all integers, as far as some of them tell; never wrong where they are."""
    some = weights.reshape(-1)[:256]
    return bool((some == np.rint(some)).all())


def _winograd_scratch(op: PfrtOp) -> Buffers:
    """What a strip sees by columns of tiles; the same by rows; tiles; their products."""
    conv, strips = cast(ConvOp, op), _strips(op).tiled()
    element, features = type_of(conv.x).element_type, (shape_of(conv.w) or (1,))[0]
    at_once = strips.of_tiles(features, _itemsize(op))
    padded = strips.padded(at_once)
    tiles = at_once[0] * (at_once[1] // 2) * (strips.outputs[1] // 2)
    return (
        MemRefType(element, padded),
        MemRefType(element, (4, padded[0], at_once[1] // 2, *padded[2:])),
        MemRefType(element, (16, tiles, strips.channels)),
        MemRefType(element, (16, tiles, features)),
    )


def _winograd_cost(op: PfrtOp) -> float:
    """16 multiplications for a tile of 4 outputs instead of 36; several passes over x and y."""
    return float(op.flops() or 0) * 4 / 9 + 6 * bytes_moved(op)


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
        "conv_winograd_nhwc", "pfrt.conv", late=False, applies=_takes_winograd,
        scratch=_winograd_scratch, cost=_winograd_cost,
    ),
    Algorithm(
        "conv_transpose_nhwc", "pfrt.conv_transpose", late=False, applies=channels_last,
        cost=arithmetic,
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
