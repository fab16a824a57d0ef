"""What passes did: nodes and constants counted before and after, and the costs of a module."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from typing import Self

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.traits import ConstantLike

from pyflame_rt.dialects.pfrt.base import PfrtOp, elements
from pyflame_rt.dialects.pfrt.control import YieldOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.rewriting import Explanation, explaining
from pyflame_rt.passes import optimization_levels

_MAKING_CONSTANTS = ("pfrt-canonicalize", "pfrt-fold-constants")
"""Passes whose new constants are the results of what they replaced."""


@dataclass
class PassStats:
    """What a pass changed, counted in the IR.

    A node is an operation of the graph, an initializer a constant. A node that is replaced by
    another is both removed and added. `nodes_fused` is by how many a fusion made the nodes fewer,
    `constants_folded` the constants that stand where nodes computed, `initializers_removed` those
    that are gone, used up or unused.
    """

    nodes_removed: int = 0
    nodes_added: int = 0
    nodes_fused: int = 0
    constants_folded: int = 0
    initializers_removed: int = 0

    def __add__(self, other: PassStats) -> PassStats:
        return PassStats(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        counts = [
            f"{getattr(self, field.name)} {field.name.replace('_', ' ')}"
            for field in fields(self)
            if getattr(self, field.name)
        ]
        return ", ".join(counts) or "no node changed"


def nodes(module: ModuleOp) -> Iterator[PfrtOp]:
    """The nodes of a module, those of control flow's regions too; a fused one counts as one."""
    for op in module.walk():
        if not isinstance(op, PfrtOp) or op.has_trait(ConstantLike) or isinstance(op, YieldOp):
            continue
        if not isinstance(op.parent_op(), FusedOp):
            yield op


def constants(module: ModuleOp) -> Iterator[PfrtOp]:
    """The constants of a module."""
    for op in module.walk():
        if isinstance(op, PfrtOp) and op.has_trait(ConstantLike):
            yield op


@dataclass(frozen=True)
class Census:
    """The nodes and constants that a module has at some time."""

    nodes: frozenset[Operation]
    constants: frozenset[Operation]

    @staticmethod
    def of(module: ModuleOp) -> Census:
        """Those that it has now."""
        return Census(frozenset(nodes(module)), frozenset(constants(module)))

    def since(self, before: Census, name: str) -> PassStats:
        """What a pass of this name did, given the census before it."""
        removed, added = len(before.nodes - self.nodes), len(self.nodes - before.nodes)
        fuses = optimization_levels.documented_name(name) == optimization_levels.FUSION
        return PassStats(
            nodes_removed=removed,
            nodes_added=added,
            nodes_fused=max(removed - added, 0) if fuses else 0,
            constants_folded=(
                len(self.constants - before.constants) if name in _MAKING_CONSTANTS else 0
            ),
            initializers_removed=len(before.constants - self.constants),
        )


class Narrator:
    """Says after each pass what it did and how long it took; an `after` of `pipelines.run`.

    With an `explanation` (`rewriting.explaining`) also what it turned down, and why.
    """

    def __init__(self, module: ModuleOp, explanation: Explanation):
        self._explanation = explanation
        self._before = Census.of(module)
        self._start = time.perf_counter()

    def __call__(self, instance: ModulePass, module: ModuleOp) -> None:
        elapsed = time.perf_counter() - self._start
        after = Census.of(module)
        stats = after.since(self._before, instance.name)
        say(f"{instance.name}: {stats} ({elapsed * 1e3:.1f} ms)")
        for line in refusals(instance.name, self._explanation):
            say(line)
        self._before = after
        self._start = time.perf_counter()


@contextmanager
def narrating(module: ModuleOp, wanted: bool) -> Generator[Narrator | None]:
    """A narrator of the passes that run on a module, or none: reasons are not even thought of."""
    if not wanted:
        yield None
        return
    with explaining() as explanation:
        yield Narrator(module, explanation)


def refusals(name: str, explanation: Explanation) -> Iterator[str]:
    """What a pass that has just run turned down, a line for each candidate."""
    for declined in explanation.take():
        yield f"{name}: {declined.op} stays as it is, because {declined.why}"


def say(text: str) -> None:
    """A line for who asked for verbosity: to the log `pyflame_rt` at level INFO, or to stderr in a
    program that has set up no logging."""
    logger = logging.getLogger("pyflame_rt")
    if logger.hasHandlers():
        logger.info(text)
    else:
        sys.stderr.write(f"{text}\n")


@dataclass(frozen=True)
class Costs:
    """What a module consists of and what one run of it costs.

    `flops` (a multiply-add is two) and `bytes` (read and written by ops) are sums over the ops of
    static shape; `exact` says whether these are all. A lowered module has only `ops`.
    """

    ops: int
    flops: int
    bytes: int
    parameters: int
    exact: bool

    @classmethod
    def of(cls, module: ModuleOp) -> Self:
        """Those of a module as it stands."""
        found = list(nodes(module))
        flops, sizes = [op.flops() for op in found], [op.bytes() for op in found]
        calls = sum(isinstance(op, CallOp) for op in module.walk())
        return cls(
            ops=len(found) + calls,
            flops=sum(count or 0 for count in flops),
            bytes=sum(size or 0 for size in sizes),
            parameters=sum(elements(op.results[0]) or 0 for op in constants(module)),
            exact=calls == 0 and None not in flops and None not in sizes,
        )

    def row(self) -> tuple[str, ...]:
        """The figures for a table; `>=` before those known in part, `?` for those not known."""
        sums = (self._sum_text(self.flops), self._sum_text(self.bytes))
        return (f"{self.ops:,}", *sums, f"{self.parameters:,}")

    def _sum_text(self, figure: int) -> str:
        if self.exact:
            return f"{figure:,}"
        return f">= {figure:,}" if figure else "?"


class CostTable:
    """The costs of a module before the first pass and after each; an `after` of `pipelines.run`."""

    def __init__(self, module: ModuleOp):
        self.rows: list[tuple[str, ...]] = [("pass", "ops", "flops", "bytes", "parameters")]
        self.add("(input)", module)

    def __call__(self, instance: ModulePass, module: ModuleOp) -> None:
        self.add(instance.name, module)

    def add(self, name: str, module: ModuleOp) -> None:
        """Measure a module as it is now."""
        self.rows.append((name, *Costs.of(module).row()))

    def __str__(self) -> str:
        return "\n".join(aligned(self.rows))


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table: the first column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *figures in rows:
        cells = [cell.rjust(width) for cell, width in zip(figures, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])
