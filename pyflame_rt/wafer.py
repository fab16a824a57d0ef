"""Programs for the wafer in files: a path and a machine to a runtime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyflame_rt import module_files
from pyflame_rt.universe import make_context

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.host import Runtime


def load(path: str | os.PathLike[str], machine: str = "wse2", **options: Any) -> Runtime:
    """The program of an IR file on a simulated machine; `options` are those of `host.Runtime`.

    Raises what `module_files.load` and `host.Runtime` raise.
    """
    from pyflame_rt.backends.wse.host import Runtime

    return Runtime(module_files.load(path, make_context()), machine, **options)
