"""Kernels by what they are made of: compiled once in a process, and kept on disk."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
from collections.abc import Hashable
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.native import store
from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.native.processors import best, instructions, supported
from pyflame_rt.errors import BackendError

JIT = "PYFLAME_RT_JIT"
"""The variable that has sessions compile to machine code ("1"), or that nothing is compiled ("0")."""


_COMMON = frozenset(
    ("activations.py", "builder.py", "compiling.py", "loops.py", "printing.py", "vector_math.py")
)


class Kernel(Hashable, Protocol):
    """What code is made of; its text says all of it.

    The code is one function of the address of a record, whose numbers say what to compute: addresses
    and sizes, of 64 bits each. So all kernels are called in the same way.
    """

    @property
    def cpu(self) -> str:
        """The kind of instructions: see `processors`."""
        ...

    @property
    def entry(self) -> str:
        """The name of the function."""
        ...

    def emit(self) -> ModuleOp:
        """The module of that function, in the `llvm` dialect."""
        ...


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
def loaded(kernel: Kernel) -> Loaded:
    """The function of a kernel, of the address of a record.

    Raises BackendError for instructions that this machine does not have.
    """
    from pyflame_rt.backends.native import compiling

    found = compiling.load(machine_code(kernel), kernel.entry, (ctypes.c_void_p,))
    return replace(found, kernel=kernel)


def machine_code(kernel: Kernel, folder: Path | None = None) -> bytes:
    """The object file of a kernel, from disk if it is there."""
    from pyflame_rt.backends.native import compiling, printing

    kind = instructions(kernel.cpu)
    if kind is None:
        raise BackendError(f"there is no code of kind {kernel.cpu!r} on {platform.machine()}")
    folder = store.default_folder() if folder is None else folder
    # The text of the kernel follows from its description and from the code that writes it, and takes
    # longer to write than to find what was made of it.
    key = store.key_of(repr(kernel), kind.cpu, kind.features, *_versions(type(kernel).__module__))
    found = store.read(folder, key)
    if found is None:
        found = compiling.to_object(printing.to_text(kernel.emit()), kind)
        store.write(folder, key, found)
    return found


@cache
def _versions(module: str) -> tuple[str, ...]:
    """What else decides what a kernel of a module becomes: modules of its family, that is those whose
    names begin with the same word, and what all kernels are written with."""
    family = module.rpartition(".")[2].partition("_")[0]
    paths = sorted(Path(__file__).parent.glob("*.py"))
    sources = (
        path.read_text(encoding="utf-8")
        for path in paths
        if path.name in _COMMON or path.stem.partition("_")[0] == family
    )
    return (version("xdsl"), version("llvmlite"), platform.machine(), platform.system(), *sources)
