"""Values in files: `.npy`, `.npz`, ONNX's `.pb`, and folders of those.

Nothing is unpickled. Element types that NumPy does not know (bfloat16 and the like) come back from
`.npy` and `.npz` as raw bytes; `as_declared` gives them their type again. Strings are arrays of
NumPy's fixed-width `U` there, and the items of a sequence arrays of their own: `s.0`, `s.1`, … of
the sequence `s`. An optional is what it holds. A missing one and an empty sequence leave nothing.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute

from pyflame_rt.compiler import TensorSpec
from pyflame_rt.dialects.pfrt.containers import OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.types import STRING
from pyflame_rt.errors import InputError, ModelNotFoundError, PyFlameRTError
from pyflame_rt.files import atomic_writer
from pyflame_rt.proto_files import read_proto

Array: TypeAlias = npt.NDArray[Any]
StrPath: TypeAlias = str | os.PathLike[str]

_NUMBERED = re.compile(r"(input|output)_(\d+)\.(pb|npy)")


def read_value(path: StrPath, kind: Attribute | None = None) -> Any:
    """The array in a `.npy` file, or the value in a `.pb` file (ONNX's TensorProto, or the proto
    that a type which is no tensor's asks for). Raises InputError."""
    source = _existing(path)
    match source.suffix.lower():
        case ".npy" if kind is None or isinstance(kind, OptionalType):
            return _loaded(source)
        case ".npy":
            raise InputError("holds one array, which is no " + str(kind), where=str(path))
        case ".pb":
            return read_proto(source, kind)
        case suffix:
            raise InputError(
                f'cannot read an array from a "{suffix}" file',
                where=str(path),
                hint="use .npy or .pb",
            )


def read_archive(path: StrPath) -> dict[str, Array]:
    """The arrays of a `.npz` file by name. Raises InputError."""
    source = _existing(path)
    try:
        with source.open("rb") as file:
            archive: Any = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it holds one array")
            arrays: dict[str, object] = {name: archive[name] for name in archive.files}
            # Members of another kind come as bytes.
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise ValueError("it holds other files than arrays")
            found = cast("dict[str, Array]", arrays)
            return {name: _with_strings(array) for name, array in found.items()}
    except Exception as error:
        raise InputError(
            f"is not an .npz archive: {_first_line(error)}", where=str(path)
        ) from error


def read_recorded(folder: StrPath, kind: str, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    """`input_0.pb`, `input_1.pb`, … (or `.npy`) of a folder; `kind` is "input" or "output".

    The numbers count `specs`. Raises InputError when there are none, or more than specs.
    """
    files: dict[int, Path] = {}
    for path in _listed(folder):
        if (match := _NUMBERED.fullmatch(path.name)) and match[1] == kind:
            files[int(match[2])] = path
    if not files:
        raise InputError(f"has no {kind}_0.pb", where=str(folder))
    if max(files) >= len(specs):
        raise InputError(
            f"has {kind}_{max(files)}, but the model has {len(specs)} {kind}s", where=str(folder)
        )
    return {
        specs[number].name: read_value(path, specs[number].container)
        for number, path in sorted(files.items())
    }


def read_outputs(path: StrPath, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    """What `write_arrays` wrote, or an ONNX test data folder's outputs, by name."""
    if not Path(path).is_dir():
        return gathered(read_archive(path), specs)
    names = _file_names([spec.name for spec in specs])
    for spec in specs:
        if spec.container is not None:
            parts = (f"{spec.name}.{number}" for number in count())
            found = takewhile(lambda part: (Path(path) / f"{_stem(part)}.npy").is_file(), parts)
            names.update((part, f"{_stem(part)}.npy") for part in found)
    files = {name: Path(path) / file for name, file in names.items()}
    arrays = {name: _loaded(file) for name, file in files.items() if file.is_file()}
    return gathered(arrays, specs) if arrays else read_recorded(path, "output", specs)


def gathered(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> dict[str, Any]:
    """Arrays with those that are items of a sequence as a list under the sequence's name."""
    values: dict[str, Any] = dict(arrays)
    for spec in specs:
        kind = spec.container.item if isinstance(spec.container, OptionalType) else spec.container
        if not isinstance(kind, SequenceType):
            continue
        names = takewhile(values.__contains__, (f"{spec.name}.{number}" for number in count()))
        if items := [values.pop(name) for name in names]:
            values[spec.name] = items
    return values


def flattened(values: Mapping[str, Any]) -> dict[str, Array]:
    """Values as arrays, as this module's files hold them.

    Raises PyFlameRTError for a map, for text that NumPy cannot hold, and when two have one name.
    """
    arrays: dict[str, Array] = {}
    for name, value in values.items():
        for part, array in _parts(name, value):
            if part in arrays:
                raise PyFlameRTError("two arrays would have this name", where=f'value "{part}"')
            arrays[part] = array
    return arrays


def _parts(name: str, value: object) -> Iterator[tuple[str, Array]]:
    match value:
        case None:
            return
        case np.ndarray():
            yield name, _storable(name, cast(Array, value))
        case list():
            for number, item in enumerate(cast("list[object]", value)):
                yield from _parts(f"{name}.{number}", item)
        case _:
            raise PyFlameRTError(
                "a map cannot be written as an array",
                where=f'value "{name}"',
                hint="fetch it from a session",
            )


def _storable(name: str, array: Array) -> Array:
    if array.dtype != STRING:
        return array
    # The fixed width of NumPy's texts is filled up with NUL.
    if any(text.endswith("\0") for text in array.flat):
        raise PyFlameRTError("a text that ends with NUL cannot be written", where=f'value "{name}"')
    return array.astype(np.str_)


def _with_strings(array: Array) -> Array:
    """The array, its elements `str` if they are text of a fixed width; bytes are UTF-8."""
    match array.dtype.kind:
        case "U":
            return array.astype(STRING)
        case "S":
            texts = [item.decode() for item in array.reshape(-1).tolist()]
            return np.array(texts, np.str_).astype(STRING).reshape(array.shape)
        case _:
            return array


def write_arrays(path: StrPath, values: Mapping[str, Any]) -> None:
    """Write values by name: to an `.npz` file, else to a folder with one `.npy` an array.

    The same values always give the same bytes. Raises PyFlameRTError when they cannot be written.
    """
    arrays = flattened(values)
    if Path(path).suffix.lower() == ".npz":
        with atomic_writer(path) as stream, zipfile.ZipFile(stream, "w") as archive:
            for name, array in arrays.items():
                # A ZipInfo of its own carries no time stamp.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        return
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PyFlameRTError(
            f"cannot make the folder: {error.strerror}", where=str(path)
        ) from error
    files = _file_names(arrays)
    for name, array in arrays.items():
        with atomic_writer(folder / files[name]) as stream:
            np.lib.format.write_array(stream, array, allow_pickle=False)


def as_declared(value: Any, dtype: np.dtype[Any]) -> Any:
    """The array in the type that the model declares, if NumPy's file format has lost it."""
    if not isinstance(value, np.ndarray):
        return value
    array = cast(Array, value)
    lost = array.dtype.kind == "V" and array.dtype.names is None
    return array.view(dtype) if lost and array.dtype.itemsize == dtype.itemsize else array


def _file_names(names: Iterable[str]) -> dict[str, str]:
    files: dict[str, str] = {}
    for index, name in enumerate(names):
        stem = _stem(name)
        if f"{stem}.npy" in files.values() or len(stem) > 200:
            stem = f"{stem[:200]}.{index}"
        files[name] = f"{stem}.npy"
    return files


def _stem(name: str) -> str:
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "output"


def _loaded(path: Path) -> Array:
    try:
        array: object = np.load(path, allow_pickle=False)
    except Exception as error:
        raise InputError(f"is not a .npy array: {_first_line(error)}", where=str(path)) from error
    if not isinstance(array, np.ndarray):
        raise InputError("is an archive, not one array", where=str(path), hint="use --inputs")
    try:
        return _with_strings(cast(Array, array))
    except UnicodeDecodeError as error:
        raise InputError("holds bytes that are not UTF-8 text", where=str(path)) from error


def _existing(path: StrPath) -> Path:
    source = Path(path)
    if not source.is_file():
        reason = "is a directory" if source.is_dir() else "no such file"
        raise ModelNotFoundError(reason, where=str(path), hint="check the path")
    return source


def _listed(folder: StrPath) -> list[Path]:
    try:
        return sorted(Path(folder).iterdir())
    except OSError as error:
        raise InputError(f"cannot be listed: {error.strerror}", where=str(folder)) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
