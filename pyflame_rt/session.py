"""InferenceSession: ONNX Runtime's Python API over a pipeline and a backend."""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy.typing as npt
from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, ModuleOp, StringAttr

from pyflame_rt import compiler, feeds, module_files, pipelines
from pyflame_rt.array_files import write_arrays
from pyflame_rt.compiler import CompiledModel, Program, TensorSpec, overridable_initializers
from pyflame_rt.errors import InputError, PyFlameRTError, ValidationError
from pyflame_rt.files import write_text
from pyflame_rt.graph import Graph
from pyflame_rt.options import SessionOptions
from pyflame_rt.pass_statistics import narrating

Array: TypeAlias = npt.NDArray[Any]
Shapes: TypeAlias = tuple[tuple[int, ...], ...]

PROVIDERS = ("CPUExecutionProvider",)
_COUNTED_SIGNATURES = 256
_OVERRIDING_KEPT = 8
"""For how many sets of overridden initializers a compiled model is kept: n names have 2^n sets."""
_POSTPONED = 100
"""How many times as often a signature must come back after its plan was dropped or could not be
made. Compiling costs as much as hundreds of runs, and signatures that come in turn, more than there
are plans kept, would otherwise be compiled in every run."""


def get_available_providers() -> list[str]:
    """The execution providers that a session can use."""
    return list(PROVIDERS)


def get_device() -> str:
    """The device that sessions run on by default."""
    return "CPU"


@dataclass(frozen=True)
class NodeArg:
    """An input or output of a model: name, `tensor(float)`-style type, shape.

    Dimensions are ints, symbols, or None for unknown ones; `shape` is [] for a scalar and when the
    rank is unknown, which `rank` (None) tells apart.
    """

    name: str
    type: str
    shape: list[int | str | None]
    rank: int | None

    @staticmethod
    def of(spec: TensorSpec) -> NodeArg:
        """The description of a compiled model's input or output."""
        rank = None if spec.shape is None else len(spec.shape)
        return NodeArg(spec.name, spec.type, list(spec.shape or ()), rank)


@dataclass(frozen=True)
class ModelMetadata:
    """What a model's file says about itself."""

    producer_name: str = ""
    graph_name: str = ""
    domain: str = ""
    description: str = ""
    graph_description: str = ""
    version: int = 0
    custom_metadata_map: dict[str, str] = field(default_factory=dict[str, str])
    producer_version: str = ""

    @property
    def custom_metadata(self) -> dict[str, str]:
        """`custom_metadata_map` under its documented name."""
        return self.custom_metadata_map


class InferenceSession:
    """A model, compiled and ready to run; safe to use from several threads.

    `path_or_bytes` is a path (`.onnx`, `.onnxtxt`, `.mlir`), an ONNX model's bytes, or a Graph.
    A model with dynamic dimensions runs on one dynamic plan; an input signature that comes back
    (`SessionOptions.specialize_after`) gets a plan of its own. Initializers that may be overridden
    are constants until one is fed: the model is then read again, with the fed ones as inputs, and
    compiled for that set of names.

    Raises ModelNotFoundError, InvalidModelError, UnsupportedFormatError, UnsupportedOperatorError,
    ValidationError (options), PassFailed and BackendError.
    """

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[str] | bytes | Graph,
        sess_options: SessionOptions | None = None,
        providers: Sequence[str | tuple[str, dict[str, Any]]] | None = None,
        *,
        options: SessionOptions | None = None,
    ):
        self._options = sess_options or options or SessionOptions()
        if problems := self._options.validate():
            raise ValidationError("; ".join(problems), where="SessionOptions")
        _check_providers(providers or ())
        self._source = _lasting(path_or_bytes)
        self._program = _load(path_or_bytes)
        # What cannot be read again can only be fed what it has as inputs.
        module = self._program.module
        self._overridable = () if self._source is None else overridable_initializers(module)
        self._overriding: OrderedDict[frozenset[str], InferenceSession] = OrderedDict()
        self._metadata = _metadata(self._program.module)
        self._optimized = self._optimize()
        self._plan = self._compile("")
        self._static = all(spec.is_static for spec in self._plan.inputs)
        self._specialized: OrderedDict[Shapes, CompiledModel] = OrderedDict()
        self._seen: OrderedDict[Shapes, int] = OrderedDict()
        self._lock = threading.Lock()
        self._compiling = threading.Lock()
        self._reading = threading.Lock()

    @property
    def pipeline(self) -> str:
        """The pipeline that leads from the model as imported to the plan, as `pfrt-opt -p` takes it.

        It is the dynamic plan's when the model has dynamic dimensions; `pipeline_for` tells which
        one an input runs on.
        """
        return self._pipeline_of(self._plan)

    def pipeline_for(self, input_feed: Mapping[str, object]) -> str:
        """The pipeline of the plan on which `run` would execute these inputs now."""
        if (session := self._session_overriding(input_feed)) is not None:
            return session.pipeline_for(input_feed)
        arrays = feeds.prepare(input_feed, self._plan.inputs)
        return self._pipeline_of(self._plan_for(_shapes(arrays), count=False))

    def get_inputs(self) -> list[NodeArg]:
        """The inputs that must be fed, in order."""
        return [NodeArg.of(spec) for spec in self._plan.inputs if spec.default is None]

    def get_outputs(self) -> list[NodeArg]:
        """The outputs, in order."""
        return [NodeArg.of(spec) for spec in self._plan.outputs]

    def get_overridable_initializers(self) -> list[NodeArg]:
        """What may be fed and has a value if it is not: initializers that are inputs too.

        ONNX models have them from IR version 4 on; in IR the arguments with a `pfrt.default`.
        """
        with_default = (spec for spec in self._plan.inputs if spec.default is not None)
        return [NodeArg.of(spec) for spec in (*with_default, *self._overridable)]

    def get_modelmeta(self) -> ModelMetadata:
        """Producer, names, descriptions, version and custom metadata of the model file."""
        return self._metadata

    def get_providers(self) -> list[str]:
        """The execution providers this session uses."""
        return list(PROVIDERS)

    def get_session_options(self) -> SessionOptions:
        """The options the session was made with."""
        return self._options

    def graph(self) -> Graph:
        """The model as imported, as a Graph."""
        return Graph.of_program(self._program)

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, object]
    ) -> list[Array]:
        """Run the model.

        `output_names`: which outputs, in any order, repeats allowed; None or [] for all.
        `input_feed`: input name -> array of exactly the declared dtype (any strides and byte
        order), or a Python list or scalar, which is converted.
        Returns fresh writable arrays.

        Raises InputError (missing, unknown), DTypeMismatchError, ShapeMismatchError, BackendError,
        and what loading raises when an initializer is overridden for the first time.
        """
        if (session := self._session_overriding(input_feed)) is not None:
            return session.run(output_names, input_feed)
        arrays = feeds.prepare(input_feed, self._plan.inputs)
        chosen = self._output_indices(output_names)
        results = self._plan_for(_shapes(arrays), count=True).run(arrays)
        if chosen is None:
            return results
        return [
            deepcopy(results[i]) if i in chosen[:k] else results[i] for k, i in enumerate(chosen)
        ]

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
        folder = Path(directory)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PyFlameRTError(f"cannot make the folder: {error}", where=str(folder)) from error
        module_files.save(self._program.module, folder / "model.mlir")
        inputs = ""
        pipeline = self.pipeline
        if input_feed is not None:
            arrays = feeds.prepare(input_feed, self._plan.inputs)
            named = dict(zip((s.name for s in self._plan.inputs), arrays, strict=True))
            write_arrays(folder / "inputs.npz", named)
            inputs = " --inputs inputs.npz"
            pipeline = self.pipeline_for(input_feed)
        write_text(folder / "pipeline.txt", pipeline + "\n")
        write_text(
            folder / "run.sh",
            "#!/bin/sh\nset -e\n"
            'cd "$(dirname "$0")"\n'
            'pfrt-opt model.mlir -p "$(cat pipeline.txt)" -o lowered.mlir\n'
            f"pfrt-run lowered.mlir{inputs} --output outputs.npz\n",
        )

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
                program = compiler.load(self._source, initializers_as_inputs=names)
                options = copy(self._options)
                options.optimized_model_filepath = ""
                found = InferenceSession(Graph.of_program(program), options)
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

    def _optimize(self) -> ModuleOp:
        options, module = self._options, self._program.module.clone()
        text = compiler.optimization_pipeline(options.optimization_level, options.skip_passes)
        with narrating(module, options.verbose_optimization) as narrator:
            pipelines.run(
                self._program.ctx,
                module,
                pipelines.parse(text),
                narrator,
                verify=True,
                verify_each=options.validate_after_pass,
            )
        if path := os.fspath(options.optimized_model_filepath):
            module_files.save(module, path)
        return module

    def _compile(self, pipeline: str) -> CompiledModel:
        return compiler.compile_module(
            self._optimized,
            self._program.ctx,
            "numpy",
            pipeline,
            verify_each=self._options.validate_after_pass,
        )

    def _pipeline_of(self, plan: CompiledModel) -> str:
        level, skip = self._options.optimization_level, self._options.skip_passes
        return compiler.join(compiler.optimization_pipeline(level, skip), plan.pipeline)

    def _plan_for(self, shapes: Shapes, *, count: bool) -> CompiledModel:
        if self._static:
            return self._plan
        with self._lock:
            if (plan := self._specialized.get(shapes)) is not None:
                self._specialized.move_to_end(shapes)
                return plan
            if not count or not self._comes_back(shapes):
                return self._plan
        # Nobody waits for the compiler but who started it: the dynamic plan takes any shapes.
        if not self._compiling.acquire(blocking=False):
            return self._plan
        try:
            return self._specialized.get(shapes) or self._specialize(shapes)
        finally:
            self._compiling.release()

    def _comes_back(self, shapes: Shapes) -> bool:
        """Count a run of a signature; whether it has come often enough to be specialised."""
        needed = self._options.specialize_after
        if needed == 0:
            return False
        self._seen[shapes] = self._seen.pop(shapes, 0) + 1
        if len(self._seen) > _COUNTED_SIGNATURES:
            self._seen.popitem(last=False)
        return self._seen[shapes] >= needed

    def _specialize(self, shapes: Shapes) -> CompiledModel:
        try:
            level, skip = self._options.optimization_level, self._options.skip_passes
            plan = self._compile(
                compiler.specialization_pipeline(self._plan.inputs, shapes, level, skip)
            )
        except PyFlameRTError:
            # Shapes that do not fit each other: the run fails, or not, as it did the first time.
            with self._lock:
                self._postpone(shapes)
            return self._plan
        with self._lock:
            self._specialized[shapes] = plan
            if len(self._specialized) > self._options.max_specialized_plans:
                dropped, _ = self._specialized.popitem(last=False)
                self._postpone(dropped)
        return plan

    def _postpone(self, shapes: Shapes) -> None:
        self._seen[shapes] = -_POSTPONED * self._options.specialize_after

    def _output_indices(self, output_names: Sequence[str] | None) -> list[int] | None:
        if output_names is None:
            return None
        if isinstance(output_names, str):
            raise InputError(
                f'output_names must be a list of names, got the string "{output_names}"',
                hint=f'pass ["{output_names}"]',
            )
        known = [spec.name for spec in self._plan.outputs]
        names = list(output_names)
        for name in names:
            if name not in known:
                raise InputError(
                    f'there is no output "{name}"', hint=f"outputs are {', '.join(known)}"
                )
        return [known.index(name) for name in names] or None


def _shapes(values: Sequence[Any]) -> Shapes:
    """What decides on which plan values run; containers do not."""
    return tuple(getattr(value, "shape", ()) for value in values)


def _load(source: object) -> Program:
    if isinstance(source, Graph):
        return source.program()
    if isinstance(source, str | os.PathLike | bytes):
        return compiler.load(cast("str | os.PathLike[str] | bytes", source))
    raise InputError(
        f"cannot load a model from {type(source).__name__}",
        hint="give a path, an ONNX model's bytes, or a Graph",
    )


def _lasting(source: object) -> str | bytes | None:
    """What an ONNX model can be read from again, wherever the process has gone meanwhile."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | os.PathLike):
        path = Path(cast("str | os.PathLike[str]", source))
        return str(path.absolute()) if path.suffix.lower() in (".onnx", ".onnxtxt") else None
    return None


def _check_providers(providers: Sequence[str | tuple[str, dict[str, Any]]]) -> None:
    if isinstance(providers, str):
        raise ValidationError(
            f'providers must be a list of names, got the string "{providers}"',
            where="InferenceSession",
            hint=f'pass ["{providers}"]',
        )
    names = [entry if isinstance(entry, str) else entry[0] for entry in providers]
    for name in names:
        if name not in PROVIDERS:
            warnings.warn(
                f"Specified provider '{name}' is not in available provider names. "
                f"Available providers: '{', '.join(PROVIDERS)}'",
                UserWarning,
                stacklevel=3,
            )


def _metadata(module: ModuleOp) -> ModelMetadata:
    attr = module.attributes.get("pfrt.model")
    if not isinstance(attr, DictionaryAttr):
        return ModelMetadata()

    def text(key: str) -> str:
        value = attr.data.get(key)
        return value.data if isinstance(value, StringAttr) else ""

    version = attr.data.get("version")
    custom = attr.data.get("custom_metadata")
    entries = custom.data.items() if isinstance(custom, DictionaryAttr) else ()
    return ModelMetadata(
        producer_name=text("producer_name"),
        graph_name=text("graph_name"),
        domain=text("domain"),
        description=text("description"),
        graph_description=text("graph_description"),
        version=version.value.data if isinstance(version, IntegerAttr) else 0,
        custom_metadata_map={
            key: value.data for key, value in entries if isinstance(value, StringAttr)
        },
        producer_version=text("producer_version"),
    )
