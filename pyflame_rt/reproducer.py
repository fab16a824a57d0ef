"""Reproducers: an input module, its weights, and the pipeline that was run on it, in one place.

The first line of such a file is a comment that holds the command: `// RUN: pfrt-opt %s -p '…'`.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.module_files import to_text, used_weights, write

_PREFIX = "// RUN: pfrt-opt %s -p "


def save(module: ModuleOp, path: str | os.PathLike[str], pipeline: str) -> None:
    """Write a module (with its weights beside it) so that `pfrt-opt --run-reproducer` can run the
    pipeline on it. Raises PyFlameRTError when the files cannot be written."""
    command = f"{_PREFIX}{shlex.quote(pipeline)}\n"
    write(path, command + to_text(module), used_weights(module))


def pipeline_of(path: str | os.PathLike[str]) -> str:
    """The pipeline that a reproducer's first line holds. Raises InvalidModelError."""
    try:
        with Path(path).open(encoding="utf-8", newline="\n") as file:
            line = file.readline()
        command, *rest = shlex.split(line.removeprefix(_PREFIX))
    except (OSError, ValueError) as error:
        raise InvalidModelError(f"not a reproducer: {error}", where=str(path)) from error
    if not line.startswith(_PREFIX) or rest:
        raise InvalidModelError(
            "not a reproducer", where=str(path), hint=f"its first line must be {_PREFIX}'…'"
        )
    return command
