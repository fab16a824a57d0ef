"""How much each unit of channels matters, and in which order units go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.types import is_tensor, numpy_dtype, type_of
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.pruning.channel_groups import ChannelGroups, value_name
from pyflame_rt.passes.pruning.relations.slots import Positions

Array: TypeAlias = npt.NDArray[Any]

SCOPES = ("global", "group")


@dataclass(frozen=True)
class Weight:
    """Weights that are judged: their name ("" for none), the constant's value, its elements."""

    name: str
    value: SSAValue
    array: Array


Saliency: TypeAlias = Callable[[Weight], Array]
"""How much each element of weights matters: not negative, of the weights' shape."""


def magnitude(power: int = 2) -> Saliency:
    """|w| ** power: the L1 or, squared, the L2 norm of a slice (Li et al., Pruning Filters for
    Efficient ConvNets, 2017)."""

    def saliency(weight: Weight) -> Array:
        return np.abs(weight.array.astype(np.float64)) ** power

    return saliency


def unit_scores(groups: ChannelGroups, saliency: Saliency) -> Array:
    """The importance of each unit, by label: the sum over all slices of weights that go with it,
    over the mean of its group, so that groups compare (Fang et al., DepGraph, 2023)."""
    count = int(groups.labels.max()) + 1 if len(groups.labels) else 0
    scores = np.zeros(count, np.float64)
    for value in _weights(groups):
        array = constant_of(value)
        if array is None:
            raise PassFailed(
                "its values are not at hand, so nobody knows which channels matter",
                where=value_name(value),
            )
        found = np.asarray(saliency(Weight(_name(value), value, array)), np.float64)
        if found.shape != array.shape:
            why = f"a saliency of shape {found.shape} for weights of shape {array.shape}"
            raise PassFailed(why, where=value_name(value))
        with np.errstate(all="ignore"):
            for axis, slots in groups.slots.of_value(value):
                others = tuple(i for i in range(found.ndim) if i != axis)
                np.add.at(scores, groups.labels[slots], found.sum(axis=others))
    # Nobody knows what infinities do, so their channels stay longest.
    scores[~np.isfinite(scores)] = np.inf
    for group in groups.groups:
        mean = scores[group.units].mean()
        if 0 < mean < np.inf:
            scores[group.units] /= mean
    return scores


def _weights(groups: ChannelGroups) -> tuple[SSAValue, ...]:
    """The floats that may lose something and by which a unit is judged."""
    free = {axis.value for group in groups.groups for axis in group.axes}
    return tuple(v for v in groups.linear if v in free and is_floating(v))


def is_floating(value: SSAValue) -> bool:
    """Whether a value holds floats."""
    return is_tensor(value.type) and numpy_dtype(type_of(value).element_type).kind not in "biuO"


def _name(value: SSAValue) -> str:
    names = getattr(value.owner, "names", None)
    return "" if names is None else str(names.data[0])


def removal_order(groups: ChannelGroups, scores: Array, scope: str, keep: float) -> Positions:
    """Units in the order in which they go, without those that always stay.

    "global": the least important of all first; "group": each group loses the same share at the same
    time. Of each group the share `keep` stays, and one at least.
    """
    units: list[Positions] = []
    keys: list[Array] = []
    for group in groups.groups:
        total = len(group.units)
        ranked = group.units[np.argsort(scores[group.units], kind="stable")]
        going = total - max(1, int(np.ceil(keep * total)))
        units.append(ranked[:going])
        shares = (np.arange(going) + 1) / total
        keys.append(scores[ranked[:going]] if scope == "global" else shares)
    if not units:
        return np.zeros(0, np.int64)
    return np.concatenate(units)[np.argsort(np.concatenate(keys), kind="stable")]
