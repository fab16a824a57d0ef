"""What is known about layers beside their weights: gradients, and what came in while it was recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import PassFailed
from pyflame_rt.files import atomic_writer

Array: TypeAlias = npt.NDArray[Any]

_GRADIENT, _GRAM = ":gradient", ":gram"


@dataclass(frozen=True)
class Evidence:
    """By the name of a layer's weights.

    `gradients`: dL/dw, of the shape of the weights, summed over as many steps as one likes.
    `grams`: the sum of x x^T over all inputs x of the layer's matrix, (groups, columns, columns).
    """

    gradients: Mapping[str, Array] = field(default_factory=dict[str, Array])
    grams: Mapping[str, Array] = field(default_factory=dict[str, Array])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an `.npz` file that `pfrt-prune{data=…}` takes. Raises PyFlameRTError."""
        arrays = {f"{name}{_GRADIENT}": array for name, array in self.gradients.items()}
        arrays |= {f"{name}{_GRAM}": array for name, array in self.grams.items()}
        with atomic_writer(path) as file:
            np.savez(file, allow_pickle=False, **arrays)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Evidence:
        """Read such a file. Raises PassFailed when it is none."""
        try:
            with np.load(Path(path), allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
        except Exception as error:
            # NumPy reads zip archives by modules that raise what they like.
            raise PassFailed(
                f"pfrt-prune: {os.fspath(path)}: cannot read arrays: {error}"
            ) from error
        return Evidence(_named(arrays, _GRADIENT), _named(arrays, _GRAM))


def _named(arrays: Mapping[str, Array], suffix: str) -> dict[str, Array]:
    return {n.removesuffix(suffix): a for n, a in arrays.items() if n.endswith(suffix)}
