"""InferenceSession: ONNX Runtime's Python API over a pipeline and a backend."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias, cast

import numpy.typing as npt

from pyflame_rt import collecting, compiler, feeds, logs, preparation, reproducing
from pyflame_rt.compiler import CompiledModel, Program
from pyflame_rt.errors import ArgumentTypeError, PyFlameRTError
from pyflame_rt.feeds import Feeder
from pyflame_rt.graph import Graph
from pyflame_rt.model_info import ModelMetadata, NodeArg
from pyflame_rt.options import SessionOptions
from pyflame_rt.ort import providers
from pyflame_rt.ort.absent import AbsentFromSessions
from pyflame_rt.ort.errors import InvalidArgument, with_status
from pyflame_rt.ort.io_binding import IOBinding
from pyflame_rt.ort.providers import Provider
from pyflame_rt.ort.run_errors import run_error
from pyflame_rt.ort.run_options import RunOptions, require_run_options, run_mismatch
from pyflame_rt.ort.value import OrtValue
from pyflame_rt.plans import Plans, Signature
from pyflame_rt.profiling import Profile, Recorder
from pyflame_rt.session_models import SessionModel
from pyflame_rt.watches import watch_of

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.runs import WseReport
    from pyflame_rt.quantization import QuantizationReport

Array: TypeAlias = npt.NDArray[Any]
Callback: TypeAlias = Callable[[list[Any], Any, str], object]

_OVERRIDING_KEPT = 8
"""For how many sets of overridden initializers a compiled model is kept: n names have 2^n sets."""
_IGNORED = frozenset({"disabled_optimizers", "enable_fallback", "read_config_from_model"})
"""Keywords that ONNX Runtime knows and that mean nothing here."""


class InferenceSession(AbsentFromSessions):
    """A model, compiled and ready to run; safe to use from several threads.

    `path_or_bytes` (or `model_path`) is a path, a model's bytes, or a Graph; `sess_options` (or
    `options`) are SessionOptions; `device` is that of the options. Other keywords are ignored, as by
    ONNX Runtime, unless `strict`.

    A model with dynamic dimensions runs on one dynamic plan; an input signature that comes back
    (`SessionOptions.specialize_after`) gets a plan of its own, made by another thread. Where nothing
    but the batch is open, the first signature has its own at once. Initializers that may be
    overridden are constants until one is fed: the model is then read again, with the fed ones as
    inputs, and compiled for that set of names.

    Errors have ONNX Runtime's class and text where it has them, and are of our own classes as well:
    ModelNotFoundError, InvalidModelError, UnsupportedFormatError, UnsupportedOperatorError,
    ValidationError (options), PassFailed and BackendError.
    """

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[str] | bytes | Graph | None = None,
        sess_options: SessionOptions | None = None,
        providers: Sequence[Provider] | None = None,
        provider_options: Sequence[dict[str, Any]] | None = None,
        *,
        model_path: str | os.PathLike[str] | None = None,
        options: SessionOptions | None = None,
        device: str | None = None,
        strict: bool = False,
        **keywords: object,
    ):
        source = model_path if path_or_bytes is None else path_or_bytes
        try:
            given = sess_options or options
            if device is not None:
                given = copy(given) if given is not None else SessionOptions()
                given.device = device
            with collecting.paused():
                self._start(source, given, providers, provider_options)
            if strict and (unknown := sorted(keywords.keys() - _IGNORED)):
                raise ArgumentTypeError(
                    f"InferenceSession() has no keyword {unknown[0]!r}", where="InferenceSession"
                )
        except PyFlameRTError as error:
            raise with_status(error) from error.__cause__

    def _start(
        self,
        source: object,
        options: SessionOptions | None,
        asked: Sequence[Provider] | None,
        provider_options: Sequence[dict[str, Any]] | None,
    ) -> None:
        began = time.perf_counter_ns()
        self._options = preparation.checked_options(options)
        if not self._options.added_providers:
            asked, provider_options = providers.for_device(
                self._options.device, asked, provider_options
            )
        self._providers = providers.normalized(
            asked, provider_options, self._options.added_providers
        )
        _require_source(source)
        self._model = model = SessionModel(source, self._options, self._providers)
        self._source, self._quantization = model.source, model.quantization
        # What cannot be read again can only be fed what it has as inputs.
        self._overridable = () if self._source is None else model.about.overridable
        self._overriding: OrderedDict[frozenset[str], InferenceSession] = OrderedDict()
        self._fetching: OrderedDict[tuple[int, ...], InferenceSession] = OrderedDict()
        self._metadata = model.about.metadata
        self._inputs, self._outputs = model.about.inputs, model.about.outputs
        # Of a session that is dropped, nothing holds the plans and their memory.
        self._plans = Plans(model.compiled, self._options, self._inputs, postponed=model.postponed)
        self._is_static = self._plans.is_static
        if self._is_static:
            self._run_static = self._plans.dynamic.executable.run
        self._feed = Feeder(self._inputs)
        self._positions = {spec.name: index for index, spec in enumerate(self._outputs)}
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._recorder = Recorder()
        if self._options.enable_profiling:
            profile = self._recorder.profile = Profile(self._options.profile_file_prefix, began)
            profile.session_event("model_loading", began, model.loaded_ns)
            profile.session_event("session_initialization", model.loaded_ns, time.perf_counter_ns())
        self._is_limited = self._options.memory_limit > 0
        logs.log(1, self._options.log_severity_level, "%s: session is ready", model.name)

    @property
    def pipeline(self) -> str:
        """The pipeline that leads from the model as imported to the plan, as `pfrt-opt -p` takes it.

        It is the dynamic plan's when the model has dynamic dimensions; `pipeline_for` tells which
        one an input runs on.
        """
        return self._pipeline_of(self._plans.dynamic)

    def pipeline_for(self, input_feed: Mapping[str, object]) -> str:
        """The pipeline of the plan on which inputs of these shapes ran last; before any such run,
        that of the dynamic plan."""
        if (session := self._session_overriding(input_feed)) is not None:
            return session.pipeline_for(input_feed)
        values = self._fed(input_feed)
        return self._pipeline_of(self._plans.find(values))

    def signatures(self) -> list[Signature]:
        """The input shapes of the last runs, the latest first: how often each came, and whether
        there is a plan for it. Empty for a model of static shape."""
        return self._plans.signatures()

    def settle(self) -> None:
        """Wait until no plan is being made: what has come back often enough has one of its own."""
        self._plans.settle()

    def is_quantized(self) -> bool:
        """Whether the session's options had the model quantized."""
        return self._quantization is not None

    def quantization_report(self) -> QuantizationReport:
        """What quantization did. Raises InvalidArgument when the model was not quantized."""
        if self._quantization is None:
            raise InvalidArgument(
                "the session's model was not quantized", hint="set SessionOptions.quantization"
            )
        return self._quantization

    def wse_report(self) -> WseReport:
        """What the last run took on the simulated wafer: cycles in all and by step.

        Raises InvalidArgument when the session runs elsewhere.
        """
        from pyflame_rt.backends.wse.backend import WseBackend

        backend = self._plans.last.backend
        if not isinstance(backend, WseBackend):
            raise InvalidArgument("the session does not run on a wafer: device is cpu")
        return backend.report()

    def get_inputs(self) -> list[NodeArg]:
        """The inputs that must be fed, in order."""
        return [NodeArg.of(spec) for spec in self._inputs if spec.default is None]

    def get_outputs(self) -> list[NodeArg]:
        """The outputs, in order."""
        return [NodeArg.of(spec) for spec in self._outputs]

    def get_overridable_initializers(self) -> list[NodeArg]:
        """What may be fed and has a value if it is not: initializers that are inputs too.

        ONNX models have them from IR version 4 on; in IR the arguments with a `pfrt.default`.
        """
        with_default = (spec for spec in self._inputs if spec.default is not None)
        return [NodeArg.of(spec) for spec in (*with_default, *self._overridable)]

    def get_modelmeta(self) -> ModelMetadata:
        """Producer, names, descriptions, version and custom metadata of the model file."""
        return self._metadata

    def get_providers(self) -> list[str]:
        """The execution providers this session uses."""
        return list(self._providers)

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        """The options of each of the session's providers."""
        return {name: dict(options) for name, options in self._providers.items()}

    def set_providers(
        self,
        providers: Sequence[Provider] | None = None,
        provider_options: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """Use other execution providers; the model is compiled again. Raises as the constructor."""
        source = Graph.of_program(self._model.program) if self._source is None else self._source
        self.__init__(source, self._options, providers, provider_options)

    def enable_fallback(self) -> None:
        """Without effect: what a provider does not support always runs on the CPU."""

    def disable_fallback(self) -> None:
        """Without effect: what a provider does not support always runs on the CPU."""

    def get_session_options(self) -> SessionOptions:
        """The options the session was made with."""
        return self._options

    def graph(self) -> Graph:
        """The model as imported, as a Graph."""
        return Graph.of_program(self._model.program)

    def get_initializer(self, name: str) -> Array:
        """The values of a constant of the model. Raises InvalidArgument when there is none."""
        found = self.graph().initializers
        if name not in found:
            raise InvalidArgument(f"Invalid initializer name: {name}")
        return found[name]

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, object],
        run_options: RunOptions | None = None,
    ) -> list[Any]:
        """Run the model.

        `output_names`: which outputs, in any order, repeats allowed; None or [] for all.
        `input_feed`: input name -> array of exactly the declared dtype (any strides and byte
        order), an OrtValue, or a Python list or scalar, which is converted.
        Returns fresh writable arrays.

        Raises MissingInputError and other InputErrors, DTypeMismatchError, ShapeMismatchError,
        BackendError, and what loading raises when an initializer is overridden for the first time;
        all but the first, and objects that cannot be fed, with a status of ONNX Runtime's.
        """
        if self._overridable and (other := self._session_overriding(input_feed)) is not None:
            return other.run(output_names, input_feed, run_options)
        values: list[Any] = []
        try:
            values = self._feed(input_feed)
            if run_options is None and not self._is_limited and self._recorder.profile is None:
                if output_names is None:
                    if self._is_static:
                        return self._run_static(values)
                    return self._plans.take(values).executable.run(values)
                chosen = self._chosen(output_names, input_feed, None)
                results = self._plans.take(values).executable.run(values)
            else:
                chosen = self._chosen(output_names, input_feed, run_options)
                if run_options is not None and run_options.only_execute_path_to_fetches:
                    return self._fetched(chosen, values, run_options)
                results = self._watched_run(values, run_options)
        except PyFlameRTError as error:
            raise self._told(error, values) from error.__cause__
        return _picked(results, chosen)

    def run_into(
        self,
        outputs: Mapping[str, Array | None],
        input_feed: Mapping[str, object],
        run_options: RunOptions | None = None,
    ) -> list[Any]:
        """As `run`, with the results of these names in the arrays given for them where they fit.

        A result that is not such an array is a fresh one: of a shape that is not known before the
        run, or of another one than the array, or where the array overlaps an input.
        """
        overrides = self._overridable and self._session_overriding(input_feed) is not None
        if overrides or run_options is not None or self._is_limited:
            return self.run(list(outputs), input_feed, run_options)
        if self._recorder.profile is not None:
            return self.run(list(outputs), input_feed)
        values: list[Any] = []
        try:
            values = self._feed(input_feed)
            chosen = self._chosen(list(outputs), input_feed, None)
            given: list[Array | None] = [None] * len(self._positions)
            for position, array in zip(chosen or (), outputs.values(), strict=False):
                given[position] = array
            results = self._plans.take(values).executable.run_into(values, given)
        except PyFlameRTError as error:
            raise self._told(error, values) from error.__cause__
        return _picked(results, chosen)

    def run_async(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, object],
        callback: Callback,
        user_data: object,
        run_options: RunOptions | None = None,
    ) -> None:
        """Run the model in another thread, which then calls `callback(results, user_data, error)`.

        `error` is "" or says what failed; the results are then []. Inputs are kept until then.
        Raises MissingInputError at once, as ONNX Runtime does.
        """
        feeds.require_all(input_feed, self._inputs)
        if not callable(callback):
            raise ArgumentTypeError(f"run_async() calls back a function, not {callback!r}")
        feed = dict(input_feed)
        self._executor().submit(
            self._run_and_call, output_names, feed, callback, user_data, run_options
        )

    def run_with_ort_values(
        self,
        output_names: Sequence[str] | None,
        input_dict_ort_values: Mapping[str, OrtValue],
        run_options: RunOptions | None = None,
    ) -> list[OrtValue]:
        """As `run`, from OrtValues to OrtValues."""
        return [
            OrtValue(v) for v in self.run(output_names, dict(input_dict_ort_values), run_options)
        ]

    def io_binding(self) -> IOBinding:
        """An object that binds inputs and outputs to memory, for `run_with_iobinding`."""
        return IOBinding(self)

    def run_with_iobinding(
        self, iobinding: IOBinding, run_options: RunOptions | None = None
    ) -> None:
        """Run on what is bound. Raises ValidationError for another session's binding, and
        SettingError, a RuntimeError, whatever else fails."""
        iobinding.run(self, run_options)

    def create_ortvalue_from_shape_and_type(
        self,
        shape: Sequence[int],
        element_type: npt.DTypeLike | int,
        device_type: str,
        device_id: int = 0,
        vendor_id: int = -1,
    ) -> OrtValue:
        """A tensor of unspecified elements."""
        return OrtValue.ortvalue_from_shape_and_type(
            shape, element_type, device_type, device_id, vendor_id
        )

    def end_profiling(self) -> str:
        """Write what `SessionOptions.enable_profiling` has recorded; the name of the file.

        "" when nothing was recorded. Raises PyFlameRTError when the file cannot be written.
        """
        profile, self._recorder.profile = self._recorder.profile, None
        return "" if profile is None else profile.end()

    def get_profiling_start_time_ns(self) -> int:
        """When recording began, as `time.perf_counter_ns()` has it; 0 when it did not."""
        profile = self._recorder.profile
        return 0 if profile is None else profile.start_ns

    def get_tuning_results(self) -> list[object]:
        """What was tuned: nothing."""
        return []

    def release_captured_graph(self, graph_annotation_id: int = 0) -> None:
        """Without effect: no graphs are captured."""

    def save_reproducer(
        self, directory: str | os.PathLike[str], input_feed: Mapping[str, object] | None = None
    ) -> None:
        """Write what reproduces this session with `pfrt-opt` and `pfrt-run`, byte for byte.

        `model.mlir` and `model.weights` (the model as imported), `pipeline.txt`, `inputs.npz` when
        inputs are given (the pipeline is then the one they run on), and `run.sh`, which makes
        `lowered.mlir` and `outputs.npz`.
        Raises PyFlameRTError when the folder cannot be written.
        """
        if (session := self._session_overriding(input_feed)) is not None:
            session.save_reproducer(directory, input_feed)
            return
        if input_feed is None:
            reproducing.save(Path(directory), self._model.program.module, self.pipeline)
            return
        named = dict(zip((s.name for s in self._inputs), self._fed(input_feed), strict=True))
        pipeline = self.pipeline_for(input_feed)
        reproducing.save(Path(directory), self._model.program.module, pipeline, named)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end_profiling()
        if self._pool is not None:
            self._pool.shutdown()

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "cannot pickle 'pyflame_rt.capi.onnxruntime_pybind11_state.InferenceSession' object"
        )

    def _fed(self, input_feed: Mapping[str, object]) -> list[Any]:
        try:
            return self._feed(input_feed)
        except PyFlameRTError as error:
            raise self._told(error, ()) from error.__cause__

    def _told(self, error: PyFlameRTError, values: Sequence[Any]) -> PyFlameRTError:
        """The error that a caller of `run` sees."""
        if not values:
            return with_status(error, bare=True)
        return run_error(error, self._model.optimized, self._inputs, values)

    def _chosen(self, output_names: object, feed: object, run_options: object) -> list[int] | None:
        """The positions of the requested outputs; None for all of them."""
        names = output_names
        if isinstance(names, str) or not (names is None or hasattr(names, "__iter__")):
            raise run_mismatch(self, names, feed, run_options)
        require_run_options(run_options, self, names, feed)
        chosen: list[int] = []
        for name in () if names is None else cast("Sequence[str]", names):
            position = self._positions.get(name)
            if position is None:
                known = ", ".join(self._positions)
                raise InvalidArgument(f"Invalid output name:{name}", hint=f"outputs are {known}")
            chosen.append(position)
        return chosen or None

    def _watched_run(self, values: list[Any], run_options: RunOptions | None) -> list[Any]:
        profile = self._recorder.profile
        watch = watch_of(run_options, self._options.memory_limit, profile)
        plan = self._plans.take(values)
        if watch is None:
            return plan.executable.run(values)
        if profile is None:
            return plan.executable.run_watched(values, watch)
        with profile.run("" if run_options is None else run_options.tag or run_options.logid):
            return plan.executable.run_watched(values, watch)

    def _fetched(
        self, chosen: list[int] | None, values: list[Any], run_options: RunOptions
    ) -> list[Any]:
        """A run of only what the chosen outputs need."""
        wanted = tuple(sorted(set(chosen or ())))
        if not wanted or len(wanted) == len(self._positions):
            return _picked(self._watched_run(values, run_options), chosen)
        with self._lock:
            session = self._fetching.get(wanted)
        if session is None:
            program = preparation.with_outputs(self._model.program, wanted)
            session = self._derived(program)
            with self._lock:
                self._fetching[wanted] = session
                if len(self._fetching) > _OVERRIDING_KEPT:
                    self._fetching.popitem(last=False)
        results = session._watched_run(values, run_options)
        return _picked(results, [wanted.index(position) for position in chosen or ()])

    def _run_and_call(
        self,
        output_names: Sequence[str] | None,
        feed: Mapping[str, object],
        callback: Callback,
        user_data: object,
        run_options: RunOptions | None,
    ) -> None:
        results, text = [], ""
        try:
            results = self.run(output_names, feed, run_options)
        except PyFlameRTError as error:
            text = error.message
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
        try:
            callback(results, user_data, text)
        except Exception as error:
            logs.log(3, self._options.log_severity_level, "the callback of run_async: %r", error)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(thread_name_prefix="run_async")
            return self._pool

    def _session_overriding(self, feed: object) -> InferenceSession | None:
        """The session whose inputs are also the constants that a feed overrides, if it does."""
        if self._source is None or not self._overridable or not isinstance(feed, Mapping):
            return None
        names = frozenset(spec.name for spec in self._overridable if spec.name in feed)
        if not names:
            return None
        if (found := self._kept_overriding(names)) is not None:
            return found
        with self._reading:
            if (found := self._kept_overriding(names)) is None:
                try:
                    program = compiler.load(self._source, initializers_as_inputs=names)
                    found = self._derived(program)
                except PyFlameRTError as error:
                    raise with_status(error) from error.__cause__
                with self._lock:
                    self._overriding[names] = found
                    if len(self._overriding) > _OVERRIDING_KEPT:
                        self._overriding.popitem(last=False)
        return found

    def _kept_overriding(self, names: frozenset[str]) -> InferenceSession | None:
        with self._lock:
            if names in self._overriding:
                self._overriding.move_to_end(names)
            return self._overriding.get(names)

    def _derived(self, program: Program) -> InferenceSession:
        """A session of another form of the model, with the same options."""
        options = copy(self._options)
        options.optimized_model_filepath = ""
        options.enable_profiling = False
        options.quantization = None
        names, settings = list(self._providers), list(self._providers.values())
        session = InferenceSession(Graph.of_program(program), options, names, settings)
        session._recorder = self._recorder
        return session

    def _pipeline_of(self, plan: CompiledModel) -> str:
        level = preparation.level_pipeline(self._options, tuple(self._providers))
        return compiler.join(self._model.prefix, level, plan.pipeline)


def _picked(results: list[Any], chosen: Sequence[int] | None) -> list[Any]:
    """The chosen results, a copy of what is chosen again."""
    if chosen is None:
        return results
    return [deepcopy(results[i]) if i in chosen[:k] else results[i] for k, i in enumerate(chosen)]


def _require_source(source: object) -> None:
    if not isinstance(source, str | os.PathLike | bytes | Graph):
        raise ArgumentTypeError(
            f"Unable to load from type '{type(source)}'",
            hint="give a path, a model's bytes, or a Graph",
        )
