"""Shared memory between a process and its workers: anonymous files that both map.

A segment has no name, so nothing is left behind whichever process dies, and it goes when the last
of those who map it is gone. Files are passed over the sockets that workers are told things by.
"""

from __future__ import annotations

import itertools
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import BackendError

Array: TypeAlias = npt.NDArray[Any]

_LEAST = 4096
_loads: Callable[[bytes], Any] = cast(Any, ForkingPickler).loads
_PICKLED = np.dtype("V1")
"""The element type that a value has which is no plain array: its bytes are Python's own."""


@dataclass(frozen=True)
class Segment:
    """Memory that several processes map: `number` is what they call it."""

    number: int
    size: int
    descriptor: int
    memory: mmap.mmap


@dataclass(frozen=True)
class Placed:
    """A value in a segment, as processes tell each other of it."""

    number: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The bytes of the value."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class SegmentPool:
    """The segments of one owner, used again for values of about the same size."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._free: dict[int, list[Segment]] = {}
        self._all: dict[int, Segment] = {}
        self._is_closed = False

    def take(self, nbytes: int) -> Segment:
        """A segment of at least so many bytes. Raises BackendError when there is no memory."""
        size = max(_LEAST, 1 << (nbytes - 1).bit_length()) if nbytes else _LEAST
        with self._lock:
            if waiting := self._free.get(size):
                return waiting.pop()
            if self._is_closed:
                raise BackendError("the executor is closed")
            number = next(self._numbers)
            segment = self._all[number] = _made(number, size)
            return segment

    def take_all(self, sizes: Sequence[int]) -> list[Segment]:
        """Segments of at least so many bytes each, or none. Raises as `take` does."""
        taken: list[Segment] = []
        try:
            for size in sizes:
                taken.append(self.take(size))
        except BackendError:
            for segment in taken:
                self.give(segment.number)
            raise
        return taken

    def give(self, number: int) -> None:
        """Take a segment back."""
        with self._lock:
            segment = self._all.get(number)
            if segment is not None:
                self._free.setdefault(segment.size, []).append(segment)

    def segment(self, number: int) -> Segment:
        """A segment by its number. Raises BackendError when all have been given back."""
        segment = self._all.get(number)
        if segment is None:
            raise BackendError("the executor is closed")
        return segment

    @property
    def used(self) -> int:
        """How many segments hold values."""
        with self._lock:
            return len(self._all) - sum(map(len, self._free.values()))

    def close(self) -> None:
        """Give all memory back that no array looks at any more."""
        with self._lock:
            self._is_closed = True
            segments, self._all, self._free = list(self._all.values()), {}, {}
        for segment in segments:
            os.close(segment.descriptor)


def _made(number: int, size: int) -> Segment:
    if size > _physical_memory():
        raise BackendError(f"there is no shared memory of {size} bytes on this machine")
    descriptor = -1
    try:
        descriptor = _anonymous_file()
        # As of any other memory, pages are there from when they are first written.
        os.ftruncate(descriptor, size)
        return Segment(number, size, descriptor, mmap.mmap(descriptor, size))
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise BackendError(f"no shared memory of {size} bytes: {error.strerror}") from None


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pyflame_rt", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def array_in(memory: mmap.mmap, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """The array at the beginning of a segment's memory."""
    return np.ndarray(shape, dtype, memory)


def flat(value: Any) -> Array:
    """A value as an array of plain elements: itself, or its bytes as Python keeps them."""
    if isinstance(value, np.ndarray):
        array = cast(Array, value)
        if not array.dtype.hasobject:
            return array
    return np.frombuffer(bytes(ForkingPickler.dumps(value)), _PICKLED)


def read(memory: mmap.mmap, placed: Placed, *, copy: bool) -> Any:
    """The value in a segment: a copy, or a view for as long as it stays there."""
    if placed.dtype == _PICKLED:
        data: Any = bytes(memoryview(memory)[: placed.nbytes])
        return _loads(data)
    array = array_in(memory, placed.dtype, placed.shape)
    if copy:
        return array.copy()
    array.flags.writeable = False
    return array
