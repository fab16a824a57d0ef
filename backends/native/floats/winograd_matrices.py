"""The matrices of Winograd's algorithm, F(m x m, 3 x 3), and their use on vectors.

A tile of m x m outputs is A^T ((G g G^T) * (B^T d B)) A for the (m + 2) x (m + 2) inputs d that it sees
(Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). The matrices follow from
points at which polynomials are evaluated: 0, 1, -1 and infinity for m = 2; 0, +-11/16, +-3/2 and
infinity for m = 4. Of all pairs of points these are among those with the smallest errors (Barabasz et
al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020,
for how they come about): errors are half those of the usual 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import Builder
from pyflame_rt.backends.native.writing.vector_math import like
from pyflame_rt.backends.runtime import Array

_A, _B = 11 / 16, 3 / 2
_A2, _B2 = _A * _A, _B * _B
"""All of their products below are exact as f32."""

Values = Sequence[SSAValue]


def weights_matrix(tile: int) -> Array:
    """G."""
    if tile == 2:
        return np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    rows: list[list[float]] = [[1 / (_A2 * _B2), 0, 0]]
    for point, other in ((_A, _B2), (-_A, _B2), (_B, _A2), (-_B, _A2)):
        scale = 1 / (2 * point * point * (point * point - other))
        rows.append([scale, point * scale, point * point * scale])
    return np.array([*rows, [0, 0, 1]])


def to_tile(b: Builder, tile: int, d: Values) -> list[SSAValue]:
    """B^T d, of vectors."""
    if tile == 2:
        return [
            b.subtract(d[0], d[2]),
            b.add_floats(d[1], d[2]),
            b.subtract(d[2], d[1]),
            b.subtract(d[1], d[3]),
        ]

    def plus(factor: float, x: SSAValue, y: SSAValue) -> SSAValue:
        return b.multiply_add(like(b, x, factor), x, y)

    def pair(point: float, square: float) -> list[SSAValue]:
        even, odd = plus(-square, d[2], d[4]), plus(-square, d[1], d[3])
        return [plus(point, odd, even), plus(-point, odd, even)]

    first = plus(_A2 * _B2, d[0], plus(-(_A2 + _B2), d[2], d[4]))
    last = plus(_A2 * _B2, d[1], plus(-(_A2 + _B2), d[3], d[5]))
    return [first, *pair(_A, _B2), *pair(_B, _A2), last]


def from_tile(b: Builder, tile: int, m: Values) -> list[SSAValue]:
    """A^T m, of vectors."""
    add, subtract = b.add_floats, b.subtract
    if tile == 2:
        return [
            add(add(m[0], m[1]), m[2]),
            subtract(subtract(m[1], m[2]), m[3]),
        ]

    def weighted(p: float, x: SSAValue, q: float, y: SSAValue) -> SSAValue:
        return b.multiply_add(like(b, x, p), x, b.multiply(like(b, y, q), y))

    even_a, odd_a = add(m[1], m[2]), subtract(m[1], m[2])
    even_b, odd_b = add(m[3], m[4]), subtract(m[3], m[4])
    return [
        add(m[0], add(even_a, even_b)),
        weighted(_A, odd_a, _B, odd_b),
        weighted(_A2, even_a, _B2, even_b),
        add(m[5], weighted(_A2 * _A, odd_a, _B2 * _B, odd_b)),
    ]
