"""Normalizations of groups of channels, each image's by itself: some groups at a time in the cache."""

from __future__ import annotations

import math

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.layer_norm import squares
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array

_AT_ONCE = 1 << 16
"""Elements that are normalized before the next ones are read."""


def _group_normalization(call: Call) -> Function | None:
    return _groups(call, int(call.params["num_groups"]))


def _instance_normalization(call: Call) -> Function | None:
    return _groups(call, call.shape(0)[1])


def _groups(call: Call, groups: int) -> Function | None:
    """(x - mean) / sqrt(variance + epsilon) of each group, times scale, plus bias of each channel."""
    shape = call.shape(0)
    if not call.computes() or not call.in_layout("nchw") or 0 in shape or shape[1] % groups:
        return None
    batch, each, positions = shape[0], shape[1] // groups, math.prod(shape[2:])
    rows, size = batch * groups, each * positions
    average = np.full(size, 1 / size, call.dtype)
    epsilon = np.array(call.params["epsilon"], call.dtype)
    line, factors = np.empty(rows, call.dtype), np.empty((rows, each, 1), call.dtype)
    column, sum_squares = line.reshape(rows, 1), squares()
    some = max(1, _AT_ONCE // size)
    parts = [slice(start, start + some) for start in range(0, rows, some)]

    def run(x: Array, scale: Array, bias: Array, out: Array) -> None:
        x, y = x.reshape(rows, size), out.reshape(rows, size)
        channels = out.reshape(rows, each, positions)
        np.copyto(factors.reshape(batch, groups, each), scale.reshape(groups, each))
        shifts = np.broadcast_to(bias.reshape(groups, each), (batch, groups, each))
        shifts = shifts.reshape(rows, each, 1)
        for part in parts:
            normal, mean, factor = y[part], line[part], factors[part]
            np.matmul(x[part], average, mean)
            np.subtract(x[part], column[part], normal)
            sum_squares(normal, mean)
            np.multiply(mean, average[0], mean)
            np.add(mean, epsilon, mean)
            np.sqrt(mean, mean)
            np.divide(factor, column[part, :, None], factor)
            np.multiply(channels[part], factor, channels[part])
            np.add(channels[part], shifts[part], channels[part])

    return run


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("group_normalization", _group_normalization, "num_groups", "epsilon", "layout"),
    late("instance_normalization", _instance_normalization, "epsilon", "layout"),
)
