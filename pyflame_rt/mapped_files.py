"""Files in memory without being read: a memory map, and tensors that are views of one."""

from __future__ import annotations

import ctypes
import math
import mmap
import os
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.dtypes import DType
from pyflame_rt.errors import InvalidModelError, ModelNotFoundError, PyFlameRTError

Array = npt.NDArray[Any]
StrPath = str | os.PathLike[str]


class MMapAdvice(Enum):
    """How a mapped file will be read."""

    Normal = "MADV_NORMAL"
    Sequential = "MADV_SEQUENTIAL"
    Random = "MADV_RANDOM"
    WillNeed = "MADV_WILLNEED"
    DontNeed = "MADV_DONTNEED"


class MappedFile:
    """A file's bytes as read-only memory, paged in as they are touched; `open` makes one.

    `name` stands for the file in messages; bytes that are in memory already may be given as well.

    Views of it keep the memory after `close`. A file that is made shorter while it is mapped kills
    the process that touches what is gone: replace files by renaming, as this package does.
    """

    def __init__(self, name: str, mapping: mmap.mmap | bytes):
        self.name = name
        self._mapping = mapping
        self._data = np.frombuffer(mapping, np.uint8)
        self._open = True

    @classmethod
    def open(cls, path: StrPath) -> Self:
        """Map a file. Raises ModelNotFoundError when there is no such regular file."""
        where = Path(path)
        try:
            if not where.is_file():
                reason = "is a directory" if where.is_dir() else "no such file"
                raise ModelNotFoundError(reason, where=str(path), hint="check the path")
            with where.open("rb") as file:
                return cls.of_descriptor(file.fileno(), str(path))
        except (OSError, ValueError) as error:
            if isinstance(error, ModelNotFoundError):
                raise
            raise ModelNotFoundError(f"cannot be read: {error}", where=str(path)) from error

    @classmethod
    def of_descriptor(cls, descriptor: int, name: str) -> Self:
        """Map an open file, which may be closed afterwards. Raises OSError."""
        # There is no map of nothing.
        if os.fstat(descriptor).st_size == 0:
            return cls(name, b"")
        return cls(name, mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))

    def is_valid(self) -> bool:
        """Whether the file is open."""
        return self._open

    def size(self) -> int:
        """Bytes."""
        return self._data.size

    def data(self) -> npt.NDArray[np.uint8]:
        """The bytes, read-only, without a copy. Raises PyFlameRTError when the file is closed."""
        if not self._open:
            raise PyFlameRTError("is closed", where=self.name)
        return self._data

    def advise(self, advice: MMapAdvice) -> bool:
        """Tell the system how the file will be read; whether it takes advice."""
        code = getattr(mmap, advice.value, None)
        if not isinstance(self._mapping, mmap.mmap) or code is None:
            return False
        self._mapping.madvise(code)
        return True

    def lock(self) -> bool:
        """Read the whole file now and keep it in memory; whether the system allows that."""
        return self._call("mlock")

    def unlock(self) -> bool:
        """Undo `lock`."""
        return self._call("munlock")

    def close(self) -> None:
        """Let go of the file; its memory goes with the last view of it."""
        self._open = False
        self._mapping = b""
        self._data = np.empty(0, np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, name: str) -> bool:
        if not isinstance(self._mapping, mmap.mmap):
            return False
        try:
            function: Callable[[ctypes.c_void_p, ctypes.c_size_t], int] = getattr(
                ctypes.CDLL(None), name
            )
        except (AttributeError, OSError, TypeError):
            return False
        address = ctypes.c_void_p(self._data.ctypes.data)
        return function(address, ctypes.c_size_t(self._data.size)) == 0


class LazyTensor:
    """A tensor in a mapped file, of which nothing is read before `materialize`.

    `check` gets the tensor's bytes when they are first used, and raises when they are damaged.
    Raises InvalidModelError when the tensor does not lie in the file.
    """

    def __init__(
        self,
        file: MappedFile,
        offset: int,
        shape: Sequence[int],
        dtype: DType | npt.DTypeLike,
        *,
        check: Callable[[npt.NDArray[np.uint8]], None] | None = None,
    ):
        self.file = file
        self.offset = offset
        self.shape = tuple(shape)
        self.dtype = dtype_row(dtype).numpy
        self._check = check
        self._array: Array | None = None
        sizes = (offset, *self.shape)
        if min(sizes) < 0 or self.nbytes > file.size() - offset:
            raise InvalidModelError(
                f"bytes {offset}..{offset + self.nbytes} lie outside the file of {file.size()}",
                where=file.name,
            )

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_materialized(self) -> bool:
        """Whether `materialize` has been called."""
        return self._array is not None

    def materialize(self) -> Array:
        """The tensor as a read-only view of the file.

        Raises InvalidModelError when it is damaged, and when NumPy has no array of such a shape.
        """
        if self._array is None:
            data = self.file.data()[self.offset : self.offset + self.nbytes]
            if self._check is not None:
                self._check(data)
            try:
                self._array = data.view(self.dtype).reshape(self.shape)
            except ValueError as error:
                raise InvalidModelError(
                    f"has an impossible shape: {error}", where=self.file.name
                ) from error
        return self._array

    def __repr__(self) -> str:
        return f"LazyTensor({self.dtype.name}{list(self.shape)} at {self.offset})"


def dtype_row(dtype: DType | npt.DTypeLike) -> dtypes.DTypeRow:
    """The table's row of an element type. Raises InvalidModelError for what is none."""
    for row in dtypes.table():
        if row.dtype is dtype:
            return row
    try:
        return dtypes.by_numpy()[np.dtype(cast(npt.DTypeLike, dtype))]
    except (KeyError, TypeError) as error:
        raise InvalidModelError(f"no tensor has elements of {dtype}") from error
