"""The target `wse-csl`: a wafer program as the sources of a project for the Cerebras SDK."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import files
from pyflame_rt.binary_targets import BinaryTarget
from pyflame_rt.errors import PyFlameRTError


@dataclass(frozen=True)
class WseCslTarget(BinaryTarget):
    """A folder of `layout.csl`, a file for each tile program, `run.py` and `commands.sh`.

    Of a network, also `weights.npz` and `places.npz`, which `run.py` reads. On standard output all texts
    are one, each file after a line `// FILE: name`. A `wse.program` is converted for `machine` first, as
    `convert-wse-to-csl` does.
    """

    name = "wse-csl"
    extension = ""

    machine: str = ""

    def save(self, module: ModuleOp, path: Path) -> None:
        import numpy as np

        from pyflame_rt.backends.wse.csl.emission import arrays
        from pyflame_rt.backends.wse.csl.emission import files as emitted

        converted = self._converted(module)
        texts, tables = emitted(converted), arrays(converted)
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            raise PyFlameRTError(f"cannot make a folder: {why}", where=str(path)) from None
        for name, text in texts.items():
            files.write_text(path / name, text)
        for name, table in tables.items():
            with files.atomic_writer(path / name) as stream:
                np.savez(stream, allow_pickle=False, **table)

    def dump(self, module: ModuleOp, stream: IO[bytes]) -> None:
        stream.write(self.text(module).encode())

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(self.text(module))

    def text(self, module: ModuleOp) -> str:
        """All files as one text."""
        from pyflame_rt.backends.wse.csl.emission import joined

        return joined(self.sources(module))

    def sources(self, module: ModuleOp) -> dict[str, str]:
        """The files by name. Raises PyFlameRTError for a module that is no program."""
        from pyflame_rt.backends.wse.csl.emission import files as emitted

        return emitted(self._converted(module))

    def _converted(self, module: ModuleOp) -> ModuleOp:
        """The csl modules of a program: those of the module, or a copy that has been converted."""
        from pyflame_rt.dialects.wse.program import ProgramOp
        from pyflame_rt.passes.wse.convert_wse_to_csl import ConvertWseToCslPass

        if any(isinstance(op, ProgramOp) for op in module.body.ops):
            module = module.clone()
            ConvertWseToCslPass(self.machine).apply(Context(), module)
            module.verify()
        return module
