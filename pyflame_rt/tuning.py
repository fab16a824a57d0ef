"""Choosing among a plan's algorithms by measurement instead of by their cost model.

What was measured is kept in a file, by the op's types and parameters and by the machine, so that the
same op is measured once. The choice stands in the IR, where it can be seen and changed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Region, SSAValue

from pyflame_rt import compiler
from pyflame_rt.backends.numpy_backend.blas import blas
from pyflame_rt.backends.watching import Step, Watch
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import (
    numpy_dtype,
    static_shape_of,
    type_of,
)
from pyflame_rt.dialects.plan import algorithms, times
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.files import write_text
from pyflame_rt.random_inputs import random_array
from pyflame_rt.system import processor

Array = npt.NDArray[Any]

_SECONDS = 0.1
"""How long one op is measured, over all its algorithms."""
_ROUNDS = (3, 200)


@dataclass(frozen=True)
class Change:
    """An op for which another algorithm was faster: seconds of the model's choice and of the new."""

    where: str
    model: str
    tuned: str
    model_seconds: float
    tuned_seconds: float

    def __str__(self) -> str:
        before, after = self.model_seconds * 1e6, self.tuned_seconds * 1e6
        return f"{self.where}: {self.tuned} {after:.1f} us instead of {self.model} {before:.1f} us"


@dataclass
class Tuning:
    """What tuning did: ops that had a choice, ops that were measured now, and what changed."""

    choices: int = 0
    measured: int = 0
    changes: list[Change] = field(default_factory=list[Change])

    def lines(self) -> list[str]:
        """For people."""
        rest = self.choices - self.measured
        counts = (
            f"{self.choices} ops have several algorithms: {self.measured} measured, {rest} known"
        )
        return [f"tuning: {counts}, {len(self.changes)} changed", *map(str, self.changes)]

    def as_json(self) -> dict[str, object]:
        """For programs; seconds."""
        changes = [vars(change) for change in self.changes]
        return {"choices": self.choices, "measured": self.measured, "changes": changes}


def tune(module: ModuleOp, ctx: Context, cache: str | os.PathLike[str] = "") -> Tuning:
    """Set `plan.algorithm` of each op that has several to the fastest on this machine.

    Times are kept in the file `cache`, by default `default_cache()`: an op is measured once. Belongs
    behind `pfrt-layout`; `pfrt-tune` does the same by a file alone. Raises PyFlameRTError when the
    file cannot be written, and what compiling raises.
    """
    path = Path(cache) if cache else default_cache()
    known = _read(path)
    rows, report = known.setdefault(machine(), {}), Tuning()
    for op, names in list(times.choices(module)):
        report.choices += 1
        key = times.signature(op)
        if not set(names) <= rows.get(key, {}).keys():
            rows[key] = _measured(op, names, ctx)
            report.measured += 1
        row = {name: rows[key][name] for name in names}
        best, model = times.fastest(op, row), algorithms.modelled(op).name
        op.attributes[algorithms.ALGORITHM] = StringAttr(best)
        if best != model:
            report.changes.append(Change(describe(op), model, best, row[model], row[best]))
    if report.measured:
        _write(path, known)
    return report


def default_cache() -> Path:
    """Where times are kept: `$XDG_CACHE_HOME` or `~/.cache`, by the XDG base directory rules."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "pyflame_rt" / "tuning.json"


def machine() -> str:
    """What times depend on beside the op: processor, BLAS and NumPy."""
    library = blas()
    return f"{processor()[0]}; {library.kernel} {library.config}; numpy {np.__version__}"


def _measured(op: PfrtOp, names: Sequence[str], ctx: Context) -> times.Row:
    """The least seconds of each algorithm, run in turn so that all see the same machine."""
    feed = _feed(op)
    models = {
        name: compiler.compile_module(_alone(op, name), ctx, "numpy", "", level=0) for name in names
    }
    best = dict.fromkeys(names, float("inf"))
    began, rounds = time.perf_counter(), 0
    while rounds < _ROUNDS[0] or (rounds < _ROUNDS[1] and time.perf_counter() - began < _SECONDS):
        for name, model in models.items():
            watch = _Stopwatch(name)
            model.executable.run_watched(feed, watch)
            best[name] = min(best[name], watch.seconds)
        rounds += 1
    return best


def _alone(op: PfrtOp, algorithm: str) -> ModuleOp:
    """A module that does nothing but the op, by that algorithm."""
    fed = _fed(op)
    block = Block(arg_types=[value.type for value in fed])
    mapped: dict[SSAValue, SSAValue] = dict(zip(fed, block.args, strict=True))
    for value in op.operands:
        if value not in mapped:
            constant = cast(ConstantOp, value.owner).clone()
            block.add_op(constant)
            mapped[value] = constant.results[0]
    copy = op.clone(mapped)
    copy.attributes[algorithms.ALGORITHM] = StringAttr(algorithm)
    block.add_ops([copy, func.ReturnOp(*copy.results)])
    kinds = (block.arg_types, copy.result_types)
    return ModuleOp([func.FuncOp("main", kinds, Region(block))])


def _fed(op: PfrtOp) -> list[SSAValue]:
    return [v for v in dict.fromkeys(op.operands) if constant_of(v) is None]


def _feed(op: PfrtOp) -> list[Array]:
    generator = np.random.default_rng(0)
    return [
        random_array(numpy_dtype(type_of(v).element_type), static_shape_of(v) or (), generator)
        for v in _fed(op)
    ]


class _Stopwatch(Watch):
    """The time of one step of a run; copies of arguments around it do not count."""

    def __init__(self, algorithm: str):
        self._algorithm = algorithm
        self._began = 0.0
        self.seconds = 0.0

    def enter(self, step: Step) -> None:
        """Start, if it is the step."""
        if step.algorithm == self._algorithm:
            self._began = time.perf_counter()

    def leave(self, step: Step) -> None:
        """Stop, if it is the step."""
        if step.algorithm == self._algorithm:
            self.seconds += time.perf_counter() - self._began


def _read(path: Path) -> dict[str, times.Rows]:
    """What is in the file; nothing where there is none, or another program has written it."""
    try:
        return times.read(path)
    except (OSError, ValueError):
        return {}


def _write(path: Path, known: Mapping[str, times.Rows]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PyFlameRTError(f"cannot write: {error.strerror or error}", where=str(path)) from error
    write_text(path, json.dumps(known, indent=1, sort_keys=True) + "\n")
