"""How a convolution on N x spatial x C data goes over its result: some rows of some images at a time.

What a strip of the result needs of the input is padded, rearranged, multiplied and finished while it
is in the cache. The table of algorithms and the backends share the arithmetic of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pyflame_rt.kernels.windows import WindowAxis

_CACHED = 1 << 19
"""Bytes that a strip may read and write."""

_LEAST_POSITIONS = 128
"""With fewer output positions it takes longer to read the weights than to multiply by them."""


@dataclass(frozen=True)
class Strip:
    """Some whole images, or some rows of one: what is contiguous in the result."""

    images: slice
    rows: slice

    @property
    def index(self) -> tuple[slice, slice]:
        """Of (batch, rows, …)."""
        return self.images, self.rows


@dataclass(frozen=True)
class Strips:
    """A window that slides over `batch` images of `sizes` and `channels`.

    With n `phases`, what is padded has along its last axis the elements together that are a multiple
    of n apart, as (n, positions, channels).
    """

    batch: int
    sizes: tuple[int, ...]
    channels: int
    axes: tuple[WindowAxis, ...]
    phases: int = 0

    @property
    def outputs(self) -> tuple[int, ...]:
        """Output positions along each axis."""
        return tuple(a.output_size(size) for a, size in zip(self.axes, self.sizes, strict=True))

    @property
    def begins(self) -> tuple[int, ...]:
        """The padding before each axis."""
        return tuple(
            a.resolved_pads(size)[0] for a, size in zip(self.axes, self.sizes, strict=True)
        )

    @property
    def window(self) -> tuple[int, ...]:
        """Taps along each axis."""
        return tuple(axis.kernel for axis in self.axes)

    def reach(self, axis: int, count: int) -> int:
        """The elements along an axis that so many windows see, from the first one's first tap on."""
        return (count - 1) * self.axes[axis].stride + self.axes[axis].extent

    @property
    def is_padded(self) -> bool:
        """Whether windows see anything but the input as it lies."""
        if self.phases > 1:
            return True
        reached = (self.reach(i, count) for i, count in enumerate(self.outputs))
        return any(self.begins) or any(r > s for r, s in zip(reached, self.sizes, strict=True))

    def of_columns(self, itemsize: int) -> tuple[int, int]:
        """How many images and rows make a strip whose windows are laid out as columns."""
        return self.at_once(itemsize * self.channels * math.prod(self.window))

    def of_channels(self, itemsize: int) -> tuple[int, int]:
        """How many images and rows make a strip of which only inputs and results are kept."""
        inputs = math.prod(axis.stride for axis in self.axes)
        return self.at_once(itemsize * self.channels * (inputs + 1))

    def at_once(self, position: int) -> tuple[int, int]:
        """How many images and rows make a strip that takes so many bytes an output position."""
        height, along = self.outputs[0], max(1, math.prod(self.outputs[1:]))
        most = max(_CACHED // max(1, position * along), -(-_LEAST_POSITIONS // along), 1)
        if most >= height:
            return max(1, min(self.batch, most // max(1, height))), height
        return 1, -(-height // -(-height // most))

    def strips(self, at_once: tuple[int, int]) -> Iterator[Strip]:
        """All strips of such a size; the last ones may be smaller."""
        images, rows = at_once
        if 0 in (self.batch, *self.outputs):
            return
        for image in range(0, self.batch, images):
            for row in range(0, self.outputs[0], rows):
                yield Strip(
                    slice(image, min(image + images, self.batch)),
                    slice(row, min(row + rows, self.outputs[0])),
                )

    def padded(self, at_once: tuple[int, int]) -> tuple[int, ...]:
        """The shape of what a strip sees, padded: (images, rows, …, channels)."""
        images, rows = at_once
        reached = [
            max(begin + size, self.reach(axis, count))
            for axis, (begin, size, count) in enumerate(
                zip(self.begins, self.sizes, self.outputs, strict=True)
            )
        ]
        shape = (images, self.reach(0, rows), *reached[1:])
        if not self.phases:
            return (*shape, self.channels)
        return (*shape[:-1], self.phases, -(-shape[-1] // self.phases), self.channels)

    def tiled(self) -> Strips:
        """With as many outputs along each axis as whole tiles of 2 have, and two phases."""
        axes = [
            WindowAxis(axis.kernel, pads=(begin, axis.resolved_pads(size)[1] + count % 2))
            for axis, begin, size, count in zip(
                self.axes, self.begins, self.sizes, self.outputs, strict=True
            )
        ]
        return Strips(self.batch, self.sizes, self.channels, tuple(axes), 2)

    def of_tiles(self, features: int, itemsize: int) -> tuple[int, int]:
        """How many images and rows of whole tiles make a strip, with so many features of each."""
        images, rows = self.at_once(itemsize * (self.channels + features))
        return images, rows + rows % 2

    def columns(self, at_once: tuple[int, int]) -> tuple[int, ...]:
        """The shape of what the weights are multiplied with: (images, rows, …, window, channels)."""
        return (*at_once, *self.outputs[1:], *self.window, self.channels)
