"""Whole channels: from settings to what `channels` removes, and how much a channel matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.pruning import channels, criteria
from pyflame_rt.passes.pruning.channels import Budget, ChannelPlan, Weight
from pyflame_rt.passes.pruning.evidence import Evidence

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from pyflame_rt.passes.pruning.pfrt_prune import PfrtPrunePass

Array: TypeAlias = npt.NDArray[Any]
Saliency: TypeAlias = Callable[[Weight], Array]


def plan(module: ModuleOp, options: PfrtPrunePass, evidence: Evidence) -> ChannelPlan:
    """Which channels go. Raises PassFailed."""
    if options.targets:
        raise PassFailed(
            "pfrt-prune: channels go with those of other layers, which have no sparsity of their own",
            hint="exclude names layers that stay",
        )
    return channels.plan_channels(
        module,
        Budget(float(options.sparsity), options.of),
        saliency=_saliency(options, evidence),
        scope="global" if options.across else "group",
        exclude=options.exclude,
        multiple=options.multiple,
    )


def _saliency(options: PfrtPrunePass, evidence: Evidence) -> Saliency:
    """The importance of each element, which is summed over channels."""
    match options.criterion:
        case "magnitude":
            return channels.magnitude(2)
        case "random":
            generator = np.random.default_rng(options.seed)
            return lambda weight: generator.random(weight.array.shape)
        case "taylor":
            return lambda weight: criteria.taylor(weight.array, _gradient(weight, evidence))
        case criterion:
            raise PassFailed(
                f"pfrt-prune: criterion {criterion} says nothing of whole channels",
                hint="take magnitude, taylor or random",
            )


def _gradient(weight: Weight, evidence: Evidence) -> Array:
    found = evidence.gradients.get(weight.name)
    if found is None or found.shape != weight.array.shape:
        raise PassFailed(
            f'pfrt-prune: criterion taylor has no gradients of "{weight.name}"',
            hint="give arrays of the weights' shape by their names",
        )
    return found
