"""Cutting what is fed into micro-batches, and putting their results together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.compiler import Dim, TensorSpec
from pyflame_rt.errors import BackendError, SettingError, ShapeMismatchError

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Batching:
    """Which inputs of a model have the batch as their first dimension, and what outputs do.

    Those inputs are cut whose first dimension has the name that the first input's has. Where no
    dimension has one, it is those with as many rows as the first input, and a feed may have any
    multiple of them: each micro-batch is what the model was made for.
    """

    inputs: frozenset[str]
    rows: int
    """Rows that a micro-batch must have; 0 for any."""

    @staticmethod
    def of(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Batching:
        """As a model's signature says. Raises SettingError when an output cannot be put together."""
        dims = {spec.name: _first(spec) for spec in inputs}
        named = [dim for dim in dims.values() if isinstance(dim, str)]
        batch: Dim = named[0] if named else next((d for d in dims.values() if d is not None), None)
        if batch is None:
            raise SettingError(
                "no input has a batch to be cut into micro-batches", hint="run with 1 of them"
            )
        for spec in outputs:
            first = _first(spec)
            if spec.container is not None or spec.shape == () or first not in (batch, None):
                raise SettingError(
                    f'output "{spec.name}" has not the inputs\' batch as its first dimension',
                    hint="run with 1 micro-batch",
                )
        chosen = frozenset(name for name, dim in dims.items() if dim == batch)
        return Batching(chosen, batch if isinstance(batch, int) else 0)

    def cut(self, feed: Mapping[str, Any], count: int) -> list[tuple[int, dict[str, Any]]]:
        """A feed in at most `count` parts of nearly equal size: rows, and what is fed.

        Raises ShapeMismatchError.
        """
        sizes = {feed[name].shape[0] for name in self.inputs}
        total = sizes.pop()
        if sizes:
            raise ShapeMismatchError(
                f"inputs have batches of {total} and {sizes.pop()} rows",
                where=", ".join(sorted(self.inputs)),
            )
        step = self.rows or 1
        if total % step:
            raise ShapeMismatchError(
                f"a batch of {total} rows is no multiple of the {step} that the model takes"
            )
        # A model of fixed rows has as many parts as that gives.
        pieces = total // step if self.rows else max(1, min(count, total))
        bounds = [total * k // pieces for k in range(pieces + 1)]
        return [
            (end - begin, {n: v[begin:end] if n in self.inputs else v for n, v in feed.items()})
            for begin, end in pairwise(bounds)
        ]


def joined(parts: Sequence[tuple[int, Sequence[Any]]], names: Sequence[str]) -> list[Any]:
    """Outputs of micro-batches, given with their rows in order, as those of the whole batch.

    Raises BackendError when one has not as many rows as its micro-batch.
    """
    if len(parts) == 1:
        return list(parts[0][1])
    results: list[Any] = []
    for index, name in enumerate(names):
        arrays: list[Array] = [values[index] for _, values in parts]
        for array, (rows, _) in zip(arrays, parts, strict=True):
            if array.ndim == 0 or array.shape[0] != rows:
                raise BackendError(
                    f"a micro-batch of {rows} rows gave {list(array.shape)}",
                    where=f'output "{name}"',
                    hint="run with 1 micro-batch",
                )
        results.append(np.concatenate(arrays))
    return results


def _first(spec: TensorSpec) -> Dim:
    return spec.shape[0] if spec.shape else None
