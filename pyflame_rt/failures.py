"""Whether a program still computes what it should after passes and on a backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.passes import ModulePass

from pyflame_rt import compiler, pipelines
from pyflame_rt.comparison import Difference, Tolerance, compare_all
from pyflame_rt.compiler import Program
from pyflame_rt.errors import PyFlameRTError


@dataclass(frozen=True)
class Failure:
    """What went wrong: an error's class and text, or "differs" and the values that differ."""

    kind: str
    text: str
    differences: tuple[Difference, ...] = ()

    @property
    def first(self) -> Difference | None:
        """The first value that differs."""
        return self.differences[0] if self.differences else None


@dataclass(frozen=True)
class Check:
    """How programs are judged: on which backend they run, and how much values may differ."""

    backend: str
    tolerance: Tolerance

    def failure(
        self,
        program: Program,
        passes: Sequence[ModulePass],
        inputs: Mapping[str, Any],
        expected: Mapping[str, Any],
    ) -> Failure | None:
        """What is wrong with a program's outputs when passes have run on a copy of it, if anything.

        `inputs` and `expected` are values by name; a pass or run that fails is a failure too.
        """
        try:
            module = program.module.clone()
            pipelines.run(program.ctx, module, passes)
            model = compiler.compile_module(module, program.ctx, self.backend, "")
            results = model.run([inputs[spec.name] for spec in model.inputs])
        except PyFlameRTError as error:
            first = "" if error.where is None else error.where.partition(":")[0]
            return Failure(f"{type(error).__name__} {first}", str(error))
        actual = {spec.name: value for spec, value in zip(model.outputs, results, strict=True)}
        differences = tuple(
            d for d in compare_all(actual, expected, self.tolerance) if not d.agrees
        )
        if not differences:
            return None
        return Failure("differs", str(differences[0]), differences)
