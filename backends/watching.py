"""Runs that are watched: who watches sees each step of a plan before and after it, and may end the
run by raising. Runs that nobody watches know nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy.typing as npt

from pyflame_rt.errors import BackendError

Array: TypeAlias = npt.NDArray[Any]
Values: TypeAlias = Callable[[], Sequence[Any]]

_LIMIT: ContextVar[int] = ContextVar("memory_limit", default=0)


class Step:
    """A step of an executable, the same object in each run of one frame.

    `algorithm` is the callee of a plan's call, or what the step does; `op` the op that it computes
    (`pfrt.conv`, "" where there is none), `where` its place in the model, `params` its properties.
    `code` is the kind of machine code that was compiled for it; "" where there is none.
    """

    __slots__ = ("_inputs", "_outputs", "algorithm", "code", "known", "op", "params", "where")

    def __init__(
        self,
        algorithm: str,
        op: str,
        where: str,
        params: Mapping[str, Any],
        inputs: Values,
        outputs: Values,
        code: str = "",
    ):
        self.algorithm = algorithm
        self.code = code
        self.op = op
        self.where = where
        self.params = params
        self.known: dict[object, Any] = {}
        """What a watch has found out about the step."""
        self._inputs = inputs
        self._outputs = outputs

    def inputs(self) -> Sequence[Any]:
        """The values it reads, None for an absent one; until the step after it."""
        return self._inputs()

    def outputs(self) -> Sequence[Any]:
        """The values it has produced."""
        return self._outputs()


class Watch:
    """What is told of the steps of a run. Steps inside of others come between their two calls."""

    def enter(self, step: Step) -> None:
        """Before a step. An exception ends the run."""

    def leave(self, step: Step) -> None:
        """After a step that did not fail."""


class Watches(Watch):
    """Several, one after the other."""

    def __init__(self, *watches: Watch):
        self._watches = watches

    def enter(self, step: Step) -> None:
        for watch in self._watches:
            watch.enter(step)

    def leave(self, step: Step) -> None:
        for watch in self._watches:
            watch.leave(step)


@contextmanager
def memory_limited(limit: int) -> Generator[None]:
    """Inside, executables whose buffers take more than `limit` bytes are refused; 0: none is."""
    token = _LIMIT.set(limit)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def require_memory(size: int, what: str) -> None:
    """Raise BackendError when the limit in force is below the size."""
    limit = _LIMIT.get()
    if limit and size > limit:
        raise over_limit(size, limit, what)


def over_limit(size: int, limit: int, what: str) -> BackendError:
    """The error for taking more than the limit."""
    return BackendError(
        f"{what} takes {size} bytes, more than memory_limit = {limit}",
        hint="raise SessionOptions.memory_limit, or run smaller batches",
    )
