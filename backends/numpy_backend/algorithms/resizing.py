"""Enlarging by repeating elements, as networks that bring maps together do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.interpolation import coordinates, nearest, resized


def _resize(call: Call) -> Function | None:
    """y = x, every element several times along each axis; None where it is anything else."""
    params, shape = call.params, call.shape(0)
    if 0 in (*shape, *call.output_shape):
        return None
    factors = repetitions(params, shape)
    if factors is None:
        return None
    parted = tuple(n for pair in zip(shape, factors, strict=True) for n in pair)

    def run(x: Array, *rest: Any) -> None:
        y = rest[-1].reshape(parted)
        # What is not repeated yet is the first of each axis.
        axes = range(len(shape))
        first = [slice(None) if at % 2 == 0 else 0 for at in range(len(parted))]
        for number in range(factors[-1]):
            np.copyto(y[(*first[:-1], number)], x)
        for axis in reversed(axes[:-1]):
            done = (*first[: 2 * axis + 1], 0)
            for number in range(1, factors[axis]):
                np.copyto(y[(*done[:-1], number)], y[done])

    return run


def repetitions(params: dict[str, Any], shape: Sequence[int]) -> list[int] | None:
    """How often each element stands along each axis; None if they do not stand equally often, or a
    parameter is not known."""
    if params.get("mode") != "nearest":
        return None
    scales, sizes, mode = params.get("scales"), params.get("sizes"), params["nearest_mode"]
    transform = params["coordinate_transformation_mode"]
    if (scales is None) == (sizes is None) or transform == "tf_crop_and_resize":
        return None
    axes = params.get("axes")
    along = [axis % len(shape) for axis in (range(len(shape)) if axes is None else axes)]
    dims = [shape[axis] for axis in along]
    factors = [1] * len(shape)
    known = None if scales is None else [float(s) for s in np.asarray(scales, np.float32)]
    plan = resized(dims, known, sizes, params["keep_aspect_ratio_policy"])
    for axis, size, (output, scale) in zip(along, dims, plan, strict=True):
        factor, rest = divmod(output, size)
        places = nearest(coordinates(transform, size, output, scale, (0.0, 1.0)), mode, size, scale)
        if rest or not np.array_equal(places, np.arange(output) // max(factor, 1)):
            return None
        factors[axis] = factor
    return factors


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late(
        "resize", _resize, "scales", "sizes", "axes", "mode", "coordinate_transformation_mode",
        "nearest_mode", "cubic_coeff_a", "exclude_outside", "extrapolation_value", "antialias",
        "keep_aspect_ratio_policy", "roi", arity=4,
    ),
)  # fmt: skip
