"""How sparsity grows: from 0 to 1 of the way, as 0 to 1 of the steps are done."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

Growth: TypeAlias = Callable[[float], float]


def progress(step: int, start: int, end: int) -> float:
    """How much of the steps from `start` to `end` is done at one of them."""
    if step >= end:
        return 1.0
    return max(0, step - start) / (end - start) if end > start else 0.0


def polynomial(power: float) -> Growth:
    """1 - (1 - t)^power: fast while much is left that does not matter.

    With power 3 it is s_f + (s_i - s_f) (1 - t)^3 of Zhu, Gupta, "To prune, or not to prune:
    exploring the efficacy of pruning for model compression", 2017.
    """
    return lambda done: 1 - (1 - done) ** power


def iterative(count: int) -> Growth:
    """`count` equal increases, the last one at the end: prune, train, prune again (Han et al.,
    2015)."""
    return lambda done: math.floor(done * count) / count if count > 0 else 1.0
