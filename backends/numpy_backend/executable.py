"""Runs a program: frames are pooled, so that concurrent runs do not share memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from pyflame_rt.backends.base import Executable, require_count
from pyflame_rt.backends.numpy_backend.frame import Frame
from pyflame_rt.backends.numpy_backend.program import Program
from pyflame_rt.backends.runtime import Array

_BUFFERED_ELEMENTS = 128
"""What ufuncs buffer of an operand when they broadcast or stride. NumPy's 8,192 are allocated in each
such call, and do not stay in the cache (scale and shift of 64 x 56 x 56 take twice the time)."""


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
            with np.errstate(all="ignore"):
                # Before NumPy 2 errstate does not restore the size.
                before = np.setbufsize(_BUFFERED_ELEMENTS)
                try:
                    return frame.run(inputs)
                finally:
                    np.setbufsize(before)
        finally:
            self._free.append(frame)
