"""A module run at two optimization levels on random inputs: the answers must be the same."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import InferenceSession, RunOptions, SessionOptions, compiler
from pyflame_rt.compiler import Program, TensorSpec
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.graph import Graph
from pyflame_rt.universe import make_context

MEMORY = 256 << 20
MILLISECONDS = 3000
ELEMENTS = 1 << 20
LEVELS = (0, 3)
CHANCE = ("random", "bernoulli", "multinomial", "dropout")
"""Parts of the names of ops whose answers are not the same twice."""


class Skipped(Exception):
    """A module that cannot be fed, or whose answers cannot be compared."""


class Disagreement(Exception):
    """Levels that give different answers."""


def agree(module: ModuleOp, draw: Random) -> str:
    """How both levels ended: "results", or the class of the error that both have.

    Raises Skipped, Disagreement, and whatever is no PyFlameRTError.
    """
    if any(part in op.name for op in module.walk() for part in CHANCE):
        raise Skipped("random numbers")
    try:
        inputs, _ = compiler.signature(module)
    except PyFlameRTError as error:
        raise Skipped("no main function that can be fed") from error
    symbols: dict[str, int] = {}
    feeds = {spec.name: _fed(spec, symbols, draw) for spec in inputs}
    first, second = (_answer(module, feeds, level) for level in LEVELS)
    loops = any(op.name in ("pfrt.loop", "pfrt.scan") for op in module.walk())
    return _judged(first, second, loops)


def _fed(spec: TensorSpec, symbols: dict[str, int], draw: Random) -> Any:
    if spec.default is not None:
        return spec.default
    if spec.container is not None:
        raise Skipped("an input that is no tensor")
    shape = tuple(
        dim if isinstance(dim, int) else symbols.setdefault(dim or "", draw.randrange(1, 4))
        for dim in ((draw.randrange(1, 4),) * 2 if spec.shape is None else spec.shape)
    )
    if np.prod([float(dim) for dim in shape]) > ELEMENTS:
        raise Skipped("a large input")
    generator = np.random.default_rng(draw.randrange(2**32))
    if spec.dtype.kind == "b":
        return generator.random(shape) < 0.5
    if spec.dtype.kind in "iu":
        return generator.integers(0, 4, shape).astype(spec.dtype)
    if spec.dtype.kind == "O":
        return np.array(generator.choice(["a", "b c", "é"], shape), dtype=object)
    return generator.standard_normal(shape).astype(spec.dtype)


def _answer(module: ModuleOp, feeds: dict[str, Any], level: int) -> list[Any] | PyFlameRTError:
    """Results of a session, or the error that making or running it gave."""
    options = SessionOptions()
    options.optimization_level = level
    options.memory_limit = MEMORY
    options.intra_op_num_threads = 1
    limits = RunOptions()
    limits.timeout_ms = MILLISECONDS
    try:
        graph = Graph.of_program(Program(make_context(), module.clone(), "mutant"))
        return InferenceSession(graph, options).run(None, feeds, limits)
    except PyFlameRTError as error:
        return error


def _judged(
    first: list[Any] | PyFlameRTError, second: list[Any] | PyFlameRTError, loops: bool
) -> str:
    kinds = [_kind(answer) for answer in (first, second)]
    if kinds[0] != kinds[1]:
        if isinstance(first, PyFlameRTError) and not isinstance(second, PyFlameRTError):
            # What would fail is gone: nothing uses it.
            return f"{kinds[0]} at level 0 only"
        raise Disagreement(f"level 0: {_text(first)}; level 3: {_text(second)}")
    if isinstance(first, PyFlameRTError) or isinstance(second, PyFlameRTError):
        return kinds[0]
    for index, (one, other) in enumerate(zip(first, second, strict=True)):
        if loops and _are_empty_stacks(one, other):
            continue
        if why := _difference(one, other):
            raise Disagreement(f"output {index}: {why}")
    return "results"


def _kind(answer: list[Any] | PyFlameRTError) -> str:
    """Where an answer is from: an error in making a session or in a run is of one kind."""
    return "refused" if isinstance(answer, PyFlameRTError) else "results"


def _text(answer: list[Any] | PyFlameRTError) -> str:
    return (
        f"{type(answer).__name__}: {answer}"[:600] if isinstance(answer, Exception) else "results"
    )


def _are_empty_stacks(one: Any, other: Any) -> bool:
    """Whether both are what a loop of no iterations has stacked: ONNX leaves it open how long the
    dimensions of elements are that there are none of, and what infers more of them knows more."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return False
    return one.dtype == other.dtype and one.ndim == other.ndim and not one.size + other.size


def _difference(one: Any, other: Any) -> str:
    """What differs of two values, beyond rounding; "" for nothing."""
    if not isinstance(one, np.ndarray):
        if type(one) is not type(other):
            return f"{type(one).__name__} and {type(other).__name__}"
        if isinstance(one, list):
            rows = [_difference(a, b) for a, b in zip(one, other, strict=False)]
            return "" if len(one) == len(other) and not any(rows) else f"lists: {rows[:3]}"
        return (
            ""
            if (isinstance(one, dict) and one.keys() == other.keys()) or one == other
            else "values"
        )
    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{one.dtype}{one.shape} and {other.dtype}{other.shape}"
    if one.dtype.kind in "OUSbiu" or one.size == 0:
        return "" if (one == other).all() else f"{one.reshape(-1)[:6]} and {other.reshape(-1)[:6]}"
    kind = np.complex128 if one.dtype.kind == "c" else np.float64
    tolerance = 1e-4 if one.dtype.itemsize >= 4 else 2e-2
    a, b = one.astype(kind).reshape(-1), other.astype(kind).reshape(-1)
    if (np.isnan(a) != np.isnan(b)).any():
        return "NaN in different places"
    known = np.isfinite(a) & np.isfinite(b)
    if (a[~known] != b[~known])[~np.isnan(a[~known])].any():
        return "infinities in different places"
    scale = np.abs(a[known]).max(initial=0)
    worst = np.abs(a[known] - b[known]).max(initial=0)
    return "" if worst <= tolerance * scale + 1e-6 else f"differ by {worst:.3g} of {scale:.3g}"
