"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pyflame_rt.errors import PyFlameRTError


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Generator[IO[bytes]]:
    """A binary stream to a temporary file beside `path`, renamed over it when the block succeeds.

    A link stays a link to the new file; a device or pipe is written directly.
    Raises PyFlameRTError when the folder is missing or not writable; then nothing is left behind.
    """
    target = Path(os.path.realpath(path))
    temporary: str | None = None
    try:
        if is_device(path):
            with Path(path).open("wb") as stream:
                yield stream
            return
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as stream:
            yield stream
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except OSError as error:
        raise PyFlameRTError(f"cannot write: {error.strerror or error}", where=str(path)) from error
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def is_device(path: str | os.PathLike[str]) -> bool:
    """Whether there is something at the path that is neither a file nor a folder."""
    # Not of the resolved path: /dev/stdout leads to no name when it is a pipe.
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_writer(path) as stream:
        stream.write(text.encode())
