"""The ways to run a module that are compared, and what is wrong with a graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from agreement.judging import Judge
from pyflame_rt import compiler, pipelines
from pyflame_rt.backends.base import ANY_THREADS, Executable, Threads, get_backend
from pyflame_rt.universe import make_context

Feeds: TypeAlias = Sequence[Sequence[Any]]


@cache
def _passes(pipeline: str) -> tuple[ModulePass, ...]:
    return pipelines.parse(pipeline)


@cache
def _context() -> Context:
    return make_context()


def optimised(
    module: ModuleOp, pipeline: str | Sequence[ModulePass], *, verify: bool = True
) -> ModuleOp:
    """A copy of a module after a pipeline, verified. Raises what the pipeline raises."""
    copy = module.clone()
    passes = _passes(pipeline) if isinstance(pipeline, str) else pipeline
    pipelines.run(_context(), copy, passes, verify=verify)
    return copy


def planned(module: ModuleOp, level: int, pipeline: str = "") -> Executable:
    """The NumPy plan of a module that is optimised, as a session of that level lowers it.

    Above level 0 it has two threads, and every call that can be cut is, however small.
    """
    threads = Threads(2) if level else ANY_THREADS
    backend = get_backend("numpy").with_threads(threads)
    lowering = backend.lowering(level).replace("split{threads=2", "split{threads=2 worth=0")
    lowered = optimised(module, compiler.join(pipeline, lowering), verify=False)
    return backend.compile(lowered)


def specialised(module: ModuleOp, level: int, feed: Sequence[Any]) -> Executable:
    """The NumPy plan of a module that is optimised, for exactly these inputs."""
    inputs, _ = compiler.signature(module)
    shapes = [getattr(array, "shape", ()) for array in feed]
    return planned(module, level, compiler.specialization_pipeline(inputs, shapes))


@dataclass
class Examination:
    """A module run in the ways that are asked for, each compared with the module as it is.

    `levels` are the optimization levels of dynamic plans, `specialise` those of plans made for
    feeds, the last `most` of them. `complaints` say what is wrong.
    """

    module: ModuleOp
    feeds: Feeds
    levels: Sequence[int] = (0, 1, 2, 3)
    specialise: Sequence[int] = (2, 3)
    most: int = 9
    backend: str = "reference"
    """What runs level 0 and the exact model: "numpy" for models that take the interpreter long."""
    second_looks: list[str] = field(default_factory=list[str])

    def complaints(self) -> list[str]:
        """One line for each way that fails, or whose answers are not good enough."""
        return list(self._complaints())

    def _complaints(self) -> Iterator[str]:
        first = compiler.compile_module(self.module, _context(), self.backend, "")
        raw = _Lazy(self.module) if self.backend == "reference" else first
        judges = [
            Judge(self.module, feed, [first.run(feed)], (lambda f=feed: raw.run(f)), self.backend)
            for feed in self.feeds
        ]
        for level in sorted({*self.levels, *self.specialise}):
            try:
                better = optimised(self.module, compiler.optimization_pipeline(level))
            except Exception as error:
                yield f"level {level}: {type(error).__name__}: {error}"
                continue
            if level in self.levels:
                yield from self._of_plan(level, better, judges)
            if level in self.specialise:
                yield from self._of_special_plans(level, better, judges)
        for judge in judges:
            self.second_looks += judge.second_looks

    def _of_plan(self, level: int, module: ModuleOp, judges: Sequence[Judge]) -> Iterator[str]:
        try:
            plan = planned(module, level)
        except Exception as error:
            yield f"level {level}, dynamic plan: {type(error).__name__}: {error}"
            return
        for judge in judges:
            yield from _run(f"level {level}, dynamic plan", plan, judge)

    def _of_special_plans(
        self, level: int, module: ModuleOp, judges: Sequence[Judge]
    ) -> Iterator[str]:
        for judge in judges[-self.most :]:
            shapes = [getattr(array, "shape", ()) for array in judge.feed]
            way = f"level {level}, plan for {shapes}"
            try:
                plan = specialised(module, level, judge.feed)
            except Exception as error:
                yield f"{way}: {type(error).__name__}: {error}"
                continue
            yield from _run(way, plan, judge)


@dataclass
class _Lazy:
    """The plan of level 0, made when it is first run."""

    module: ModuleOp
    plan: Executable | None = None

    def run(self, feed: Sequence[Any]) -> Sequence[Any]:
        if self.plan is None:
            self.plan = planned(self.module, 0)
        return self.plan.run(feed)


def _run(way: str, executable: Executable, judge: Judge) -> Iterator[str]:
    try:
        why = judge.complain(executable.run(judge.feed))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    if why:
        yield f"{way} on {[getattr(a, 'shape', ()) for a in judge.feed]}: {why}"
