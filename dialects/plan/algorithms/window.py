"""Algorithms that slide a window: convolutions by matrix products, pooling by shifted views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects.builtin import MemRefType

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape
from pyflame_rt.dialects.pfrt.convolution import ConvOp, ConvTransposeOp
from pyflame_rt.dialects.pfrt.types import numpy_dtype, shape_of, type_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.dialects.plan.algorithms.base import (
    Algorithm,
    Buffers,
    arithmetic,
    channels_first,
)
from pyflame_rt.kernels.windows import WindowAxis


def _axes(op: PfrtOp) -> tuple[tuple[WindowAxis, int], ...]:
    """Each spatial axis: how the window slides along it, and its size."""
    op = cast(WindowedOp, op)
    shape = shape_of(op.data) or ()
    return tuple(zip(op.window_axes() or (), shape[2:], strict=True))


def _padded_sizes(op: PfrtOp) -> Shape:
    """The spatial sizes of the padded input, with what windows reach into because of `ceil_mode`."""
    return tuple(
        max(
            size + sum(axis.resolved_pads(size)),
            (axis.output_size(size) - 1) * axis.stride + axis.extent,
        )
        for axis, size in _axes(op)
    )


def padded(op: PfrtOp) -> Buffers:
    """The padded input, unless nothing is padded."""
    data = cast(WindowedOp, op).data
    shape, sizes = shape_of(data) or (), _padded_sizes(op)
    if sizes == shape[2:]:
        return ()
    return (MemRefType(type_of(data).element_type, (*shape[:2], *sizes)),)


def _axis_by_axis(op: PfrtOp) -> Buffers:
    """What a pool along each axis but the last one gives: output sizes up to there, then input."""
    data = cast(WindowedOp, op).data
    shape, sizes = shape_of(data) or (), shape_of(op.results[0]) or ()
    element = type_of(data).element_type
    return [MemRefType(element, (*sizes[:d], *shape[d:])) for d in range(3, len(shape))]


_COLUMNS_AT_ONCE = 1 << 20
"""Bytes of columns for several small images: about what stays in a core's cache."""


def _columns(op: PfrtOp) -> MemRefType[Any]:
    """Images x channels x window x output positions: what the weights are multiplied with.

    As many images at once as `_COLUMNS_AT_ONCE` holds, and at least one.
    """
    op = cast(ConvOp, op)
    window, outputs = op.window or (), op.output_sizes() or ()
    batch, channels = (shape_of(op.x) or (1, 0))[:2]
    element = type_of(op.x).element_type
    image = math.prod((channels, *window, *outputs)) * numpy_dtype(element).itemsize
    images = max(1, min(batch, _COLUMNS_AT_ONCE // max(1, image)))
    return MemRefType(element, (images, channels, *window, *outputs))


_SHORT_ROWS = 64
"""Rows of so many outputs and fewer take longer to begin with than to copy."""


def along_shape(
    shape: Sequence[int], axes: Sequence[WindowAxis], outputs: Sequence[int], images: int
) -> tuple[int, ...] | None:
    """The shape of windows along the last of two axes of padded data, for so many images.

    None where making these first gains nothing.
    """
    if len(axes) != 2 or axes[0].kernel == 1 or axes[0].stride != 1:
        return None
    if outputs[0] == 1 or outputs[1] > _SHORT_ROWS:
        return None
    return (images, shape[1], axes[1].kernel, shape[2], outputs[1])


def _along(op: PfrtOp, columns: MemRefType[Any]) -> Buffers:
    shape, sizes = columns.get_shape(), _padded_sizes(op)
    axes = [axis for axis, _ in _axes(op)]
    found = along_shape((*shape[:2], *sizes), axes, shape[2 + len(axes) :], shape[0])
    return () if found is None else (MemRefType(columns.element_type, found),)


def _im2col_scratch(op: PfrtOp) -> Buffers:
    columns = _columns(op)
    return (*padded(op), columns, *_along(op, columns))


def _im2col_cost(op: PfrtOp) -> float:
    """Columns are written and read once for each image."""
    columns = _columns(op)
    size = numpy_dtype(columns.element_type).itemsize * math.prod(columns.get_shape()[1:])
    return arithmetic(op) + 2 * size * (shape_of(cast(ConvOp, op).x) or (1,))[0]


def _spread(op: PfrtOp) -> Buffers:
    """What each element of an image adds at each tap: features x window x spatial."""
    op = cast(ConvTransposeOp, op)
    weights, shape = shape_of(op.w) or (0, 0), shape_of(op.x) or ()
    features = weights[1] * op.group.value.data
    return (MemRefType(type_of(op.x).element_type, (features, *weights[2:], *shape[2:])),)


def is_pointwise(op: PfrtOp) -> bool:
    """Whether each output position sees just the input position of the same place."""
    return channels_first(op) and all(
        axis.kernel == axis.stride == 1 and not any(axis.resolved_pads(size))
        for axis, size in _axes(op)
    )


WINDOWS: tuple[Algorithm, ...] = (
    Algorithm(
        "conv_gemm_1x1", "pfrt.conv", late=False, applies=is_pointwise, cost=arithmetic,
    ),
    Algorithm(
        "conv_im2col", "pfrt.conv", late=False, applies=channels_first, scratch=_im2col_scratch,
        cost=_im2col_cost,
    ),
    Algorithm(
        "conv_transpose_gemm", "pfrt.conv_transpose", late=False, applies=channels_first,
        scratch=_spread, cost=arithmetic,
    ),
    Algorithm(
        "max_pool", "pfrt.max_pool", late=False, applies=channels_first, scratch=_axis_by_axis,
        cost=arithmetic,
    ),
    Algorithm(
        "average_pool", "pfrt.average_pool", late=False, applies=channels_first, scratch=_axis_by_axis,
        cost=arithmetic,
    ),
)  # fmt: skip
"""The algorithms of this family."""
