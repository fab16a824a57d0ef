"""What a backend is: something that compiles a lowered module to an executable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, TypeAlias, cast

import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block

from pyflame_rt.errors import BackendError

Array: TypeAlias = npt.NDArray[Any]


class Executable(ABC):
    """A compiled function. Re-entrant: concurrent runs do not disturb each other."""

    @abstractmethod
    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Execute on inputs in argument order; fresh outputs in result order.

        Inputs are C-contiguous and have the declared dtypes and ranks (the caller sees to it: only
        their number is checked here); they are only read. Outputs are C-contiguous and never alias
        inputs, weights, or what another run returns. Raises BackendError naming the op.
        """


@dataclass(frozen=True)
class Backend(ABC):
    """A target that executes modules."""

    name: ClassVar[str]
    pipeline: ClassVar[str]
    """The passes that lower optimised pfrt to what `compile` takes; "" when that is pfrt."""

    @abstractmethod
    def compile(self, module: ModuleOp, function: str = "main") -> Executable:
        """Prepare a function of a lowered module for execution. Raises BackendError."""


_BACKENDS = {
    "numpy": "pyflame_rt.backends.numpy_backend:NumpyBackend",
    "reference": "pyflame_rt.backends.reference:ReferenceBackend",
}


def backend_names() -> tuple[str, ...]:
    """The names of the backends."""
    return tuple(_BACKENDS)


def get_backend(name: str) -> Backend:
    """The backend of that name; its code is imported now. Raises BackendError when unknown."""
    if name not in _BACKENDS:
        raise BackendError(f'there is no backend "{name}"', hint=f"use {' or '.join(_BACKENDS)}")
    module, _, attribute = _BACKENDS[name].partition(":")
    factory = cast("type[Backend]", getattr(import_module(module), attribute))
    return factory()


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
