"""What a backend is: something that compiles a lowered module to an executable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation

from pyflame_rt.backends.watching import Step, Watch
from pyflame_rt.dialects.operator_names import operator_type
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import BackendError

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Threads:
    """What a run may use: `count` threads, 0 for as many as the backend likes.

    With `limit` libraries that it calls use no more either; with `branches` threads may also run
    parts of the graph that do not need each other.
    """

    count: int = 0
    limit: bool = False
    branches: bool = False


ANY_THREADS = Threads()
"""As the backend likes."""


class Executable(ABC):
    """A compiled function. Re-entrant: concurrent runs do not disturb each other."""

    @abstractmethod
    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Execute on inputs in argument order; fresh outputs in result order.

        Inputs are C-contiguous and have the declared dtypes and ranks (the caller sees to it: only
        their number is checked here); they are only read. Outputs are C-contiguous and never alias
        inputs, weights, or what another run returns. Raises BackendError naming the op.
        """

    def run_into(self, inputs: Sequence[Array], outputs: Sequence[Array | None]) -> list[Array]:
        """As `run`; an array that is given for a result may become it, if it fits.

        What is no such array in what this returns is not in the one that was given.
        """
        return self.run(inputs)

    def run_watched(self, inputs: Sequence[Array], watch: Watch) -> list[Array]:
        """As `run`, with `watch` told of every step, and able to end the run.

        Where a backend has no steps to tell of, the run is one.
        """
        results: list[Array] = []
        step = Step("run", "", "", {}, lambda: inputs, lambda: results)
        watch.enter(step)
        results.extend(self.run(inputs))
        watch.leave(step)
        return results


class Backend(ABC):
    """A target that executes modules, or the parts of them that it supports.

    One that says by `supports_op` or `supports` what it runs gets functions of such ops only, and
    NumPy runs the rest; one that does not gets whole modules.
    """

    name: ClassVar[str]
    device_type: ClassVar[str] = "cpu"
    """The kind of device: "cpu", "wse", "cuda" or a name of its own."""
    pipeline: ClassVar[str] = ""
    """The passes that lower optimised pfrt to what `compile` takes; "" when that is pfrt."""
    optimization_level: ClassVar[int] = 1
    """The highest level of optimisation whose ops it knows: levels 2 and 3 fuse ops."""

    preparation: ClassVar[str] = ""
    """The passes before a module is split into what it runs and what NumPy does."""
    static_shapes: ClassVar[bool] = False
    """Whether it runs only what has static shapes: a session then compiles for each input signature."""

    def preparing(self) -> str:
        """The passes before a module is split: `preparation`, unless overridden."""
        return self.preparation

    def lowering(self, level: int) -> str:
        """The passes that lower a module of an optimisation level: `pipeline`, unless overridden."""
        return self.pipeline

    def with_threads(self, threads: Threads) -> Backend:
        """The backend with so many threads for a run. One that has its own idea of it is itself."""
        return self

    def initialize(self, options: Mapping[str, str]) -> bool:
        """Make the device ready; False, or an exception, when that is impossible."""
        return True

    def shutdown(self) -> None:  # noqa: B027
        """Give the device back. Nothing is asked of the backend afterwards."""

    def supports_op(self, op_type: str) -> bool:
        """Whether it runs an operator: `Conv`, `FusedConvRelu`, `custom::MyGELU`."""
        return True

    def supports(self, op: Operation) -> bool:
        """Whether it runs an op, of which it may ask attributes and types. By its operator type
        unless overridden."""
        return isinstance(op, PfrtOp) and self.supports_op(operator_type(op))

    def supported_ops(self) -> list[str]:
        """The operators it runs, if it can list them."""
        return []

    @property
    def is_partial(self) -> bool:
        """Whether it runs parts of modules, and leaves to NumPy what it does not support."""
        kind = type(self)
        return kind.supports_op is not Backend.supports_op or kind.supports is not Backend.supports

    @abstractmethod
    def compile(self, module: ModuleOp, function: str = "main") -> Executable:
        """Prepare a function of a lowered module for execution. Raises BackendError."""

    def compile_host(
        self, module: ModuleOp, function: str, parts: Mapping[str, Executable]
    ) -> Executable:
        """As `compile`, of a module with calls of functions that other backends have compiled.

        Raises BackendError when it cannot call them.
        """
        raise BackendError(f"the {self.name} backend cannot call parts on other backends")


def backend_names() -> tuple[str, ...]:
    """The names of the backends of PyFlameRT itself."""
    from pyflame_rt.backends import registry

    return registry.backend_names()


def get_backend(name: str, options: Mapping[str, str] | None = None) -> Backend:
    """The backend of that name; its code is imported now. Raises BackendError when unknown."""
    from pyflame_rt.backends import registry

    return registry.get_backend(name, options)


def find_function(module: ModuleOp, name: str) -> func.FuncOp:
    """The function of that name. Raises BackendError when there is none, or it has no body."""
    for op in module.ops:
        if isinstance(op, func.FuncOp) and op.sym_name.data == name:
            if op.body.blocks:
                return op
            raise BackendError(f"function @{name} has no body")
    raise BackendError(f"the module has no function @{name}")


def only_block(function: func.FuncOp) -> Block:
    """The block of a function's body. Raises BackendError when it has branches between several."""
    if len(function.body.blocks) != 1:
        raise BackendError(f"function @{function.sym_name.data} has branches between blocks")
    return function.body.block


def callee_of(call: func.CallOp, callers: Sequence[func.FuncOp]) -> func.FuncOp:
    """The function that a `func.call` calls, itself called by `callers`.

    Raises BackendError when the module has none, or when it would call itself.
    """
    name = call.callee.root_reference.data
    module = call.parent_op()
    while module is not None and not isinstance(module, ModuleOp):
        module = module.parent_op()
    if module is None:
        raise BackendError(f"the call of @{name} is in no module")
    function = find_function(module, name)
    if function in callers:
        raise BackendError(f"function @{name} calls itself")
    return function


def require_count(inputs: Sequence[Array], expected: int) -> None:
    """Raise BackendError unless as many arrays are fed as the function takes."""
    if len(inputs) != expected:
        raise BackendError(f"the function takes {expected} inputs, got {len(inputs)}")
