"""Convolutions as matrix products: of the input itself, or of its windows laid out as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Implementation,
    Run,
    bound,
)
from pyflame_rt.backends.numpy_backend.epilogue import activation_steps
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.window import along_shape
from pyflame_rt.kernels.windows import WindowAxis, window_axes

_SMALL = 1 << 13
"""Elements that are written once more sooner than NumPy is called once more."""


def _conv_gemm_1x1(call: BoundCall) -> Run | None:
    """y = w @ x for each image and group, where windows are single elements without gaps."""
    if not call.computes("fiu"):
        return None
    x, group = call.input(0), call.params.get("group", 1)
    depth, features = x.shape[1] // group, call.input(1).shape[0] // group
    weights = call.input(1).reshape(1, group, features, depth)
    # Spelled out, for a -1 cannot be inferred where there are no images.
    batch, positions = x.shape[0], math.prod(x.shape[2:])
    columns = x.reshape(batch, group, depth, positions)
    y = call.output.reshape(batch, group, features, positions)
    return sequence([partial(np.matmul, weights, columns, y), *finishing(call)])


def _conv_im2col(call: BoundCall) -> Run | None:
    """y = w @ columns, a block of images at a time: one column of the buffer a window position.

    The border of the padded input is written in every run: its memory is other buffers' too.
    """
    if not call.computes("fiu"):
        return None
    w, group = call.input(1), call.params.get("group", 1)
    axes = axes_of(call)
    outputs = call.output.shape[2:]
    steps, x, scratch = with_border(call, axes)
    windows = windows_of(x, axes, outputs)
    batch, positions = x.shape[0], math.prod(outputs)
    depth, features = x.shape[1] // group * math.prod(w.shape[2:]), w.shape[0] // group
    block = _images_at_once(call, scratch, batch, x.shape[1] * math.prod(w.shape[2:]) * positions)
    buffer = call.scratch_of(scratch, (block, *windows.shape[1:]), x.dtype)
    columns = buffer.reshape(block, group, depth, positions)
    weights = w.reshape(1, group, features, depth)
    product = call.output.reshape(batch, group, features, positions)
    lay_out = _Columns.of(call, scratch + 1, x, axes, windows, block)
    for start in range(0, batch, block):
        count = min(block, batch - start)
        part = slice(start, start + count)
        steps += lay_out(part, buffer[:count])
        steps.append(_multiplied(weights, columns[:count], product[part]))
    return sequence([*steps, *finishing(call)])


def _multiplied(weights: Array, columns: Array, y: Array) -> Run:
    """y = weights @ columns, for each image and group."""
    if y.shape[0] == y.shape[1] == 1 and y.dtype.kind == "f":
        # The shortest way to BLAS.
        return partial(weights[0, 0].dot, columns[0, 0], y[0, 0])
    return partial(np.matmul, weights, columns, y)


@dataclass(frozen=True)
class _Columns:
    """How windows become columns: at once, or first those along the last axis, so that what is
    copied next lies together over all outputs."""

    windows: Array
    along: tuple[Array, Array, Array] | None
    """Windows along the last axis; where they are copied; the windows of that along the first one."""

    @staticmethod
    def of(
        call: BoundCall,
        scratch: int,
        x: Array,
        axes: Sequence[WindowAxis],
        windows: Array,
        block: int,
    ) -> _Columns:
        """Those of a call on images of x, whose scratch buffer of that index is for the first copy."""
        shape = along_shape(x.shape, axes, windows.shape[2 + len(axes) :], block)
        if shape is None:
            return _Columns(windows, None)
        buffer = call.scratch_of(scratch, shape, x.dtype)
        (batch, channels, height, _), (first, last) = x.shape, axes
        taken = as_strided(
            x,
            (batch, channels, last.kernel, height, shape[-1]),
            (
                *x.strides[:2],
                last.dilation * x.strides[3],
                x.strides[2],
                last.stride * x.strides[3],
            ),
            writeable=False,
        )
        image, channel, tap, row, item = buffer.strides
        shifted = as_strided(
            buffer,
            (block, *windows.shape[1:]),
            (image, channel, first.dilation * row, tap, first.stride * row, item),
            writeable=False,
        )
        return _Columns(windows, (taken, buffer, shifted))

    def __call__(self, images: slice, columns: Array) -> list[Run]:
        """The steps that fill the columns of some images."""
        if self.along is None:
            return [partial(np.copyto, columns, self.windows[images])]
        taken, buffer, shifted = self.along
        count = len(columns)
        return [
            partial(np.copyto, buffer[:count], taken[images]),
            partial(np.copyto, columns, shifted[:count]),
        ]


def with_border(call: BoundCall, axes: Sequence[WindowAxis]) -> tuple[list[Run], Array, int]:
    """Steps that pad the input, what they make of it, and how many scratch buffers that takes."""
    x, outputs = call.input(0), call.output.shape[2:]
    margins = [_margin(a, s, n) for a, s, n in zip(axes, x.shape[2:], outputs, strict=True)]
    if not any(margin != (0, 0) for margin in margins):
        return [], x, 0
    sizes = [b + s + e for s, (b, e) in zip(x.shape[2:], margins, strict=True)]
    padded = call.scratch_of(0, (*x.shape[:2], *sizes), x.dtype)
    return _padding(x, padded, [begin for begin, _ in margins]), padded, 1


def axes_of(call: BoundCall) -> tuple[WindowAxis, ...]:
    """How the window of a convolution slides along each spatial axis."""
    params = call.params
    return window_axes(
        call.input(1).shape[2:],
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
    )


def _margin(axis: WindowAxis, size: int, outputs: int) -> tuple[int, int]:
    """Padding before and after that windows reach; what they do not reach is left out."""
    begin, _ = axis.resolved_pads(size)
    return begin, max(0, (outputs - 1) * axis.stride + axis.extent - size - begin)


def _padding(x: Array, padded: Array, begins: Sequence[int]) -> list[Run]:
    """Steps that write zeros around a copy of x."""
    steps: list[Run] = []
    inside = tuple(slice(b, b + s) for b, s in zip(begins, x.shape[2:], strict=True))
    copy = partial(np.copyto, padded[(slice(None), slice(None), *inside)], x)
    if padded.size <= _SMALL:
        return [partial(padded.fill, 0), copy]
    for axis, (begin, size) in enumerate(zip(begins, x.shape[2:], strict=True), start=2):
        front = (slice(None),) * axis
        for strip in (
            padded[(*front, slice(0, begin))],
            padded[(*front, slice(begin + size, None))],
        ):
            if strip.size:
                steps.append(partial(strip.fill, 0))
    return [*steps, copy]


def windows_of(x: Array, axes: Sequence[WindowAxis], outputs: Sequence[int]) -> Array:
    """A view of shape (N, C, *kernel, *outputs): for each tap, the elements it meets."""
    strides = x.strides[2:]
    return as_strided(
        x,
        (*x.shape[:2], *(axis.kernel for axis in axes), *outputs),
        (
            *x.strides[:2],
            *(axis.dilation * s for axis, s in zip(axes, strides, strict=True)),
            *(axis.stride * s for axis, s in zip(axes, strides, strict=True)),
        ),
        writeable=False,
    )


def _images_at_once(call: BoundCall, scratch: int, batch: int, elements: int) -> int:
    """How many images' columns the plan's buffer holds."""
    if scratch >= len(call.scratch) or not elements:
        return 1
    held = call.scratch[scratch].nbytes // (elements * call.dtype.itemsize)
    return max(1, min(batch, held))


def finishing(call: BoundCall) -> list[Run]:
    """Steps that add bias and residual to the output, and apply the activation."""
    steps: list[Run] = []
    y = call.output
    if (bias := call.optional(2)) is not None:
        steps.append(_biased(call, bias))
    if (residual := call.optional(3)) is not None:
        steps.append(partial(np.add, y, residual, y))
    return [*steps, *activation_steps(call, y)]


def _biased(call: BoundCall, bias: Array) -> Run:
    """Adds a bias to the output: a few elements are added to by one inner loop."""
    y = call.output
    positions = math.prod(y.shape[2:])
    if call.is_constant(2) and y.shape[0] and positions * bias.size <= _SMALL:
        spread = call.pack(2, ("spread", positions), partial(np.repeat, repeats=positions))
        rows = y.reshape(-1, spread.size) if len(y) > 1 else y.reshape(-1)
        return partial(np.add, rows, spread, rows)
    return partial(np.add, y, bias.reshape(-1, *(1,) * (y.ndim - 2)), y)


_PARAMS = (
    "strides", "pads", "dilations", "group", "auto_pad", "layout", "activation", "x_layout",
)  # fmt: skip

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("conv_gemm_1x1", _conv_gemm_1x1, *_PARAMS),
    bound("conv_im2col", _conv_im2col, *_PARAMS),
)
