"""Steps in words and numbers: attributes of the ops that they come from, and of the run."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    f64,
    i64,
)
from xdsl.ir import Attribute

from pyflame_rt.passes.wse.emitting.interface import Contraction, Network, Step
from pyflame_rt.passes.wse.placing.bound import Bound, bound, valid_taps
from pyflame_rt.passes.wse.placing.predicting import choices


def bound_of(network: Network, step: Step) -> Bound | None:
    """The bound of a contraction; None for other steps, which have none."""
    if not isinstance(step, Contraction):
        return None
    source, result = network.value(step.input), network.value(step.output)
    grid = network.columns, network.rows, network.machine, network.dtype
    if step.window is None:
        depth = source.features * (source.rows if step.flatten else 1)
        return bound(result.rows, result.features, depth, *grid)
    assert source.image is not None
    taps = step.window.kernel[0] * step.window.kernel[1]
    pairs = valid_taps(step.window, source.image)
    return bound(
        result.rows, result.features, source.features * taps // step.groups, *grid,
        products=pairs * source.features * result.features // step.groups,
        elements=source.features * source.rows,
    )  # fmt: skip


def step_attributes(
    network: Network, predicted: Mapping[str, float]
) -> Mapping[str, DictionaryAttr]:
    """By step: name, kind, predicted cycles, the bound's terms, and what its emitter chose."""
    chosen = choices(network)
    found: dict[str, DictionaryAttr] = {}
    for step in network.steps:
        entries: dict[str, Attribute] = {
            "name": StringAttr(step.name),
            "kind": StringAttr("streamed " * (step.name in network.streamed) + kind_of(step)),
            "predicted": FloatAttr(round(predicted[step.name], 1), f64),
        }
        if (least := bound_of(network, step)) is not None:
            terms = {"compute": least.compute, "words": least.words, "latency": least.latency}
            entries["bound"] = DictionaryAttr({k: IntegerAttr(v, i64) for k, v in terms.items()})
        for key, value in chosen.get(step.name, {}).items():
            entries[key] = IntegerAttr(value, i64) if isinstance(value, int) else StringAttr(value)
        found[step.name] = DictionaryAttr(entries)
    return found


def kind_of(step: Step) -> str:
    """What a step is, in a word."""
    if isinstance(step, Contraction):
        return "product" if step.window is None else "convolution"
    function = getattr(step, "function", None)
    return function if isinstance(function, str) else type(step).__name__.lower()


def all_steps(steps: Mapping[str, DictionaryAttr], network: Network) -> ArrayAttr[Attribute]:
    """The attributes of a network's steps, in order."""
    return ArrayAttr([steps[step.name] for step in network.steps])
