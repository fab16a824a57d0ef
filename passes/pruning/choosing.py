"""From settings to masks: which scores, which pattern, over which layers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.dialects.rewriting import declined, failed
from pyflame_rt.passes.pruning import block, criteria, masks, nm, surgeon
from pyflame_rt.passes.pruning.evidence import Evidence
from pyflame_rt.passes.pruning.layers import Layer

Array: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]

NEEDS_INPUTS = ("wanda", "sparsegpt")
_RECORD = "record some inputs: pruning.record(graph, feeds)"


@dataclass(frozen=True)
class Settings:
    """What is to go: the options of `pfrt-prune` that masks depend on."""

    granularity: str = "unstructured"
    criterion: str = "magnitude"
    sparsity: float = 0.5
    targets: Mapping[str, float] = field(default_factory=dict[str, float])
    """Sparsity by name of a layer, or wildcard; the first that means a layer counts."""
    block: tuple[int, int] = (4, 4)
    n: int = 2
    m: int = 4
    seed: int = 0
    across: bool = False
    """Whether the sparsity is that of all layers together."""

    def target(self, layer: Layer) -> float | None:
        """The sparsity of one layer, if it has its own."""
        for pattern, sparsity in self.targets.items():
            if layer.is_called(pattern):
                return sparsity
        return None

    @property
    def pattern(self) -> tuple[int, ...]:
        """What a record of a mask says of the pattern."""
        return {"nm": (self.n, self.m), "block": self.block}.get(self.granularity, ())


@dataclass(frozen=True)
class Choice:
    """A layer, which of its weights stay (in the weights' own shape), and what they become if the
    criterion changes them."""

    layer: Layer
    mask: Mask
    weights: Array | None = None


def choose(layers: Sequence[Layer], settings: Settings, evidence: Evidence) -> list[Choice]:
    """What stays of each layer. Raises PassFailed when a criterion lacks what it needs."""
    fitting = [layer for layer in layers if _fits(layer, settings)]
    if settings.criterion == "sparsegpt":
        return [_operated(layer, settings, evidence) for layer in fitting]
    scored = [
        (layer, score(layer, index, settings, evidence)) for index, layer in enumerate(fitting)
    ]
    pooled = settings.across or settings.criterion == "lamp"
    if settings.granularity == "nm" or not pooled:
        return [_chosen(layer, scores, settings) for layer, scores in scored]
    own = {id(layer) for layer, _ in scored if settings.target(layer) is not None}
    rest = [(layer, scores) for layer, scores in scored if id(layer) not in own]
    found = dict(zip((id(layer) for layer, _ in rest), _together(rest, settings), strict=True))
    return [
        Choice(layer, layer.array(found[id(layer)]))
        if id(layer) in found
        else _chosen(layer, scores, settings)
        for layer, scores in scored
    ]


def _fits(layer: Layer, settings: Settings) -> bool:
    why = ""
    if settings.granularity == "nm":
        why = nm.obstacle(layer.channels, settings.m)
    if settings.criterion == "sparsegpt" and not np.isfinite(layer.weights).all():
        why = "some of its weights are infinite or no numbers, which nothing makes up for"
    if why:
        declined(layer.op, why)
    return not why


def _together(rest: Sequence[tuple[Layer, Array]], settings: Settings) -> list[Mask]:
    scores = [each for _, each in rest]
    if settings.granularity == "block":
        return block.together(scores, settings.sparsity, *settings.block)
    return masks.together(scores, settings.sparsity)


def _chosen(layer: Layer, scores: Array, settings: Settings) -> Choice:
    return Choice(layer, layer.array(_pattern(layer, scores, settings)))


def _pattern(layer: Layer, scores: Array, settings: Settings) -> Mask:
    own = settings.target(layer)
    sparsity = settings.sparsity if own is None else own
    match settings.granularity:
        case "nm":
            # A layer that is to stay dense has no pattern.
            dense = own == 0
            return np.ones(scores.shape, np.bool_) if dense else nm.pattern(
                scores, settings.n, settings.m
            )  # fmt: skip
        case "block":
            return block.pattern(scores, sparsity, *settings.block)
        case _:
            by_row = settings.criterion == "wanda"
            return (masks.of_rows if by_row else masks.unstructured)(scores, sparsity)


def score(layer: Layer, index: int, settings: Settings, evidence: Evidence) -> Array:
    """A score for each weight; of infinities, and of what is no number, the highest."""
    weights = layer.matrix(layer.weights)
    finite = np.isfinite(weights)
    w = np.where(finite, weights, np.zeros((), weights.dtype))
    with np.errstate(all="ignore"):
        scores = _by_criterion(w, layer, index, settings, evidence)
    return np.where(finite & ~np.isnan(scores), scores, np.inf)


def _by_criterion(
    w: Array, layer: Layer, index: int, settings: Settings, evidence: Evidence
) -> Array:
    match settings.criterion:
        case "lamp":
            return criteria.lamp(w)
        case "random":
            generator = np.random.default_rng([settings.seed, index])
            return _zeros_first(w, criteria.random(w, generator))
        case "movement":
            return _zeros_first(w, criteria.movement(w, _gradient(layer, settings, evidence)))
        case "taylor":
            if layer.name in evidence.gradients or layer.name not in evidence.grams:
                return criteria.taylor(w, _gradient(layer, settings, evidence))
            return criteria.taylor_of_output(w, _energy(layer, settings, evidence))
        case "wanda":
            return criteria.wanda(w, _energy(layer, settings, evidence))
        case _:
            return criteria.magnitude(w)


def _zeros_first(w: Array, scores: Array) -> Array:
    """Scores by which what is gone already goes first, so that more sparsity never brings it back."""
    return np.where(w == 0, min(0.0, float(scores.min())) - 1, scores)


def _operated(layer: Layer, settings: Settings, evidence: Evidence) -> Choice:
    try:
        return _by_surgery(layer, settings, evidence)
    except np.linalg.LinAlgError as error:
        raise failed(layer.op, _no_sum(layer), hint=_RECORD) from error


def _by_surgery(layer: Layer, settings: Settings, evidence: Evidence) -> Choice:
    """By SparseGPT, which chooses and corrects in one sweep."""
    w, grams = layer.matrix(layer.weights), _grams(layer, settings, evidence)
    size = len(w) // layer.groups
    own = settings.target(layer)
    sparsity = settings.sparsity if own is None else own
    updated, mask = np.empty(w.shape), np.empty(w.shape, np.bool_)
    fixed: Mask | None = None
    if settings.granularity == "block":
        diagonals = np.concatenate([
            np.broadcast_to(np.square(np.diagonal(surgeon.factor(gram))), (size, w.shape[1]))
            for gram in grams
        ])  # fmt: skip
        fixed = block.pattern(criteria.saliency(w, diagonals), sparsity, *settings.block)
    if settings.granularity == "nm":
        chooser = partial(nm.pattern, n=settings.n, m=settings.m)
        if own == 0:
            fixed = np.ones(w.shape, np.bool_)
    else:
        chooser = partial(masks.unstructured, sparsity=sparsity)
    for group, gram in enumerate(grams):
        rows = slice(group * size, (group + 1) * size)
        width = settings.m if settings.granularity == "nm" else 0
        updated[rows], mask[rows] = surgeon.prune(
            w[rows], gram, chooser, width, None if fixed is None else fixed[rows]
        )
    weights = layer.weights
    return Choice(layer, layer.array(mask), layer.array(updated).astype(weights.dtype))


def _gradient(layer: Layer, settings: Settings, evidence: Evidence) -> Array:
    gradient = evidence.gradients.get(layer.name)
    if gradient is None:
        raise failed(
            layer.op,
            f'criterion {settings.criterion} has no gradients of "{layer.name}"',
            hint="give arrays of the weights' shape by their names",
        )
    if gradient.shape != layer.weights.shape:
        raise failed(
            layer.op,
            f'gradients of "{layer.name}" have the shape {list(gradient.shape)}, '
            f"the weights {list(layer.weights.shape)}",
        )
    return layer.matrix(gradient)


def _grams(layer: Layer, settings: Settings, evidence: Evidence) -> Array:
    grams, columns = evidence.grams.get(layer.name), layer.matrix(layer.weights).shape[1]
    if grams is None:
        why = f'criterion {settings.criterion} has no record of what "{layer.name}" is fed'
        raise failed(layer.op, why, hint=_RECORD)
    wanted = (layer.groups, columns, columns)
    if grams.shape != wanted:
        shape = list(cast(Any, grams.shape))
        why = f'the record of "{layer.name}" has the shape {shape}, not {list(wanted)}'
        raise failed(layer.op, why)
    if not np.isfinite(grams).all() or (np.einsum("gii->gi", grams) < 0).any():
        raise failed(layer.op, _no_sum(layer), hint=_RECORD)
    return grams


def _no_sum(layer: Layer) -> str:
    return f'the record of "{layer.name}" is no sum of x x^T'


def _energy(layer: Layer, settings: Settings, evidence: Evidence) -> Array:
    """The sum of squares of each input, a row for each output."""
    grams = _grams(layer, settings, evidence)
    size = layer.weights.shape[0] if layer.groups > 1 else len(layer.matrix(layer.weights))
    diagonals = np.einsum("gii->gi", grams)
    return np.repeat(diagonals, size // layer.groups, axis=0)
