"""Holding back Python's garbage collector while a program is rewritten."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def paused() -> Generator[None]:
    """Run a block without automatic garbage collection.

    Rewriting makes and drops many objects that refer to each other, and each full collection looks
    at all of a large program: a fifth of the time, in bursts as long as several passes.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
