"""Elementwise functions: mostly the ufunc itself, called with its output buffer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import (
    Call,
    Function,
    Implementation,
    Into,
    by_kernel,
    late,
)
from pyflame_rt.backends.runtime import Array

Prepare: TypeAlias = Callable[[Call], Function | None]


def _same(ufunc: np.ufunc) -> Prepare:
    """The ufunc, where operands and result have one element type."""

    def prepare(call: Call) -> Function | None:
        return ufunc if call.one_dtype() else None

    return prepare


def _predicate(ufunc: np.ufunc) -> Prepare:
    """The ufunc, where the result is boolean and the operands have one element type."""

    def prepare(call: Call) -> Function | None:
        dtypes = {kind.dtype for kind in call.input_types if kind is not None}
        return ufunc if len(dtypes) == 1 and call.dtype == np.bool_ else None

    return prepare


def _div(call: Call) -> Function | None:
    return np.divide if call.one_dtype() and _holds_floats(call) else None


def _holds_floats(call: Call) -> bool:
    return call.dtype.kind == "f" or call.dtype.name == "bfloat16"


def _mod(call: Call) -> Function | None:
    if not call.one_dtype():
        return None
    return np.fmod if call.params.get("fmod") else np.mod


def _pow(call: Call) -> Function | None:
    if not call.computes():
        return None
    if call.is_constant(1) and np.all(call.constant(1) == 2):
        return _square
    return np.power


def _square(x: Array, _y: object, out: Array) -> None:
    np.square(x, out)


def _reciprocal(call: Call) -> Function | None:
    if not call.one_dtype() or not _holds_floats(call):
        return None
    return partial(np.divide, np.ones((), call.dtype))


def _folding(ufunc: Function) -> Prepare:
    """A binary function over any number of operands, from left to right."""

    def prepare(call: Call) -> Function | None:
        if not call.one_dtype():
            return None
        match len(call.input_types):
            case 1:
                return _copy
            case 2:
                return ufunc
            case _:
                return partial(_fold, ufunc)

    return prepare


def _fold(ufunc: Function, *arrays: Array) -> None:
    out = arrays[-1]
    ufunc(arrays[0], arrays[1], out)
    for operand in arrays[2:-1]:
        ufunc(out, operand, out)


def _mean(call: Call) -> Function | None:
    total = _folding(np.add)(call)
    if total is None or not _holds_floats(call):
        return None
    count = np.array(len(call.input_types), call.dtype)

    def run(*arrays: Array) -> None:
        total(*arrays)
        np.divide(arrays[-1], count, arrays[-1])

    return run


def _copy(x: Array, out: Array) -> None:
    np.copyto(out, x)


def _where(call: Call) -> Function | None:
    kinds = (call.input_types[1], call.input_types[2])
    if any(kind is None or kind.dtype != call.dtype for kind in kinds):
        return None
    return _select


def _select(condition: Array, x: Array, y: Array, out: Array) -> None:
    np.copyto(out, y)
    np.copyto(out, x, where=condition)


_SAME: dict[str, np.ufunc] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "add": np.add,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "mul": np.multiply,
    "neg": np.negative,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "sub": np.subtract,
    "tan": np.tan,
}
_PREDICATES: dict[str, np.ufunc] = {
    "and": np.logical_and,
    "equal": np.equal,
    "greater": np.greater,
    "greater_or_equal": np.greater_equal,
    "is_nan": np.isnan,
    "less": np.less,
    "less_or_equal": np.less_equal,
    "not": np.logical_not,
    "or": np.logical_or,
    "xor": np.logical_xor,
}

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    *(late(name, _same(ufunc)) for name, ufunc in _SAME.items()),
    *(late(name, _predicate(ufunc)) for name, ufunc in _PREDICATES.items()),
    late("div", _div),
    late("is_inf", by_kernel),
    late("max", _folding(Into(np.maximum))),
    late("mean", _mean),
    late("min", _folding(Into(np.minimum))),
    late("mod", _mod, "fmod"),
    late("pow", _pow),
    late("reciprocal", _reciprocal),
    late("sum", _folding(np.add)),
    late("where", _where),
)
