"""Structured pruning: channels that are gone, not multiplied by zero.

A plan says which units of channels (`channel_groups.py`) go, so that a budget holds: a share of all
channels, of the parameters or of the floating-point operations. `masked()` is the dense model in
which these channels are zero, and what is left after `apply()` computes what that one computes.

Works best before anything is fused (levels 0 and 1): where channels go is then said by plain ops.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.pruning.channel_costs import Cost, CostModel
from pyflame_rt.passes.pruning.channel_groups import ChannelGroups, FixedAxis, Group, value_name
from pyflame_rt.passes.pruning.channel_importance import (
    SCOPES,
    Saliency,
    Weight,
    magnitude,
    removal_order,
    unit_scores,
)
from pyflame_rt.passes.pruning.channel_removal import (
    masked_module,
    remove,
    unshare_vectors,
    weight_masks,
)
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.passes.pruning.relations.slots import Positions

__all__ = [
    "MEASURES",
    "Budget",
    "ChannelPlan",
    "ChannelReport",
    "GroupReport",
    "Saliency",
    "Weight",
    "magnitude",
    "plan_channels",
    "prune_channels",
]

MEASURES = ("channels", "flops", "parameters")

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Budget:
    """How much goes: the share `amount` of the channels that can go, or of all the flops or
    parameters of the model."""

    amount: float
    of: str = "channels"

    def __post_init__(self) -> None:
        if not 0 <= self.amount < 1:
            raise PassFailed(
                f"pfrt-prune: a share of {self.amount} cannot go; it is at least 0 and below 1"
            )
        if self.of not in MEASURES:
            raise PassFailed(f'"{self.of}" cannot be a budget; there are {", ".join(MEASURES)}')


@dataclass(frozen=True)
class GroupReport:
    """What becomes of a group: its weights by name, how many units it had and loses, and how many
    channels (features of weights) a unit is on average."""

    name: str
    weights: tuple[str, ...]
    units: int
    removed: int
    unit_channels: float


@dataclass(frozen=True)
class ChannelReport:
    """What a plan does to a model. Dimensions that are not known count as 1 in flops."""

    before: Cost
    after: Cost
    groups: tuple[GroupReport, ...]
    fixed: tuple[FixedAxis, ...]

    @property
    def prunable(self) -> bool:
        """Whether anything can go."""
        return bool(self.groups)


class ChannelPlan:
    """Which channels of a module go; nothing has gone yet."""

    def __init__(self, module: ModuleOp, groups: ChannelGroups, kept: Kept, report: ChannelReport):
        self._module = module
        self._groups = groups
        self._kept = kept
        self.report = report

    @property
    def masks(self) -> dict[str, Mask]:
        """True for what stays of each weight that loses something, by name, in its old shape."""
        return weight_masks(self._module, self._kept)

    def masked(self) -> ModuleOp:
        """A copy of the module, of the same shapes, whose channels that go are exactly zero."""
        return masked_module(self._module, self._kept, self._groups.linear)

    def apply(self) -> ChannelReport:
        """Remove the channels from the module. Raises PassFailed if that leaves it invalid."""
        remove(self._module, self._kept)
        return self.report


def plan_channels(
    module: ModuleOp,
    budget: Budget,
    *,
    saliency: Saliency | None = None,
    scope: str = "global",
    exclude: Collection[str] = (),
    multiple: int = 1,
    keep: float = 0.1,
) -> ChannelPlan:
    """Choose the channels that go: the least important ones, until the budget holds.

    `saliency` judges elements of weights, by default by their squares. `scope` "global" compares
    units of all groups, "group" takes the same share of each. Weights, values and nodes that names
    or wildcards in `exclude` mean keep theirs. A group keeps a multiple of `multiple` channels where it has as many, and at least
    the share `keep` of its units. If all that can go is less than the budget, all of that goes.

    Constants of one axis that several ops share become one for each. Raises PassFailed for options
    that make no sense and for weights that are not at hand.
    """
    if scope not in SCOPES:
        raise PassFailed(f'the scope is "global" or "group", not "{scope}"')
    if not 0 <= keep <= 1 or multiple < 1:
        raise PassFailed(f"keep is a share and multiple a number above 0, not {keep}, {multiple}")
    unshare_vectors(module)
    groups = ChannelGroups.of(module, exclude)
    order = removal_order(groups, unit_scores(groups, saliency or magnitude()), scope, keep)
    costs = CostModel(module, groups)
    chooser = _Chooser(groups, order, multiple)
    before = costs.cost(chooser.kept(0))
    count = _needed(chooser, costs, budget, before)
    kept = chooser.kept(count)
    report = ChannelReport(before, costs.cost(kept), chooser.reports(count), groups.fixed)
    return ChannelPlan(module, groups, kept, report)


def prune_channels(module: ModuleOp, budget: Budget, **options: Any) -> ChannelReport:
    """Remove channels from a module, in place; `plan_channels` says which, and what the options
    are."""
    return plan_channels(module, budget, **options).apply()


class _Chooser:
    """What is kept when the first so many units of an order go."""

    def __init__(self, groups: ChannelGroups, order: Positions, multiple: int):
        self._groups = groups
        self._order = order
        self._multiple = multiple
        self._group_of = np.full(int(groups.labels.max(initial=-1)) + 1, -1)
        for number, group in enumerate(groups.groups):
            self._group_of[group.units] = number
        channels = np.bincount(groups.labels[groups.features], minlength=len(self._group_of))
        self.channels: Positions = channels
        where = groups.slots.axis_of_slot()
        self._widths = [
            1 if multiple == 1 else _width(groups, where, group) for group in groups.groups
        ]

    def __len__(self) -> int:
        return len(self._order)

    @property
    def removable_channels(self) -> int:
        """How many features can go, and stay only because something has to."""
        return int(sum(self.channels[group.units].sum() for group in self._groups.groups))

    def going(self, count: int) -> Positions:
        """The first `count` units, less those that a group keeps to have a multiple."""
        chosen = self._order[:count]
        if self._multiple == 1:
            return chosen
        left: list[Positions] = []
        for number, group in enumerate(self._groups.groups):
            mine = chosen[self._group_of[chosen] == number]
            left.append(mine[: self._rounded(group, len(mine), self._widths[number])])
        return np.concatenate(left) if left else chosen

    def _rounded(self, group: Group, count: int, width: int) -> int:
        """At most `count` units, so that what stays is a multiple of channels."""
        total = len(group.units)
        for fewer in range(count, -1, -1):
            if (total - fewer) * width % self._multiple == 0:
                return fewer
        return 0

    def kept(self, count: int) -> Kept:
        """What stays."""
        goes = np.zeros(len(self._group_of), bool)
        goes[self.going(count)] = True
        return Kept(self._groups.slots, ~goes[self._groups.labels])

    def reports(self, count: int) -> tuple[GroupReport, ...]:
        """What becomes of each group."""
        gone = np.bincount(self._group_of[self.going(count)], minlength=len(self._groups.groups))
        return tuple(
            GroupReport(
                group.name,
                tuple(dict.fromkeys(value_name(a.value) for a in group.axes if _named(a.value))),
                len(group.units),
                int(gone[number]),
                float(self.channels[group.units].mean()),
            )
            for number, group in enumerate(self._groups.groups)
        )


def _width(groups: ChannelGroups, axis_of_slot: Positions, group: Group) -> int:
    """How many positions a unit has in the axis where it has most."""
    return int(np.bincount(axis_of_slot[groups.labels == group.units[0]]).max())


def _named(value: Any) -> bool:
    return type(value.owner).__name__ == "ConstantOp"


def _needed(chooser: _Chooser, costs: CostModel, budget: Budget, before: Cost) -> int:
    """The least number of units of the order that makes the budget hold, all if none does."""
    if budget.of == "channels":
        limit = before.channels - budget.amount * chooser.removable_channels
    else:
        limit = (1 - budget.amount) * getattr(before, budget.of)
    low, high = 0, len(chooser)
    while low < high:
        middle = (low + high) // 2
        kept = chooser.kept(middle)
        cost = (
            costs.channels(kept)
            if budget.of == "channels"
            else getattr(costs.cost(kept), budget.of)
        )
        if cost <= limit:
            high = middle
        else:
            low = middle + 1
    return low
