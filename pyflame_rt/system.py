"""What `pfrt-run --inspect` says of the system when no model is given: what decides how fast it is."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from pyflame_rt import __version__
from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.numpy_backend.blas import blas
from pyflame_rt.backends.numpy_backend.blas_threads import blas_threads
from pyflame_rt.backends.registry import BackendRegistry

_OPTIONAL = ("numba", "llvmlite", "onnxruntime", "torch", "pillow", "google-re2")
_WIDE = ("avx512f", "avx2", "asimd")


@dataclass(frozen=True)
class System:
    """A machine and the libraries on it.

    `vectors` is the widest of the known vector extensions that the processor has, `blas_kernel` the
    processor that OpenBLAS takes it for ("" for another library), `blas_pinned` whether
    OPENBLAS_CORETYPE says so, `machine_code` the kind that sessions compile to ("" if they do not),
    `packages` the versions of optional packages that are installed.
    """

    version: str
    python: str
    processor: str
    cores: int
    vectors: str
    numpy: str
    blas: str
    blas_kernel: str
    blas_pinned: bool
    blas_threads: int
    machine_code: str
    backends: tuple[str, ...]
    packages: dict[str, str]

    def as_json(self) -> dict[str, object]:
        """The fields, for a report."""
        return dict(vars(self))

    def lines(self) -> Iterable[str]:
        """The report for people."""
        yield f"pyflame_rt  {self.version}, Python {self.python}, NumPy {self.numpy}"
        yield f"processor   {self.processor}, {self.cores} cores, {self.vectors or 'no known vectors'}"
        kernel = f"kernel {self.blas_kernel}" if self.blas_kernel else "an unknown kernel"
        pinned = ", pinned by OPENBLAS_CORETYPE" if self.blas_pinned else ""
        yield f"BLAS        {self.blas or 'not OpenBLAS'}"
        yield f"            {kernel}{pinned}, {self.blas_threads} threads"
        yield f"compiled    {self.machine_code or 'nothing: sessions run on NumPy'}"
        yield f"backends    {', '.join(self.backends)}"
        found = ", ".join(f"{name} {known}" for name, known in self.packages.items())
        yield f"optional    {found or 'none'}"


def inspect_system() -> System:
    """This machine."""
    name, flags = processor()
    library = blas()
    return System(
        version=__version__,
        python=platform.python_version(),
        processor=name,
        cores=os.cpu_count() or 1,
        vectors=next((wide for wide in _WIDE if wide in flags), ""),
        numpy=np.__version__,
        blas=library.config,
        blas_kernel=library.kernel,
        blas_pinned="OPENBLAS_CORETYPE" in os.environ,
        blas_threads=blas_threads().count,
        machine_code=kernels.wanted(),
        backends=tuple(BackendRegistry.instance().available_backends()),
        packages={name: found for name in _OPTIONAL if (found := _installed(name))},
    )


def processor() -> tuple[str, frozenset[str]]:
    """The processor's name and its flags, as Linux tells them; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    fields = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    name = fields.get("model name") or platform.processor() or platform.machine()
    return name, frozenset((fields.get("flags") or fields.get("Features") or "").split())


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
