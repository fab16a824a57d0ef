"""What calibration remembers of a tensor, and the ranges it chooses from that."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.dtypes import DType
from pyflame_rt.quantization.params import QuantParams

Array: TypeAlias = npt.NDArray[Any]

BINS = 2048
"""How many stretches of equal width a histogram has."""

_CANDIDATES = 128
"""How many ranges are tried."""

_UNSEEN = 1e-12
"""How often a number counts as told of that was seen and saturates: next to never, but more than that."""


@dataclass
class CalibrationStats:
    """The range of the numbers that were seen, and how often which were, in `BINS` stretches.

    Memory does not grow with what is seen: a histogram whose range is too small gets stretches of
    twice the width until it is not. NaN and infinities are not counted.
    """

    min_val: float = math.inf
    max_val: float = -math.inf
    num_samples: int = 0
    """Numbers that were seen."""
    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    _low: float = 0.0
    _width: float = 0.0

    def update(self, values: Array | float) -> None:
        """Take numbers into account."""
        array = np.asarray(values, np.float64).reshape(-1)
        array = array[np.isfinite(array)]
        if not array.size:
            return
        low, high = float(array.min()), float(array.max())
        self.min_val, self.max_val = min(self.min_val, low), max(self.max_val, high)
        self.num_samples += array.size
        self._cover(low, high)
        index = ((array - self._low) / self._width).astype(np.int64)
        counts = np.bincount(np.clip(index, 0, BINS - 1), minlength=BINS)
        self.histogram += counts

    def edges(self) -> Array:
        """Where the stretches of the histogram begin, and where the last one ends."""
        return self._low + self._width * np.arange(BINS + 1)

    def minmax_range(self) -> tuple[float, float]:
        """All that was seen."""
        return (self.min_val, self.max_val) if self.num_samples else (0.0, 0.0)

    def percentile_range(self, percentile: float = 99.99) -> tuple[float, float]:
        """Without what lies outside of the middle `percentile` percent."""
        if not self.num_samples:
            return 0.0, 0.0
        outside = (1 - percentile / 100) / 2 * self.num_samples
        below = np.cumsum(self.histogram)
        above = np.cumsum(self.histogram[::-1])
        edges = self.edges()
        low = edges[int(np.searchsorted(below, outside, side="right"))]
        high = edges[BINS - int(np.searchsorted(above, outside, side="right"))]
        return max(float(low), self.min_val), min(float(high), self.max_val)

    def entropy_range(self, levels: int = 256) -> tuple[float, float]:
        """The part of the range whose quantized numbers tell most of what the numbers tell.

        Ranges around 0 from 1/128 of what was seen on are tried. P is what was seen; Q what is in
        the range, in `levels` steps spread evenly over their stretches that are not empty, what is
        outside of it in its first and last one. The one with the least Kullback-Leibler divergence
        sum P log(P / Q) is taken: Migacz, "8-bit Inference with TensorRT", GTC 2017, where P
        saturates too, so that saturation costs nothing. The stretch of 0 is left out: 0 has an
        integer of its own, and where relu made most numbers 0 all else would weigh nothing.
        """
        return self._least_divergence(levels)

    def mse_range(self, levels: int = 255) -> tuple[float, float]:
        """The part of the range with the least mean of squared errors: rounding's, width²/12 of a
        step, and saturation's, the squared distance to the range."""
        edges = self.edges()
        centers = (edges[1:] + edges[:-1]) / 2

        def error(low: float, high: float) -> float:
            step = (high - low) / levels
            far = np.maximum(np.maximum(low - centers, centers - high), 0)
            inside = self.histogram[far == 0].sum()
            return float((self.histogram * far**2).sum() + inside * step * step / 12)

        return min(self._candidates(), key=lambda bounds: error(*bounds), default=(0.0, 0.0))

    def compute_minmax_params(self, target_dtype: DType, symmetric: bool) -> QuantParams:
        """The scale of `minmax_range`."""
        return QuantParams.compute_from_minmax(*self.minmax_range(), target_dtype, symmetric)

    def compute_entropy_params(self, target_dtype: DType, symmetric: bool) -> QuantParams:
        """The scale of `entropy_range`."""
        return QuantParams.compute_from_minmax(*self.entropy_range(), target_dtype, symmetric)

    def compute_percentile_params(
        self, target_dtype: DType, symmetric: bool, percentile: float = 99.99
    ) -> QuantParams:
        """The scale of `percentile_range`."""
        bounds = self.percentile_range(percentile)
        return QuantParams.compute_from_minmax(*bounds, target_dtype, symmetric)

    def _cover(self, low: float, high: float) -> None:
        """Give the histogram stretches that cover these numbers too."""
        if self._width == 0.0:
            # Half of the stretches are kept for what comes.
            span = max(high - low, abs(high), abs(low), 1e-30)
            self._width = 2 * span / BINS
            self._low = (low + high) / 2 - span
        while low < self._low or high > self._low + self._width * BINS:
            pairs = self.histogram.reshape(-1, 2).sum(1)
            wider = np.zeros(BINS, np.int64)
            # Towards where there is too little.
            start = BINS // 2 if low < self._low else 0
            wider[start : start + BINS // 2] = pairs
            if start:
                self._low -= self._width * BINS
            self._width *= 2
            self.histogram = wider

    def _candidates(self) -> list[tuple[float, float]]:
        """Parts of the range, the same share of either side of 0."""
        if not self.num_samples:
            return []
        low, high = min(self.min_val, 0.0), max(self.max_val, 0.0)
        shares = np.arange(1, _CANDIDATES + 1) / _CANDIDATES
        return [(low * float(s), high * float(s)) for s in shares]

    def _least_divergence(self, levels: int) -> tuple[float, float]:
        edges = self.edges()
        found, least = self.minmax_range(), math.inf
        counts = self.histogram.copy()
        counts[np.clip(int((0.0 - self._low) / (self._width or 1.0)), 0, BINS - 1)] = 0
        for low, high in self._candidates():
            first = int(np.searchsorted(edges, low, side="right")) - 1
            last = int(np.searchsorted(edges, high, side="right"))
            first, last = max(first, 0), min(max(last, first + 1), BINS)
            measure = _divergence(counts, first, last, levels)
            if measure < least:
                found, least = (low, high), measure
        return found


def _divergence(counts: Array, first: int, last: int, levels: int) -> float:
    """KL(P || Q): P of all stretches, Q of those from `first` to `last`, those outside saturated."""
    size = last - first
    if size < levels or not counts.any():
        return math.inf
    inside = counts[first:last].astype(np.float64)
    filled = inside > 0
    inside[0] += counts[:first].sum()
    inside[-1] += counts[last:].sum()
    filled[[0, -1]] = inside[[0, -1]] > 0
    groups = np.arange(size) * levels // size
    sums = np.bincount(groups, inside, minlength=levels)
    members = np.bincount(groups, filled, minlength=levels)
    told = np.zeros(len(counts))
    told[first:last] = np.where(filled, (sums / np.maximum(members, 1))[groups], 0.0)
    seen = counts > 0
    p, q = counts[seen] / counts.sum(), np.maximum(told[seen], _UNSEEN) / counts.sum()
    return float((p * np.log(p / q)).sum())
