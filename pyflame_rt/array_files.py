"""Arrays in files: `.npy`, `.npz`, ONNX `.pb` tensors, and folders of those.

Nothing is unpickled. Element types that NumPy does not know (bfloat16 and the like) come back from
`.npy` and `.npz` as raw bytes; `as_declared` gives them their type again.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.compiler import TensorSpec
from pyflame_rt.errors import InputError, ModelNotFoundError, PyFlameRTError
from pyflame_rt.files import atomic_writer

Array: TypeAlias = npt.NDArray[Any]
StrPath: TypeAlias = str | os.PathLike[str]

_NUMBERED = re.compile(r"(input|output)_(\d+)\.(pb|npy)")


def read_array(path: StrPath) -> Array:
    """The array in a `.npy` or `.pb` (ONNX TensorProto) file. Raises InputError."""
    source = _existing(path)
    match source.suffix.lower():
        case ".npy":
            return _loaded(source)
        case ".pb":
            return _tensor(source)
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
            return cast("dict[str, Array]", arrays)
    except Exception as error:
        raise InputError(
            f"is not an .npz archive: {_first_line(error)}", where=str(path)
        ) from error


def read_recorded(folder: StrPath, kind: str, specs: Sequence[TensorSpec]) -> dict[str, Array]:
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
    return {specs[number].name: read_array(path) for number, path in sorted(files.items())}


def read_outputs(path: StrPath, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """What `write_arrays` wrote, or an ONNX test data folder's outputs, by name."""
    if not Path(path).is_dir():
        return read_archive(path)
    names = _file_names([spec.name for spec in specs])
    found = {name: Path(path) / file for name, file in names.items()}
    found = {name: file for name, file in found.items() if file.is_file()}
    if found:
        return {name: read_array(file) for name, file in found.items()}
    return read_recorded(path, "output", specs)


def write_arrays(path: StrPath, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name: to an `.npz` file, else to a folder with one `.npy` each.

    The same arrays always give the same bytes. Raises PyFlameRTError when it cannot be written.
    """
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


def as_declared(array: Array, dtype: np.dtype[Any]) -> Array:
    """The array in the type that the model declares, if NumPy's file format has lost it."""
    lost = array.dtype.kind == "V" and array.dtype.names is None
    return array.view(dtype) if lost and array.dtype.itemsize == dtype.itemsize else array


def _file_names(names: Iterable[str]) -> dict[str, str]:
    files: dict[str, str] = {}
    for index, name in enumerate(names):
        stem = re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "output"
        if f"{stem}.npy" in files.values() or len(stem) > 200:
            stem = f"{stem[:200]}.{index}"
        files[name] = f"{stem}.npy"
    return files


def _tensor(path: Path) -> Array:
    from google.protobuf.message import DecodeError
    from onnx import TensorProto, numpy_helper

    proto = TensorProto()
    try:
        proto.ParseFromString(path.read_bytes())
        if not proto.data_type:
            raise ValueError("it has no element type")
        return numpy_helper.to_array(proto, str(path.parent))
    except (DecodeError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise InputError(f"is not an ONNX tensor: {_first_line(error)}", where=str(path)) from error


def _loaded(path: Path) -> Array:
    try:
        array: object = np.load(path, allow_pickle=False)
    except Exception as error:
        raise InputError(f"is not a .npy array: {_first_line(error)}", where=str(path)) from error
    if not isinstance(array, np.ndarray):
        raise InputError("is an archive, not one array", where=str(path), hint="use --inputs")
    return cast(Array, array)


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
