"""Which layers stay floats, so that a model is as good as is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.pruning.feeding import Feeds, batches
from pyflame_rt.quantization.candidates import Candidates, Run, decibels, running
from pyflame_rt.quantization.config import QuantConfig
from pyflame_rt.quantization.quantizer import QuantizationResult

Metric: TypeAlias = Callable[[Run], float]
"""How good a model is, more being better: it is given a function that runs it on a feed."""


@dataclass(frozen=True)
class SearchResult:
    """A model that is good enough, and how it was found."""

    result: QuantizationResult
    floats: list[str]
    """The layers that stay floats, most sensitive first."""
    baseline: float
    """The metric of the float model."""
    metric: float
    """That of the result."""
    sensitivities: dict[str, float]
    """SQNR of the outputs in dB when a layer alone is quantized; least first."""
    tried: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    """How many layers stayed floats, and the metric, in the order in which it was measured."""

    def __str__(self) -> str:
        lines = [
            f"metric {self.metric:.6g}, of floats {self.baseline:.6g}; "
            f"{len(self.floats)} of {len(self.sensitivities)} layers stay floats"
        ]
        width = max((len(name) for name in self.sensitivities), default=0)
        for name, value in self.sensitivities.items():
            stays = "  stays" if name in self.floats else ""
            lines.append(f"{name:<{width}}  {value:6.1f} dB{stays}")
        return "\n".join(lines)


def search(
    graph: Graph,
    data: Feeds,
    metric: Metric,
    max_drop: float,
    config: QuantConfig | None = None,
) -> SearchResult:
    """The graph quantized but for the few layers that cost more than `max_drop` of the metric.

    `data`, a feed or several, calibrates, and says how sensitive layers are: by the SQNR of the
    outputs with one layer quantized and all others as they are. Then the most sensitive stay
    floats, as few as will do, by bisection: more floats are taken not to make a model worse. The
    metric is measured of the float model, and of about log2(layers) others.
    Raises ValidationError for a negative `max_drop` or an invalid config, and as runs do.
    """
    if not max_drop >= 0:
        raise ValidationError(f"max_drop must be at least 0, got {max_drop}", where="search")
    candidates = Candidates(
        graph, QuantConfig.static_int8() if config is None else config, batches(data, "search")
    )
    sensitivities = sensitivities_of(candidates)
    order = list(sensitivities)
    baseline = float(metric(running(candidates.graph)))
    tried: list[tuple[int, float]] = []

    def attempt(count: int) -> tuple[QuantizationResult, float]:
        result = candidates.quantized(order[:count])
        assert result.quantized_graph is not None
        value = float(metric(running(result.quantized_graph)))
        tried.append((count, value))
        return result, value

    low, high = 0, len(order)
    found = attempt(0)
    if found[1] < baseline - max_drop:
        # `low` is too few; `high` is enough, as nothing is quantized any more.
        best = high
        while high - low > 1:
            middle = (low + high) // 2
            candidate = attempt(middle)
            if candidate[1] >= baseline - max_drop:
                high, best, found = middle, middle, candidate
            else:
                low = middle
        if best == len(order):
            found = attempt(best)
        high = best
    else:
        high = 0
    return SearchResult(found[0], order[:high], baseline, found[1], sensitivities, tried)


def sensitivities_of(candidates: Candidates) -> dict[str, float]:
    """SQNR of the outputs with one layer quantized, for each; least first."""
    found: dict[str, float] = {}
    for layer in candidates.layers:
        graph = candidates.alone(layer).quantized_graph
        assert graph is not None
        found[layer] = decibels(candidates.noise(graph))
    return dict(sorted(found.items(), key=lambda item: item[1]))
