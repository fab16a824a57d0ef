"""Settings of pruning, in the documentation's words; each is a way to spell `pfrt-prune`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from pyflame_rt.errors import ValidationError
from pyflame_rt.passes.pruning.pfrt_prune import Criterion, Granularity, Measure, PfrtPrunePass
from pyflame_rt.pruning import schedules


class PruningGranularity(Enum):
    """What goes together."""

    UNSTRUCTURED = 0
    STRUCTURED = 1
    BLOCK = 2
    NM = 3


class PruningCriterion(Enum):
    """How much a weight matters.

    MOVEMENT takes gradients, WANDA and SPARSEGPT recorded inputs, TAYLOR either of them.
    """

    MAGNITUDE = 0
    MOVEMENT = 1
    RANDOM = 2
    TAYLOR = 3
    LAMP = 4
    WANDA = 5
    SPARSEGPT = 6


class PruningSchedule(Enum):
    """How sparsity grows between two steps of a training."""

    ONE_SHOT = 0
    ITERATIVE = 1
    CUBIC = 2
    POLYNOMIAL = 3


@dataclass
class PruningConfig:
    """How a model is pruned.

    `block_size`: outputs and inputs of a block. `per_layer_sparsity`: by the name of a layer's
    weights, results or node, wildcards allowed; `exclude_layers` likewise. `initial_sparsity`: at
    `start_step`. `iterations`: of schedule ITERATIVE; `power`: of schedule POLYNOMIAL. `across`:
    whether the target is that of all layers together. `seed`: of criterion RANDOM.

    Of STRUCTURED: `of` says what the target is the part of, "channels" that can go, or "flops" or
    "parameters" of the whole model; `multiple` of what the number of channels that stay is one;
    `norm` the power of |w| that criterion MAGNITUDE sums over a channel, 1 or 2.
    """

    target_sparsity: float = 0.5
    granularity: PruningGranularity = PruningGranularity.UNSTRUCTURED
    criterion: PruningCriterion = PruningCriterion.MAGNITUDE
    schedule: PruningSchedule = PruningSchedule.ONE_SHOT
    n_value: int = 2
    m_value: int = 4
    start_step: int = 0
    end_step: int = 1000
    block_size: list[int] = field(default_factory=lambda: [4, 4])
    per_layer_sparsity: dict[str, float] = field(default_factory=dict[str, float])
    exclude_layers: list[str] = field(default_factory=list[str])
    initial_sparsity: float = 0.0
    iterations: int = 10
    power: float = 2.0
    across: bool = False
    seed: int = 0
    of: Measure = "channels"
    multiple: int = 1
    norm: int = 2

    @staticmethod
    def magnitude_pruning(sparsity: float) -> PruningConfig:
        """Single weights go, the smallest first."""
        return PruningConfig(target_sparsity=sparsity)

    @staticmethod
    def structured_pruning(sparsity: float, of: Measure = "channels") -> PruningConfig:
        """Whole channels are removed, until that part of them, of "flops" or of "parameters" is
        gone."""
        return PruningConfig(
            target_sparsity=sparsity, granularity=PruningGranularity.STRUCTURED, of=of
        )

    @staticmethod
    def nm_sparsity(n: int = 2, m: int = 4) -> PruningConfig:
        """N of M consecutive inputs stay."""
        return PruningConfig(
            target_sparsity=1 - n / m if m else 0.0,
            granularity=PruningGranularity.NM,
            n_value=n,
            m_value=m,
        )

    def add_exclude_layer(self, name: str) -> None:
        """Let a layer stay as it is."""
        self.exclude_layers.append(name)

    def sparsity_at(self, step: int) -> float:
        """The sparsity that the schedule wants at a step."""
        if self.schedule is PruningSchedule.ONE_SHOT:
            return self.target_sparsity if step >= self.start_step else self.initial_sparsity
        grow = {
            PruningSchedule.ITERATIVE: schedules.iterative(self.iterations),
            PruningSchedule.CUBIC: schedules.polynomial(3.0),
            PruningSchedule.POLYNOMIAL: schedules.polynomial(self.power),
        }[self.schedule]
        done = schedules.progress(step, self.start_step, self.end_step)
        return self.initial_sparsity + (self.target_sparsity - self.initial_sparsity) * grow(done)

    def options(self, sparsity: float | None = None) -> PfrtPrunePass:
        """The pass that does it, at the target or another sparsity. Raises ValidationError for
        settings that make no sense."""
        targets = self.per_layer_sparsity.items()
        try:
            return PfrtPrunePass(
                granularity=_GRANULARITIES[self.granularity],
                criterion=_CRITERIA[self.criterion],
                sparsity=self.target_sparsity if sparsity is None else sparsity,
                targets=tuple(f"{name}={value}" for name, value in targets),
                exclude=tuple(self.exclude_layers),
                block=tuple(self.block_size),
                n=self.n_value,
                m=self.m_value,
                across=self.across,
                seed=self.seed,
                of=self.of,
                multiple=self.multiple,
                norm=self.norm,
            )
        except (ValueError, TypeError, KeyError) as error:
            raise ValidationError(str(error), where="PruningConfig") from error


_GRANULARITIES: dict[PruningGranularity, Granularity] = {
    PruningGranularity.UNSTRUCTURED: "unstructured",
    PruningGranularity.STRUCTURED: "structured",
    PruningGranularity.BLOCK: "block",
    PruningGranularity.NM: "nm",
}
_CRITERIA: dict[PruningCriterion, Criterion] = {
    PruningCriterion.MAGNITUDE: "magnitude",
    PruningCriterion.MOVEMENT: "movement",
    PruningCriterion.RANDOM: "random",
    PruningCriterion.TAYLOR: "taylor",
    PruningCriterion.LAMP: "lamp",
    PruningCriterion.WANDA: "wanda",
    PruningCriterion.SPARSEGPT: "sparsegpt",
}
