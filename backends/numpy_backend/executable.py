"""Runs a program: frames are pooled, so that concurrent runs do not share memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from pyflame_rt.backends.base import Executable, require_count
from pyflame_rt.backends.numpy_backend.frame import Frame
from pyflame_rt.backends.numpy_backend.program import Program
from pyflame_rt.backends.runtime import Array


_BUFFERED_ELEMENTS = 256


class PlanExecutable(Executable):
    """A program and its free frames: as many exist as runs were ever concurrent."""

    def __init__(self, program: Program):
        self._program = program
        self._free = deque([Frame(program)])
        self._inputs = len(program.arguments)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """As `Executable.run`."""
        require_count(inputs, self._inputs)
        try:
            frame = self._free.pop()
        except IndexError:
            frame = Frame(self._program)
        try:
            with _ufunc_settings():
                return frame.run(inputs)
        finally:
            self._free.append(frame)


@contextmanager
def _ufunc_settings() -> Iterator[None]:
    """NaN and infinity are values, and ufuncs buffer little.

    NumPy's default buffer of 8,192 elements an operand is allocated in each call that broadcasts or
    strides; the smaller one stays in the cache (scale and shift of 64 x 56 x 56: half the time).
    """
    with np.errstate(all="ignore"):
        # Before NumPy 2 errstate does not restore it.
        before = np.setbufsize(_BUFFERED_ELEMENTS)
        try:
            yield
        finally:
            np.setbufsize(before)
