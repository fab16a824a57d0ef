"""External data: files beside the model, mapped, and never one outside its folder.

Names are followed one folder at a time from the open model's folder, and what was opened is
looked at rather than its name: checks of paths as text have failed other runtimes again and again,
and a path that is checked before it is opened may be another one by then.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import InvalidModelError, ModelNotFoundError
from pyflame_rt.limits import DEFAULT_LIMITS, Limits
from pyflame_rt.mapped_files import MappedFile

_KEYS = frozenset({"location", "offset", "length", "checksum"})
_DECIMAL = re.compile(r"[0-9]{1,19}", re.ASCII)


_READ: ContextVar[list[str] | None] = ContextVar("read", default=None)


@contextmanager
def noting_files() -> Generator[list[str]]:
    """A list to which the locations of files go that are read while the context lasts."""
    found: list[str] = []
    token = _READ.set(found)
    try:
        yield found
    finally:
        _READ.reset(token)


class ExternalFiles:
    """The files that a model's tensors may lie in, each mapped once when first needed.

    `folder` is the model's; None for a model given as bytes, which has no files.
    """

    def __init__(self, folder: Path | None, limits: Limits = DEFAULT_LIMITS):
        self._folder = folder
        self._limits = limits
        self._locations: dict[str, npt.NDArray[np.uint8]] = {}
        self._files: dict[tuple[int, int], npt.NDArray[np.uint8]] = {}
        """By device and inode."""

    def read(self, entries: dict[str, str], size: int, where: str) -> npt.NDArray[Any]:
        """The `size` bytes that a tensor's `external_data` entries point at, as a read-only view.

        Raises InvalidModelError for a location outside the folder, a range outside the file, or a
        length other than `size`; ModelNotFoundError when there is no such file.
        """
        if unknown := sorted(entries.keys() - _KEYS):
            raise InvalidModelError(f"unknown external data key {unknown[0]!a}", where=where)
        if not entries.get("location"):
            raise InvalidModelError("external data without a location", where=where)
        data = self._map(entries["location"], where)
        if (noted := _READ.get()) is not None:
            noted.append(entries["location"])
        offset = _number(entries, "offset", 0, where)
        length = _number(entries, "length", size, where)
        if length != size:
            raise InvalidModelError(
                f"external data of {length} bytes, but type and shape need {size}", where=where
            )
        if offset + length > data.size:
            raise InvalidModelError(
                f"external data at bytes {offset}..{offset + length} lies outside its file of "
                f"{data.size} bytes",
                where=where,
            )
        return data[offset : offset + length]

    def _map(self, location: str, where: str) -> npt.NDArray[np.uint8]:
        if (known := self._locations.get(location)) is not None:
            return known
        if self._folder is None:
            raise InvalidModelError(
                "a model given as bytes cannot have external data",
                where=where,
                hint="give the path of its file, or the folder of its data as base_directory",
            )
        try:
            with self._opened(self._folder, self._parts(location, where), location, where) as file:
                data = self._mapped(file, location, where)
        except (OSError, ValueError) as error:
            if isinstance(error, InvalidModelError):
                raise
            reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
            raise self._missing(location, reason, where) from error
        self._locations[location] = data
        return data

    def _parts(self, location: str, where: str) -> list[str]:
        parts = location.split("/")
        if location.startswith("/") or ".." in parts or set(location) & {"\\", "\0", ":"}:
            raise InvalidModelError(
                f"external data location {location[:64]!a} is not a path below the model's folder",
                where=where,
            )
        return [part for part in parts if part not in ("", ".")] or ["."]

    @contextmanager
    def _opened(self, folder: Path, parts: list[str], location: str, where: str) -> Generator[int]:
        """A descriptor of the file, reached without any link."""
        current = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in parts[:-1]:
                inner = self._open(part, os.O_DIRECTORY, current, location, where)
                os.close(current)
                current = inner
            # A pipe would otherwise be waited for.
            file = self._open(parts[-1], os.O_NONBLOCK, current, location, where)
        finally:
            os.close(current)
        try:
            yield file
        finally:
            os.close(file)

    def _open(self, name: str, flags: int, folder: int, location: str, where: str) -> int:
        try:
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | flags, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR) and _is_link(name, folder):
                raise InvalidModelError(
                    f"external data location {location[:64]!a} leads through a link",
                    where=where,
                    hint="put the file itself, not a link, beside the model",
                ) from error
            raise

    def _mapped(self, file: int, location: str, where: str) -> npt.NDArray[np.uint8]:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise self._missing(location, "is not a regular file", where)
        if about.st_nlink > self._limits.external_hard_links:
            raise InvalidModelError(
                f"external data file {location[:64]!a} has {about.st_nlink} names and may be "
                "from elsewhere",
                where=where,
                hint="copy it, or raise the limit external_hard_links",
            )
        key = about.st_dev, about.st_ino
        if key not in self._files:
            self._files[key] = MappedFile.of_descriptor(file, location).data()
        return self._files[key]

    def _missing(self, location: str, why: str, where: str) -> ModelNotFoundError:
        return ModelNotFoundError(
            f"external data file {location[:64]!a}: {why}",
            where=where,
            hint="it belongs into the model's folder",
        )


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _number(entries: dict[str, str], key: str, default: int, where: str) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not _DECIMAL.fullmatch(text):
        raise InvalidModelError(
            f"external data {key} {text[:32]!a} is not a number of bytes", where=where
        )
    return int(text)
