"""What one op says about the channels of its operands and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.pfrt.data import CastOp, ConstantOp
from pyflame_rt.dialects.pfrt.shape import IdentityOp, ReshapeOp, TransposeOp, UnsqueezeOp
from pyflame_rt.dialects.pfrt.types import is_tensor, shape_of
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.passes.pruning.relations.slots import Axis, Positions, Slots
from pyflame_rt.passes.pruning.relations.zeros import vanishes


@dataclass(frozen=True)
class Fixed:
    """Slots that must stay, and why."""

    slots: Positions
    why: str


class Links:
    """Collects how the axes of one op's operands and results relate.

    A rule states each axis that may lose channels: what goes together (`same`, `tie`), or that
    nothing hangs on it (`free`). Every axis that it does not state stays as it is. Where there are
    several ways to let channels go, the rule says how many in `options` and follows `choice`.
    """

    def __init__(self, op: Operation, slots: Slots, choice: int = 0):
        self.op = op
        self.choice = choice
        self.options = 1
        self.reason = ""
        """Why what is not stated stays, where the rule knows better than "it is needed"."""
        self.ties: list[tuple[Positions, Positions]] = []
        self.fixed: list[Fixed] = []
        self.live: list[Positions] = []
        self.features: list[Positions] = []
        self.single_features: set[Axis] = set()
        self.linear: list[SSAValue] = []
        self._slots = slots
        self._stated: set[tuple[SSAValue, int]] = set()

    def same(self, a: SSAValue | None, i: int, b: SSAValue | None, j: int) -> None:
        """Position by position, axis i of a goes with axis j of b; an axis of 1 goes with any."""
        if a is None or b is None:
            return
        i, j = i % _rank(a), j % _rank(b)
        self._stated |= {(a, i), (b, j)}
        mine, theirs = self._slots.of(a, i), self._slots.of(b, j)
        if mine is not None and theirs is not None and len(mine) == len(theirs):
            self.ties.append((mine, theirs))
            return
        for value, axis, slots, other in ((a, i, mine, theirs), (b, j, theirs, mine)):
            partner = (shape_of(b) or ())[j] if value is a else (shape_of(a) or ())[i]
            if slots is not None and (other is not None or partner != 1):
                self.fix(value, axis, "its partner's size is known only at run time")

    def tie(
        self, a: SSAValue, i: int, at_a: Positions, b: SSAValue, j: int, at_b: Positions
    ) -> None:
        """The positions `at_a` of axis i of a go with those `at_b` of axis j of b."""
        i, j = i % _rank(a), j % _rank(b)
        self._stated |= {(a, i), (b, j)}
        mine, theirs = self._slots.of(a, i), self._slots.of(b, j)
        if mine is not None and theirs is not None:
            self.ties.append((mine[at_a], theirs[at_b]))
        elif mine is not None:
            self.fix(a, i, "its partner has a single position")
        elif theirs is not None:
            self.fix(b, j, "its partner has a single position")

    def blocks(self, value: SSAValue, i: int, size: int) -> None:
        """Each `size` consecutive positions go together."""
        i = i % _rank(value)
        self._stated.add((value, i))
        slots = self._slots.of(value, i)
        if slots is not None and size > 1:
            where = np.arange(len(slots))
            self.ties.append((slots, slots[where // size * size]))

    def free(self, value: SSAValue, i: int) -> None:
        """Positions of the axis may go as far as this op is concerned."""
        self._stated.add((value, i % _rank(value)))

    def fix(self, value: SSAValue, i: int, why: str) -> None:
        """The axis must stay as it is."""
        i = i % _rank(value)
        self._stated.add((value, i))
        slots = self._slots.of(value, i)
        if slots is not None:
            self.fixed.append(Fixed(slots, why))

    def fix_all(self, values: Sequence[SSAValue], why: str) -> None:
        """All axes of the values must stay as they are."""
        for value in values:
            if is_tensor(value.type):
                for index, _ in self._slots.of_value(value):
                    self.fix(value, index, why)

    def broadcast(self, value: SSAValue | None, result: SSAValue) -> None:
        """Position by position, a value goes with a result that it broadcasts to."""
        for back in range(1, len((None if value is None else shape_of(value)) or ()) + 1):
            self.same(value, -back, result, -back)

    def feature(self, value: SSAValue, i: int) -> None:
        """The positions of this axis of weights make one channel each, which counts are of."""
        axis = Axis(value, i % _rank(value))
        slots = self._slots.of(*axis)
        if not is_weights(value):
            return
        if slots is not None:
            self.features.append(slots)
        elif (shape_of(value) or ())[axis.dim] == 1:
            self.single_features.add(axis)

    def vanishing(self, *values: SSAValue | None) -> None:
        """Where elements of these are 0, so are those of the result: masks may zero them."""
        self.linear.extend(value for value in values if value is not None)

    def choose(self, options: int, *live: tuple[SSAValue, int]) -> int:
        """Which of several ways to follow; `live` are the axes that are to lose channels by it."""
        self.options = max(self.options, options)
        self.live += [s for v, i in live if (s := self._slots.of(v, i % _rank(v))) is not None]
        return min(self.choice, options - 1)

    def contract(self, a: SSAValue, i: int, b: SSAValue, j: int) -> None:
        """A sum of products over axis i of a and axis j of b: what goes is zero in one of them."""
        if is_weights(a) or is_weights(b):
            self.same(a, i, b, j)
            self.vanishing(a, b)
            return
        if vanishes(a, i) or vanishes(b, j):
            self.same(a, i, b, j)
            return
        why = f"{self.op.name} sums over it products of computed values"
        self.fix(a, i, why)
        self.fix(b, j, why)

    def close(self, why: str) -> None:
        """Fix what the rule has not stated."""
        for value in (*self.op.operands, *self.op.results):
            for index, _ in self._slots.of_value(value):
                if (value, index) not in self._stated:
                    self.fix(value, index, why)


Relate: TypeAlias = Callable[[Any, Links], None]
Adapt: TypeAlias = Callable[[Any, Kept], None]


@dataclass(frozen=True)
class Rule:
    """How the channels of an op's values relate, and what else of it changes when some go.

    `adapt` is called before types change, with what will be kept.
    """

    relate: Relate
    adapt: Adapt | None = None
    costs_properties: bool = False
    """Whether the op's costs depend on properties that `adapt` changes."""


def is_weights(value: SSAValue) -> bool:
    """Whether a value is a constant, or one moved or cast."""
    owner = value.owner
    if isinstance(owner, TransposeOp | ReshapeOp | UnsqueezeOp | IdentityOp | CastOp):
        return is_weights(owner.operands[0])
    return isinstance(owner, ConstantOp)


def _rank(value: SSAValue) -> int:
    # Never 0: a scalar has no axes that anybody asks for.
    return max(len(shape_of(value) or ()), 1)
