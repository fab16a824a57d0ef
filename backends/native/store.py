"""Machine code on disk, so that it is made once.

Files lie in `pyflame_rt/native` of the user's cache folder, named by a hash of everything the code
follows from. Code is run as it is read: only what belongs to the user, and nobody else may write, is.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.files import atomic_writer

FOLDER = "PYFLAME_RT_CACHE"
"""The variable that names the cache folder; "" keeps nothing on disk."""

_MAGIC = b"pyflame_rt native 1\n"
_DIGEST = 32


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
            if not _is_ours(os.fstat(stream.fileno())) or not _is_ours(os.stat(folder)):
                return None
            found = stream.read()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST
    code = found[start:]
    if found[:start] != _MAGIC + hashlib.sha256(code).digest():
        return None
    with suppress(OSError):
        # What is used stays: see `make_room`.
        os.utime(folder / key)
    return code


def write(folder: Path | None, key: str, code: bytes) -> None:
    """Keep code. A folder that cannot be written keeps nothing."""
    if folder is None:
        return
    with suppress(OSError, PyFlameRTError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(os.stat(folder)):
            return
        with atomic_writer(folder / key) as stream:
            stream.write(_MAGIC + hashlib.sha256(code).digest() + code)
        os.chmod(folder / key, 0o600)


def make_room(folder: Path | None, most: int) -> None:
    """Remove what was written or read longest ago, until no more than so many bytes are left."""
    if folder is None:
        return
    found: list[tuple[float, int, str]] = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            about = entry.stat()
            found.append((about.st_mtime, about.st_size, entry.path))
    size = sum(row[1] for row in found)
    for _, freed, path in sorted(found):
        if size <= most:
            return
        with suppress(OSError):
            os.unlink(path)
        size -= freed


def _is_ours(status: os.stat_result) -> bool:
    """Whether only this user may write."""
    if not hasattr(os, "getuid"):
        return True
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not shared
