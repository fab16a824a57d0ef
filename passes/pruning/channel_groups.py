"""Groups of channels that can only go together: an analysis of pfrt modules.

Every op says how the positions along the axes of its operands and results relate (`relations/`).
Positions that relate are one *unit*: it goes as a whole, wherever it is. Units that lie in the same
axes are a *group*, of which something always stays. A residual add makes one unit of a channel of
both sides; a concatenation lays units of several groups side by side; a head of an attention is a
unit of many rows of q, k, v and of the projection after them.

A unit stays if any position of it has to: where a graph's input or output lies, where an op mixes
the channels, or one that pruning knows nothing of. The first reason is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.passes.pruning import channel_walk
from pyflame_rt.passes.pruning.channel_components import components
from pyflame_rt.passes.pruning.naming import is_called, names_of
from pyflame_rt.passes.pruning.relations.links import Fixed, Links
from pyflame_rt.passes.pruning.relations.slots import Axis, Positions, Slots
from pyflame_rt.passes.pruning.relations.table import links_of

_TRIALS = 64
"""How many ops may have their other ways tried one after the other."""


@dataclass(frozen=True)
class Group:
    """Units that lie in the same axes; each is the label of its slots."""

    name: str
    axes: tuple[Axis, ...]
    units: Positions


@dataclass(frozen=True)
class FixedAxis:
    """An axis of weights that keeps all its channels, and why."""

    name: str
    axis: int
    why: str


@dataclass(frozen=True)
class ChannelGroups:
    """What can go from a module, and what cannot."""

    slots: Slots
    labels: Positions
    """The unit of each slot."""
    groups: tuple[Group, ...]
    fixed: tuple[FixedAxis, ...]
    features: npt.NDArray[np.bool_]
    """The slots that count as channels: one for each feature that weights make."""
    single_features: int
    """How many weights make a single feature, which has no slot."""
    linear: frozenset[SSAValue]
    """Constants whose zeros make what is computed of them zero, so that masks can zero them."""

    @staticmethod
    def of(module: ModuleOp, exclude: Collection[str] = ()) -> ChannelGroups:
        """The groups of a module; weights, values and nodes that `exclude` names keep theirs."""
        return _Solver(module, frozenset(exclude)).groups()


@dataclass(frozen=True)
class _Solution:
    labels: Positions
    reasons: npt.NDArray[np.int64]
    """For each unit the first reason why it stays, -1 if it may go."""

    @property
    def score(self) -> int:
        """How many units may go."""
        return int((self.reasons < 0).sum())


class _Solver:
    """Collects what ops say, and finds among the ways that they leave open one that serves."""

    def __init__(self, module: ModuleOp, exclude: frozenset[str]):
        self.slots = Slots()
        ops = [op for block in channel_walk.blocks(module) for op in channel_walk.operations(block)]
        entries = tuple(channel_walk.entry_values(module))
        for value in entries:
            self.slots.add(value)
        for op in ops:
            for value in channel_walk.values(op):
                self.slots.add(value)
        self.outside = [*self._ends(entries, "it is an input of the graph")]
        for op in ops:
            if isinstance(op, func.ReturnOp):
                self.outside += self._ends(op.operands, "it is an output of the graph")
            captured = tuple(channel_walk.captured(op))
            self.outside += self._ends(captured, f"the regions of {op.name} use it")
            self.outside += self._excluded(op, exclude)
        self.links = [links_of(op, self.slots) for op in ops if not isinstance(op, func.ReturnOp)]
        self.constants = [op for op in ops if isinstance(op, ConstantOp)]

    def _ends(self, values: Sequence[SSAValue], why: str) -> list[Fixed]:
        return [Fixed(slots, why) for v in values for _, slots in self.slots.of_value(v)]

    def _excluded(self, op: Operation, exclude: Collection[str]) -> list[Fixed]:
        """All axes of the weights or results that a name or a wildcard excludes."""
        if not exclude or not isinstance(op, PfrtOp):
            return []
        found = [name for name in names_of(op) if any(is_called(name, p) for p in exclude)]
        return self._ends(op.results, f'"{found[0]}" is excluded') if found else []

    def groups(self) -> ChannelGroups:
        solution = self._solve()
        stuck = [place for place, links in enumerate(self.links) if links.options > 1]
        solution = self._try(solution, stuck)
        return self._grouped(solution)

    def _try(self, solution: _Solution, candidates: Sequence[int]) -> _Solution:
        """Where nothing can go by the way that an op prefers, try its other ways."""
        stuck = [place for place in candidates if self._is_stuck(solution, self.links[place])]
        if len(stuck) > 1:
            solution = self._keep_if_better(solution, stuck)
        for place in stuck[:_TRIALS]:
            if self._is_stuck(solution, self.links[place]):
                solution = self._keep_if_better(solution, [place])
        return solution

    def _keep_if_better(self, solution: _Solution, places: Sequence[int]) -> _Solution:
        options = max(self.links[place].options for place in places)
        for choice in range(options):
            before = list(self.links)
            for place in places:
                self.links[place] = links_of(before[place].op, self.slots, choice)
            found = self._solve()
            if found.score > solution.score:
                solution = found
            else:
                self.links = before
        return solution

    def _is_stuck(self, solution: _Solution, links: Links) -> bool:
        """Whether nothing along the axes that an op's choice is about can go."""
        return all((solution.reasons[solution.labels[live]] >= 0).all() for live in links.live)

    def _fixed(self) -> list[Fixed]:
        return [*self.outside, *(fixed for links in self.links for fixed in links.fixed)]

    def _solve(self) -> _Solution:
        ties = [pair for links in self.links for pair in links.ties]
        labels = components(len(self.slots), ties)
        count = int(labels.max()) + 1 if len(labels) else 0
        fixed = self._fixed()
        none = len(fixed) + 2
        reasons = np.full(count, none, np.int64)
        for number, (slots, _) in enumerate((f.slots, f.why) for f in fixed):
            np.minimum.at(reasons, labels[slots], number)
        reasons[reasons == none] = -1
        self._fix_whole_axes(labels, reasons, len(fixed))
        self._fix_without_weights(labels, reasons, len(fixed) + 1)
        return _Solution(labels, reasons)

    def _fix_whole_axes(
        self, labels: Positions, reasons: npt.NDArray[np.int64], number: int
    ) -> None:
        """A unit that is all there is of an axis has to stay."""
        bounds = self.slots.bounds
        if len(labels) == 0:
            return
        low = np.minimum.reduceat(labels, bounds[:-1])
        high = np.maximum.reduceat(labels, bounds[:-1])
        whole = low[(low == high)]
        reasons[whole] = np.where(reasons[whole] < 0, number, reasons[whole])

    def _fix_without_weights(
        self, labels: Positions, reasons: npt.NDArray[np.int64], number: int
    ) -> None:
        """A unit without weights has nothing that could go."""
        weighty = np.zeros(len(reasons), bool)
        for op in self.constants:
            for _, slots in self.slots.of_value(op.result):
                weighty[labels[slots]] = True
        reasons[(reasons < 0) & ~weighty] = number

    def _grouped(self, solution: _Solution) -> ChannelGroups:
        features = np.zeros(len(self.slots), bool)
        for links in self.links:
            for slots in links.features:
                features[slots] = True
        linear = frozenset((links.op, value) for links in self.links for value in links.linear)
        return ChannelGroups(
            self.slots,
            solution.labels,
            self._groups(solution),
            self._fixed_axes(solution, features),
            features,
            len({axis for links in self.links for axis in links.single_features}),
            self._maskable(linear),
        )

    def _groups(self, solution: _Solution) -> tuple[Group, ...]:
        """Units by the set of axes they lie in."""
        free = solution.reasons[solution.labels] < 0
        where = self.slots.axis_of_slot()[free]
        pairs = np.unique(np.stack([solution.labels[free], where]), axis=1)
        units, starts = np.unique(pairs[0], return_index=True)
        members: dict[tuple[int, ...], list[int]] = {}
        parts = np.split(pairs[1], starts[1:]) if len(units) else []
        for unit, axes in zip(units, parts, strict=True):
            members.setdefault(tuple(axes.tolist()), []).append(int(unit))
        return tuple(
            Group(self._group_name(axes), tuple(self.slots.axes[a] for a in axes), np.array(units))
            for axes, units in members.items()
        )

    def _group_name(self, axes: Sequence[int]) -> str:
        """The first weights of a group, by name."""
        owners = [self.slots.axes[number].value.owner for number in axes]
        weights = [op for op in owners if isinstance(op, ConstantOp)]
        weights.sort(key=lambda op: -len(op.result.type.get_shape()))
        return value_name(weights[0].result) if weights else ""

    def _fixed_axes(
        self, solution: _Solution, features: npt.NDArray[np.bool_]
    ) -> tuple[FixedAxis, ...]:
        """The features of weights all of which stay."""
        reasons = [f.why for f in self._fixed()]
        reasons += ["all its channels only go together", "no weights have it"]
        found: list[FixedAxis] = []
        for op in self.constants:
            for axis, slots in self.slots.of_value(op.result):
                numbers = solution.reasons[solution.labels[slots]]
                if features[slots].any() and (numbers >= 0).all():
                    why = reasons[int(numbers.min())]
                    found.append(FixedAxis(value_name(op.result), axis, why))
        return tuple(found)

    def _maskable(self, linear: frozenset[_Use]) -> frozenset[SSAValue]:
        """Constants that are only used linearly, directly or moved."""
        return frozenset(op.result for op in self.constants if _is_linear(op.result, linear))


_Use: TypeAlias = tuple[Operation, SSAValue]


def _is_linear(value: SSAValue, linear: frozenset[_Use]) -> bool:
    for use in value.uses:
        user = use.operation
        if user.name in _MOVES:
            if not _is_linear(user.results[0], linear):
                return False
        elif (user, value) not in linear:
            return False
    return True


_MOVES = frozenset(
    f"pfrt.{name}" for name in ("transpose", "reshape", "unsqueeze", "squeeze", "identity", "cast")
)


def value_name(value: SSAValue) -> str:
    """The model's name of a value; where it has none, a description of the op that uses it."""
    op = value.owner
    if isinstance(op, PfrtOp) and op.names is not None and op.names.data[0]:
        return op.names.data[0]
    user = next((use.operation for use in value.uses), None)
    return "" if user is None else f"operand of {describe(user)}"
