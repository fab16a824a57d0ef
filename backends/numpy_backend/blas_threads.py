"""How many threads BLAS uses, which OpenBLAS has one number for in the whole process."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import TypeAlias

from pyflame_rt.backends.numpy_backend.blas import loaded

Ask: TypeAlias = Callable[[], int]
Tell: TypeAlias = Callable[[int], object]


class BlasThreads:
    """The number in force, which runs may change while they last, and plans while they live.

    To change it takes 10 microseconds: runs that take long do it each time, others leave it as it is
    until the plan is dropped. Of several wishes the smallest one of runs counts, then the last one of
    plans; without any the number is what it was before the first.
    """

    def __init__(self, ask: Ask | None = None, tell: Tell | None = None):
        self._ask = ask
        self._tell = tell
        self._now = self._before = os.cpu_count() or 1 if ask is None else ask()
        self.kept = 0
        """The number that a plan has asked for last; 0 for none."""
        self._keepers: set[int] = set()
        self._held: Counter[int] = Counter()
        # The end of a plan may come in the middle of anything.
        self._lock = threading.RLock()

    @property
    def count(self) -> int:
        """The number in force."""
        with self._lock:
            return self._now if self._ask is None else self._ask()

    @contextmanager
    def held(self, count: int) -> Generator[None]:
        """Inside, BLAS uses at most that many threads."""
        with self._lock:
            self._begin()
            self._held[count] += 1
            self._update()
        try:
            yield
        finally:
            with self._lock:
                self._held[count] -= 1
                self._held += Counter()
                self._update()

    def keep(self, count: int, plan: object) -> None:
        """Have BLAS use that many threads as long as the plan lives, or until another one asks."""
        with self._lock:
            self._begin()
            if id(plan) not in self._keepers:
                self._keepers.add(id(plan))
                weakref.finalize(plan, self._drop, id(plan)).atexit = False
            self.kept = count
            self._update()

    def begin(self) -> None:
        """Forget all runs, as the child of a fork does: the threads that did them are not in it."""
        self._lock = threading.RLock()
        if self._held:
            self._held.clear()
            self._update()

    def _drop(self, plan: int) -> None:
        with self._lock:
            self._keepers.discard(plan)
            if not self._keepers:
                self.kept = 0
            self._update()

    def _begin(self) -> None:
        if not (self._held or self.kept) and self._ask is not None:
            # Others may have changed it since.
            self._now = self._before = self._ask()

    def _update(self) -> None:
        # More than there are cores wait for each other by looking again and again.
        wanted = min(self.kept, max(self._before, os.cpu_count() or 1)) or self._before
        count = min(self._held, default=wanted)
        if count != self._now and self._tell is not None:
            self._tell(count)
        self._now = count


_FIRST = threading.Lock()


def blas_threads() -> BlasThreads:
    """The number of threads of the BLAS that NumPy calls; without effect if it is no OpenBLAS."""
    with _FIRST:
        # Two of them would undo what the other one does.
        return _blas_threads()


@cache
def _blas_threads() -> BlasThreads:
    found = _found()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=found.begin)
    return found


def _found() -> BlasThreads:
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
