"""What a transport is: workers that run stages, and the way of values between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

from pyflame_rt.errors import BackendError, PyFlameRTError

Handle: TypeAlias = Any
"""A value that a transport holds, as it names it."""


@dataclass(frozen=True)
class StageProgram:
    """A stage as workers load it: a file with its module, one with weights, how it is compiled.

    `level` is the optimisation that follows when shapes are fixed, `lowering` that of what lowers:
    0 for a module whose data lies already as kernels want it.
    `operators` are the custom operators that it uses, `plugins` what `load_plugin` takes for those
    that a worker does not know yet. `device` is what errors call the place where it runs; `threads` may be used by a run, which has
    so many `results`.
    """

    name: str
    device: str
    path: str
    weights: str | None
    results: int
    backend: str = "numpy"
    level: int = 2
    lowering: int = 2
    threads: int = 1
    operators: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that a worker of another machine has not."""
        return (self.path, *(name for name in self.plugins if name.endswith(".py")))


@dataclass(frozen=True)
class Outcome:
    """How a task ended: handles of its outputs, or an error.

    Times are nanoseconds: `started` on the clock of `time.perf_counter_ns`, 0 where the worker has
    another one; `computed` is how long it took, `idle` how long the worker had waited for it.
    """

    outputs: tuple[Handle, ...] = ()
    error: PyFlameRTError | None = None
    started: int = 0
    computed: int = 0
    idle: int = 0


Done: TypeAlias = Callable[[Outcome], None]


class Transport(ABC):
    """Workers, numbered from 0, that are told to load programs and to run them.

    Nothing here waits for a worker: `submit` returns at once, and `done` is called exactly once for
    each task, by a thread of the transport or by `submit` itself, even if the worker is lost or the
    transport is closed. Safe to use from several threads. What a transport holds is told apart by handles, which are
    valid until they are freed; tasks only read their inputs.
    """

    name: ClassVar[str]

    def __init__(self, workers: int):
        self.workers = workers

    @abstractmethod
    def load(self, worker: int, key: str, program: StageProgram) -> None:
        """Have a worker read and prepare a program. What fails there fails its first task."""

    @abstractmethod
    def unload(self, worker: int, key: str) -> None:
        """Have a worker forget a program."""

    @abstractmethod
    def submit(self, worker: int, key: str, inputs: Sequence[Handle], done: Done) -> None:
        """Have a worker run a program, after what it has been told before."""

    @abstractmethod
    def put(self, value: Any) -> Handle:
        """Hold a value, which may be changed afterwards where it came from."""

    @abstractmethod
    def get(self, handle: Handle) -> Any:
        """The value of a handle, which is nobody else's and writable."""

    @abstractmethod
    def free(self, handle: Handle) -> None:
        """Give up a value."""

    @abstractmethod
    def size(self, handle: Handle) -> int:
        """The bytes of a value; 0 where nobody knows."""

    @abstractmethod
    def close(self) -> None:
        """End the workers; tasks that are not done fail. Harmless when repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def closed_error() -> BackendError:
    """The error of tasks that a closed transport drops."""
    return BackendError("the executor was closed before this was done")
