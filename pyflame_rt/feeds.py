"""What is fed to a model: checks against its inputs, and normal form for executables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.compiler import TensorSpec, spec_of
from pyflame_rt.dialects.pfrt.containers import MapType, OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.types import STRING, tensor
from pyflame_rt.errors import (
    ArgumentKindError,
    DTypeMismatchError,
    InputError,
    MissingInputError,
    ShapeMismatchError,
    UnfeedableError,
)
from pyflame_rt.ort.value import OrtValue
from pyflame_rt.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]


_C_ALIGNED = 0x101
"""The flags of an array that is C-contiguous and aligned, as `flags.num` has them."""


class Feeder:
    """Checks what is fed to the inputs of a model; made once, as it is used in every run."""

    def __init__(self, specs: Sequence[TensorSpec]):
        self._specs = tuple(specs)
        self._names = frozenset(spec.name for spec in specs)
        self._count = len(self._specs)
        self._rows: list[_Row] | None = None
        if all(spec.container is None and spec.default is None for spec in specs):
            self._rows = [_row(spec) for spec in specs]
        self._shared = _shared_symbols(specs)

    def __call__(self, feed: Mapping[str, object]) -> list[Any]:
        """The values in input order, as `prepare` gives them. Raises as `prepare` does."""
        rows = self._rows
        kind: object = type(feed)
        if rows is None or kind is not dict or len(feed) != self._count:
            return self._checked(feed)
        arrays: list[Any] = []
        for name, dtype, rank, sizes in rows:
            array = cast(Any, feed.get(name))
            if (
                type(array) is not np.ndarray
                or array.dtype is not dtype
                or array.flags.num & _C_ALIGNED != _C_ALIGNED
            ):
                return self._checked(feed)
            shape = array.shape
            if len(shape) != rank and rank >= 0:
                return self._checked(feed)
            for index, size in sizes:
                if shape[index] != size:
                    return self._checked(feed)
            arrays.append(array)
        for i, a, j, b in self._shared:
            if arrays[i].shape[a] != arrays[j].shape[b]:
                return self._checked(feed)
        return arrays

    def _checked(self, feed: Mapping[str, object]) -> list[Any]:
        """What does not need to be fast: values of every kind, and what is wrong with them."""
        require_all(feed, self._specs)
        values = [_value(_bare(feed.get(s.name, s.default)), s) for s in self._specs]
        for name in feed:
            if name not in self._names:
                raise _unknown(name, [spec.name for spec in self._specs])
        for spec, value in zip(self._specs, values, strict=True):
            _check_shape(spec, value)
        _check_symbols(self._specs, values)
        return values


_Row: TypeAlias = tuple[str, np.dtype[Any], int, tuple[tuple[int, int], ...]]
"""Name, dtype, rank (-1: any) and known sizes of an input."""


def _row(spec: TensorSpec) -> _Row:
    # Arrays mostly have NumPy's own instance of a dtype, which is quicker to recognise.
    dtype = np.dtype(spec.dtype.str) if spec.dtype.isbuiltin == 1 else spec.dtype
    if spec.dtype == STRING:
        # Its elements are looked at one by one.
        dtype = np.dtype("V0")
    if spec.shape is None:
        return spec.name, dtype, -1, ()
    sizes = tuple((i, dim) for i, dim in enumerate(spec.shape) if isinstance(dim, int))
    return spec.name, dtype, len(spec.shape), sizes


def _shared_symbols(specs: Sequence[TensorSpec]) -> list[tuple[int, int, int, int]]:
    """Pairs of dimensions (input, index, input, index) that have one symbol."""
    first: dict[str, tuple[int, int]] = {}
    pairs: list[tuple[int, int, int, int]] = []
    for position, spec in enumerate(specs):
        for index, dim in enumerate(spec.shape or ()):
            if isinstance(dim, str) and (known := first.setdefault(dim, (position, index))) != (
                position,
                index,
            ):
                pairs.append((*known, position, index))
    return pairs


def prepare(feed: Mapping[str, object], specs: Sequence[TensorSpec]) -> list[Any]:
    """Values in input order: arrays C-contiguous, in native byte order, checked against the specs.

    A sequence is fed as a list, an optional as None or what it holds, a map as a dict; any of them
    as an OrtValue too. An input that has a default need not be there, nor an optional.
    Checks run in ONNX Runtime's order: missing inputs, dtypes, unknown names, ranks and dimensions.
    Raises MissingInputError, UnfeedableError and other InputErrors, DTypeMismatchError,
    ShapeMismatchError.
    """
    return Feeder(specs)(feed)


def require_all(feed: Mapping[str, object], specs: Sequence[TensorSpec]) -> None:
    """Raise MissingInputError unless everything that must be fed is, ArgumentKindError for what is
    no mapping."""
    if not isinstance(cast(object, feed), Mapping):
        kind = type(cast(object, feed)).__name__
        raise ArgumentKindError(
            f"'{kind}' object has no attribute 'keys'",
            hint="inputs are a mapping of names to arrays",
        )
    if missing := [spec.name for spec in specs if spec.name not in feed and _required(spec)]:
        raise MissingInputError(
            f"Required inputs ({missing}) are missing from input feed ({list(feed)})."
        )


def _required(spec: TensorSpec) -> bool:
    return spec.default is None and not isinstance(spec.container, OptionalType)


def _bare(value: object) -> object:
    if isinstance(value, OrtValue):
        return value.value
    return np.asarray(value) if isinstance(value, Tensor) else value


def _check_symbols(specs: Sequence[TensorSpec], arrays: Sequence[Any]) -> None:
    """Raise ShapeMismatchError unless a symbol has one size wherever it stands.

    Optimizations rely on that, as ONNX says it.
    """
    bound: dict[str, tuple[int, str]] = {}
    for spec, array in zip(specs, arrays, strict=True):
        if spec.container is not None:
            continue
        for index, (dim, size) in enumerate(zip(spec.shape or (), array.shape, strict=False)):
            if not isinstance(dim, str):
                continue
            known, name = bound.setdefault(dim, (size, spec.name))
            if known != size:
                raise ShapeMismatchError(
                    _dimensions_text(spec, [(index, size, known)]),
                    where=f'input "{spec.name}"',
                    hint=f'"{dim}" is {known} in input "{name}"',
                )


def _value(value: object, spec: TensorSpec) -> Any:
    match spec.container:
        case None:
            return _array(value, spec)
        case SequenceType(item=item):
            if not isinstance(value, list | tuple):
                raise _wrong_kind(value, spec, "a list")
            part = spec_of(spec.name, item)
            return [_item_of(each, part) for each in cast("Sequence[object]", value)]
        case OptionalType(item=item):
            return None if value is None else _checked(value, spec_of(spec.name, item))
        case kind:
            if not isinstance(value, Mapping):
                raise _wrong_kind(value, spec, "a dict")
            return _map(cast("Mapping[object, object]", value), spec, cast(MapType, kind))


def _map(given: Mapping[object, object], spec: TensorSpec, kind: MapType) -> dict[Any, Any]:
    key, value = (spec_of(spec.name, tensor(part, ())) for part in (kind.key, kind.value))
    return {_item(k, key): _item(v, value) for k, v in given.items()}


def _item(value: object, spec: TensorSpec) -> Any:
    """A key or value of a map, as Python's own number or text."""
    if isinstance(value, list | tuple | np.ndarray):
        raise ShapeMismatchError(
            f"Invalid rank for input: {spec.name} Got: {np.ndim(cast(Any, value))} Expected: 0 "
            f"{_ADVICE}"
        )
    if value is not None and isinstance(value, str | bytes) != (spec.dtype == STRING):
        raise _mismatch(np.asarray(value), spec)
    item = _checked(value, spec).item()
    if isinstance(value, float) and isinstance(item, int):
        # A conversion would drop the fraction.
        raise _mismatch(np.asarray(value), spec)
    return item


def _item_of(value: object, spec: TensorSpec) -> Any:
    """An element of a sequence."""
    try:
        return _checked(value, spec)
    except DTypeMismatchError as error:
        raise UnfeedableError(
            "TensorSeq: tensor to be added has a different data type.",
            where=error.where,
            hint=f"its items are {spec.type}",
        ) from error


def _checked(value: object, spec: TensorSpec) -> Any:
    """A value inside of a container."""
    found = _value(value, spec)
    _check_shape(spec, found)
    return found


def _wrong_kind(value: object, spec: TensorSpec, wanted: str) -> InputError:
    text = f"Input '{spec.name}' is a {spec.type}, which cannot be fed from {type(value).__name__}"
    if isinstance(value, np.ndarray) and isinstance(spec.container, SequenceType):
        text = f"input with name: '{spec.name}' expected to be of type: 3 but received a tensor"
    return InputError(text, hint=f"give {wanted}")


def _array(value: object, spec: TensorSpec) -> Array:
    if isinstance(value, np.ndarray):
        # Of a matrix or masked array, the plain array.
        array = np.asarray(cast(Array, value))
        if array.dtype != spec.dtype:
            array = _native(array, spec)
        elif spec.dtype == STRING:
            array = _texts(array, spec)
    elif isinstance(value, np.generic):
        array = _array(np.asarray(cast(Any, value)), spec)
    elif isinstance(value, list | tuple | int | float | bool):
        array = _converted(cast(object, value), spec)
    elif isinstance(value, str):
        if spec.dtype != STRING:
            raise UnfeedableError(
                f"Input must be a list of dictionaries or a single numpy array for input "
                f"'{spec.name}'.",
                hint=f"it is a {spec.type}",
            )
        array = _converted(value, spec)
    elif value is None:
        raise InputError(
            f"Input '{spec.name}' is None", hint=f"it is a {spec.type}: give an array or a list"
        )
    else:
        raise UnfeedableError(
            f"Unable to handle object of type {type(value)}",
            where=f'input "{spec.name}"',
            hint="give a NumPy array, a list or an OrtValue",
        )
    if spec.shape == () and array.shape == (1,):
        # ONNX Runtime takes it, as do the programs that rely on it.
        array = array.reshape(())
    return np.require(array, requirements=("C", "A"))


def _native(array: Array, spec: TensorSpec) -> Array:
    if spec.dtype == STRING and array.dtype.kind in "UST":
        return _texts(array, spec)
    if array.dtype.newbyteorder("=") == spec.dtype:
        return array.astype(spec.dtype)
    raise _mismatch(array, spec)


_TEXT_LIKE = "USTOV"
"""Kinds of arrays that count as texts where numbers are wanted."""


def _mismatch(array: Array, spec: TensorSpec) -> InputError | DTypeMismatchError:
    row = dtypes.by_numpy().get(array.dtype.newbyteorder("="))
    where = f'input "{spec.name}"'
    if row is None and array.dtype.kind not in _TEXT_LIKE:
        return UnfeedableError(
            f"Numpy_type {array.dtype.num} can't be converted to MLDataType.",
            where=where,
            hint=f"no tensor has elements of {array.dtype}",
        )
    actual = "string" if row is None else row.onnx_name
    wanted = "str" if spec.dtype == STRING else f"'{spec.dtype}'"
    return DTypeMismatchError(
        f"Unexpected input data type. Actual: (tensor({actual})) , expected: ({spec.type})",
        where=where,
        hint=f"it is an array of {array.dtype}; convert it with .astype({wanted})",
    )


def _texts(array: Array, spec: TensorSpec) -> Array:
    """An array of `str`: bytes are UTF-8, numbers as they print.

    Raises InputError for bytes that are not, DTypeMismatchError for other objects.
    """
    texts: Array = np.empty(array.size, STRING)
    for index, item in enumerate(array.reshape(-1).tolist()):
        try:
            texts[index] = item.decode() if isinstance(item, bytes) else str(item)
        except UnicodeDecodeError as error:
            raise InputError(f"Input '{spec.name}': element {index} is not UTF-8 text") from error
        if not isinstance(item, str | bytes | int | float | np.number):
            raise DTypeMismatchError(
                f"Unexpected input data type. Actual: (element {index} is a "
                f"{type(item).__name__}) , expected: ({spec.type})",
                where=f'input "{spec.name}"',
                hint="give an array of str",
            )
    return texts.reshape(array.shape)


def _converted(value: object, spec: TensorSpec) -> Array:
    try:
        array = np.asarray(value, dtype=spec.dtype)
        if spec.dtype == STRING:
            return _texts(array, spec)
        # NumPy would read numbers from texts.
        if np.asarray(value).dtype.kind in "UST":
            raise TypeError("these are texts")
        return array
    except (ValueError, TypeError, OverflowError) as error:
        raise UnfeedableError(
            "Could not create tensor from given input list",
            where=f'input "{spec.name}"',
            hint=f"{error}; it is a {spec.type}",
        ) from error


def _unknown(name: object, names: Sequence[str]) -> InputError:
    close = get_close_matches(str(name), names, n=1)
    return InputError(
        f"Invalid input name: {name}",
        hint=f'did you mean "{close[0]}"' if close else f"inputs are {', '.join(names)}",
    )


def _check_shape(spec: TensorSpec, array: Array) -> None:
    if spec.shape is None or spec.container is not None:
        return
    where = f'input "{spec.name}"'
    hint = f"the model takes {_shape_text(spec)}, got {list(array.shape)}"
    if array.ndim != len(spec.shape):
        raise ShapeMismatchError(
            f"Invalid rank for input: {spec.name} Got: {array.ndim} Expected: {len(spec.shape)} "
            f"{_ADVICE}",
            where=where,
            hint=hint,
        )
    pairs = enumerate(zip(array.shape, spec.shape, strict=True))
    wrong = [(i, size, dim) for i, (size, dim) in pairs if isinstance(dim, int) and size != dim]
    if wrong:
        raise ShapeMismatchError(_dimensions_text(spec, wrong), where=where, hint=hint)


_ADVICE = "Please fix either the inputs/outputs or the model."


def _dimensions_text(spec: TensorSpec, wrong: Sequence[tuple[int, int, int]]) -> str:
    lines = [f" index: {i} Got: {size} Expected: {dim}" for i, size, dim in wrong]
    return "\n".join(
        [
            f"Got invalid dimensions for input: {spec.name} for the following indices",
            *lines,
            f" {_ADVICE}",
        ]
    )


def _shape_text(spec: TensorSpec) -> str:
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in spec.shape or ()) + "]"
