"""Transposed convolutions: a product gives what each element adds at each tap, and the results are put
together by phases of the stride.

Outputs that are a multiple of the stride apart get the same taps, each from a shifted copy of the
elements, so that the first tap of a phase is copied and the others are added.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.convolution import finishing
from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Implementation, Run, bound
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.windows import TransposedAxis, transposed_axes


def axes_of(call: BoundCall) -> tuple[TransposedAxis, ...]:
    """The spatial axes of a call."""
    params = call.params
    return transposed_axes(
        call.shape(1)[2:],
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
        params.get("output_padding", ()),
        params.get("output_shape", ()),
    )


def _conv_transpose(call: BoundCall) -> Run | None:
    """y = the sum over taps of w[tap] @ x, shifted, an image at a time."""
    x, w, y, params = call.input(0), call.input(1), call.output, call.params
    if not call.computes() or not call.in_layout("nchw") or 0 in (*x.shape, *w.shape, *y.shape):
        return None
    axes = axes_of(call)
    group, taps, positions = params.get("group", 1), w.shape[1:], math.prod(x.shape[2:])
    depth = x.shape[1] // group
    weights = w.reshape(group, depth, -1).swapaxes(1, 2)
    parts = call.scratch_of(0, (group * taps[0], *taps[1:], *x.shape[2:]), x.dtype)
    product = parts.reshape(group, -1, positions)
    steps: list[Run] = []
    for image, result in zip(x, y, strict=True):
        steps.append(partial(np.matmul, weights, image.reshape(group, depth, positions), product))
        steps += _added_up(parts, result, axes)
    return sequence([*steps, *finishing(call)])


def _added_up(parts: Array, y: Array, axes: Sequence[TransposedAxis]) -> list[Run]:
    """Steps that make y (features, *outputs) of (features, *taps, *elements)."""
    sizes = parts.shape[1 + len(axes) :]
    steps: list[Run] = []
    for phase in itertools.product(*(range(axis.stride) for axis in axes)):
        target = y[
            (slice(None), *(slice(p, None, a.stride) for p, a in zip(phase, axes, strict=True)))
        ]
        if not target.size:
            continue
        found: list[tuple[Array, Array]] = []
        reaches = (
            _reaches(axis, p, size, count)
            for axis, p, size, count in zip(axes, phase, sizes, target.shape[1:], strict=True)
        )
        for reach in itertools.product(*reaches):
            taps, places, taken = zip(*reach, strict=True)
            found.append((target[(slice(None), *places)], parts[(slice(None), *taps, *taken)]))
        found.sort(key=lambda pair: -pair[0].size)
        if found and found[0][0].size == target.size:
            steps.append(partial(np.copyto, target, found[0][1]))
            found = found[1:]
        else:
            steps.append(partial(target.fill, 0))
        steps += [partial(np.add, place, part, place) for place, part in found]
    return steps


def _reaches(
    axis: TransposedAxis, phase: int, size: int, count: int
) -> list[tuple[int, slice, slice]]:
    """The taps that a phase of an axis gets; where in the phase, and of which elements."""
    begin = axis.resolved(size)[0]
    found: list[tuple[int, slice, slice]] = []
    for tap in range(axis.kernel):
        shift, rest = divmod(tap * axis.dilation - begin - phase, axis.stride)
        first, last = max(0, shift), min(count, size + shift)
        if not rest and first < last:
            found.append((tap, slice(first, last), slice(first - shift, last - shift)))
    return found


_PARAMS = (
    "strides", "pads", "dilations", "group", "auto_pad", "output_padding", "output_shape", "layout",
    "activation",
)  # fmt: skip


def _by_kernel(_: BoundCall) -> None:
    """Unless there is machine code for it."""


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("conv_transpose_gemm", _conv_transpose, *_PARAMS),
    bound("conv_transpose_nhwc", _by_kernel, *_PARAMS),
)
