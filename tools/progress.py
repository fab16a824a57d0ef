"""Telling people what takes long, and only that."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

_PATIENCE = 1.0


@contextmanager
def stage(program: str, what: str) -> Generator[None]:
    """Say on stderr that `what` is going on if it takes over a second, and how long it took."""
    said = threading.Event()

    def say() -> None:
        said.set()
        print(f"{program}: {what} …", file=sys.stderr, flush=True)

    timer = threading.Timer(_PATIENCE, say)
    timer.daemon = True
    start = time.perf_counter()
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if said.is_set():
            elapsed = time.perf_counter() - start
            print(f"{program}: {what} took {elapsed:.1f} s", file=sys.stderr, flush=True)
