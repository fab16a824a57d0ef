"""Machine code on disk, so that it is made once.

Files lie in `pyflame_rt/native` of the user's cache folder, named by a hash of everything the code
follows from. Code is run as it is read: only what belongs to the user, and nobody else may write, is.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.files import atomic_writer

FOLDER = "PYFLAME_RT_CACHE"
"""The variable that names the cache folder; "" keeps nothing on disk."""

ROOM = "PYFLAME_RT_CACHE_SIZE"
"""The variable that says how many megabytes each kind of things may take on disk."""

_MEGABYTES = MappingProxyType({"native": 256, "plans": 512})
"""Of a kind, where nobody says it."""

_MAGIC = b"pyflame_rt native 1\n"
_DIGEST = 32

_KEPT = re.compile(r"(\.)?[0-9a-f]{64}(?(1)\..*)")
"""Names of what is kept; those with a dot are being written."""

_LATELY = 3600.0
"""Seconds: what was used since then need not be marked as used again, and may be being written."""


def default_folder(kind: str = "native") -> Path | None:
    """Where machine code is kept, or another kind of things; None if nowhere, as where no folder of
    the user is known."""
    named = os.environ.get(FOLDER)
    if named == "":
        return None
    if named is not None:
        return Path(named) / kind
    bases = (os.environ.get("XDG_CACHE_HOME", ""), os.path.join(os.path.expanduser("~"), ".cache"))
    base = next(filter(os.path.isabs, bases), None)
    return None if base is None else Path(base) / "pyflame_rt" / kind


def key_of(*parts: str) -> str:
    """The name under which what follows from these texts is kept."""
    digest = hashlib.sha256()
    for part in parts:
        # Paths and the environment may have bytes that are no text.
        data = part.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def read(folder: Path | None, key: str) -> bytes | None:
    """What was kept; None if there is nothing, or it is not what was written."""
    if folder is None:
        return None
    try:
        with (folder / key).open("rb") as stream:
            about = os.fstat(stream.fileno())
            if not _is_ours(about) or not _is_ours(os.stat(folder)):
                return None
            found = stream.read()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST
    code = found[start:]
    if found[:start] != _MAGIC + hashlib.sha256(code).digest():
        return None
    if about.st_mtime < time.time() - _LATELY:
        with suppress(OSError):
            # What is used stays: see `make_room`.
            os.utime(folder / key)
    return code


def write(folder: Path | None, key: str, code: bytes) -> None:
    """Keep code, and no more in the folder than there is room for. A folder that cannot be written
    keeps nothing."""
    if folder is None:
        return
    size, most = len(_MAGIC) + _DIGEST + len(code), room_of(folder)
    if size > most:
        return
    with suppress(OSError, PyFlameRTError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(os.stat(folder)):
            return
        with atomic_writer(folder / key) as stream:
            stream.write(_MAGIC + hashlib.sha256(code).digest() + code)
        os.chmod(folder / key, 0o600)
        _room(folder).take(size, most)


def room_of(folder: Path) -> int:
    """How many bytes may be kept in a folder."""
    usual = _MEGABYTES.get(folder.name, _MEGABYTES["native"])
    try:
        said = float(os.environ.get(ROOM, ""))
    except ValueError:
        said = math.nan
    return int((said if 0 <= said < math.inf else usual) * (1 << 20))


class _Room:
    """What a process knows of how much is kept in a folder: what it found there, and has written."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._taken: int | None = None

    def take(self, size: int, most: int) -> None:
        """Note what was written. The folder is looked at the first time, and when it is full."""
        with self._lock:
            self._taken = None if self._taken is None else self._taken + size
            if self._taken is None or self._taken > most:
                self._taken = make_room(self._folder, most)


@cache
def _room(folder: Path) -> _Room:
    return _Room(folder)


if hasattr(os, "register_at_fork"):
    # The thread that holds a lock does not live on in a child.
    os.register_at_fork(after_in_child=_room.cache_clear)


def make_room(folder: Path | None, most: int) -> int:
    """Where there are more than so many bytes, remove what was written or read longest ago until an
    eighth of that is free. Returns how many are left.

    Whoever reads a file that another process removes has it until it is closed.
    """
    if folder is None:
        return 0
    found: list[tuple[float, int, str]] = []
    lately = time.time() - _LATELY
    with suppress(OSError):
        for entry in os.scandir(folder):
            kept = _KEPT.fullmatch(entry.name)
            about = None
            with suppress(OSError):
                about = entry.stat(follow_symlinks=False)
            if kept is None or about is None or not stat.S_ISREG(about.st_mode):
                continue
            if not kept[1] or about.st_mtime < lately:
                found.append((about.st_mtime, about.st_size, entry.path))
    left = sum(row[1] for row in found)
    if left <= most:
        return left
    for _, freed, path in sorted(found):
        if left <= most - most // 8:
            break
        with suppress(OSError):
            os.unlink(path)
        left -= freed
    return left


def _is_ours(status: os.stat_result) -> bool:
    """Whether only this user may write."""
    if not hasattr(os, "getuid"):
        return True
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not shared
