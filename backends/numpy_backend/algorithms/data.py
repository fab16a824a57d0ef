"""Copies and conversions."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array

_FLOATS = frozenset(("bfloat16", "float16", "float32", "float64"))


def _copy(call: Call) -> Function | None:
    return _copy_into if call.one_dtype() else None


def _copy_into(x: Array, out: Array) -> None:
    np.copyto(out, x)


def _convert_into(x: Array, out: Array) -> None:
    np.copyto(out, x, casting="unsafe")


def _cast(call: Call) -> Function | None:
    """NumPy's conversion, where it is ONNX's: not from floats to integers, out of range of which
    NumPy's result is undefined, and not to or from extension types."""
    kind = call.input_types[0]
    source, target = None if kind is None else kind.dtype, call.dtype
    if source is None:
        return None
    if source.name in _FLOATS and target.name in _FLOATS:
        return _convert_into
    if not (_is_native(source) and _is_native(target)):
        return None
    if target == np.bool_:
        return partial(np.not_equal, np.zeros((), source))
    if source.kind == "f" and target.kind != "f":
        return None
    return _convert_into


def _is_native(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is NumPy's own; extension types may say any kind."""
    return dtype.isbuiltin == 1 and dtype.kind in "fiub"


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("cast", _cast, "to", "saturate", "round_mode"),
    late("copy", _copy),
)
