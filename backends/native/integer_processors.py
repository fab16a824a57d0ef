"""Which machine code for integers of 8 bits a processor runs, and the kernels of it.

There are more kinds than for floats: what multiplies bytes came later than the registers it uses.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from pyflame_rt.backends.native import kernels, store
from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.native.llvm import binding
from pyflame_rt.backends.native.processors import Instructions, instructions
from pyflame_rt.errors import BackendError

_X86 = ("AMD64", "x86_64")

_MORE = (("avx512vnni", "avx512", "avx512vnni"), ("avxvnni", "avx2", "avxvnni"))
"""Kinds with an instruction more: their names, what they are beside it, and LLVM's name of it."""

_COMMON = ("builder.py", "compiling.py", "loops.py", "printing.py")
"""What writes these kernels beside the modules for integers."""

_ORDER = ("avx512vnni", "avx512", "avxvnni", "avx2", "generic")


def supported() -> tuple[str, ...]:
    """The kinds of code for integers that this machine runs, the fastest first."""
    return _supported()


def best() -> str:
    """The fastest of them."""
    return supported()[0]


def wanted() -> str:
    """The kind of code that sessions compile products of integers to; "" if they shall not."""
    return best() if kernels.wanted() else ""


def runs(cpu: str) -> bool:
    """Whether code of that kind is compiled and runs here."""
    return kernels.is_available() and cpu in supported()


def dot_of(cpu: str) -> str:
    """How four products of bytes are added to a sum: "bytes" at once, "pairs" of numbers of 16 bits,
    or "single" ones."""
    if cpu.endswith("vnni"):
        return "bytes"
    return "pairs" if platform.machine() in _X86 else "single"


def of_floats(cpu: str) -> str:
    """The kind of code for floats that goes with one for integers."""
    return next((base for name, base, _ in _MORE if name == cpu), cpu)


@cache
def loaded(kernel: kernels.Kernel) -> Loaded:
    """As `kernels.loaded`, of a kernel of such a kind."""
    from pyflame_rt.backends.native import compiling

    return compiling.load(machine_code(kernel), kernel.entry, (ctypes.c_void_p,))


def machine_code(kernel: kernels.Kernel, folder: Path | None = None) -> bytes:
    """As `kernels.machine_code`, of a kernel of such a kind."""
    from pyflame_rt.backends.native import compiling, printing

    kind = known().get(kernel.cpu)
    if kind is None:
        raise BackendError(f"there is no code of kind {kernel.cpu!r} on {platform.machine()}")
    folder = store.default_folder() if folder is None else folder
    key = store.key_of(repr(kernel), kind.cpu, kind.features, *_versions())
    found = store.read(folder, key)
    if found is None:
        found = compiling.to_object(printing.to_text(kernel.emit()), kind)
        store.write(folder, key, found)
    return found


@cache
def known() -> Mapping[str, Instructions]:
    """What LLVM is told of each kind that there is for machines like this one."""
    found = {name: kind for name in _ORDER if (kind := instructions(name)) is not None}
    for name, base, feature in _MORE:
        if (kind := found.get(base)) is not None:
            features = ",".join(part for part in (kind.features, f"+{feature}") if part)
            needs = kind.needs | {feature}
            found[name] = Instructions(kind.cpu, features, needs, kind.has_fma)
    return MappingProxyType({name: found[name] for name in _ORDER if name in found})


@cache
def _supported() -> tuple[str, ...]:
    try:
        features: dict[str, bool] = binding().get_host_cpu_features()
    except RuntimeError:
        # LLVM cannot tell on this system.
        features = {}
    has = {name for name, there in features.items() if there}
    return tuple(name for name, kind in known().items() if kind.needs <= has)


@cache
def _versions() -> tuple[str, ...]:
    """What else decides what a kernel becomes."""
    here = Path(__file__).parent
    paths = [*sorted(here.glob("integer_*.py")), *(here / name for name in _COMMON)]
    sources = (path.read_text(encoding="utf-8") for path in paths)
    return (version("xdsl"), version("llvmlite"), platform.machine(), platform.system(), *sources)
