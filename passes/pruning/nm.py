"""N:M patterns: of M consecutive inputs of an output, N stay.

Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021, for 2:4. Consecutive are the inputs
of a product, and the channels of each tap of a convolution, as hardware with such units wants it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]


def obstacle(channels: int, m: int) -> str:
    """Why so many inputs cannot have a pattern of M; "" when they can."""
    return "" if channels % m == 0 else f"its {channels} inputs are no multiple of {m}"


def pattern(scores: Array, n: int, m: int) -> Mask:
    """The N highest scores of each M of a row, whose length is a multiple of M; of equal ones the
    last."""
    groups = scores.reshape(-1, m)
    mask = np.zeros(groups.shape, np.bool_)
    highest = np.argsort(groups, axis=1, kind="stable")[:, m - n :]
    np.put_along_axis(mask, highest, True, axis=1)
    return mask.reshape(scores.shape)
