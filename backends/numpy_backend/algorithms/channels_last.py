"""Pools and normalizations on N x spatial x C data."""

from __future__ import annotations

from functools import partial

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.normalization import folded_statistics
from pyflame_rt.backends.numpy_backend.algorithms.pooling import (
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
)
from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Implementation,
    Run,
    bound,
    late,
)
from pyflame_rt.backends.numpy_backend.epilogue import activation_steps

_WIDE = 512
"""A vector of so many elements is added to rows as fast as if it were longer."""


def _batch_normalization_folded(call: BoundCall) -> Run | None:
    """x * factor + shift, on rows of the last spatial axis where there are few channels."""
    folded = folded_statistics(call)
    if folded is None or not call.in_layout("nhwc"):
        return None
    x, y = call.input(0), call.output
    width = y.shape[-2] if y.ndim > 3 and y.shape[-1] < _WIDE else 1
    factor, shift = (np.tile(part.reshape(-1), width) for part in folded)
    if 0 in y.shape:
        return sequence([])
    rows, flat = x.reshape(-1, factor.size), y.reshape(-1, factor.size)
    multiply, add = partial(np.multiply, rows, factor, flat), partial(np.add, flat, shift, flat)
    return sequence([multiply, add, *activation_steps(call, y)])


_POOL = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "layout")

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("average_pool_nhwc", partial(average_pool, first=1), *_POOL, "count_include_pad"),
    bound(
        "batch_normalization_folded_nhwc",
        _batch_normalization_folded,
        "epsilon",
        "layout",
        "activation",
    ),
    late("global_average_pool_nhwc", partial(global_average_pool, first=1), "layout"),
    late("global_max_pool_nhwc", partial(global_max_pool, first=1), "layout"),
    bound("max_pool_nhwc", partial(max_pool, first=1), *_POOL),
)
