"""External data: files beside the model, mapped, and never one outside its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import InvalidModelError, ModelNotFoundError
from pyflame_rt.weights import map_file

_KEYS = frozenset({"location", "offset", "length", "checksum"})
_DECIMAL = re.compile(r"[0-9]{1,19}", re.ASCII)


class ExternalFiles:
    """The files that a model's tensors may lie in, each mapped once when first needed.

    `folder` is the model's; None for a model given as bytes, which has no files.
    """

    def __init__(self, folder: Path | None):
        self._folder = folder
        self._paths: dict[str, str] = {}
        self._maps: dict[str, npt.NDArray[np.uint8]] = {}

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
        if location not in self._paths:
            self._paths[location] = self._inside(location, where)
        path = self._paths[location]
        if path not in self._maps:
            try:
                self._maps[path] = map_file(path)
            except ModelNotFoundError as error:
                raise ModelNotFoundError(
                    f"external data file {location[:64]!a}: {error.message}",
                    where=where,
                    hint="it belongs into the model's folder",
                ) from error
        return self._maps[path]

    def _inside(self, location: str, where: str) -> str:
        """The resolved path of a location, which must lie in the model's folder."""
        if self._folder is None:
            raise InvalidModelError(
                "a model given as bytes cannot have external data",
                where=where,
                hint="give the path of its file",
            )
        parts = location.split("/")
        if location.startswith("/") or ".." in parts or set(location) & {"\\", "\0", ":"}:
            raise InvalidModelError(
                f"external data location {location[:64]!a} is not a path below the model's folder",
                where=where,
            )
        folder = os.path.realpath(self._folder)
        path = os.path.realpath(os.path.join(folder, location))
        if os.path.commonpath((folder, path)) != folder:
            raise InvalidModelError(
                f"external data location {location[:64]!a} leads out of the model's folder",
                where=where,
                hint="put the file itself, not a link, beside the model",
            )
        return path


def _number(entries: dict[str, str], key: str, default: int, where: str) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not _DECIMAL.fullmatch(text):
        raise InvalidModelError(
            f"external data {key} {text[:32]!a} is not a number of bytes", where=where
        )
    return int(text)
