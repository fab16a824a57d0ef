"""Which machine code for integers of 8 bits a processor runs, and the kernels of it.

There are more kinds than for floats: what multiplies bytes came later than the registers it uses.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from types import MappingProxyType

from pyflame_rt.backends.native import kernels, processors
from pyflame_rt.backends.native.processors import Instructions, instructions

_X86 = ("AMD64", "x86_64")

_ORDER = ("avx512vnni", "avx512", "avxvnni", "avx2", "generic")

loaded, machine_code = kernels.loaded, kernels.machine_code
"""As of any kernel."""


def supported() -> tuple[str, ...]:
    """The kinds of code for integers that this machine runs, the fastest first."""
    return tuple(name for name in _ORDER if processors.runs(name))


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
    return processors.base_of(cpu)


def known() -> Mapping[str, Instructions]:
    """What LLVM is told of each kind that there is for machines like this one."""
    found = {name: instructions(name) for name in _ORDER}
    return MappingProxyType({name: kind for name, kind in found.items() if kind is not None})
