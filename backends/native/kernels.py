"""Kernels by what they are made of: compiled once in a process, and kept on disk."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import logging
import os
import platform
import sys
import threading
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
"""The variable by which nothing is compiled ("0"), or sessions compile wherever llvmlite does ("1")."""

_TRIED = (("Linux", "x86_64"),)
"""Systems and processors on which sessions compile unless they are told not to."""


class CodeError(BackendError):
    """LLVM cannot make the code of a kernel here, or not put it into memory."""


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
    return os.environ.get(JIT, "1") != "0" and _works()


@cache
def _works() -> bool:
    """Whether llvmlite is there, and makes code that runs. If it is there and does not, a line of
    the log says so, once."""
    try:
        if importlib.util.find_spec("llvmlite") is None:
            return False
        from pyflame_rt.backends.native.running import Program

        program = Program(best(), (), ())
        program.call(program.addresses[0])
    except Exception as error:
        why = str(error) or type(error).__name__
        say(f"no machine code can be made here, NumPy computes instead: {why}")
        return False
    return True


def say(text: str) -> None:
    """Warn of what is slower for it and works nevertheless."""
    logging.getLogger("pyflame_rt").warning("%s", " ".join(text.split()))


def wanted() -> str:
    """The kind of code that sessions compile to; "" if they shall not, or cannot."""
    return best() if _is_asked() and is_available() else ""


def _is_asked() -> bool:
    said = os.environ.get(JIT)
    is_tried = (platform.system(), platform.machine()) in _TRIED and sys.maxsize > 2**32
    return said == "1" or (not said and is_tried)


def runs(cpu: str) -> bool:
    """Whether code of that kind is compiled and runs here."""
    return is_available() and cpu in supported()


def loaded(kernel: Kernel) -> Loaded:
    """The function of a kernel, of the address of a record; made once, whoever asks meanwhile.

    Raises BackendError for instructions that this machine does not have, CodeError when LLVM fails.
    """
    with _making(kernel):
        return _loaded(kernel)


@cache
def _making(kernel: Kernel) -> threading.Lock:
    return threading.Lock()


if hasattr(os, "register_at_fork"):
    # Threads that hold them do not live on in a child.
    os.register_at_fork(after_in_child=_making.cache_clear)


@cache
def _loaded(kernel: Kernel) -> Loaded:
    from pyflame_rt.backends.native import compiling

    try:
        found = compiling.load(machine_code(kernel), kernel.entry, (ctypes.c_void_p,))
    except BackendError:
        raise
    except Exception as error:
        raise CodeError(f"{kernel.entry}: {error or type(error).__name__}") from error
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
    """What else decides what a kernel of a module becomes: the modules of its folder, those that all
    kernels are written with, and those that make code of them."""
    here = Path(__file__).parent
    folder = here.joinpath(*module.removeprefix(f"{__package__}.").split(".")[:-1])
    sources = (_digest(path) for path in (here, here / "writing", folder))
    return (version("xdsl"), version("llvmlite"), platform.machine(), platform.system(), *sources)


@cache
def _digest(folder: Path) -> str:
    """What stands in the modules of a folder."""
    digests = (hashlib.sha256(path.read_bytes()).digest() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(b"".join(digests)).hexdigest()
