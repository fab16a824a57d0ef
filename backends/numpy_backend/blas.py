"""Which BLAS NumPy calls, and what it is good at."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_AVX512 = ("Cooperlake", "SapphireRapids", "SkylakeX")
_SMALL_SINCE = (0, 3, 17)


@dataclass(frozen=True)
class Blas:
    """A library, by what it says of itself: OpenBLAS's kernels are named after processors."""

    config: str = ""
    kernel: str = ""

    @property
    def has_small_products(self) -> bool:
        """Whether it multiplies small matrices as they are, without rearranging them first.

        OpenBLAS's kernels for AVX-512 do so up to 1,000,000 multiplications (interface/gemm.c,
        kernel/x86_64/sgemm_small_kernel_permit_skylakex.c).
        """
        version = re.search(r"OpenBLAS (\d+)\.(\d+)\.(\d+)", self.config)
        if version is None or self.kernel not in _AVX512:
            return False
        return tuple(map(int, version.groups())) >= _SMALL_SINCE


SMALL_PRODUCT = 1_000_000
"""Multiplications that `has_small_products` is about."""


@cache
def blas() -> Blas:
    """The OpenBLAS that NumPy has loaded; an empty answer if it is another library."""
    for path in loaded():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        config, kernel = _ask(library, "get_config"), _ask(library, "get_corename")
        if config or kernel:
            return Blas(config, kernel)
    return Blas()


def loaded() -> Iterator[str]:
    """Paths of libraries of that name: those that wheels of NumPy bring, then those in memory."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs", package / ".libs"):
        yield from sorted(str(path) for path in folder.glob("*openblas*"))
    maps = Path("/proc/self/maps")
    if maps.exists():
        paths = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines()}
        yield from sorted(path for path in paths if "blas" in Path(path).name)


def _ask(library: ctypes.CDLL, function: str) -> str:
    """What a function without arguments says, under whatever name the library was built with."""
    for prefix in ("scipy_openblas_", "openblas_"):
        for suffix in ("64_", "", "_64"):
            try:
                found = getattr(library, f"{prefix}{function}{suffix}")
            except AttributeError:
                continue
            found.restype = ctypes.c_char_p
            answer = found()
            return answer.decode() if isinstance(answer, bytes) else ""
    return ""
