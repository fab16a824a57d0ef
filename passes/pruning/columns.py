"""What a layer's matrix is multiplied with: its input as samples x columns."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.dialects.pfrt.contraction import GemmOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.types import from_properties
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.kernels.windows import sliding, window_axes
from pyflame_rt.passes.pruning.layers import Layer

Array: TypeAlias = npt.NDArray[Any]


def columns_of(layer: Layer, x: Array) -> Array:
    """(groups, samples, columns) of f64; a sample is a row of a product, a position of a
    convolution. Raises PassFailed for channels that lie in blocks."""
    wide = x.astype(np.float64)
    if not isinstance(layer.op, ConvOp):
        is_turned = isinstance(layer.op, GemmOp) and bool(layer.op.trans_a.value.data)
        return (wide.T if is_turned else wide).reshape(1, -1, layer.channels)
    layout = layer.op.data_layout
    if layer.op.x_layout is not None:
        layout = layer.op.x_layout.data
    if layout == "nc4hw4":
        raise failed(layer.op, "what it is fed lies in blocks of channels", hint="prune before")
    if layout == "nhwc":
        wide = np.moveaxis(wide, -1, 1)
    properties = cast("dict[str, Any]", from_properties(layer.op.kernel_properties()))
    kernel = layer.weights.shape[2:]
    axes = window_axes(
        kernel,
        properties.get("strides", ()),
        properties.get("pads", ()),
        properties.get("dilations", ()),
        properties.get("auto_pad", "NOTSET"),
    )
    windows = sliding(wide, axes, 0)
    rank, groups = len(kernel), layer.groups
    batch, channels = windows.shape[:2]
    grouped = windows.reshape(batch, groups, channels // groups, *windows.shape[2:])
    # groups, images, positions, taps, channels.
    order = (1, 0, *range(3, 3 + rank), *range(3 + rank, 3 + 2 * rank), 2)
    return grouped.transpose(order).reshape(groups, -1, layer.channels * int(np.prod(kernel)))
