"""A graph under construction: every op is checked and run as it is added.

Each value carries the arrays that it has for every size of the symbolic batch, so that what is
drawn next can look at shapes and numbers, and no graph fails when it runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.control import YieldOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, tensor, tensor_of
from random_graphs.choices import Choices
from random_graphs.evaluation import evaluate

Array: TypeAlias = np.ndarray
T = TypeVar("T")

LARGEST = 4096
"""Elements of a value; anything larger is turned down."""

TOO_BIG = 1e6
"""A value beyond is not computed with any further: all it would do is overflow."""

SPECIAL = (0.0, 1.0, -1.0, 2.0, 0.5, -0.0, 3.0, np.inf, -np.inf, np.nan)


class Rejected(Exception):
    """What was drawn is no graph: it is left out."""


@dataclass(frozen=True, eq=False)
class Value:
    """A value of the graph and its arrays, one for each size of the batch."""

    ssa: SSAValue
    arrays: tuple[Array, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its element type."""
        return self.arrays[0].dtype

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Its shape for each size of the batch."""
        return tuple(array.shape for array in self.arrays)

    @property
    def rank(self) -> int:
        """Its number of dimensions."""
        return self.arrays[0].ndim

    @property
    def is_float(self) -> bool:
        """Whether it holds floats."""
        return self.dtype.kind == "f"

    def dim(self, axis: int) -> int | None:
        """The size along an axis, None when that depends on the batch."""
        sizes = {array.shape[axis] for array in self.arrays}
        return sizes.pop() if len(sizes) == 1 else None

    def dims(self) -> tuple[int | None, ...]:
        """`dim` of every axis."""
        return tuple(self.dim(axis) for axis in range(self.rank))


@dataclass
class Builder:
    """A function being built; `visible` are the values that ops may use, newest last."""

    choices: Choices
    sizes: tuple[int, ...]
    """What the batch is bound to: one size for a static graph."""
    dynamic: bool
    block: Block = field(default_factory=Block)
    visible: list[Value] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    leaked: list[Value] = field(default_factory=list)
    """Values that are outputs whatever else uses them."""
    retired: list[Value] = field(default_factory=list)
    """Values that nothing is computed from: too large, not finite."""
    takes_inputs: bool = True
    """Whether the block is a function's, which may get arguments."""
    known: list[dict[SSAValue, Array]] = field(default_factory=list[dict[SSAValue, Array]])
    """The array of each value, for each size of the batch."""

    def __post_init__(self) -> None:
        if not self.known:
            self.known = [{} for _ in self.sizes]

    # What is drawn

    def number(self, low: int, high: int) -> int:
        """An integer in low..high."""
        return self.choices.number(low, high)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, the first being the simplest."""
        if not items:
            raise Rejected
        return items[self.number(0, len(items) - 1)]

    def chance(self, one_in: int) -> bool:
        """True once in so many times."""
        return self.number(0, one_in - 1) == one_in - 1

    def generator(self) -> np.random.Generator:
        """Random numbers: drawing each would be slow, and they need not shrink."""
        return np.random.default_rng(self.number(0, 2**16))

    def value(
        self, *, rank: int | None = None, least: int = 0, kinds: str = "f", fresh: int = 12
    ) -> Value:
        """A value of a rank, at least of a rank, of dtypes of such kinds ("f", "i", "b").

        It is a new input once in `fresh` times, and where there is none.
        """
        fits = [
            v for v in reversed(self.visible)
            if v.dtype.kind in kinds and (v.rank == rank if rank is not None else v.rank >= least)
        ]  # fmt: skip
        if not fits or self.chance(fresh):
            return self.new_input(rank=rank, least=least, kinds=kinds)
        return self.pick(fits if self.chance(3) else fits[:3])

    def axis(self, value: Value, *, negative: bool = True) -> int:
        """An axis of a value that has one."""
        if not value.rank:
            raise Rejected
        axis = self.number(0, value.rank - 1)
        return axis - value.rank if negative and self.chance(2) else axis

    def static_axis(self, value: Value) -> int:
        """An axis whose size does not depend on the batch."""
        return self.pick([a for a in range(value.rank - 1, -1, -1) if value.dim(a) is not None])

    def dtype(self, kinds: str) -> np.dtype[Any]:
        """A dtype of one of the kinds, mostly f32."""
        weights = {
            "f": ("f4",) * 8 + ("f8", "f2"),
            "i": ("i8", "i8", "i4"),
            "b": ("?",),
        }
        return np.dtype(self.pick([name for kind in kinds for name in weights[kind]]))

    # What is added

    def new_input(self, *, rank: int | None = None, least: int = 0, kinds: str = "f") -> Value:
        """An argument of the function; where there can be none, inside of regions, a constant."""
        if rank is None:
            rank = max(least, self.pick((2, 3, 4, 1, 2, 3, 0)))
        sides = [self.pick((4, 3, 2, 1, 6, 8) if a else (2, 3, 4, 1)) for a in range(rank)]
        dtype, at = self.dtype(kinds), self.pick((0, 0, 0, 0, rank - 1))
        if not self.takes_inputs or not self.dynamic or not rank or self.chance(6):
            at = -1
        if not self.takes_inputs:
            return self.constant(_numbers(self.generator(), sides, dtype))
        shapes = [[n if a == at else s for a, s in enumerate(sides)] for n in self.sizes]
        generator = self.generator()
        arrays = tuple(_numbers(generator, shape, dtype) for shape in shapes)
        declared = [DYNAMIC if a == at else s for a, s in enumerate(sides)]
        kind = tensor(tensor_of(arrays[0]).element_type, declared)
        argument = self.block.insert_arg(kind, len(self.block.args))
        value = Value(argument, arrays)
        self._know(value)
        self.inputs.append(value)
        self.visible.append(value)
        return value

    def constant(self, array: Array) -> Value:
        """A constant, the same for every batch."""
        kept = np.asarray(array).copy()
        return self.add(ConstantOp.get(kept))[0]

    def scalar(self, number: float, like: Value, shape: Sequence[int] = ()) -> Value:
        """A constant of one element of another value's type."""
        with np.errstate(all="ignore"):
            return self.constant(np.full(shape, number).astype(like.dtype))

    def weights(self, shape: Sequence[int], like: Value) -> Value:
        """A constant of small random numbers."""
        array = self.generator().standard_normal(shape) / math.sqrt(max(1, math.prod(shape[1:])))
        return self.constant(array.astype(like.dtype))

    def emit(
        self, name: str, *operands: Value | Sequence[Value] | None, **properties: Any
    ) -> tuple[Value, ...]:
        """Add an op; `Rejected` when it cannot be, or its kernel turns the numbers down."""
        kind: Any = operations()[f"pfrt.{name}"]
        given: list[Any] = [
            o.ssa if isinstance(o, Value) else o if o is None else [v.ssa for v in o]
            for o in operands
        ]
        given += [None] * (len(kind.get_irdl_definition().operands) - len(given))
        try:
            op: PfrtOp = kind.create_op(given, properties)
        except VerifyException as error:
            raise Rejected from error
        return self.add(op)

    def one(self, name: str, *operands: Value | Sequence[Value] | None, **properties: Any) -> Value:
        """Add an op of one result."""
        return self.emit(name, *operands, **properties)[0]

    def add(self, op: Operation) -> tuple[Value, ...]:
        """Add an op that is made: run it for every size of the batch."""
        try:
            rows = [evaluate(op, values) for values in self.known]
        except Exception as error:
            op.drop_all_references()
            raise Rejected from error
        results = [
            Value(result, tuple(row[index] for row in rows))
            for index, result in enumerate(op.results)
        ]
        if any(array.size > LARGEST for value in results for array in value.arrays):
            op.drop_all_references()
            raise Rejected
        self.block.add_op(op)
        for value in results:
            self._know(value)
            (self.visible if is_useful(value) else self.retired).append(value)
        return tuple(results)

    def _know(self, value: Value) -> None:
        for arrays, array in zip(self.known, value.arrays, strict=True):
            arrays[value.ssa] = array

    # Regions

    @contextmanager
    def region(self, arguments: Sequence[tuple[Attribute, tuple[Array, ...]]] = ()):
        """A builder of a region that sees all that is visible here, and has arguments besides."""
        block = Block(arg_types=[kind for kind, _ in arguments])
        inner = Builder(
            self.choices, self.sizes, self.dynamic, block, [*self.visible],
            retired=[*self.retired], takes_inputs=False, known=[dict(known) for known in self.known],
        )  # fmt: skip
        for argument, (_, arrays) in zip(block.args, arguments, strict=True):
            value = Value(argument, arrays)
            inner._know(value)
            inner.visible.append(value)
        yield inner


def close(builder: Builder, results: Sequence[Value]) -> Region:
    """The region of a builder, which yields these values."""
    builder.block.add_op(YieldOp([value.ssa for value in results]))
    return Region(builder.block)


def is_useful(value: Value) -> bool:
    """Whether it is worth to compute with: mostly finite, not large."""
    for array in value.arrays:
        if array.dtype.kind not in "fi" or not array.size:
            continue
        finite = np.isfinite(array)
        if 2 * np.count_nonzero(finite) < array.size:
            return False
        if np.max(np.abs(array.astype(np.float64)), where=finite, initial=0.0) > TOO_BIG:
            return False
    return True


def _numbers(generator: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "b":
        return generator.random(shape) < 0.5
    if dtype.kind == "i":
        return generator.integers(-3, 6, shape, dtype)
    array = np.asarray(generator.standard_normal(shape)).astype(dtype)
    if array.size > 2 and generator.random() < 0.1:
        array.reshape(-1)[generator.integers(array.size)] = generator.choice(SPECIAL)
    return array
