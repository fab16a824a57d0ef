"""Plans on disk: a session of a model that was prepared before needs neither frontend nor passes.

What is kept lies in `pyflame_rt/plans` of the user's cache folder, by a hash of everything it follows
from: all bytes of the model, options, this package's sources, versions, settings in the environment.
As machine code is, it is used only if it belongs to the user and nobody else may write to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias, cast

import ml_dtypes
import numpy as np
import onnx

from pyflame_rt import dtypes, kernels, preparation, universe
from pyflame_rt.backends.native import store
from pyflame_rt.backends.numpy_backend.executable import PlanExecutable
from pyflame_rt.backends.numpy_backend.packing import Packs
from pyflame_rt.backends.numpy_backend.program_files import (
    NotPlainError,
    Place,
    from_bytes,
    to_bytes,
)
from pyflame_rt.compiler import CompiledModel, TensorSpec
from pyflame_rt.dialects.custom import registry
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.mapped_files import MappedFile
from pyflame_rt.model_info import ModelMetadata
from pyflame_rt.options import SessionOptions
from pyflame_rt.ort.providers import backend_of

Bytes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"

_LEAST = 1 << 20
"""Bytes of a model: a smaller one is compiled as soon as it is looked up."""
_MOST = 1 << 27
"""Bytes of constants that are kept with a plan: those that the model's file does not have."""
_PARTS, _PIECE = 4, 1 << 20
_ENVIRONMENT = ("OMP_", "OPENBLAS_", "PYFLAME_RT_")
_AS_THEY_ARE = (
    "device", "memory_limit", "skip_passes", "verbose_optimization", "validate_after_pass",
    "optimized_model_filepath", "quantization", "free_dimensions", "denoted_dimensions",
    "initializers", "files", "added_providers",
)  # fmt: skip
"""Options with which nothing is kept, unless they have their defaults."""


@dataclass(frozen=True)
class About:
    """What a session tells about its model."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    overridable: tuple[TensorSpec, ...]
    metadata: ModelMetadata


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is kept of a model, and its bytes, which are as they were when they were hashed."""

    folder: Path
    key: str
    model: Bytes
    path: str | None
    identity: tuple[int, ...]
    packs: dict[Place, Packs] = field(default_factory=dict[Place, Packs])

    def is_current(self) -> bool:
        """Whether the file at the model's path is that of which the bytes are."""
        try:
            return self.path is None or self.identity == _identity(os.stat(self.path))
        except OSError:
            return False

    def is_overwritten(self) -> bool:
        """Whether the file of the bytes has been changed in its place, and they with it."""
        try:
            found = None if self.path is None else _identity(os.stat(self.path))
        except OSError:
            return False
        is_same_file = found is not None and found[:2] == self.identity[:2]
        return is_same_file and found != self.identity

    def about(self) -> About | None:
        """What is kept about the model."""
        data = store.read(self.folder, self._name("about"))
        if data is None:
            return None
        try:
            rows, metadata = json.loads(data)
            inputs, outputs, overridable = (tuple(map(_spec, some)) for some in rows)
            return About(inputs, outputs, overridable, ModelMetadata(**metadata))
        except (KeyError, TypeError, ValueError):
            return None

    def keep_about(self, about: About) -> bool:
        """Keep that; whether it can be kept."""
        specs = (about.inputs, about.outputs, about.overridable)
        if any(not _is_plain(spec) for some in specs for spec in some):
            return False
        rows = [[[s.name, s.dtype.name, s.shape] for s in some] for some in specs]
        text = json.dumps([rows, asdict(about.metadata)])
        self._write(self._name("about"), text.encode())
        return True

    def plan(self, pipeline: str) -> PlanExecutable | None:
        """The plan that the pipeline leads to, ready to run; None if the model's bytes have changed."""
        if self.is_overwritten():
            return None
        data = store.read(self.folder, self._name("plan", pipeline))
        if data is None:
            return None
        try:
            return PlanExecutable(from_bytes(data, self.model, self.packs))
        except (PyFlameRTError, ValueError):
            # As if it were not there: what is wrong comes out when it is made.
            return None

    def keep(self, pipeline: str, plan: CompiledModel) -> None:
        """Keep a plan that the pipeline has led to, unless it has what cannot be written."""
        executable = plan.executable
        if not isinstance(executable, PlanExecutable) or not self.is_current():
            return
        try:
            data = to_bytes(executable.program, self.model, _MOST)
        except NotPlainError:
            return
        self._write(self._name("plan", pipeline), data)

    def _name(self, *parts: str) -> str:
        return store.key_of(self.key, *parts)

    def _write(self, name: str, data: bytes) -> None:
        store.write(self.folder, name, data)


def of(
    source: object, options: SessionOptions, providers: Mapping[str, Mapping[str, str]]
) -> Prepared | None:
    """What is kept of a session's model; None where nothing is."""
    folder = store.default_folder("plans")
    if folder is None or not _is_usual(options, providers):
        return None
    where = preparation.lasting(source)
    if isinstance(where, bytes):
        if len(where) < _LEAST:
            return None
        model, path, identity = np.frombuffer(where, np.uint8), None, ()
        digest = _digest(len(where), partial(_piece, memoryview(where)))
    elif where is not None and where.endswith(".onnx"):
        try:
            with open(where, "rb") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode) or about.st_size < _LEAST:
                    return None
                model = MappedFile.of_descriptor(file.fileno(), where).data()
                digest = _digest(about.st_size, _reader(file.fileno(), model))
                identity, path = _identity(os.fstat(file.fileno())), where
        except OSError:
            return None
    else:
        return None
    settings = json.dumps([options.optimization_level, path is None, sorted(providers)])
    key = store.key_of(digest, settings, *_environment(), *_versions())
    return Prepared(folder, key, model, path, identity)


def _is_usual(options: SessionOptions, providers: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether what is prepared follows from the model and what is in the key alone."""
    usual = SessionOptions()
    return (
        backend_of(tuple(providers)) == "numpy"
        and not any(providers.values())
        and all(getattr(options, name) == getattr(usual, name) for name in _AS_THEY_ARE)
        and not kernels.REGISTERED
        and not registry.definitions()
        and not universe.is_extended()
    )


def _identity(about: os.stat_result) -> tuple[int, ...]:
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _digest(size: int, read: Callable[[int, int], Any]) -> str:
    """A hash of all bytes, in parts that are hashed at the same time."""
    part = max(1, -(-size // _PARTS))

    def digest(first: int) -> str:
        hasher = hashlib.sha256()
        end = min(first + part, size)
        for start in range(first, end, _PIECE):
            hasher.update(read(start, min(_PIECE, end - start)))
        return hasher.hexdigest()

    with ThreadPoolExecutor(_PARTS) as pool:
        return " ".join((str(size), *pool.map(digest, range(0, size, part))))


def _piece(data: memoryview, start: int, count: int) -> memoryview:
    return data[start : start + count]


def _reader(file: int, model: Bytes) -> Callable[[int, int], Any]:
    """What reads a file: not through its map, of which all pages would stay in memory."""
    if not hasattr(os, "pread"):
        return partial(_piece, model.data)
    return lambda start, count: os.pread(file, count, start)


def _environment() -> Iterator[str]:
    for name in sorted(os.environ):
        if name.startswith(_ENVIRONMENT) and name not in (store.FOLDER, store.ROOM):
            yield f"{name}={os.environ[name]}"


@cache
def _versions() -> tuple[str, ...]:
    """What code reads models and makes plans: this package's sources by size and time, and others'."""
    sources = sorted(_sources(os.path.dirname(os.path.abspath(__file__))))
    known = (version("xdsl"), *(module.__version__ for module in (np, onnx, ml_dtypes)))
    return (sys.version, platform.platform(), platform.machine(), *known, *sources)


def _sources(folder: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _sources(entry.path)
        elif entry.name.endswith(".py"):
            about = entry.stat()
            yield f"{entry.path} {about.st_size} {about.st_mtime_ns}"


def _is_plain(spec: TensorSpec) -> bool:
    return spec.container is None and spec.default is None and spec.dtype in dtypes.by_numpy()


def _spec(row: Sequence[Any]) -> TensorSpec:
    name, dtype, shape = row
    dims = None if shape is None else tuple(cast("Sequence[int | str | None]", shape))
    return TensorSpec(name, _dtypes()[dtype], dims)


@cache
def _dtypes() -> Mapping[str, np.dtype[Any]]:
    return {row.numpy.name: row.numpy for row in dtypes.table()}
