"""The target `native-llvm`: the kernels that a plan's scheduled calls become, in the `llvm` dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.target import Target


@dataclass(frozen=True)
class NativeLlvmTarget(Target):
    """A module for each kernel, named by its function, in the order in which calls need them.

    Of a plan with `plan.schedule` attributes (`convert-plan-to-native`), for whose processor code can
    be compiled here; what has no such code has no kernel. `-t 'native-llvm{assembly=true}'` prints the
    processor's instructions instead.
    """

    name = "native-llvm"

    assembly: bool = False

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(self.text(module))

    def text(self, module: ModuleOp) -> str:
        """All kernels as one text. Raises BackendError for a module that is no plan."""
        from pyflame_rt.backends.native import compiling, printing
        from pyflame_rt.backends.native.processors import instructions
        from pyflame_rt.backends.numpy_backend import NumpyBackend

        found = NumpyBackend().compile(module).kernels
        if not self.assembly:
            modules = [
                ModuleOp(
                    [op.clone() for op in kernel.emit().ops], sym_name=StringAttr(kernel.entry)
                )
                for kernel in found
            ]
            return f"{ModuleOp(modules)}\n"
        texts: list[str] = []
        for kernel in found:
            kind = instructions(kernel.cpu)
            assert kind is not None
            texts.append(compiling.to_assembly(printing.to_text(kernel.emit()), kind))
        return "\n".join(texts)
