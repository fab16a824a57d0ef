"""A stage where it runs: read from its file, compiled for each input signature, run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import compiler
from pyflame_rt.backends.base import Threads
from pyflame_rt.compiler import CompiledModel
from pyflame_rt.dialects.custom.registry import definitions
from pyflame_rt.errors import BackendError, PyFlameRTError
from pyflame_rt.partition.transports.base import StageProgram
from pyflame_rt.plugins import PluginError, load_plugin

Array: TypeAlias = npt.NDArray[Any]
Shapes: TypeAlias = tuple[tuple[int, ...], ...]
Layout: TypeAlias = tuple[np.dtype[Any], tuple[int, ...]]
"""Element type and shape of an array."""

_SPECIALIZED = 8
"""For how many input signatures a stage is compiled; others run on one plan for all shapes."""


@dataclass
class _Plan:
    model: CompiledModel
    outputs: list[Layout | None] | None = None
    """What the last run made; None for what is no plain array."""


class LoadedStage:
    """A stage that is ready to run, by one thread at a time.

    A signature is compiled when it is seen first, that of a static module at once: the same shapes
    give the same bits in every run.
    Errors are BackendErrors that say stage, device and op.
    """

    def __init__(self, program: StageProgram):
        self.program = program
        self._plans: dict[Shapes | None, _Plan] = {}
        try:
            _know_operators(program)
            self._source = compiler.load(program.path, weights=program.weights)
            self._inputs, _ = compiler.signature(self._source.module)
            self._is_static = all(spec.is_static for spec in self._inputs)
            if self._is_static:
                self._plan(())
        except Exception as error:
            raise stage_error(program, error) from None

    def run(self, values: Sequence[Any], outputs: Sequence[Array | None] = ()) -> list[Any]:
        """Run on inputs in order, if it can into arrays that are given for outputs."""
        try:
            plan = self._plan(values)
            if any(array is not None for array in outputs):
                results: list[Any] = plan.model.executable.run_into(values, outputs)
            else:
                results = list(plan.model.run(values))
        except Exception as error:
            raise stage_error(self.program, error) from None
        plan.outputs = [_layout(value) for value in results]
        return results

    def layouts(self, values: Sequence[Any]) -> list[Layout | None] | None:
        """What a run on values of these shapes makes, if there was one that told."""
        plan = self._plans.get(self._key(values))
        return None if plan is None else plan.outputs

    def _key(self, values: Sequence[Any]) -> Shapes | None:
        if self._is_static:
            return None
        shapes = tuple(tuple(getattr(value, "shape", ())) for value in values)
        return shapes if shapes in self._plans or len(self._plans) < _SPECIALIZED else None

    def _plan(self, values: Sequence[Any]) -> _Plan:
        key = self._key(values)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _Plan(self._compiled(key))
        return plan

    def _compiled(self, shapes: Shapes | None) -> CompiledModel:
        program = self.program
        pipeline = ""
        if shapes is not None:
            pipeline = compiler.specialization_pipeline(self._inputs, shapes, program.level)
        threads = Threads(program.threads, limit=True)
        return compiler.compile_module(
            self._source.module, self._source.ctx, program.backend, pipeline,
            level=program.lowering, threads=threads,
        )  # fmt: skip


def load_stage(program: StageProgram) -> LoadedStage | PyFlameRTError:
    """A stage that is ready to run, or why it is not, which is then the error of its tasks."""
    try:
        return LoadedStage(program)
    except PyFlameRTError as error:
        return error


def _know_operators(program: StageProgram) -> None:
    """Load the plugins that bring a stage's custom operators. Raises BackendError."""
    hint = "workers load plugins and run no script: put it into a plugin, or use threads"
    if _unknown(program):
        for name in program.plugins:
            try:
                load_plugin(name)
            except PluginError as error:
                hint = str(error)
    if unknown := _unknown(program):
        raise BackendError(f"the worker knows no operator {', '.join(unknown)}", hint=hint)


def _unknown(program: StageProgram) -> list[str]:
    known = {definition.schema.full_name for definition in definitions()}
    return [name for name in program.operators if name not in known]


def stage_error(program: StageProgram, error: BaseException) -> BackendError:
    """One error that says in which stage, on which device and in which op something failed."""
    where = f'stage "{program.name}" on {program.device}'
    if isinstance(error, PyFlameRTError):
        inner = "" if error.where is None else f", {error.where}"
        return BackendError(error.message, where=where + inner, hint=error.hint)
    return BackendError(f"{type(error).__name__}: {error}", where=where)


def _layout(value: Any) -> Layout | None:
    if not isinstance(value, np.ndarray):
        return None
    array = cast(Array, value)
    return None if array.dtype.hasobject else (array.dtype, array.shape)
