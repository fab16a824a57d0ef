"""How many threads BLAS uses, which OpenBLAS has one number for in the whole process."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from pyflame_rt.backends.numpy_backend.blas import loaded

Ask: TypeAlias = Callable[[], int]
Tell: TypeAlias = Callable[[int], object]


class BlasThreads:
    """The number in force: `count`, 0 for the one that BLAS has chosen itself.

    Runs ask for theirs before they begin; of two at the same time that ask for different ones, the
    last one gets it.
    """

    def __init__(self, ask: Ask | None = None, tell: Tell | None = None):
        self.count = 0
        self._own = os.cpu_count() or 1 if ask is None else ask()
        self._tell = tell
        self._lock = threading.Lock()

    def use(self, count: int) -> None:
        """Have BLAS use that many threads; 0 or less: as many as it had chosen itself."""
        with self._lock:
            if self._tell is not None:
                self._tell(count if count > 0 else self._own)
            self.count = count


@cache
def blas_threads() -> BlasThreads:
    """The number of threads of the BLAS that NumPy calls; without effect if it is no OpenBLAS."""
    for path in loaded():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix in ("scipy_openblas_", "openblas_"):
            for suffix in ("64_", "", "_64"):
                ask = getattr(library, f"{prefix}get_num_threads{suffix}", None)
                tell = getattr(library, f"{prefix}set_num_threads{suffix}", None)
                if ask is not None and tell is not None:
                    return BlasThreads(ask, tell)
    return BlasThreads()
