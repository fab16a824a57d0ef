"""Running a program in the ways that `pfrt-run` offers: compiled, as a test, value by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from pyflame_rt import compiler, pipelines, tuning
from pyflame_rt.backends import base
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.compiler import CompiledModel, Program, TensorSpec
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.profiling import Profile
from pyflame_rt.tuning import Tuning

Array: TypeAlias = npt.NDArray[Any]


def compile_program(program: Program, backend: str, pipeline: str, level: int = 2) -> CompiledModel:
    """Compile `@main` of a clone of a program: `pipeline` first, then what the backend needs for an
    optimization level.

    The pipeline may lower to plan itself. Raises PipelineError, PassFailed, BackendError.
    """
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(pipeline))
    return compiler.compile_module(module, program.ctx, backend, "", level=level)


def backend_values(
    program: Program, backend: str, pipeline: str, inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Outputs by name as a backend computes them after a pipeline. Raises as `compile_program`."""
    model = compile_program(program, backend, pipeline)
    results = model.run([inputs[spec.name] for spec in model.inputs])
    return {spec.name: array for spec, array in zip(model.outputs, results, strict=True)}


def tuned(program: Program, pipeline: str, level: int = 2) -> tuple[Program, Tuning]:
    """A program after a pipeline, the algorithms of its ops measured for the NumPy backend at an
    optimization level. Raises PipelineError, PassFailed."""
    module = program.module.clone()
    before = NumpyBackend.before_plan(level)
    pipelines.run(program.ctx, module, pipelines.parse(compiler.join(pipeline, before)))
    return Program(program.ctx, module, program.name), tuning.tune(module, program.ctx)


def profiled(model: CompiledModel, feed: Sequence[Any], runs: int) -> Profile:
    """A record of runs of a model, after one that is not recorded."""
    with (first := Profile()).run():
        model.executable.run_watched(feed, first)
    profile = Profile()
    for index in range(runs):
        with profile.run(f"run {index}"):
            model.executable.run_watched(feed, profile)
    return profile


def pipeline_for(
    specs: Sequence[TensorSpec], feed: Sequence[Any], level: int, *, specialize: bool
) -> str:
    """The passes of an optimization level; with `specialize`, for just these inputs as well."""
    text = compiler.optimization_pipeline(level)
    if not specialize or all(spec.is_static for spec in specs):
        return text
    # Containers have no shape to fix.
    shapes = [getattr(value, "shape", ()) for value in feed]
    return compiler.join(text, compiler.specialization_pipeline(specs, shapes, level))


def has_main(module: ModuleOp) -> bool:
    """Whether a module is a program rather than a test."""
    return any(op.sym_name.data == "main" for op in _functions(module))


def argumentless_functions(module: ModuleOp) -> list[str]:
    """The functions to run of a module that is a test: it has no `@main`, and they take nothing."""
    if has_main(module):
        return []
    functions = _functions(module)
    return [op.sym_name.data for op in functions if not op.function_type.inputs.data]


def _functions(module: ModuleOp) -> list[FuncOp]:
    return [op for op in module.ops if isinstance(op, FuncOp) and op.body.blocks]


def run_tests(
    program: Program, functions: Sequence[str], backend: str, pipeline: str | None = None
) -> dict[str, str | None]:
    """Run functions that take nothing; for each why it failed, None if it did not.

    Raises PipelineError and PassFailed when the module cannot be lowered at all.
    """
    target = base.get_backend(backend)
    module = program.module.clone()
    text = pipeline or ""
    pipelines.run(program.ctx, module, pipelines.parse(text))
    if not compiler.is_lowered(module):
        pipelines.run(program.ctx, module, pipelines.parse(target.pipeline))
    outcomes: dict[str, str | None] = {}
    for name in functions:
        try:
            target.compile(module, name).run([])
            outcomes[name] = None
        except PyFlameRTError as error:
            outcomes[name] = str(error)
    return outcomes


def reference_values(
    program: Program, pipeline: str, inputs: Mapping[str, Array], *, layers: bool
) -> dict[str, Array]:
    """Outputs by name as the reference backend computes them after a pipeline on pfrt.

    With `layers` also every value that has a name. Raises as compiling and running do.
    """
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(pipeline))
    specs, outputs = compiler.signature(module)
    values: dict[str, Array] = {}

    def observe(op: PfrtOp, names: tuple[str, ...], arrays: Sequence[Array]) -> None:
        values.update((n, a) for n, a in zip(names, arrays, strict=True) if n)

    interpreter = ReferenceBackend().compile(module)
    arrays = [inputs[spec.name] for spec in specs]
    results = interpreter.run(arrays, observe if layers else None)
    values.update((spec.name, a) for spec, a in zip(outputs, results, strict=True))
    return values
