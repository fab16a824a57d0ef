"""The rule: an optimised model is no worse than the unoptimised one.

Against a run in float64, max |error| of an output is at most twice that of the unoptimised model,
plus 4 ulp of max |exact|. Integers and booleans are equal, except in ties. What the rule turns down
at first is looked at again: the exact run is repeated with a random rounding of the model's type
after every op that rounds, and of what goes into sums. Where those runs disagree with each other, the model's own answer is a
matter of rounding: an integer that changes there is a proven tie, and their spread is how far the
model's own error can be from the little that it happened to be.

A model that has no float64 form is measured against its own reference interpreter instead: twice
the error of the plan of level 0, plus 4 ulp, and no second look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from agreement.promotion import NotPromotable, Promoted, promoted
from pyflame_rt import compiler
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.backends.reference.interpreter import Interpreter
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import BackendError
from pyflame_rt.universe import make_context

Array: TypeAlias = np.ndarray
Feed: TypeAlias = Sequence[Any]

TIMES = 2
"""The error of the unoptimised model that is allowed."""

SHAKEN = 12
"""Runs with random roundings: two answers that are equally likely both show but once in 2,000."""

FLOATS = {
    "float16": (10, -24),
    "bfloat16": (7, -133),
    "float32": (23, -149),
    "float64": (52, -1074),
}
"""Bits after the point of each type that is judged by its errors, and the exponent of its least."""

EXACT = frozenset(
    f"pfrt.{name}"
    for name in [
        "identity",
        "reshape",
        "flatten",
        "squeeze",
        "unsqueeze",
        "transpose",
        "expand",
        "concat",
        "split",
        "slice",
        "pad",
        "gather",
        "tile",
        "gather_elements",
        "gather_nd",
        "scatter_elements",
        "scatter_nd",
        "compress",
        "trilu",
        "top_k",
        "one_hot",
        "depth_to_space",
        "space_to_depth",
        "max",
        "min",
        "relu",
        "abs",
        "neg",
        "sign",
        "floor",
        "ceil",
        "round",
        "clip",
        "where",
        "reduce_max",
        "reduce_min",
        "max_pool",
        "global_max_pool",
        "max_pool_with_indices",
        "shape",
        "size",
        "range",
        "constant_of_shape",
        "dropout",
        "if",
        "loop",
        "scan",
        "reverse_sequence",
        "hardmax",
        "eye_like",
    ]
)
"""Ops whose results are exact: they select, move, or change a sign."""


@dataclass
class Judge:
    """Judges outputs of one module on one feed.

    `unoptimised` are the answers of level 0, one list for each way to run it; the first one is
    the reference interpreter's, but for models that are too large for it.
    """

    module: ModuleOp
    feed: Feed
    unoptimised: list[Sequence[Any]]
    more: Callable[[], Sequence[Any]] | None = None
    """Another way to run level 0, which is only run when it matters."""
    backend: str = "reference"
    """What the exact run is made with, random roundings apart."""
    second_looks: list[str] = field(default_factory=list[str])
    _runs: list[Sequence[Array]] = field(default_factory=list[Sequence[Array]])

    def complain(self, outputs: Sequence[Any]) -> str:
        """What is wrong with the outputs of an optimised model, "" when nothing is."""
        expected = self.unoptimised[0]
        if len(outputs) != len(expected):
            return f"{len(outputs)} outputs instead of {len(expected)}"
        found = [self._output(k, actual) for k, actual in enumerate(outputs)]
        return "; ".join(f"output {k}: {why}" for k, why in enumerate(found) if why)

    def _output(self, index: int, actual: Any) -> str:
        expected = self.unoptimised[0][index]
        if not isinstance(expected, np.ndarray):
            return "" if same_items(actual, expected) else f"{actual} instead of {expected}"
        if actual.dtype != expected.dtype:
            return f"{actual.dtype} instead of {expected.dtype}"
        if actual.shape == expected.shape and equal(actual, expected).all():
            return ""
        if self.more is not None:
            self.unoptimised.append(self.more())
            self.more = None
        others = [answer[index] for answer in self.unoptimised]
        if actual.shape != expected.shape:
            why = f"shape {actual.shape} instead of {expected.shape}"
            return self._excused(index, why, lambda runs: len({r.shape for r in runs}) > 1)
        same = np.any([equal(actual, other) for other in others], axis=0)
        if same.all():
            return ""
        if expected.dtype.name not in FLOATS:
            return self._integers(index, actual, same)
        return self._floats(index, actual, others, same)

    def _integers(self, index: int, actual: Array, same: Array) -> str:
        def tied(runs: Sequence[Array]) -> bool:
            if any(run.shape != actual.shape for run in runs):
                return True
            unsure = np.any([run != runs[0] for run in runs], axis=0)
            return bool((same | unsure | (actual == runs[0])).all())

        where = np.argwhere(~same)[0].tolist()
        why = f"{actual[tuple(where)]} instead of {self.unoptimised[0][index][tuple(where)]} at {where}"
        return self._excused(index, why, tied)

    def _floats(self, index: int, actual: Array, others: Sequence[Array], same: Array) -> str:
        exact = others[0].astype(np.float64) if self.unpromoted else self.exact[index]
        if exact.shape != actual.shape:
            return self._excused(index, "the shape depends on rounding", lambda runs: True)
        known = np.isfinite(exact)
        errors = [distance(other, exact) for other in others]
        # Where the unoptimised model overflows and the exact one does not, nothing is asked for.
        lost = known & np.any([~np.isfinite(e) for e in errors], axis=0)
        most = max((float(np.max(e, where=np.isfinite(e), initial=0.0)) for e in errors), default=0)
        scale = float(np.max(np.abs(exact), where=known, initial=0.0))
        bound = TIMES * most + 4 * ulp(scale, actual.dtype)
        error = distance(actual, exact)
        right = same | lost | (error <= bound)
        if right.all():
            return ""
        where = tuple(np.argwhere(~right)[0].tolist())
        why = (
            f"error {float(error[where]):.3g} at {list(where)}, above {bound:.3g} = {TIMES} * {most:.3g} "
            f"+ 4 ulp; {actual[where]!s} instead of {others[0][where]!s}, exactly {exact[where]!s}"
        )

        def spread_covers(runs: Sequence[Array]) -> bool:
            if any(run.shape != actual.shape for run in runs):
                return True
            spread = np.max([distance(run, exact) for run in runs], axis=0)
            noise = float(np.max(spread, where=np.isfinite(spread), initial=0.0))
            wide = TIMES * max(most, noise) + 4 * ulp(scale, actual.dtype)
            return bool((right | ~np.isfinite(spread) | (error <= wide)).all())

        return self._excused(index, why, spread_covers)

    def _excused(self, index: int, why: str, excuse: Callable[[Sequence[Array]], bool]) -> str:
        if self.unpromoted:
            return why
        self.second_looks.append(why)
        runs = [self.exact[index]]
        for seed in range(SHAKEN):
            runs.append(self._shaken(seed)[index])
            if excuse(runs):
                return ""
        return why

    @cached_property
    def unpromoted(self) -> str:
        """Why there is no float64 form, "" when there is one."""
        try:
            self.exact  # noqa: B018
        except (NotPromotable, BackendError) as error:
            return str(error)
        return ""

    @cached_property
    def _promoted(self) -> Promoted:
        return promoted(self.module)

    @cached_property
    def _loosened(self) -> tuple[Interpreter, Promoted]:
        model = promoted(self.module, loosened=True)
        executable = ReferenceBackend().compile(model.module)
        assert isinstance(executable, Interpreter)
        return executable, model

    @cached_property
    def exact(self) -> Sequence[Array]:
        """The answers in float64."""
        feed = [self._promoted.feed(a) for a in self.feed]
        context = make_context()
        compiled = compiler.compile_module(self._promoted.module, context, self.backend, "")
        return compiled.run(feed)

    def _shaken(self, seed: int) -> Sequence[Array]:
        """The answers in float64 with random roundings of the model's own types."""
        while len(self._runs) <= seed:
            self._runs.append(self._shake(np.random.default_rng(len(self._runs))))
        return self._runs[seed]

    def _shake(self, generator: np.random.Generator) -> Sequence[Array]:
        interpreter, model = self._loosened
        units = model.units

        def observe(op: PfrtOp, names: tuple[str, ...], arrays: Sequence[Any]) -> None:
            unit = units.get(op)
            if unit is None or op.name in EXACT:
                return
            for array in arrays:
                shakes = isinstance(array, np.ndarray) and array.dtype == np.float64
                if shakes and array.flags.writeable:
                    noise = generator.standard_normal(array.shape)
                    with np.errstate(all="ignore"):
                        array *= 1 + 2 * unit * noise

        feed = [model.feed(a) for a in self.feed]
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in feed]
        return interpreter.run(copies, observe)


def same_items(actual: Any, expected: Any) -> bool:
    """Whether sequences, maps and optionals hold the same."""
    if isinstance(expected, np.ndarray):
        return (
            isinstance(actual, np.ndarray)
            and (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
            and bool(equal(actual, expected).all())
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(map(same_items, actual, expected))
        )
    return repr(actual) == repr(expected)


def equal(left: Array, right: Array) -> Array:
    """Where two arrays of one shape are equal, two NaNs being so."""
    if left.dtype.kind not in "fcV":
        return np.asarray(left == right)
    with np.errstate(all="ignore"):
        return np.asarray((left == right) | ((left != left) & (right != right)))


def distance(actual: Array, exact: Array) -> Array:
    """|actual - exact|, 0 where they are equal and infinite where only one is a number."""
    wide = actual.astype(np.float64)
    with np.errstate(all="ignore"):
        gap = np.abs(wide - exact)
    gap = np.where(np.isnan(gap), np.inf, gap)
    return np.where(equal(wide, exact), 0.0, gap)


def ulp(size: float, dtype: np.dtype[Any]) -> float:
    """The distance between floats of a type around a size."""
    bits, least = FLOATS[dtype.name]
    exponent = int(np.frexp(size)[1]) - 1 - bits if size and np.isfinite(size) else least
    return float(2.0 ** max(least, exponent))
