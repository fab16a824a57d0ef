"""Runs a program: frames are pooled, so that concurrent runs do not share memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pyflame_rt.backends.base import Executable, require_count
from pyflame_rt.backends.numpy_backend.blas_threads import blas_threads
from pyflame_rt.backends.numpy_backend.frame import Frame
from pyflame_rt.backends.numpy_backend.program import Program
from pyflame_rt.backends.numpy_backend.quiet import Caller, quiet
from pyflame_rt.backends.runtime import Array
from pyflame_rt.backends.watching import Watch, require_memory


class PlanExecutable(Executable):
    """A program and its free frames: as many exist as runs were ever concurrent."""

    def __init__(self, program: Program):
        self._program = program
        require_memory(program.memory, "a run")
        first = self._frame()
        require_memory(program.memory + first[0].rooms, "a run")
        self._free = deque([first])
        self._inputs = len(program.arguments)
        self._blas = blas_threads()
        self._blas_threads = program.blas_threads
        self._is_split = program.threads > 1

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """As `Executable.run`."""
        if len(inputs) != self._inputs:
            require_count(inputs, self._inputs)
        if self._is_split or (self._blas_threads and self._blas_threads != self._blas.kept):
            with self._holding():
                return self._call(Frame.run, inputs)
        # As `_call`, which small models need not pay for.
        try:
            frame, call = self._free.pop()
        except IndexError:
            frame, call = self._frame()
        try:
            alone = frame.alone
            results = call(frame.run, inputs) if alone is None else alone(inputs)
        except Exception:
            self._free.append((frame, call))
            raise
        self._free.append((frame, call))
        return results

    def run_into(self, inputs: Sequence[Array], outputs: Sequence[Array | None]) -> list[Array]:
        """As `Executable.run_into`."""
        require_count(inputs, self._inputs)
        with self._holding():
            return self._call(Frame.run_into, inputs, outputs)

    def run_watched(self, inputs: Sequence[Array], watch: Watch) -> list[Array]:
        """As `Executable.run_watched`."""
        require_count(inputs, self._inputs)
        with self._holding():
            return self._call(Frame.run_watched, inputs, watch)

    @property
    def program(self) -> Program:
        """What is run."""
        return self._program

    @property
    def kernels(self) -> list[Any]:
        """What the machine code of a run was made of, in order; each once."""
        try:
            frame, call = self._free.pop()
        except IndexError:
            frame, call = self._frame()
        self._free.append((frame, call))
        return frame.kernels

    def _call(self, method: Callable[..., list[Array]], *args: Any) -> list[Array]:
        """Call a method of a free frame, which is free again afterwards.

        Not after an interrupt: helpers may still be using its memory.
        """
        try:
            frame, call = self._free.pop()
        except IndexError:
            frame, call = self._frame()
        try:
            results = call(method, frame, *args)
        except Exception:
            self._free.append((frame, call))
            raise
        self._free.append((frame, call))
        return results

    def _holding(self) -> AbstractContextManager[None]:
        """In which BLAS uses as many threads as the plan says."""
        if not self._blas_threads:
            return nullcontext()
        if self._is_split:
            return self._blas.held(self._blas_threads)
        if self._blas_threads != self._blas.kept:
            self._blas.keep(self._blas_threads, self)
        return nullcontext()

    def _frame(self) -> tuple[Frame, Caller]:
        return Frame(self._program), quiet()
