"""Inputs to run a model on when nobody has any: seeded random arrays of the declared shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.compiler import TensorSpec
from pyflame_rt.errors import InputError

Array: TypeAlias = npt.NDArray[Any]

_WORDS = ("apple", "bird", "cloud", "door", "eleven", "fish", "green", "hello")


def resolve_shapes(
    specs: Sequence[TensorSpec], dims: Mapping[str, int]
) -> tuple[tuple[int, ...], ...]:
    """Shapes with symbolic dimensions replaced by their sizes in `dims`, other unknown ones by 1.

    Raises InputError for a symbol that no input has, and an input of unknown rank.
    """
    known = {dim for spec in specs for dim in spec.shape or () if isinstance(dim, str)}
    for symbol in dims:
        if symbol not in known:
            close = get_close_matches(symbol, known, n=1)
            listed = f"its symbols are {', '.join(sorted(known))}" if known else "it has none"
            raise InputError(
                f'no input has a dimension "{symbol}"',
                hint=f'did you mean "{close[0]}"?' if close else listed,
            )
    return tuple(_resolved(spec, dims) for spec in specs)


def guessed_dims(specs: Sequence[TensorSpec], dims: Mapping[str, int]) -> tuple[str, ...]:
    """The symbols that `resolve_shapes` takes as 1 because nothing says their size."""
    symbols = (dim for spec in specs for dim in spec.shape or () if isinstance(dim, str))
    return tuple(dict.fromkeys(symbol for symbol in symbols if symbol not in dims))


def random_array(
    dtype: np.dtype[Any], shape: Sequence[int], generator: np.random.Generator
) -> Array:
    """A random array: normal floats, bytes over their whole range, other integers 0 or 1, words.

    Wide integers are usually indices or counts, for which 0 and 1 are the safest guess.
    """
    size = tuple(shape)
    match dtype.kind:
        case "O":
            words: Array = np.empty(size, np.object_)
            chosen = generator.integers(0, len(_WORDS), words.size).tolist()
            words.reshape(-1)[:] = [_WORDS[number] for number in chosen]
            return words
        case "b":
            return generator.integers(0, 2, size).astype(np.bool_)
        case "i" | "u" if dtype.itemsize == 1:
            limits = np.iinfo(dtype)
            return generator.integers(limits.min, limits.max, size, dtype, endpoint=True)
        case "i" | "u":
            return generator.integers(0, 2, size).astype(dtype)
        case "c":
            real, imaginary = generator.standard_normal((2, *size))
            return (real + 1j * imaginary).astype(dtype)
        case _ if "int" in dtype.name:
            return generator.integers(0, 2, size).astype(dtype)
        case _ if dtype == np.float64:
            return generator.standard_normal(size)
        case _:
            return generator.standard_normal(size, np.float32).astype(dtype, copy=False)


def _resolved(spec: TensorSpec, dims: Mapping[str, int]) -> tuple[int, ...]:
    if spec.container is not None:
        raise InputError(
            f"no random {spec.type} can be made", where=f'input "{spec.name}"', hint="feed one"
        )
    if spec.shape is None:
        raise InputError(
            "its rank is unknown, so that no random array can be made for it",
            where=f'input "{spec.name}"',
            hint="feed one",
        )
    sizes = (dims.get(dim, 1) if isinstance(dim, str) else dim for dim in spec.shape)
    return tuple(1 if size is None else size for size in sizes)
