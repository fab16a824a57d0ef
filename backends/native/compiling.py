"""From a module in the `llvm` dialect to functions that can be called."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pyflame_rt.backends.native import objects
from pyflame_rt.backends.native.llvm import binding
from pyflame_rt.backends.native.processors import Instructions


@cache
def _lock() -> threading.Lock:
    """LLVM's parser and code generator are called by one thread at a time."""
    return threading.Lock()


if hasattr(os, "register_at_fork"):
    # The thread that holds it does not live on in a child.
    os.register_at_fork(after_in_child=_lock.cache_clear)


def to_object(text: str, kind: Instructions) -> bytes:
    """Machine code, as an object file in memory, of LLVM's text."""
    with _lock():
        machine = _machine(kind)
        parsed = binding().parse_assembly(text)
        parsed.verify()
        return bytes(machine.emit_object(parsed))


def to_assembly(text: str, kind: Instructions) -> str:
    """What a person reads of the machine code."""
    with _lock():
        return str(_machine(kind).emit_assembly(binding().parse_assembly(text)))


def _machine(kind: Instructions) -> Any:
    _initialize()
    target = binding().Target.from_default_triple()
    return target.create_target_machine(
        cpu=kind.cpu, features=kind.features, opt=3, reloc="pic", codemodel="default", jit=True
    )


@cache
def _initialize() -> None:
    binding().initialize_native_target()
    binding().initialize_native_asmprinter()
    if (parser := getattr(binding(), "initialize_native_asmparser", None)) is not None:
        parser()


@dataclass(frozen=True, eq=False)
class Loaded:
    """A function in memory, as long as this lives. Calls release the interpreter's lock."""

    call: Callable[..., None]
    engine: Any
    address: int
    kernel: Any = None
    """What the code was made of."""


def load(code: bytes, name: str, arguments: Sequence[Any]) -> Loaded:
    """A function of an object file, of arguments of these C types."""
    if (found := objects.placed(code, name)) is not None:
        return Loaded(ctypes.CFUNCTYPE(None, *arguments)(found.address), found, found.address)
    return load_by_llvm(code, name, arguments)


def load_by_llvm(code: bytes, name: str, arguments: Sequence[Any]) -> Loaded:
    """As `load`, of any object file that LLVM makes."""
    with _lock():
        _initialize()
        empty = binding().parse_assembly("")
        machine = binding().Target.from_default_triple().create_target_machine(jit=True)
        engine = binding().create_mcjit_compiler(empty, machine)
        engine.add_object_file(binding().ObjectFileRef.from_data(code))
        engine.finalize_object()
        address = engine.get_function_address(name)
    if not address:
        raise ValueError(f"there is no function @{name} in the code")
    return Loaded(ctypes.CFUNCTYPE(None, *arguments)(address), engine, int(address))
