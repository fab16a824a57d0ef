"""Whole channels: from settings to what `channels` removes, and how much a channel matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.pruning import channels, criteria
from pyflame_rt.passes.pruning.channels import Budget, ChannelPlan, Weight
from pyflame_rt.passes.pruning.choosing import Settings, score
from pyflame_rt.passes.pruning.evidence import Evidence
from pyflame_rt.passes.pruning.layers import Layer, layers_of
from pyflame_rt.passes.pruning.naming import require_named

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
    layers = layers_of(module)
    require_named(module, options.exclude, [layer.name for layer in layers])
    return channels.plan_channels(
        module,
        Budget(float(options.sparsity), options.of),
        saliency=_saliency(options, layers, evidence),
        scope="global" if options.across else "group",
        exclude=options.exclude,
        multiple=options.multiple,
    )


def _saliency(options: PfrtPrunePass, layers: Sequence[Layer], evidence: Evidence) -> Saliency:
    """The importance of each element, which is summed over channels."""
    match options.criterion:
        case "magnitude":
            return channels.magnitude(options.norm)
        case "random":
            generator = np.random.default_rng(options.seed)
            return lambda weight: generator.random(weight.array.shape)
        case "taylor" if evidence.gradients or not evidence.grams:
            return lambda weight: criteria.taylor(weight.array, _gradient(weight, evidence))
        case "taylor" | "wanda":
            known = {layer.name: layer for layer in layers}
            return partial(_by_inputs, known, options.settings(), evidence)
        case criterion:
            raise PassFailed(
                f"pfrt-prune: criterion {criterion} says nothing of whole channels",
                hint="take magnitude, taylor, wanda or random",
            )


def _by_inputs(
    layers: Mapping[str, Layer], settings: Settings, evidence: Evidence, weight: Weight
) -> Array:
    """The importance by what layers are fed; the rest of a channel, biases and such, has none."""
    layer = layers.get(weight.name)
    if layer is None:
        return np.zeros(weight.array.shape)
    return layer.array(score(layer, 0, settings, evidence))


def _gradient(weight: Weight, evidence: Evidence) -> Array:
    found = evidence.gradients.get(weight.name)
    if found is None or found.shape != weight.array.shape:
        raise PassFailed(
            f'pfrt-prune: criterion taylor has no gradients of "{weight.name}"',
            hint="give arrays of the weights' shape by their names, or record some inputs",
        )
    return found
