"""The NumPy backend: runs `plan` IR as a list of prepared calls on finished views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from pyflame_rt.backends.base import ANY_THREADS, Backend, Executable, Threads, find_function
from pyflame_rt.backends.native import kernels as native
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.native.integers import processors as integer_processors
from pyflame_rt.backends.numpy_backend.decode import decode
from pyflame_rt.backends.numpy_backend.executable import PlanExecutable

__all__ = ["NumpyBackend", "PlanExecutable"]


@dataclass(frozen=True)
class NumpyBackend(Backend):
    """Prepares every call of a plan once; a run is then a loop over closures."""

    threads: Threads = ANY_THREADS

    name: ClassVar[str] = "numpy"
    pipeline: ClassVar[str] = "convert-pfrt-to-plan,plan-allocate"

    def lowering(self, level: int) -> str:
        """As `Backend.lowering`; above level 0, data lies as kernels are fastest with, and narrow
        floats are rounded only where they are needed."""
        before, threads = self.before_plan(level), self.threads
        cpu = processors.with_pairs(native.wanted())
        count = f" threads={threads.count}" if threads.count > 1 else ""
        compiling = (
            f"convert-plan-to-native{{cpu={cpu}{count}}},plan-fuse-elementwise," if cpu else ""
        )
        if integers := integer_processors.wanted():
            compiling += f"convert-plan-integers-to-native{{cpu={integers}{count}}},"
        if not threads.count:
            return f"{before},convert-pfrt-to-plan,{compiling}plan-allocate"
        options = f"threads={threads.count}"
        options += " limit=true" if threads.limit else ""
        options += " branches=true" if threads.branches else ""
        return f"{before},convert-pfrt-to-plan,{compiling}plan-split{{{options}}},plan-allocate"

    @staticmethod
    def before_plan(level: int) -> str:
        """The passes of `lowering` after which it is known what algorithms each op has."""
        if level == 0:
            return "pfrt-widen-floats"
        layout = "pfrt-layout{compiled=true}" if native.wanted() else "pfrt-layout"
        # Machine code multiplies the integers themselves, where their number is known.
        unknown = "{unknown=true}" if native.wanted() else ""
        sums = "pfrt-fuse-quantized-sums," if native.wanted() else ""
        return (
            f"pfrt-widen-quantization{unknown},{sums}pfrt-widen-floats{{regions=true}},{layout},"
            "pfrt-fuse-elementwise"
        )

    def with_threads(self, threads: Threads) -> NumpyBackend:
        """As `Backend.with_threads`."""
        return replace(self, threads=threads)

    def compile(self, module: ModuleOp, function: str = "main") -> PlanExecutable:
        """Decode the plan and prepare its first frame.

        Raises BackendError naming the call that has no implementation or breaks the plan's rules.
        """
        return _executable(find_function(module, function), {})

    def compile_host(
        self, module: ModuleOp, function: str, parts: Mapping[str, Executable]
    ) -> PlanExecutable:
        """As `compile`; calls of `parts` run these."""
        return _executable(find_function(module, function), parts)


def _executable(function: FuncOp, parts: Mapping[str, Executable]) -> PlanExecutable:
    """A plan and its first frame; where LLVM fails to make its code, NumPy computes it all."""
    try:
        return PlanExecutable(decode(function, parts))
    except native.CodeError as error:
        native.say(f"a plan that was to be compiled runs on NumPy: {error}")
        return PlanExecutable(decode(function, parts, compiled=False))
