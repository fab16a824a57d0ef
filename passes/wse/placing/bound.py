"""The cycles that a contraction needs at least, whatever its mapping.

Y[M, N] = X[M, K] W[K, N] on P columns x Q rows of PEs. Every element of X, W and Y starts and ends on exactly
one PE. Three things take time, and the longest counts: the multiply-adds, the words that pass the busiest ramp
in the best family of mappings, and the way across the rectangle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyflame_rt.passes.wse.emitting.interface import Window
from pyflame_rt.passes.wse.emitting.machine import CONSTANTS


@dataclass(frozen=True)
class Bound:
    """The three terms, in cycles."""

    compute: int
    words: int
    latency: int

    @property
    def cycles(self) -> int:
        """The bound: the largest of them."""
        return max(self.compute, self.words, self.latency)


def bound(
    m: int, n: int, k: int, columns: int, rows: int, machine: str = "wse2", dtype: str = "f32", *,
    products: int | None = None, elements: int | None = None,
) -> Bound:  # fmt: skip
    """The bound of an M x K by K x N product on `columns` x `rows` PEs.

    A convolution has fewer `products` than M K N (valid taps alone count) and fewer `elements` of
    X than M K (each pixel once). Families: output-stationary, where a PE gets its share of X along a row and
    of W along a column; weight-stationary, where it gets its share of X and partial sums of Y; both
    ways round.
    """
    constants = CONSTANTS[machine]
    width = 0.5 if dtype == "f16" else 1.0
    done = m * k * n if products is None else products
    x = m * k if elements is None else elements
    w, y = k * n, m * n
    words = min(
        min(
            x / q * (1 - 1 / p) + w / p * (1 - 1 / q),
            x / q + y / p,
        )
        for p, q in ((columns, rows), (rows, columns))
    )
    return Bound(
        compute=math.ceil(done / (columns * rows * constants.rate(dtype))),
        words=0 if columns * rows == 1 else math.ceil(width * words),
        latency=0 if columns * rows == 1 else constants.hop * (columns + rows - 2)
        + constants.ramp_down + constants.ramp_up,
    )  # fmt: skip


def valid_taps(window: Window, image: tuple[int, int]) -> int:
    """Pairs of an output pixel and a tap that lies inside of the image."""
    pads = (window.pads[0], window.pads[1])
    along = [
        sum(
            0 <= at * stride + tap * dilation - pad < size
            for at in range(outputs)
            for tap in range(taps)
        )
        for size, outputs, taps, stride, dilation, pad in zip(
            image, window.output(image), window.kernel, window.strides, window.dilations, pads,
            strict=True,
        )
    ]  # fmt: skip
    return along[0] * along[1]
