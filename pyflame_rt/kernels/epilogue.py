"""What may follow a product in the same op: a residual added, an activation applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Activation:
    """An elementwise function of one tensor: the name of its kernel, and its properties."""

    op: str
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __call__(self, x: Array) -> Array:
        """The function of every element of x."""
        from pyflame_rt.kernels import table

        return table()[self.op](x, **self.properties)


def with_epilogue(operands: int) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Make a kernel of so many operands take a residual after them, and an `activation`.

    y = activation(kernel(operands…) + residual); each step rounds as it would by itself.
    """

    def decorate(kernel: Callable[..., Array]) -> Callable[..., Array]:
        @wraps(kernel)
        def run(*arrays: Array | None, activation: Activation | None = None, **properties: Any):
            y = kernel(*arrays[:operands], **properties)
            if len(arrays) > operands and (residual := arrays[operands]) is not None:
                # The sum must not be wider than its terms.
                y = np.asarray(y + residual, y.dtype)
            return y if activation is None else activation(y)

        return run

    return decorate
