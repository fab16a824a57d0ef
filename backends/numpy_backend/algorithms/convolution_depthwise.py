"""Convolutions of each channel by itself, on N x spatial x C data: one pass over a strip a tap.

`np.einsum` multiplies and adds in one pass, fast if the runs are long. So those are of several
positions, and where windows take strides, positions are brought together by phases of the stride.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import (
    CONVOLUTION,
    Padding,
    finishing,
    is_prepared,
    strips_of,
)
from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Implementation, Run, bound
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strips

_RUN = 2048
"""Elements that lie together: with fewer, a call of the inner loop takes longer than what it does."""


@dataclass(frozen=True)
class _Phase:
    """The taps along the last axis that meet one phase of the stride: from `first` on, `step` apart,
    at positions from `place` on, `apart` from each other."""

    phase: int
    first: int
    step: int
    count: int
    place: int
    apart: int


def _conv_depthwise(call: BoundCall) -> Run | None:
    """y = sum over taps of x, shifted, times the tap's weights."""
    if not is_prepared(call):
        return None
    strips, x = strips_of(call, phases=True)
    at_once = strips.of_channels(x.itemsize)
    padding = Padding.of(call, strips, x, at_once)
    phases = _phases(strips)
    together = _together(strips.outputs[-1], strips.channels)
    weights, prepare = _weights(call, strips.window, phases, together)
    shape = (*at_once, *strips.outputs[1:], strips.channels)
    room = call.scratch_of(padding.used, shape, x.dtype).reshape(-1) if len(phases) > 1 else None
    output = call.output.reshape(strips.batch, *strips.outputs, strips.channels)
    finish, steps = finishing(call), [*prepare, *padding.prepare]
    for strip in strips.strips(at_once):
        more, seen = padding.seen(strip)
        steps += more
        y = output[strip.index]
        for phase, factors in zip(phases, weights, strict=True):
            target = y
            if phase is not phases[0]:
                assert room is not None
                target = room[: y.size].reshape(y.shape)
            steps.append(_sum_of_taps(strips, seen, phase, factors, together, target))
            if target is not y:
                steps.append(partial(np.add, y, target, y))
        steps += finish(strip)
    return sequence(steps)


def _phases(strips: Strips) -> list[_Phase]:
    axis = strips.axes[-1]
    common = math.gcd(axis.stride, axis.dilation)
    step, apart = axis.stride // common, axis.dilation // common
    found: list[_Phase] = []
    for first in range(min(step, axis.kernel)):
        place, phase = divmod(first * axis.dilation, axis.stride)
        count = len(range(first, axis.kernel, step))
        found.append(_Phase(phase, first, step, count, place, apart))
    return found


def _together(width: int, channels: int) -> int:
    """How many positions make a run: as few as are long enough, in equal numbers."""
    counts = (n for n in range(1, width + 1) if width % n == 0)
    return next((n for n in counts if n * channels >= _RUN), width)


def _weights(
    call: BoundCall, window: Sequence[int], phases: Sequence[_Phase], together: int
) -> tuple[list[Array], list[Run]]:
    """For each phase (*window but the last axis, taps, run), and the steps that make them if need be."""
    pack, prepare = partial(_taps, tuple(window), together), list[Run]()
    if call.is_constant(1):
        taps = call.pack(1, (tuple(window), together), pack)
    else:
        w = call.input(1)
        taps = np.empty_like(pack(w))
        prepare.append(lambda: np.copyto(taps, pack(w)))
    return [taps[..., phase.first :: phase.step, :] for phase in phases], prepare


def _taps(window: tuple[int, ...], together: int, w: Array) -> Array:
    """(C, 1, *kernel) as (*window, together * C)."""
    last = np.moveaxis(w.reshape(w.shape[0], *window), 0, -1)
    return np.ascontiguousarray(np.tile(last, together))


def _sum_of_taps(
    strips: Strips, seen: Array, phase: _Phase, factors: Array, together: int, y: Array
) -> Run:
    """The step y = sum over a phase's taps of what windows see, times the factors."""
    axes, width = strips.axes, strips.outputs[-1]
    run, groups = together * strips.channels, width // together
    if seen.ndim > len(axes) + 2:
        seen = seen[..., phase.phase, :, :]
    seen = seen[..., phase.place :, :]
    spatial = seen.strides[1:-1]
    view = as_strided(
        seen,
        (*y.shape[:-2], groups, *factors.shape[:-1], run),
        (
            seen.strides[0],
            *(axis.stride * s for axis, s in zip(axes[:-1], spatial[:-1], strict=True)),
            together * spatial[-1],
            *(axis.dilation * s for axis, s in zip(axes[:-1], spatial[:-1], strict=True)),
            phase.apart * spatial[-1],
            seen.strides[-1],
        ),
        writeable=False,
    )
    places = string.ascii_letters[: len(axes) + 1]
    taps = string.ascii_letters[len(axes) + 1 : 2 * len(axes) + 1]
    return partial(
        np.einsum,
        f"{places}{taps}z,{taps}z->{places}z",
        view,
        factors,
        out=y.reshape(*y.shape[:-2], groups, run),
    )


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("conv_depthwise_nhwc", _conv_depthwise, *CONVOLUTION, raw=(1,)),
)
