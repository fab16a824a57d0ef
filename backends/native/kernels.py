"""Kernels by what they are made of: compiled once in a process, and kept on disk."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pyflame_rt.backends.native import store
from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.native.gemm import ENTRY, GemmKernel
from pyflame_rt.backends.native.processors import best, instructions, supported
from pyflame_rt.errors import BackendError

JIT = "PYFLAME_RT_JIT"
"""The variable that has sessions compile to machine code ("1"), or that nothing is compiled ("0")."""

_ADDRESSES = (*(ctypes.c_void_p,) * 4, ctypes.c_int64)
_SOURCES = ("gemm.py", "builder.py", "epilogues.py", "compiling.py")
"""The modules that decide what a kernel becomes."""


def is_available() -> bool:
    """Whether kernels can be compiled here: llvmlite is installed, and nobody turned it off."""
    return os.environ.get(JIT, "1") != "0" and _has_llvm()


@cache
def _has_llvm() -> bool:
    return importlib.util.find_spec("llvmlite") is not None


def wanted() -> str:
    """The kind of code that sessions compile to; "" if they shall not, or cannot."""
    return best() if os.environ.get(JIT) == "1" and is_available() else ""


def runs(cpu: str) -> bool:
    """Whether code of that kind is compiled and runs here."""
    return is_available() and cpu in supported()


@cache
def gemm(kernel: GemmKernel) -> Loaded:
    """The function of a kernel, of the addresses of x, y, residual and jobs, and their number.

    Raises BackendError for instructions that this machine does not have.
    """
    from pyflame_rt.backends.native import compiling

    return compiling.load(machine_code(kernel), ENTRY, _ADDRESSES)


def machine_code(kernel: GemmKernel, folder: Path | None = None) -> bytes:
    """The object file of a kernel, from disk if it is there."""
    from pyflame_rt.backends.native import compiling

    cpu = kernel.schedule.cpu
    kind = instructions(cpu)
    if kind is None:
        raise BackendError(f"there is no code of kind {cpu!r} on {platform.machine()}")
    folder = store.default_folder() if folder is None else folder
    # The text of the kernel follows from its description and from the code that writes it, and takes
    # longer to write than to find what was made of it.
    key = store.key_of(repr(kernel), kind.cpu, kind.features, *_versions())
    found = store.read(folder, key)
    if found is None:
        found = compiling.to_object(compiling.to_llvm(kernel.emit()), kind)
        store.write(folder, key, found)
    return found


@cache
def _versions() -> tuple[str, ...]:
    """What else decides what a kernel becomes."""
    here = Path(__file__).parent
    sources = ((here / name).read_text(encoding="utf-8") for name in _SOURCES)
    return (version("xdsl"), version("llvmlite"), platform.machine(), platform.system(), *sources)
