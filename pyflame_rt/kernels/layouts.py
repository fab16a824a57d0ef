"""Data layouts: in which order the dimensions of a batch of images lie in memory.

Kernels compute on "nchw": N x C x spatial. "nhwc" is N x spatial x C, "nc4hw4" is
N x ceil(C/4) x spatial x 4, where what fills up the last four channels is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LAYOUTS = ("nchw", "nhwc", "nc4hw4")
PACK = 4
"""Channels that "nc4hw4" keeps beside each other."""

__all__ = ["pack_channels", "unpack_channels"]


def pack_channels(x: Array) -> Array:
    """N x C x spatial -> N x ceil(C/4) x spatial x 4, filled up with 0."""
    batch, channels, *sizes = x.shape
    blocks = -(-channels // PACK)
    padded = np.zeros((batch, blocks * PACK, *sizes), x.dtype)
    padded[:, :channels] = x
    return np.ascontiguousarray(np.moveaxis(padded.reshape(batch, blocks, PACK, *sizes), 2, -1))


def unpack_channels(x: Array, *, channels: int) -> Array:
    """N x ceil(C/4) x spatial x 4 -> N x C x spatial. Raises ValueError when C does not suit."""
    batch, blocks, *sizes, lanes = x.shape
    if lanes != PACK or blocks != -(-channels // PACK):
        raise ValueError(f"{blocks} blocks of {lanes} do not hold {channels} channels")
    whole = np.moveaxis(x, -1, 2).reshape(batch, blocks * PACK, *sizes)
    return np.ascontiguousarray(whole[:, :channels])


def from_layout(x: Array, layout: str, channels: int | None = None) -> Array:
    """x as N x C x spatial; without `channels`, what fills up "nc4hw4" counts as channels."""
    match layout:
        case "nchw":
            return x
        case "nhwc":
            return np.ascontiguousarray(np.moveaxis(x, -1, 1))
        case "nc4hw4":
            return unpack_channels(x, channels=x.shape[1] * PACK if channels is None else channels)
        case _:
            raise ValueError(f'unknown layout "{layout}"')


def to_layout(x: Array, layout: str) -> Array:
    """x, which is N x C x spatial, in a layout."""
    match layout:
        case "nchw":
            return x
        case "nhwc":
            return np.ascontiguousarray(np.moveaxis(x, 1, -1))
        case "nc4hw4":
            return pack_channels(x)
        case _:
            raise ValueError(f'unknown layout "{layout}"')


def of_scale(scale: Array, *_others: Any, **_properties: Any) -> int:
    """The channels of an op that has a parameter for each."""
    return scale.shape[0]


def of_lanes(*_operands: Any, **_properties: Any) -> None:
    """The channels of an op that takes whatever there is."""


def in_any_layout(
    channels: Callable[..., int | None],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a kernel take its first operand and give its results in a `layout`.

    y = to(layout, kernel(from(x_layout or layout, x), …)). `channels` says from the other operands and the
    properties how many there are.
    """

    def decorate(kernel: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(kernel)
        def run(
            x: Array,
            *others: Any,
            layout: str = "nchw",
            x_layout: str | None = None,
            **properties: Any,
        ) -> Any:
            if layout == "nchw":
                return kernel(x, *others, **properties)
            known: int | None = channels(*others, **properties)
            data = from_layout(x, x_layout or layout, known)
            result: Any = kernel(data, *others, **properties)
            if isinstance(result, tuple):
                parts = cast("tuple[Array, ...]", result)
                return tuple(to_layout(part, layout) for part in parts)
            return to_layout(result, layout)

        return run

    return decorate
