"""What reproduces a session with the command-line tools: a folder with a script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import module_files, plugins
from pyflame_rt.array_files import write_arrays
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.files import write_text


def save(
    folder: Path, module: ModuleOp, pipeline: str, inputs: Mapping[str, Any] | None = None
) -> None:
    """Write a module, a pipeline, inputs, and the script that runs them.

    Raises PyFlameRTError when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PyFlameRTError(f"cannot make the folder: {error}", where=str(folder)) from error
    module_files.save(module, folder / "model.mlir")
    given = ""
    if inputs is not None:
        write_arrays(folder / "inputs.npz", inputs)
        given = " --inputs inputs.npz"
    write_text(folder / "pipeline.txt", pipeline + "\n")
    code = "".join(f" --load-plugin {quote(name)}" for name in plugins.write_files(folder))
    write_text(
        folder / "run.sh",
        "#!/bin/sh\nset -e\n"
        'cd "$(dirname "$0")"\n'
        'pfrt-opt model.mlir -p "$(cat pipeline.txt)" -o lowered.mlir'
        f"{code}\n"
        f"pfrt-run lowered.mlir{given}{code} --output outputs.npz\n",
    )
