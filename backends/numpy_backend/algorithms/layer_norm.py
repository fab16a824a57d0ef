"""Normalizations of rows: sums along them by matrix products, some rows at a time in the cache."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array

_ROWS_AT_ONCE = 1 << 16
"""Elements that are normalized before the next ones are read."""


def squares() -> Callable[[Array, Array], object]:
    """A function of rows and a vector, which gets the sum of each row's squares."""
    if (vecdot := getattr(np, "vecdot", None)) is not None:
        return lambda x, out: vecdot(x, x, out)
    # NumPy 1 has nothing faster.
    return lambda x, out: np.einsum("ij,ij->i", x, x, out=out)


@dataclass(frozen=True)
class _Rows:
    """(x - mean) / sqrt(mean square + epsilon) * scale + bias for each row; the mean may be left out."""

    rows: int
    size: int
    epsilon: Array
    average: Array
    centred: bool
    squares: Callable[[Array, Array], object]

    def __call__(self, x: Array, scale: Array, *rest: Any) -> None:
        *others, out = rest
        bias = others[0].reshape(self.size) if others and others[0] is not None else None
        rows, size = self.rows, self.size
        x, y, scale = x.reshape(rows, size), out.reshape(rows, size), scale.reshape(size)
        some = max(1, _ROWS_AT_ONCE // size)
        for start in range(0, rows, some):
            part = slice(start, start + some)
            self._normalize(x[part], scale, bias, y[part])

    def _normalize(self, x: Array, scale: Array, bias: Array | None, y: Array) -> None:
        line = np.empty(len(x), x.dtype)
        column = line.reshape(-1, 1)
        if self.centred:
            np.matmul(x, self.average, line)
            np.subtract(x, column, y)
            x = y
        self.squares(x, line)
        np.multiply(line, self.average[0], line)
        np.add(line, self.epsilon, line)
        np.sqrt(line, line)
        np.divide(x, column, y)
        np.multiply(y, scale, y)
        if bias is not None:
            np.add(y, bias, y)


def _rows(call: Call, centred: bool) -> Function | None:
    shape, axis = call.shape(0), int(call.params["axis"])
    axis %= max(len(shape), 1)
    rows, size = math.prod(shape[:axis]), math.prod(shape[axis:])
    given = [math.prod(call.shape(i)) for i in (1, 2) if call.has(i)]
    if not call.computes() or not rows or not size or any(count != size for count in given):
        return None
    average = np.full(size, 1 / size, call.dtype)
    epsilon = np.array(call.params["epsilon"], call.dtype)
    return _Rows(rows, size, epsilon, average, centred, squares())


def _own_rows(call: Call, centred: bool) -> Function | None:
    """As `_rows`, for operands of any shape; what it does not take goes to the kernel."""
    if not call.computes():
        return None
    axis, epsilon = int(call.params["axis"]), np.array(call.params["epsilon"], call.dtype)
    kernel = partial(kernels.table()[call.invoke.callee], **call.params)
    averages: dict[int, Array] = {}

    def run(x: Array, scale: Array, *bias: Array | None) -> Array:
        given = [a for a in (scale, *bias) if a is not None]
        row = x.shape[axis % max(x.ndim, 1) :]
        if x.size == 0 or any(a.shape != row for a in given):
            return kernel(x, scale, *bias)
        size = math.prod(row)
        if size not in averages:
            averages.clear()
            averages[size] = np.full(size, 1 / size, x.dtype)
        out = np.empty(x.shape, x.dtype)
        rows = _Rows(x.size // size, size, epsilon, averages[size], centred, squares())
        rows(x, scale, *bias, out)
        return out

    return run


def _layer_normalization(call: Call) -> Function | None:
    return _rows(call, centred=True)


def _rms_normalization(call: Call) -> Function | None:
    return _rows(call, centred=False)


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late(
        "layer_normalization", _layer_normalization, "axis", "epsilon", arity=3,
        own=partial(_own_rows, centred=True),
    ),
    late(
        "rms_normalization", _rms_normalization, "axis", "epsilon",
        own=partial(_own_rows, centred=False),
    ),
)  # fmt: skip
