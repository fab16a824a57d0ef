"""A folder with the IR after each pass, for `--dump-ir`."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.files import write_text
from pyflame_rt.module_files import to_text


@dataclass
class IRDump:
    """Writes `00_input.mlir`, then `01_<pass>.mlir` and so on, with locations and without weights.

    Raises PyFlameRTError when the folder cannot be made or written.
    """

    folder: Path
    _numbers: count[int] = field(default_factory=count, init=False, repr=False)

    def input(self, module: ModuleOp) -> None:
        """Write the module as it was before any pass."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PyFlameRTError(
                f"cannot make the folder: {error.strerror}", where=str(self.folder)
            ) from error
        self._write("input", module)

    def after(self, instance: ModulePass, module: ModuleOp) -> None:
        """Write the module as a pass left it; an `after` callback of `pipelines.run`."""
        self._write(instance.name, module)

    def _write(self, name: str, module: ModuleOp) -> None:
        write_text(self.folder / f"{next(self._numbers):02}_{name}.mlir", to_text(module))
