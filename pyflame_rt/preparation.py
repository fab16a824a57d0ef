"""The steps from what a session is given to what it runs: load, override, optimise, compile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from pyflame_rt import compiler, linking, module_files, pipelines
from pyflame_rt.backends.base import Threads, find_function, get_backend
from pyflame_rt.backends.watching import memory_limited
from pyflame_rt.compiler import CompiledModel, Program
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import constant_attr, tensor_of
from pyflame_rt.errors import ArgumentTypeError, InputError, ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.kernels import table
from pyflame_rt.options import SessionOptions
from pyflame_rt.ort import embedding
from pyflame_rt.ort.enums import ExecutionMode
from pyflame_rt.ort.errors import ModelLoadCanceled
from pyflame_rt.ort.providers import backend_of
from pyflame_rt.ort.value import OrtValue
from pyflame_rt.pass_statistics import narrating

if TYPE_CHECKING:
    from pyflame_rt.quantization import QuantizationReport

_ONNX = (".onnx", ".onnxtxt")


def checked_options(options: object) -> SessionOptions:
    """The options of a new session; defaults for None.

    Raises ArgumentTypeError, ValidationError, and ModelLoadCanceled.
    """
    if options is None:
        return SessionOptions()
    if not isinstance(options, SessionOptions):
        raise ArgumentTypeError(
            f"sess_options are SessionOptions, got {type(options).__name__}",
            where="InferenceSession",
        )
    if problems := options.validate():
        raise ValidationError("; ".join(problems), where="SessionOptions")
    if options.load_is_cancelled:
        raise ModelLoadCanceled("Session initialization canceled due to user request.")
    return options


def load(source: object, options: SessionOptions) -> Program:
    """The model of a session, with the initializers of its options. Raises as `compiler.load`."""
    if isinstance(source, Graph):
        program = source.program()
    else:
        given = cast("str | os.PathLike[str] | bytes", source)
        if (options.initializers or options.files) and lasting(source) is not None:
            given = embedding.embedded(given, options.initializers, options.files)
        program = compiler.load(given)
    if options.initializers:
        program = Program(program.ctx, program.module.clone(), program.name)
        _replace(program.module, options.initializers)
    return program


def quantized(
    program: Program, options: SessionOptions
) -> tuple[Program, QuantizationReport | None]:
    """The model as the options have it quantized, with a report; as it is where they do not."""
    config = options.quantization
    if config is None:
        return program, None
    from pyflame_rt.quantization import QuantMode, sessions

    if config.mode is QuantMode.None_:
        return program, None
    data, batches = options.calibration_data, options.calibration_batches
    return sessions.quantized(program, config, data, batches)


def lasting(source: object) -> str | bytes | None:
    """What an ONNX model can be read from again, wherever the process has gone meanwhile."""
    if isinstance(source, bytes):
        return source if module_files.is_onnx(source) else None
    if isinstance(source, str | os.PathLike):
        path = Path(cast("str | os.PathLike[str]", source))
        return str(path.absolute()) if path.suffix.lower() in _ONNX else None
    return None


def _replace(module: ModuleOp, values: Mapping[str, OrtValue]) -> None:
    """Give constants other values of the same type."""
    for op in module.walk():
        if not isinstance(op, ConstantOp) or op.names is None:
            continue
        for name in op.names.data:
            if name not in values:
                continue
            array = values[name].numpy()
            if tensor_of(array) != op.result.type:
                raise InputError(
                    f"is a {tensor_of(array)}, the model's a {op.result.type}",
                    where=f'initializer "{name}"',
                )
            op.properties["value"] = constant_attr(array)


def free_dimensions(module: ModuleOp, options: SessionOptions, source: object) -> str:
    """The pass that gives dimensions the sizes of the options; "" when none is concerned."""
    from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass

    labels = set(_labels(find_function(module, "main")))
    dims = tuple(f"{n}={size}" for n, size in options.free_dimensions.items() if n in labels)
    shapes = tuple(_denoted(source, options.denoted_dimensions))
    if not dims and not shapes:
        return ""
    return pipelines.to_text((PfrtSpecializeShapesPass(shapes=shapes, dims=dims),))


def _labels(function: FuncOp) -> Iterator[str]:
    """The names of dimensions of a function's inputs."""
    rows: Sequence[DictionaryAttr] = () if function.arg_attrs is None else function.arg_attrs.data
    for row in rows:
        labels = row.data.get("pfrt.dims")
        for label in cast("ArrayAttr[Attribute]", labels) if isinstance(labels, ArrayAttr) else ():
            if isinstance(label, StringAttr) and label.data:
                yield label.data


def _denoted(source: object, sizes: Mapping[str, int]) -> Iterator[str]:
    """Shapes of inputs of an ONNX model whose dimensions denote what a size is given for."""
    where = lasting(source) if sizes else None
    if where is None:
        return
    import onnx

    data = where if isinstance(where, bytes) else Path(where).read_bytes()
    for value in onnx.load_model_from_string(data).graph.input:
        dims = value.type.tensor_type.shape.dim
        found = [str(sizes[dim.denotation]) if dim.denotation in sizes else "?" for dim in dims]
        if any(size != "?" for size in found):
            yield f"{value.name}={'x'.join(found)}"


def optimized(
    program: Program, prefix: str, options: SessionOptions, providers: Sequence[str]
) -> ModuleOp:
    """The model after the passes of the session's level, saved if the options say so."""
    module = program.module.clone()
    text = compiler.join(prefix, level_pipeline(options, providers))
    with narrating(module, options.verbose_optimization) as narrator:
        pipelines.run(
            program.ctx,
            module,
            pipelines.parse(text),
            narrator,
            verify=True,
            verify_each=options.validate_after_pass,
        )
    if options.optimized_model_filepath:
        module_files.save(module, options.optimized_model_filepath)
    return module


def level_pipeline(options: SessionOptions, providers: Sequence[str]) -> str:
    """The passes of the session's level, as far as its provider knows what they make."""
    target = get_backend(backend_of(providers))
    level = compiler.most_optimized(target, options.optimization_level)
    return compiler.optimization_pipeline(level, options.skip_passes)


def may_be_postponed(
    module: ModuleOp, options: SessionOptions, providers: Mapping[str, object]
) -> bool:
    """Whether a plan of the optimised model is sure to be made, so that it need not be made at once.

    There is a kernel for every op, and nobody asked how much memory it takes.
    """
    if options.memory_limit or backend_of(tuple(providers)) != "numpy" or linking.is_split(module):
        return False
    known = table()
    return all(
        op.name.removeprefix("pfrt.") in known or op.name in _PLAIN
        for function in module.ops
        for op in function.walk()
    )


_PLAIN = frozenset(("func.func", "func.return", "pfrt.constant", "pfrt.fused", "pfrt.yield"))
"""Ops that need no kernel."""


def compiled(
    program: Program,
    module: ModuleOp,
    pipeline: str,
    options: SessionOptions,
    providers: Mapping[str, Mapping[str, str]],
) -> CompiledModel:
    """A plan of the optimised model. Raises BackendError when it takes more than the limit."""
    name = backend_of(tuple(providers))
    with memory_limited(options.memory_limit):
        return compiler.compile_module(
            module,
            program.ctx,
            name,
            pipeline,
            options=next(iter(providers.values())),
            level=options.optimization_level,
            verify_each=options.validate_after_pass,
            threads=threads_of(options),
        )


def threads_of(options: SessionOptions) -> Threads:
    """What threads a run may use: if the options leave it open, as many as there are cores that this
    process may run on."""
    branches = options.execution_mode == ExecutionMode.ORT_PARALLEL
    if options.intra_op_num_threads > 0:
        return Threads(options.intra_op_num_threads, limit=True, branches=branches)
    usable = getattr(os, "sched_getaffinity", None)
    cores = os.cpu_count() or 1 if usable is None else len(usable(0))
    return Threads(cores, branches=branches) if cores > 1 else Threads()


def with_outputs(program: Program, positions: Sequence[int]) -> Program:
    """A program that computes only some of its outputs, given by their positions in order."""
    module = program.module.clone()
    function = find_function(module, "main")
    terminator = function.body.blocks[0].last_op
    assert terminator is not None
    terminator.operands = [terminator.operands[position] for position in positions]
    if function.res_attrs is not None:
        rows = function.res_attrs.data
        function.res_attrs = ArrayAttr([rows[position] for position in positions])
    function.update_function_type()
    return Program(program.ctx, module, program.name)
