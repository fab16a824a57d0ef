"""The stream that torch.save wrote before 1.6: five pickles, then the bytes of the storages.

Magic number, protocol version, facts about the machine, the object, the keys of its storages;
then for each key, in that order, an int64 count of elements and the elements, little-endian
whatever the machine was. Storages are views of the file, at any alignment.
"""

from __future__ import annotations

from typing import cast

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.pickle_machine import load_prefix
from pyflame_rt.frontends.torch.storage import Storage, TorchDType, same
from pyflame_rt.limits import DEFAULT_LIMITS, Limits

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little") + b"."
_TAR = slice(257, 262)


def is_legacy(data: memoryview) -> bool:
    """Whether bytes begin as the stream does: with the magic number, pickled."""
    return bytes(data[: len(_START)]) == _START


def is_tar(data: memoryview) -> bool:
    """Whether bytes are a tar file, which torch wrote before 0.1.10 and no longer reads."""
    return bytes(data[_TAR]) == b"ustar"


def load_legacy(data: memoryview, where: str, limits: Limits = DEFAULT_LIMITS) -> object:
    """The object of a stream, as `pickle_machine.load` gives it. Raises InvalidModelError."""
    if not is_legacy(data):
        raise InvalidModelError("does not begin with torch's magic number", where=where)
    at = len(_START)
    version, at = load_prefix(data, at, storages=_none, where=where, limits=limits)
    if version != _VERSION:
        raise InvalidModelError("is not of the stream's only version, 1001", where=where)
    # What the machine was says nothing: the elements are little-endian even if it was not.
    _, at = load_prefix(data, at, storages=_none, where=where, limits=limits)
    storages = _Storages(where)
    value, at = load_prefix(data, at, storages=storages, where=where, limits=limits)
    keys, at = load_prefix(data, at, storages=_none, where=where, limits=limits)
    _bind(storages.made, _checked_keys(keys, where), data, at, where)
    return value


class _Storages:
    """Storages of a stream by key; their bytes come later."""

    def __init__(self, where: str):
        self.made: dict[str, Storage] = {}
        self._where = where

    def __call__(self, key: str, dtype: TorchDType | None, length: int) -> Storage:
        if key not in self.made:
            self.made[key] = Storage(key, dtype, length, self._where)
        return same(self.made[key], dtype, length)


def _none(key: str, dtype: TorchDType | None, length: int) -> Storage:
    raise InvalidModelError("a tensor is where the stream has none", where=f"storage {key[:64]!a}")


def _checked_keys(value: object, where: str) -> list[str]:
    keys = cast("list[object]", value) if type(value) is list else [None]
    if not all(type(key) is str for key in keys) or len(set(keys)) != len(keys):
        raise InvalidModelError("the list of storages is malformed", where=where)
    return cast("list[str]", keys)


def _bind(
    storages: dict[str, Storage], keys: list[str], data: memoryview, at: int, where: str
) -> None:
    if set(keys) != set(storages):
        raise InvalidModelError(
            f"{len(keys)} storages are listed where tensors need {len(storages)} others or more",
            where=where,
        )
    for key in keys:
        storage = storages[key]
        length = int.from_bytes(data[at : at + 8], "little", signed=True)
        at += 8
        if length != storage.length:
            raise storage.invalid(f"has {length} elements where its tensors need {storage.length}")
        if at + storage.nbytes > data.nbytes:
            raise storage.invalid("goes on behind the end of the file")
        storage.bind(data[at : at + storage.nbytes])
        at += storage.nbytes
    if at != data.nbytes:
        raise InvalidModelError(f"{data.nbytes - at} bytes follow the last storage", where=where)
