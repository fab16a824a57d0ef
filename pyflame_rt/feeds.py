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
from pyflame_rt.errors import DTypeMismatchError, InputError, ShapeMismatchError

Array: TypeAlias = npt.NDArray[Any]


def prepare(feed: Mapping[str, object], specs: Sequence[TensorSpec]) -> list[Any]:
    """Values in input order: arrays C-contiguous, in native byte order, checked against the specs.

    A sequence is fed as a list, an optional as None or what it holds, a map as a dict.

    An input that has a default need not be there.
    Checks run in ONNX Runtime's order: missing inputs, dtypes, unknown names, ranks and dimensions.
    Raises InputError, DTypeMismatchError, ShapeMismatchError.
    """
    if not isinstance(cast(object, feed), Mapping):
        raise InputError(f"inputs are a mapping of names to arrays, got {type(feed).__name__}")
    names = [spec.name for spec in specs]
    if missing := [s.name for s in specs if s.name not in feed and s.default is None]:
        raise InputError(f"Required inputs ({missing}) are missing from input feed ({list(feed)}).")
    arrays = [_value(feed.get(spec.name, spec.default), spec) for spec in specs]
    if any(name not in names for name in feed):
        _reject_unknown(feed, names)
    for spec, array in zip(specs, arrays, strict=True):
        _check_shape(spec, array)
    _check_symbols(specs, arrays)
    return arrays


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
                    f"Got invalid dimensions for input: {spec.name} for the following indices "
                    f"index: {index} Got: {size} Expected: {known}",
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
            return [_checked(each, part) for each in cast("Sequence[object]", value)]
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
    item = _checked(value, spec).item()
    if isinstance(value, float) and isinstance(item, int):
        # A conversion would drop the fraction.
        raise _mismatch(np.asarray(value), spec)
    return item


def _checked(value: object, spec: TensorSpec) -> Any:
    """A value inside of a container."""
    found = _value(value, spec)
    _check_shape(spec, found)
    return found


def _wrong_kind(value: object, spec: TensorSpec, wanted: str) -> InputError:
    return InputError(
        f"cannot be fed from {type(value).__name__}",
        where=f'input "{spec.name}"',
        hint=f"it is a {spec.type}: give {wanted}",
    )


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
    elif isinstance(value, list | tuple | int | float | bool | str):
        array = _converted(cast(object, value), spec)
    else:
        raise InputError(
            f"cannot be fed from {type(value).__name__}",
            where=f'input "{spec.name}"',
            hint="give a NumPy array or a list",
        )
    return np.require(array, requirements=("C", "A"))


def _native(array: Array, spec: TensorSpec) -> Array:
    if spec.dtype == STRING and array.dtype.kind in "UST":
        return _texts(array, spec)
    if array.dtype.newbyteorder("=") == spec.dtype:
        return array.astype(spec.dtype)
    raise _mismatch(array, spec)


def _mismatch(array: Array, spec: TensorSpec) -> DTypeMismatchError:
    row = dtypes.by_numpy().get(array.dtype)
    actual = f"tensor({row.onnx_name})" if row else str(array.dtype)
    if array.dtype.kind in "UST":
        actual = "tensor(string)"
    wanted = "str" if spec.dtype == STRING else f"'{spec.dtype}'"
    return DTypeMismatchError(
        f"Unexpected input data type. Actual: ({actual}) , expected: ({spec.type})",
        where=f'input "{spec.name}"',
        hint=f"convert it with .astype({wanted})",
    )


def _texts(array: Array, spec: TensorSpec) -> Array:
    """An array of `str`: bytes are UTF-8. Raises InputError for what is neither."""
    texts: Array = np.empty(array.size, STRING)
    for index, item in enumerate(array.reshape(-1).tolist()):
        try:
            texts[index] = item.decode() if isinstance(item, bytes) else item
        except UnicodeDecodeError as error:
            raise InputError(
                f"element {index} is not UTF-8 text", where=f'input "{spec.name}"'
            ) from error
        if not isinstance(texts[index], str):
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
        if (given := np.asarray(value)).dtype.kind in "UST":
            raise _mismatch(given, spec)
        return array
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"cannot become an array of {spec.type}: {error}", where=f'input "{spec.name}"'
        ) from error


def _reject_unknown(feed: Mapping[str, object], names: Sequence[str]) -> None:
    for name in feed:
        if name not in names:
            close = get_close_matches(str(name), names, n=1)
            raise InputError(
                f"Invalid input name: {name}",
                hint=f'did you mean "{close[0]}"' if close else f"inputs are {', '.join(names)}",
            )


def _check_shape(spec: TensorSpec, array: Array) -> None:
    if spec.shape is None or spec.container is not None:
        return
    where = f'input "{spec.name}"'
    if array.ndim != len(spec.shape):
        raise ShapeMismatchError(
            f"Invalid rank for input: {spec.name} Got: {array.ndim} Expected: {len(spec.shape)}",
            where=where,
            hint=f"the model takes {_shape_text(spec)}, got {list(array.shape)}",
        )
    for index, (size, dim) in enumerate(zip(array.shape, spec.shape, strict=True)):
        if isinstance(dim, int) and size != dim:
            raise ShapeMismatchError(
                f"Got invalid dimensions for input: {spec.name} for the following indices "
                f"index: {index} Got: {size} Expected: {dim}",
                where=where,
                hint=f"the model takes {_shape_text(spec)}, got {list(array.shape)}",
            )


def _shape_text(spec: TensorSpec) -> str:
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in spec.shape or ()) + "]"
