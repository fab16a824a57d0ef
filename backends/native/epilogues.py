"""What is done to sums while they are in registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xdsl.ir import SSAValue

from pyflame_rt.backends.native.builder import Builder


@dataclass(frozen=True)
class Finish:
    """Bias, residual, and an activation: its name and its numbers."""

    has_bias: bool = False
    has_residual: bool = False
    activation: str = ""
    numbers: tuple[float, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether sums are put down as they are."""
        return not (self.has_bias or self.has_residual or self.activation)

    def activated(self, b: Builder, x: SSAValue, lanes: int) -> SSAValue:
        """The activation of a vector. NaN stays NaN, as in NumPy."""
        match self.activation:
            case "relu":
                return b.larger(x, b.splat(0.0, lanes))
            case "clip":
                low, high = self.numbers
                return _below(b, high, _above(b, low, x, lanes), lanes)
            case _:
                return x


def _above(b: Builder, bound: float, x: SSAValue, lanes: int) -> SSAValue:
    return x if bound == -float("inf") else b.larger(x, b.splat(bound, lanes))


def _below(b: Builder, bound: float, x: SSAValue, lanes: int) -> SSAValue:
    return x if bound == float("inf") else b.smaller(x, b.splat(bound, lanes))


def numbers_of(name: str, properties: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The numbers of an activation that is computed in registers; None for others."""
    match name:
        case "relu" if not properties:
            return ()
        case "clip" if properties.keys() <= {"min", "max"}:
            low, high = properties.get("min"), properties.get("max")
            bounds = (
                -float("inf") if low is None else float(low),
                float("inf") if high is None else float(high),
            )
            return None if any(bound != bound for bound in bounds) else bounds
        case _:
            return None
