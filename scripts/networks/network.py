"""What a network is to the script that exports it, and how it gets its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

Size = Literal["tiny", "full"]
Shape = tuple["int | str", ...]


@dataclass(frozen=True)
class Range:
    """The values that a dimension may take: low, low + step, … up to high."""

    low: int
    high: int
    step: int = 1


@dataclass(frozen=True)
class Input:
    """An input: dimensions are numbers or symbols; integers are drawn from 0 to `limit` - 1."""

    shape: Shape
    dtype: torch.dtype = torch.float32
    limit: int = 0

    def example(self, dims: Mapping[str, int], generator: torch.Generator) -> torch.Tensor:
        """A drawn tensor of this input's shape."""
        shape = [dims[dim] if isinstance(dim, str) else dim for dim in self.shape]
        if self.dtype.is_floating_point:
            return torch.randn(shape, generator=generator, dtype=self.dtype)
        return torch.randint(self.limit, shape, generator=generator, dtype=self.dtype)


@dataclass(frozen=True)
class Network:
    """A module, its inputs and outputs by name in order, and the ranges of its symbols."""

    module: nn.Module
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Shape]
    dims: Mapping[str, Range]


def randomize(module: nn.Module, seed: int) -> nn.Module:
    """Draw every parameter and statistic of a module, in place; it is left in evaluation mode.

    Matrices and kernels have variance 1.5 / fan-in, between what linear layers and rectifiers keep
    the scale of activations with. Scales and variances lie in 0.5 to 1.5, so that no two channels
    are equal.
    """
    # Not torch's generator, whose numbers depend on the processor.
    generator = np.random.default_rng(seed)
    for name, values in module.state_dict().items():
        if not values.is_floating_point():
            continue
        if values.ndim > 1:
            drawn = generator.standard_normal(values.shape, np.float32)
            drawn *= np.float32(math.sqrt(1.5 / math.prod(values.shape[1:])))
        elif name.endswith(("weight", "var")):
            drawn = generator.random(values.shape, np.float32) + np.float32(0.5)
        else:
            drawn = generator.standard_normal(values.shape, np.float32) * np.float32(0.1)
        values.copy_(torch.from_numpy(drawn))
    return module.eval()
