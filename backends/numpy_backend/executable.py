"""Runs a program: frames are pooled, so that concurrent runs do not share memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, TypeAlias, cast

import numpy as np

from pyflame_rt.backends.base import Executable, require_count
from pyflame_rt.backends.numpy_backend.frame import Frame
from pyflame_rt.backends.numpy_backend.program import Program
from pyflame_rt.backends.runtime import Array
from pyflame_rt.backends.watching import Watch, require_memory

Caller: TypeAlias = Callable[..., list[Array]]

_BUFFERED_ELEMENTS = 128
"""What ufuncs buffer of an operand when they broadcast or stride. NumPy's 8,192 are allocated in each
such call, and do not stay in the cache (scale and shift of 64 x 56 x 56 take twice the time)."""


class PlanExecutable(Executable):
    """A program and its free frames: as many exist as runs were ever concurrent."""

    def __init__(self, program: Program):
        self._program = program
        require_memory(program.memory, "a run")
        self._free = deque([self._frame()])
        self._inputs = len(program.arguments)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """As `Executable.run`."""
        require_count(inputs, self._inputs)
        try:
            frame, call = self._free.pop()
        except IndexError:
            frame, call = self._frame()
        try:
            return call(frame.run, inputs)
        finally:
            self._free.append((frame, call))

    def run_watched(self, inputs: Sequence[Array], watch: Watch) -> list[Array]:
        """As `Executable.run_watched`."""
        require_count(inputs, self._inputs)
        try:
            frame, call = self._free.pop()
        except IndexError:
            frame, call = self._frame()
        try:
            return call(frame.run_watched, inputs, watch)
        finally:
            self._free.append((frame, call))

    def _frame(self) -> tuple[Frame, Caller]:
        return Frame(self._program), _quiet()


def _quiet() -> Caller:
    """Calls functions with NumPy's settings for a run.

    NumPy 2 keeps them in a context variable. A context in which that is set once is entered in a
    twentieth of the time that setting and resetting it takes; each frame has one of its own, since
    no two threads may be in the same one.
    """
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        return _with_settings
    context = copy_context()
    context.run(_set)
    return cast(Caller, context.run)


def _set() -> int:
    np.seterr(all="ignore")
    return np.setbufsize(_BUFFERED_ELEMENTS)


def _with_settings(function: Callable[..., list[Array]], *args: Any) -> list[Array]:
    with np.errstate(all="ignore"):
        # Before NumPy 2 errstate does not restore the size.
        before = np.setbufsize(_BUFFERED_ELEMENTS)
        try:
            return function(*args)
        finally:
            np.setbufsize(before)
