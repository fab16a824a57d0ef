"""The kernel's functions, plain or compiled by numba: the same source, the same cycles, the same bits.

`PYFLAME_RT_JIT=0`, or numba not being installed, means plain Python.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from pyflame_rt.backends.wse.sim import (
    engine,
    image,
    layout,
    native,
    numbers,
    router,
    scalar,
    vector,
    waking,
)
from pyflame_rt.errors import ValidationError

Run = Callable[[Any, Any, Any, int], None]

# In the order of their imports: a function's callees come before it.
_MODULES: Final = (numbers, waking, router, vector, scalar, engine)

# What every streaming word passes: calls would cost more than what they do.
_INLINED: Final = frozenset(
    [
        "put",
        "room",
        "forward",
        "fetch",
        "deliver",
        "read_memory",
        "write_memory",
        "source_ready",
        "dest_ready",
        "element_address",
        "event",
        "chosen_direction",
        "wrap16",
        "wrap32",
        "single_bits",
        "mark",
        "router",
        "ramp_down",
        "step_thread",
    ]
)


def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def wanted() -> bool:
    """Whether runs are compiled by default."""
    return os.environ.get("PYFLAME_RT_JIT", "1") != "0" and available()


def runner(jit: bool | None = None) -> Callable[[np.ndarray[Any, np.dtype[np.int32]], int], None]:
    """A function (buffer, until) that runs cycles; `jit` None: compiled if it can be.

    Raises ValidationError when compilation is asked for and numba is missing.
    """
    compiled = wanted() if jit is None else jit
    if not compiled:
        return _plain
    if not available():
        raise ValidationError("numba is not installed", hint="pip install 'pyflame-rt[jit]'")
    function = _compiled()

    def run(buffer: np.ndarray[Any, np.dtype[np.int32]], until: int) -> None:
        function(buffer, buffer.view(np.float32), buffer.view(np.int16), until)

    return run


def _plain(buffer: np.ndarray[Any, np.dtype[np.int32]], until: int) -> None:
    views = (buffer.data, buffer.view(np.float32).data, buffer.view(np.int16).data)
    engine.enter(*views, until)


@functools.cache
def _compiled() -> Run:
    import numba  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]

    config: Any = vars(numba)["config"]

    # numba looks at the file of each function only: the sources of all of them name the folder.
    before = config.CACHE_DIR
    folder = _cache_folder()
    config.CACHE_DIR = before if folder is None else str(folder)
    functions: dict[str, object] = {}
    intrinsics = native.intrinsics()
    try:
        for module in _MODULES:
            names = {**vars(module), **functions}
            for function in _functions(module):
                copy = FunctionType(
                    function.__code__, names, function.__name__, function.__defaults__
                )
                copy.__module__ = module.__name__
                copy.__qualname__ = function.__qualname__
                made: object = intrinsics.get(function.__name__)
                if made is None:
                    last = function is engine.enter and folder is not None
                    inline = function.__name__ in _INLINED
                    # Divisors are checked where they come from.
                    made = numba.njit(
                        copy, cache=last, nogil=True, forceinline=inline, error_model="numpy"
                    )
                names[function.__name__] = functions[function.__name__] = made
        return functions["enter"]  # pyright: ignore[reportReturnType]
    finally:
        config.CACHE_DIR = before


def _functions(module: ModuleType) -> list[FunctionType]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__
    ]


def _cache_folder() -> Path | None:
    digest = hashlib.sha256()
    for module in (*_MODULES, image, layout, native):
        digest.update(Path(str(module.__file__)).read_bytes())
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(root) / "pyflame_rt" / f"sim-{digest.hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK) else None
