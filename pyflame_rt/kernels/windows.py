"""Windows that slide over spatial axes: the one place where their arithmetic is written.

Output sizes and paddings are ONNX's for Conv, ConvTranspose and the pools; shape inference and kernels share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class WindowAxis:
    """How a window slides along one spatial axis. `pads` counts only if `auto_pad` is NOTSET."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    pads: tuple[int, int] = (0, 0)
    auto_pad: str = "NOTSET"
    ceil_mode: bool = False

    @property
    def extent(self) -> int:
        """Elements from the first to the last tap, both included."""
        return (self.kernel - 1) * self.dilation + 1

    def resolved_pads(self, size: int) -> tuple[int, int]:
        """Padding before and after an axis of `size` elements.

        SAME_UPPER puts an odd element of padding at the end, SAME_LOWER at the beginning; neither
        ever cuts elements off, as TensorFlow, where both come from.
        """
        if self.auto_pad == "NOTSET":
            return self.pads
        if self.auto_pad == "VALID":
            return 0, 0
        total = max(0, (-(-size // self.stride) - 1) * self.stride + self.extent - size)
        small, large = total // 2, total - total // 2
        return (small, large) if self.auto_pad == "SAME_UPPER" else (large, small)

    def output_size(self, size: int) -> int:
        """Number of window positions on an axis of `size` elements.

        With `ceil_mode` a last window may hang over the end, unless it would start in the padding
        there. Raises ValueError when not even one window fits.
        """
        if self.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            return -(-size // self.stride)
        begin, end = self.resolved_pads(size)
        room = size + begin + end - self.extent
        if room < 0:
            raise ValueError(
                f"a window of {self.extent} elements does not fit into {size + begin + end}"
                f" ({size} and padding {begin} + {end})"
            )
        if not self.ceil_mode or self.auto_pad == "VALID":
            return room // self.stride + 1
        count = -(-room // self.stride) + 1
        return count - 1 if (count - 1) * self.stride >= size + begin else count

    def taps_inside(self, size: int, padding: bool) -> Array:
        """How many taps of each window lie on an axis of `size` elements, or on its padding too.

        What hangs over the padded axis because of `ceil_mode` lies on neither.
        """
        begin, end = self.resolved_pads(size)
        starts = np.arange(self.output_size(size)) * self.stride
        taps = starts[:, None] + np.arange(self.kernel) * self.dilation
        low, high = (0, begin + size + end) if padding else (begin, begin + size)
        return np.sum((taps >= low) & (taps < high), axis=1)


@dataclass(frozen=True)
class TransposedAxis:
    """How a window spreads along one spatial axis: the transpose of `WindowAxis`.

    `pads` are cut off the result, and `output_padding` is added to its end. `output`, if not None,
    is the size of the result, which then says what to cut off or to add.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    pads: tuple[int, int] = (0, 0)
    auto_pad: str = "NOTSET"
    output_padding: int = 0
    output: int | None = None

    @property
    def extent(self) -> int:
        """Elements from the first to the last tap, both included."""
        return (self.kernel - 1) * self.dilation + 1

    def resolved(self, size: int) -> tuple[int, int, int]:
        """What is cut off both ends, and added to the end, for an axis of `size` elements.

        SAME cuts down to size * stride, SAME_UPPER the odd element off the end; what is shorter
        stays so, as in onnxruntime.
        """
        spread = (size - 1) * self.stride + self.extent + self.output_padding
        if self.output is not None:
            wanted = self.output
        elif self.auto_pad.startswith("SAME"):
            wanted = min(spread, size * self.stride)
        else:
            begin, end = self.pads if self.auto_pad == "NOTSET" else (0, 0)
            return begin, end, self.output_padding
        surplus = max(0, spread - wanted)
        small, large = surplus // 2, surplus - surplus // 2
        begin, end = (small, large) if self.auto_pad == "SAME_UPPER" else (large, small)
        return begin, end, self.output_padding + max(0, wanted - spread)

    def output_size(self, size: int) -> int:
        """Size of the result of an axis of `size` elements. Raises ValueError if it is negative."""
        begin, end, added = self.resolved(size)
        count = (size - 1) * self.stride + self.extent + added - begin - end
        if count < 0:
            raise ValueError(f"{size} elements and pads {begin} + {end} would leave {count}")
        return count


def window_axes(
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: bool = False,
) -> tuple[WindowAxis, ...]:
    """One `WindowAxis` a spatial axis from ONNX's attributes; an empty list means its default."""
    rank = len(kernel_shape)
    strides = strides or (1,) * rank
    dilations = dilations or (1,) * rank
    pads = pads or (0,) * (2 * rank)
    if not len(strides) == len(dilations) == rank or len(pads) != 2 * rank:
        raise ValueError(
            f"{rank} spatial axes need {rank} strides and dilations and {2 * rank} pads,"
            f" got {len(strides)}, {len(dilations)} and {len(pads)}"
        )
    return tuple(
        WindowAxis(kernel, stride, dilation, (begin, end), auto_pad, ceil_mode)
        for kernel, stride, dilation, begin, end in zip(
            kernel_shape, strides, dilations, pads[:rank], pads[rank:], strict=True
        )
    )


def transposed_axes(
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    output_padding: Sequence[int] = (),
    output_shape: Sequence[int] = (),
) -> tuple[TransposedAxis, ...]:
    """One `TransposedAxis` a spatial axis; an empty list means its default."""
    rank = len(kernel_shape)
    added = output_padding or (0,) * rank
    wanted = output_shape or (None,) * rank
    if not len(added) == len(wanted) == rank:
        raise ValueError(
            f"{rank} spatial axes need as many entries of output_padding and output_shape,"
            f" got {len(added)} and {len(wanted)}"
        )
    axes = window_axes(kernel_shape, strides, pads, dilations, auto_pad)
    return tuple(
        TransposedAxis(a.kernel, a.stride, a.dilation, a.pads, auto_pad, add, size)
        for a, add, size in zip(axes, added, wanted, strict=True)
    )


def unpooled_sizes(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> list[int]:
    """Sizes of the least axes on which a window has so many positions."""
    return [
        (size - 1) * axis.stride + axis.kernel - sum(axis.pads)
        for size, axis in zip(sizes, window_axes(kernel, strides, pads), strict=True)
    ]


def sliding(x: Array, axes: Sequence[WindowAxis], fill: Any) -> Array:
    """Windows over the trailing axes of `x`: shape (..., *outputs, *kernel), padded with `fill`.

    A view of a padded copy, or of `x` itself where nothing is padded.
    """
    rank = len(axes)
    lead, sizes = x.ndim - rank, x.shape[x.ndim - rank :]
    widths = [(0, 0)] * lead
    outputs: list[int] = []
    for axis, size in zip(axes, sizes, strict=True):
        count = axis.output_size(size)
        begin, end = axis.resolved_pads(size)
        overhang = (count - 1) * axis.stride + axis.extent - size - begin
        widths.append((begin, max(end, overhang)))
        outputs.append(count)
    if any(width != (0, 0) for width in widths):
        x = np.pad(x, widths, constant_values=fill)
    extents = tuple(axis.extent for axis in axes)
    if 0 in outputs:
        return np.empty((*x.shape[:lead], *outputs, *(a.kernel for a in axes)), x.dtype)
    views = np.lib.stride_tricks.sliding_window_view(x, extents, tuple(range(lead, x.ndim)))
    positions = (
        slice(None, (n - 1) * a.stride + 1, a.stride) for n, a in zip(outputs, axes, strict=True)
    )
    taps = (slice(None, None, axis.dilation) for axis in axes)
    return views[(slice(None),) * lead + (*positions, *taps)]
