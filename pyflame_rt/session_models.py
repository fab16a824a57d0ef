"""The model of a session: read and optimised when it is made, or later, if plans of it are on disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import compiler, module_files, preparation, prepared
from pyflame_rt.backends.base import Backend, get_backend
from pyflame_rt.backends.numpy_backend.packing import mapped_at
from pyflame_rt.compiler import CompiledModel, Program
from pyflame_rt.errors import InvalidModelError, PyFlameRTError
from pyflame_rt.frontends.onnx.external import noting_files
from pyflame_rt.model_info import ModelMetadata
from pyflame_rt.options import SessionOptions
from pyflame_rt.ort.load_errors import load_error
from pyflame_rt.ort.providers import backend_of
from pyflame_rt.prepared import About, Prepared

if TYPE_CHECKING:
    from collections.abc import Hashable
    from weakref import WeakValueDictionary

    from pyflame_rt.backends.runtime import Array
    from pyflame_rt.quantization import QuantizationReport


class SessionModel:
    """A model with the options of its session, and plans of it.

    Raises what loading and optimising raise: at once, or when the model is needed as IR after all.
    """

    def __init__(
        self,
        source: object,
        options: SessionOptions,
        providers: Mapping[str, Mapping[str, str]],
    ):
        self._given, self._options, self._providers = source, options, providers
        self._lock = threading.RLock()
        self._program: Program | None = None
        self._optimized: ModuleOp | None = None
        self.quantization: QuantizationReport | None = None
        self.loaded_ns = time.perf_counter_ns()
        """When the model was there as IR, as `time.perf_counter_ns()` has it."""
        self.prefix = ""
        """The passes that fix dimensions as the options say, before those of the level."""
        self._prepared: Prepared | None = prepared.of(source, options, providers)
        about = None if self._prepared is None else self._prepared.about()
        self.postponed = about is not None
        """Whether plans are sure to be made, so that it need not be at once."""
        self.about = self._read() if about is None else about
        # A quantized model is no more what it was read from.
        self.source = preparation.lasting(source) if self.quantization is None else None
        """What the model can be read from again."""

    @property
    def name(self) -> str:
        """What messages call it."""
        given = self._given
        if isinstance(given, str | os.PathLike):
            return os.fspath(given)
        return "<bytes>" if isinstance(given, bytes) else self.program.name

    @property
    def program(self) -> Program:
        """The model as imported."""
        with self._lock:
            if self._program is None:
                self._program = self._load()
            return self._program

    @property
    def optimized(self) -> ModuleOp:
        """The model after the passes of the options' level."""
        with self._lock:
            if self._optimized is None:
                names = tuple(self._providers)
                self._optimized = preparation.optimized(
                    self.program, self.prefix, self._options, names
                )
            return self._optimized

    def compiled(self, pipeline: str) -> CompiledModel:
        """A plan of the optimised model by further passes, from disk if it is there."""
        kept = self._prepared
        if kept is None:
            return self._compiled(pipeline)
        lowering = self._target().lowering(self._options.optimization_level)
        text = compiler.join(pipeline, lowering)
        found = kept.plan(text)
        if found is None:
            made = self._compiled(pipeline)
            kept.keep(text, made)
            return made
        about = self.about
        return CompiledModel(found, about.inputs, about.outputs, text, self._target())

    def _compiled(self, pipeline: str) -> CompiledModel:
        return preparation.compiled(
            self.program, self.optimized, pipeline, self._options, self._providers
        )

    def _target(self) -> Backend:
        backend = get_backend(backend_of(tuple(self._providers)))
        return backend.with_threads(preparation.threads_of(self._options))

    def _read(self) -> About:
        """Load and optimise the model, and keep what it says of itself."""
        program, options = self.program, self._options
        self.loaded_ns = time.perf_counter_ns()
        module = program.module
        self.prefix = preparation.free_dimensions(module, options, self._given)
        optimized = self.optimized
        inputs, outputs = compiler.signature(optimized)
        overridable = compiler.overridable_initializers(module)
        about = About(inputs, outputs, overridable, ModelMetadata.of(module))
        self.postponed = preparation.may_be_postponed(optimized, options, self._providers)
        kept = self._prepared
        if kept is not None and not (
            self.postponed and kept.is_current() and kept.keep_about(about)
        ):
            self._prepared = None
        return about

    def _load(self) -> Program:
        kept = self._prepared
        if kept is not None and not kept.is_current():
            raise InvalidModelError("has changed since the session was made", where=kept.path)
        try:
            with noting_files() as others:
                program = preparation.load(self._given, self._options)
        except PyFlameRTError as error:
            raise load_error(self._given, error) from error.__cause__
        if others:
            # Nothing tells whether these are still the same.
            self._prepared = None
        elif kept is not None:
            _share(program.module, kept)
        program, self.quantization = preparation.quantized(program, self._options)
        return program


def _share(module: ModuleOp, kept: Prepared) -> None:
    """Have the forms of constants in common with plans that are read from disk."""
    for attr in module_files.used_weights(module):
        array = attr.data.array
        first = mapped_at(array)
        if first is not None:
            place = (array.ctypes.data - first, array.nbytes, array.dtype.name)
            shared = kept.packs.setdefault(place, attr.data.packs)
            attr.data.packs = cast("WeakValueDictionary[Hashable, Array]", shared)
