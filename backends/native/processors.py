"""Which machine code a processor runs."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from pyflame_rt.backends.native.llvm import binding

_X86 = ("AMD64", "x86_64")


@dataclass(frozen=True)
class Instructions:
    """What LLVM is told of a kind of processor, and what a processor must have to be of it."""

    cpu: str
    features: str
    needs: frozenset[str]
    has_fma: bool


_AVX2 = frozenset({"avx2", "fma", "bmi2", "f16c", "movbe", "lzcnt"})

_ON_X86: Mapping[str, Instructions] = MappingProxyType(
    {
        "avx512": Instructions(
            "x86-64-v4",
            "-prefer-256-bit",
            _AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
            True,
        ),
        "avx2": Instructions("x86-64-v3", "", _AVX2, True),
        "generic": Instructions("x86-64", "", frozenset(), False),
    }
)
_ELSEWHERE: Mapping[str, Instructions] = MappingProxyType(
    {"generic": Instructions("", "", frozenset(), True)}
)


def instructions(name: str) -> Instructions | None:
    """What `name` stands for on this machine; None where it has nothing of that name."""
    return _known().get(name)


def supported() -> tuple[str, ...]:
    """The kinds of code that this machine runs, the fastest first."""
    return _supported()


def best() -> str:
    """The fastest kind of code that this machine runs."""
    return _supported()[0]


def _known() -> Mapping[str, Instructions]:
    return _ON_X86 if platform.machine() in _X86 else _ELSEWHERE


@cache
def _supported() -> tuple[str, ...]:
    features = _host_features()
    return tuple(name for name, kind in _known().items() if kind.needs <= features)


def _host_features() -> frozenset[str]:
    try:
        found: dict[str, bool] = binding().get_host_cpu_features()
    except RuntimeError:
        # LLVM cannot tell on this system.
        return frozenset()
    return frozenset(name for name, has in found.items() if has)
