"""The reference backend: an interpreter of pfrt on the kernels, the meaning of the language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.base import Backend, find_function
from pyflame_rt.backends.reference.interpreter import Interpreter, Observer

__all__ = ["Interpreter", "Observer", "ReferenceBackend"]


@dataclass(frozen=True)
class ReferenceBackend(Backend):
    """Interprets pfrt as it is, op by op, with the kernels."""

    name: ClassVar[str] = "reference"
    pipeline: ClassVar[str] = ""

    def compile(self, module: ModuleOp, function: str = "main") -> Interpreter:
        """Look up the kernel of every op. Raises BackendError listing ops that have none."""
        return Interpreter(find_function(module, function))
