"""Which machine code a processor runs."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

from pyflame_rt.backends.native.llvm import binding
from pyflame_rt.dialects.plan.schedules import WITH_PAIRS

_X86 = ("AMD64", "x86_64")


@dataclass(frozen=True)
class Instructions:
    """What LLVM is told of a kind of processor, and what a processor must have to be of it."""

    cpu: str
    features: str
    needs: frozenset[str]
    has_fma: bool
    """Whether it multiplies and adds at once, and converts f16."""


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
_MORE = (
    *((name, base, "avx512bf16") for name, base in WITH_PAIRS.items()),
    ("avx512vnni", "avx512", "avx512vnni"),
    ("avxvnni", "avx2", "avxvnni"),
)
"""Kinds with an instruction more, of which only what is made for it is compiled: their names, what they
are beside it, and LLVM's name of it."""

_TYPED = (0, 45)
"""The version of llvmlite whose LLVM has an instruction for pairs that takes vectors of bf16."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "abm": "lzcnt",
        "avx512_bf16": "avx512bf16",
        "avx512_vnni": "avx512vnni",
        "avx_vnni": "avxvnni",
    }
)
"""LLVM's names of what Linux calls otherwise."""

_ELSEWHERE: Mapping[str, Instructions] = MappingProxyType(
    {"generic": Instructions("", "", frozenset(), True)}
)


def instructions(name: str) -> Instructions | None:
    """What `name` stands for on this machine; None where it has nothing of that name."""
    return _known().get(name) or _extended().get(name)


def runs(name: str) -> bool:
    """Whether this machine runs code of a kind, one with an instruction more included."""
    return name in _supported()


def of_pairs(name: str) -> str:
    """The kind that is `name` and multiplies pairs of bf16; `name` where there is none."""
    return next((more for more, base in WITH_PAIRS.items() if base == name), name)


def with_pairs(name: str) -> str:
    """`of_pairs` if this machine has it, else `name`."""
    pairs = of_pairs(name)
    return pairs if pairs != name and runs(pairs) else name


def base_of(name: str) -> str:
    """The kind that a kind with an instruction more is beside it."""
    return next((base for more, base, _ in _MORE if more == name), name)


def supported() -> tuple[str, ...]:
    """The kinds of code that this machine runs, the fastest first."""
    return tuple(name for name in _supported() if name in _known())


def best() -> str:
    """The fastest kind of code that this machine runs."""
    return supported()[0]


def _known() -> Mapping[str, Instructions]:
    return _ON_X86 if platform.machine() in _X86 else _ELSEWHERE


@cache
def _extended() -> Mapping[str, Instructions]:
    found: dict[str, Instructions] = {}
    for name, base, feature in _MORE:
        if (kind := _known().get(base)) is not None:
            features = ",".join(part for part in (kind.features, f"+{feature}") if part)
            needs = kind.needs | {feature}
            found[name] = Instructions(kind.cpu, features, needs, kind.has_fma)
    return MappingProxyType(found)


@cache
def _supported() -> tuple[str, ...]:
    features = host_features()
    known = {**_known(), **_extended()}
    if _llvmlite() < _TYPED:
        known = {name: kind for name, kind in known.items() if name not in WITH_PAIRS}
    return tuple(name for name, kind in known.items() if kind.needs <= features)


def _llvmlite() -> tuple[int, ...]:
    try:
        numbers = version("llvmlite").split(".")[:2]
    except PackageNotFoundError:
        return ()
    return tuple(int(number) for number in numbers if number.isdecimal())


def host_features() -> frozenset[str]:
    """What this processor has, by LLVM's names, which is only asked where the system does not say."""
    if listed := _listed():
        return frozenset(_ALIASES.get(name, name) for name in listed)
    try:
        found: dict[str, bool] = binding().get_host_cpu_features()
    except RuntimeError:
        # LLVM cannot tell on this system.
        return frozenset()
    return frozenset(name for name, has in found.items() if has)


def _listed() -> Sequence[str]:
    """The features of an x86 processor as Linux lists them."""
    if platform.machine() not in _X86:
        return ()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    lines = (line for line in text.splitlines() if line.startswith("flags"))
    return next(lines, "").partition(":")[2].split()
