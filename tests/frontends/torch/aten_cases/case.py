"""A case: a rule, and a way to draw arguments for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass
class Draw:
    """Draws tensors, the same ones each time."""

    seed: int
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def f(self, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Floats of the normal distribution."""
        return torch.randn(shape, generator=self.generator).to(dtype)

    def d(self, *shape: int) -> torch.Tensor:
        """The same as f64."""
        return self.f(*shape, dtype=torch.float64)

    def p(self, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Floats between 0.1 and 1.1."""
        return (torch.rand(shape, generator=self.generator) + 0.1).to(dtype)

    def i(
        self, *shape: int, low: int = -9, high: int = 9, dtype: torch.dtype = torch.int64
    ) -> torch.Tensor:
        """Integers from low to before high."""
        return torch.randint(low, high, shape, generator=self.generator).to(dtype)

    def b(self, *shape: int) -> torch.Tensor:
        """Bools."""
        return self.i(*shape, low=0, high=2).to(torch.bool)


Arguments = tuple[list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """Arguments of an operator that its rule is to build as torch computes it."""

    name: str
    """`aten::add.Tensor`"""
    make: Callable[[Draw], Arguments]
    label: str = ""
    tolerance: float = 1e-5
    static_only: bool = False
    """Whether the rule needs the sizes of its arguments."""
    dynamic: tuple[int, ...] | None = None
    """Tensors that may be of any size: all when None. Weights are not."""
    results: int | None = None
    """How many results are compared: all when None."""
    constants: tuple[int, ...] = ()
    """Tensors, in the order of the arguments, that the rule needs at import."""
    loose: bool = False
    """Whether the shape of the result depends on values."""
    values: bool = True
    """Whether the elements are defined."""


def case(name: str, *args: Any, **options: Any) -> Case:
    """A case of `aten::name`. Functions among the arguments draw; `kw` are those by name."""
    keywords = options.pop("kw", {})
    full = name if "::" in name else f"aten::{name}"

    def drawn(item: Any, draw: Draw) -> Any:
        if isinstance(item, list):
            return [drawn(entry, draw) for entry in item]
        return item(draw) if callable(item) else item

    def make(draw: Draw) -> Arguments:
        given = [drawn(item, draw) for item in args]
        return given, {key: drawn(item, draw) for key, item in keywords.items()}

    return Case(full, make, **options)


def f(*shape: int) -> Callable[[Draw], torch.Tensor]:
    """Draws f32."""
    return lambda draw: draw.f(*shape)


def d(*shape: int) -> Callable[[Draw], torch.Tensor]:
    """Draws f64."""
    return lambda draw: draw.d(*shape)


def p(*shape: int) -> Callable[[Draw], torch.Tensor]:
    """Draws positive f32."""
    return lambda draw: draw.p(*shape)


def b(*shape: int) -> Callable[[Draw], torch.Tensor]:
    """Draws bools."""
    return lambda draw: draw.b(*shape)


def i(
    *shape: int, low: int = -9, high: int = 9, dtype: torch.dtype = torch.int64
) -> Callable[[Draw], torch.Tensor]:
    """Draws integers."""
    return lambda draw: draw.i(*shape, low=low, high=high, dtype=dtype)


def n(*shape: int) -> Callable[[Draw], torch.Tensor]:
    """Draws integers that are not 0."""
    return lambda draw: draw.i(*shape, low=1, high=9)


def constant(*values: Any, dtype: torch.dtype | None = None) -> Callable[[Draw], torch.Tensor]:
    """The given numbers."""
    return lambda draw: torch.tensor(list(values), dtype=dtype)
