"""The NumPy backend: runs `plan` IR as a list of prepared calls on finished views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.base import Backend, Executable, find_function
from pyflame_rt.backends.numpy_backend.decode import decode
from pyflame_rt.backends.numpy_backend.executable import PlanExecutable

__all__ = ["NumpyBackend", "PlanExecutable"]


@dataclass(frozen=True)
class NumpyBackend(Backend):
    """Prepares every call of a plan once; a run is then a loop over closures."""

    name: ClassVar[str] = "numpy"
    pipeline: ClassVar[str] = "convert-pfrt-to-plan,plan-allocate"

    def lowering(self, level: int) -> str:
        """As `Backend.lowering`; above level 0, data lies as kernels are fastest with."""
        return f"pfrt-layout,{self.pipeline}" if level > 0 else self.pipeline

    def compile(self, module: ModuleOp, function: str = "main") -> PlanExecutable:
        """Decode the plan and prepare its first frame.

        Raises BackendError naming the call that has no implementation or breaks the plan's rules.
        """
        return PlanExecutable(decode(find_function(module, function)))

    def compile_host(
        self, module: ModuleOp, function: str, parts: Mapping[str, Executable]
    ) -> PlanExecutable:
        """As `compile`; calls of `parts` run these."""
        return PlanExecutable(decode(find_function(module, function), parts))
