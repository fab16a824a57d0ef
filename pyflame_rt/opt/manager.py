"""The pass manager: named optimizations on a Graph, with statistics of what each did."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias, cast

from xdsl.passes import ModulePass

from pyflame_rt import pipelines
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.rewriting import explaining
from pyflame_rt.errors import PassFailed, PyFlameRTError, ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.opt.configs import (
    Config,
    ConstantFoldingConfig,
    CSEConfig,
    DCEConfig,
    FusionConfig,
    LayoutConfig,
)
from pyflame_rt.options import OptLevel
from pyflame_rt.pass_statistics import Census, PassStats, refusals, say
from pyflame_rt.passes import optimization_levels


@dataclass
class PassResult:
    """What one or more passes did to a graph.

    `modified`: whether anything is different. `warnings`: what a user may want to know.
    """

    modified: bool = False
    stats: PassStats = field(default_factory=PassStats)
    warnings: list[str] = field(default_factory=list[str])

    def add(self, other: PassResult) -> None:
        """Count what another pass did in."""
        self.modified |= other.modified
        self.stats += other.stats
        self.warnings += [text for text in other.warnings if text not in self.warnings]


class Pass(ABC):
    """An optimization of one's own.

    `run` gets a graph whose module, `graph.program().module`, is its own to rewrite. Its result says
    `nodes_fused`, `constants_folded` and `warnings`; the other counts are taken from the module
    itself.
    """

    @abstractmethod
    def name(self) -> str:
        """What it is called by `run_pass` and `skip_passes`."""

    def description(self) -> str:
        """A sentence."""
        return ""

    def should_run(self, level: OptLevel) -> bool:
        """Whether `PassManager.run` runs it at a level."""
        return True

    @abstractmethod
    def run(self, graph: Graph) -> PassResult:
        """Change the graph's module."""


class DocumentedPass:
    """An optimization of the documentation with its settings: passes under a common name."""

    NAME: ClassVar[str]
    CONFIG: ClassVar[type[Config]]

    def __init__(self, config: Config | None = None):
        if config is not None and not isinstance(config, self.CONFIG):
            raise ValidationError(
                f"takes a {self.CONFIG.__name__}, not {type(config).__name__}", where=self.NAME
            )
        self.config = self.CONFIG() if config is None else config

    def name(self) -> str:
        """The name in the documentation."""
        return self.NAME

    def description(self) -> str:
        """The passes it stands for, as `pfrt-opt -p` takes them."""
        return pipelines.to_text(self.config.passes())

    def should_run(self, level: OptLevel) -> bool:
        """Whether it is a part of a level."""
        steps = optimization_levels.STEPS
        levels = [step.level for step in steps if step.documented == self.NAME]
        return level >= min(levels, default=max(optimization_levels.LEVELS))


class ConstantFoldingPass(DocumentedPass):
    """Computes what depends on no input."""

    NAME = optimization_levels.FOLDING
    CONFIG = ConstantFoldingConfig


class DeadCodeEliminationPass(DocumentedPass):
    """Removes what no output depends on."""

    NAME = optimization_levels.DEAD_CODE
    CONFIG = DCEConfig


class CSEPass(DocumentedPass):
    """Computes once what is computed twice."""

    NAME = optimization_levels.COMMON
    CONFIG = CSEConfig


class OperatorFusionPass(DocumentedPass):
    """Makes one node of several."""

    NAME = optimization_levels.FUSION
    CONFIG = FusionConfig


class LayoutOptimizationPass(DocumentedPass):
    """Chooses the layout of images."""

    NAME = optimization_levels.LAYOUT
    CONFIG = LayoutConfig


BUILT_IN: tuple[type[DocumentedPass], ...] = (
    ConstantFoldingPass,
    DeadCodeEliminationPass,
    CSEPass,
    OperatorFusionPass,
    LayoutOptimizationPass,
)

Registrable: TypeAlias = (
    Pass | type[Pass] | DocumentedPass | type[DocumentedPass] | ModulePass | type[ModulePass] | str
)


@dataclass
class PassManagerConfig:
    """How a pass manager works.

    `opt_level`: which registered passes `run` runs. `max_iterations`: of `run_until_fixed_point`.
    `verbose`: say what each pass did. `validate_after_pass`: verify the module after each pass, not
    only at the end. `skip_passes`: names of passes that do not run.
    """

    opt_level: OptLevel = OptLevel.EXTENDED
    max_iterations: int = 10
    verbose: bool = False
    validate_after_pass: bool = False
    skip_passes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class _Entry:
    """A registered pass: its own name, that of the optimization it is a part of, from which level."""

    name: str
    documented: str
    level: int
    instance: Pass | ModulePass

    def answers_to(self, name: str) -> bool:
        return name in (self.name, self.documented)

    def runs_at(self, level: OptLevel) -> bool:
        if isinstance(self.instance, Pass):
            return self.instance.should_run(level)
        return self.level <= level


class PassManager:
    """Passes in order, run on graphs.

    A graph that is changed becomes a view of its optimised module; one that a pass fails on, or that
    nothing changes in, stays as it was. A session's graph is a view: the session is not changed.
    """

    def __init__(self, config: PassManagerConfig | None = None):
        self.config = PassManagerConfig() if config is None else config
        self._entries: list[_Entry] = []

    @classmethod
    def create_default(cls, level: OptLevel = OptLevel.EXTENDED) -> PassManager:
        """A manager with the passes of an optimization level, as sessions run them."""
        manager = cls(PassManagerConfig(opt_level=OptLevel(level)))
        for step in optimization_levels.STEPS:
            if step.level <= level:
                name = step.instance.name
                manager._entries.append(_Entry(name, step.documented, step.level, step.instance))
        return manager

    @property
    def passes(self) -> tuple[str, ...]:
        """Names of the registered passes, in order."""
        return tuple(entry.name for entry in self._entries)

    def register_pass(self, item: Registrable) -> None:
        """Add a pass after the others.

        A class or instance of `Pass`, of one of the documented passes, or of xDSL's ModulePass; or
        text: a documented name, or a pipeline of passes of ours, xDSL's, and installed packages
        (entry points `xdsl.universe`).
        Raises PipelineError for such a text, ValidationError for anything else.
        """
        self._entries += _entries(item)

    def run(self, graph: Graph) -> PassResult:
        """Run the passes of the manager's level once.

        Raises PassFailed, ValidationError for a graph that is no model, and what a custom pass
        raises as PassFailed.
        """
        return self._run(graph, self._chosen())

    def run_pass(self, name: str, graph: Graph) -> PassResult:
        """Run the passes that go by a name, whatever the level. Raises as `run` does, and
        ValidationError when there is none."""
        entries = [entry for entry in self._entries if entry.answers_to(name)]
        if not entries:
            known = ", ".join(dict.fromkeys(self._names())) or "none"
            raise ValidationError(
                f'no pass "{name}" is registered', where="PassManager", hint=f"there are {known}"
            )
        return self._run(graph, entries)

    def run_until_fixed_point(self, graph: Graph) -> PassResult:
        """Run the passes of the manager's level until they change nothing more. Raises as `run`."""
        total, entries = PassResult(), self._chosen()
        for _ in range(self.config.max_iterations):
            result = self._run(graph, entries)
            total.add(result)
            if not result.modified:
                return total
        total.warnings.append(f"still changing after {self.config.max_iterations} iterations")
        return total

    def _names(self) -> Iterable[str]:
        for entry in self._entries:
            yield from filter(None, (entry.documented, entry.name))

    def _chosen(self) -> list[_Entry]:
        skipped, level = self.config.skip_passes, OptLevel(self.config.opt_level)
        return [
            entry
            for entry in self._entries
            if entry.runs_at(level) and not any(entry.answers_to(name) for name in skipped)
        ]

    def _run(self, graph: Graph, entries: Sequence[_Entry]) -> PassResult:
        given = graph.program()
        program = Program(given.ctx, given.module.clone(), given.name)
        total = PassResult()
        for name in self.config.skip_passes:
            if not any(entry.answers_to(name) for entry in self._entries):
                total.warnings.append(f'skip_passes: no pass "{name}" is registered')
        with explaining() if self.config.verbose else nullcontext() as explanation:
            for entry in entries:
                program, result = self._applied(entry, program)
                total.add(result)
                if explanation is not None:
                    say(f"{entry.name}: {result.stats}")
                    for line in refusals(entry.name, explanation):
                        say(line)
        if not self.config.validate_after_pass:
            pipelines.verify_module(program.module)
        if total.modified:
            graph.become_view_of(program)
        return total

    def _applied(self, entry: _Entry, program: Program) -> tuple[Program, PassResult]:
        before, census = program.module.clone(), Census.of(program.module)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            program, own = _applied(entry.instance, program)
        module = program.module
        if self.config.validate_after_pass:
            try:
                pipelines.verify_module(module)
            except ValidationError as error:
                where = f"{entry.name}: {error.where}" if error.where else entry.name
                raise PassFailed(f"left invalid IR: {error.message}", where=where) from error
        stats = Census.of(module).since(census, entry.name)
        stats.nodes_fused += own.stats.nodes_fused
        stats.constants_folded += own.stats.constants_folded
        notes = [*own.warnings, *(str(warning.message) for warning in caught)]
        return program, PassResult(not before.is_structurally_equivalent(module), stats, notes)


def _applied(instance: Pass | ModulePass, program: Program) -> tuple[Program, PassResult]:
    """Run a pass on a program that is its own to change; the program it leaves, and what it says."""
    if isinstance(instance, ModulePass):
        pipelines.run(program.ctx, program.module, (instance,))
        return program, PassResult()
    graph = Graph.of_program(program)
    try:
        result = cast(object, instance.run(graph))
    except PyFlameRTError:
        raise
    except Exception as error:
        raise PassFailed(pipelines.one_line(error), where=instance.name()) from error
    if not isinstance(result, PassResult):
        raise PassFailed(
            f"run returned {type(result).__name__}, not a PassResult", where=instance.name()
        )
    return graph.program(), result


def _entries(item: object) -> list[_Entry]:
    if isinstance(item, str):
        if (built_in := {kind.NAME: kind for kind in BUILT_IN}.get(item)) is not None:
            return _entries(built_in)
        return [_entry(p) for p in pipelines.expanded(pipelines.parse(item))]
    instance = _instance(item)
    if isinstance(instance, DocumentedPass):
        level = next(level for level in OptLevel if instance.should_run(level))
        return [_Entry(p.name, instance.name(), level, p) for p in instance.config.passes()]
    if isinstance(instance, Pass):
        return [_Entry(instance.name(), "", 0, instance)]
    if isinstance(instance, ModulePass):
        return [_entry(p) for p in pipelines.expanded((instance,))]
    raise ValidationError(
        f"cannot register {item!a}",
        where="PassManager",
        hint="give a Pass, a ModulePass, or the text of a pipeline",
    )


def _entry(instance: ModulePass) -> _Entry:
    return _Entry(instance.name, optimization_levels.documented_name(instance.name), 0, instance)


def _instance(item: object) -> object:
    if not isinstance(item, type):
        return item
    kind = cast("type[object]", item)
    try:
        return kind()
    except TypeError as error:
        raise ValidationError(
            f"{kind.__name__} cannot be made: {error}", where="PassManager"
        ) from error
