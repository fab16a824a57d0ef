"""Pruning graphs as the documentation describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt import pipelines
from pyflame_rt.compiler import Program
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.pruning import pfrt_prune, records
from pyflame_rt.passes.pruning.choosing import NEEDS_INPUTS, Choice
from pyflame_rt.passes.pruning.evidence import Evidence
from pyflame_rt.passes.pruning.layers import layers_of
from pyflame_rt.passes.pruning.pfrt_prune import PfrtPrunePass
from pyflame_rt.passes.pruning.records import Record
from pyflame_rt.pruning.config import PruningConfig, PruningGranularity
from pyflame_rt.pruning.feeding import Feeds, batches
from pyflame_rt.pruning.recording import record
from pyflame_rt.pruning.recovery import reconstruct, recover_channels
from pyflame_rt.pruning.report import PruningStats, statistics

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class PruningMask:
    """Which weights of a layer stay: `mask` has the weights' shape, true for what stays."""

    name: str
    mask: npt.NDArray[np.bool_]
    granularity: str = "unstructured"
    criterion: str = "magnitude"
    pattern: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the weights."""
        return self.mask.shape

    def num_pruned(self) -> int:
        """How many weights go."""
        return self.mask.size - int(np.count_nonzero(self.mask))

    def sparsity(self) -> float:
        """The part of the weights that goes."""
        return self.num_pruned() / self.mask.size if self.mask.size else 0.0

    def apply(self, weights: Array) -> Array:
        """The weights with zeros where they go. Raises ValidationError for another shape."""
        if weights.shape != self.mask.shape:
            raise ValidationError(
                f"a mask of shape {list(self.mask.shape)} is not for weights of "
                f"{list(weights.shape)}",
                where=self.name,
            )
        return np.where(self.mask, weights, np.zeros((), weights.dtype))


class WeightPruner:
    """Prunes graphs by a config; a graph that is given stays as it is.

    `evidence` is what `record` returns, for the criteria that ask for more than weights.
    """

    def __init__(self, config: PruningConfig | None = None, evidence: Evidence | None = None):
        self.config = PruningConfig() if config is None else config
        self.evidence = Evidence() if evidence is None else evidence
        self._stats: PruningStats | None = None

    def prune(self, graph: Graph, step: int | None = None, *, inputs: Feeds | None = None) -> Graph:
        """A graph with less in it: at the target sparsity, or at the schedule's at a step.

        With `inputs`, some of what the model is fed, without labels: what the criterion wants to
        know is recorded, and weights are reconstructed afterwards (see `reconstruct`). Raises
        PassFailed, ValidationError for the config, and as runs do.
        """
        options, evidence = self._options(step), self.evidence
        feeds = None if inputs is None else batches(inputs)
        wants = options.criterion in (*NEEDS_INPUTS, "taylor") and not evidence.gradients
        if feeds is not None and wants and not evidence.grams:
            evidence = record(graph, feeds, exclude=options.exclude)
        program = _copy(graph)
        if options.granularity == "structured" and feeds is not None:
            from pyflame_rt.passes.pruning import removal

            planned = removal.plan(program.module, options, evidence)
            recover_channels(planned, program, graph, feeds)
            planned.apply()
        else:
            pfrt_prune.prune(program.module, options, evidence)
            if feeds is not None:
                program = reconstruct(Graph.of_program(program), graph, feeds).program()
        return self._finished(graph, program)

    def compute_masks(self, graph: Graph, step: int | None = None) -> dict[str, PruningMask]:
        """The masks by the names of weights; nothing is changed. Raises as `prune`."""
        options = self._options(step)
        if self.config.granularity is PruningGranularity.STRUCTURED:
            from pyflame_rt.passes.pruning import removal

            planned = removal.plan(_copy(graph).module, options, self.evidence).masks
            return {
                name: PruningMask(name, mask, options.granularity, options.criterion)
                for name, mask in planned.items()
            }
        choices = pfrt_prune.choices_for(graph.program().module, options, self.evidence)
        return {choice.layer.name: _mask(choice, options) for choice in choices}

    def apply_masks(self, graph: Graph, masks: Mapping[str, PruningMask]) -> Graph:
        """The graph with zeros where masks have them, which it keeps with its weights; masks of
        whole channels leave channels of zeros, which `prune` removes.

        Raises ValidationError for a mask that no layer has, or of another shape.
        """
        program = _copy(graph)
        layers = {layer.name: layer for layer in layers_of(program.module)}
        for name, mask in masks.items():
            layer = layers.get(name)
            if layer is None:
                known = ", ".join(f'"{name}"' for name in list(layers)[:8]) or "none"
                raise ValidationError(
                    f'there is no layer "{name}"', where="apply_masks", hint=f"there are {known}"
                )
            mask.apply(layer.weights)
            record = Record(mask.granularity, mask.criterion, mask.mask, mask.pattern)
            pfrt_prune.put(Choice(layer, mask.mask), None, record)
        return self._finished(graph, program)

    def get_sparsity_at_step(self, step: int) -> float:
        """The sparsity that the schedule wants at a step."""
        return self.config.sparsity_at(step)

    def get_stats(self) -> PruningStats:
        """What the last `prune` or `apply_masks` did. Raises ValidationError before the first."""
        if self._stats is None:
            raise ValidationError("nothing has been pruned yet", where="WeightPruner")
        return self._stats

    def _options(self, step: int | None) -> PfrtPrunePass:
        return self.config.options(None if step is None else self.get_sparsity_at_step(step))

    def _finished(self, before: Graph, program: Program) -> Graph:
        pipelines.verify_module(program.module)
        self._stats = statistics(before.program(), program)
        return Graph.of_program(program)


def masks_of(graph: Graph) -> dict[str, PruningMask]:
    """The masks that a graph's weights were pruned by, as they were saved with the model."""
    found: dict[str, PruningMask] = {}
    for layer in layers_of(graph.program().module):
        note = records.read(layer.constant)
        if note is not None:
            found[layer.name] = PruningMask(
                layer.name, note.mask, note.granularity, note.criterion, note.pattern
            )
    return found


def _mask(choice: Choice, options: PfrtPrunePass) -> PruningMask:
    pattern = options.settings().pattern
    name = choice.layer.name
    return PruningMask(name, choice.mask, options.granularity, options.criterion, pattern)


def _copy(graph: Graph) -> Program:
    program = graph.program()
    return Program(program.ctx, program.module.clone(), program.name)
