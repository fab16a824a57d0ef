"""The pass that prunes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.pruning import records
from pyflame_rt.passes.pruning.choosing import Choice, Settings, choose
from pyflame_rt.passes.pruning.evidence import Evidence
from pyflame_rt.passes.pruning.layers import Layer, layers_of, selected
from pyflame_rt.passes.pruning.naming import require_named
from pyflame_rt.passes.pruning.records import Record

Array: TypeAlias = npt.NDArray[Any]
Granularity: TypeAlias = Literal["unstructured", "structured", "block", "nm"]
Criterion: TypeAlias = Literal[
    "magnitude", "movement", "taylor", "lamp", "random", "wanda", "sparsegpt"
]
Measure: TypeAlias = Literal["channels", "flops", "parameters"]


@dataclass(frozen=True)
class PfrtPrunePass(ModulePass):
    """Makes weights 0 that matter little, or with `structured` removes channels altogether.

    Before: `%w = pfrt.constant dense<[[1.0, -0.1, 0.2, 3.0]]> as "fc.weight" : tensor<1x4xf32>`
    After: `%w = pfrt.constant dense<[[1.0, 0.0, 0.0, 3.0]]> as "fc.weight" {pfrt.pruned = {criterion =
    "magnitude", granularity = "nm", mask = …, pattern = array<i64: 2, 4>}} : tensor<1x4xf32>`

    Of products and convolutions with constant float weights; others are declined with the reason.
    The mask stands at the constant, and goes with the model into every format that holds IR.
    """

    name = "pfrt-prune"

    granularity: Granularity = "unstructured"
    """What goes together: single weights, whole channels, blocks, or M - N of each M in a row."""

    criterion: Criterion = "magnitude"
    """How much a weight matters. movement takes gradients, wanda and sparsegpt recorded inputs,
    taylor either: see `data`."""

    sparsity: int | float = 0.5
    """The part that goes, of each layer; of all together for lamp. N:M patterns have their own."""

    targets: tuple[str, ...] = ()
    """Other sparsities for layers, as NAME=SPARSITY; names may be wildcards."""

    exclude: tuple[str, ...] = ()
    """Layers that stay, by the name of their weights, results or node; or wildcards."""

    block: tuple[int, ...] = (4, 4)
    """Outputs and inputs of a block."""

    n: int = 2
    """How many of M stay."""

    m: int = 4
    """Of how many consecutive inputs."""

    across: bool = False
    """Whether the sparsity is that of all layers together, whatever the criterion; with `structured`
    whether layers may lose different parts."""

    of: Measure = "channels"
    """With `structured`: of what the sparsity is the part that goes."""

    multiple: int = 1
    """With `structured`: of what the number of channels that stay is a multiple."""

    norm: int = 2
    """With `structured` and magnitude: the power of |w| that is summed over a channel."""

    seed: int = 0
    """Of criterion random."""

    data: str = ""
    """A file of gradients and recorded inputs: `.npz`, written by `pyflame_rt.pruning`."""

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity <= 1:
            raise ValueError(f"sparsity is a part, from 0 to 1, not {self.sparsity}")
        if not 0 < self.n <= self.m:
            raise ValueError(f"of {self.m} inputs not {self.n} can stay")
        if self.of not in get_args(Measure) or self.multiple < 1 or self.norm not in (1, 2):
            raise ValueError(
                "of is channels, flops or parameters, multiple at least 1, norm 1 or 2, not "
                f"{self.of}, {self.multiple}, {self.norm}"
            )
        if len(self.block) != 2 or min(self.block) < 1:
            raise ValueError("block takes two sizes, of outputs and of inputs")
        for target in self.targets:
            _, _, text = target.rpartition("=")
            if not _is_part(text):
                raise ValueError(f'targets are NAME=SPARSITY, from 0 to 1, not "{target}"')

    def settings(self) -> Settings:
        """The options that masks depend on."""
        rows, columns = self.block
        named = (target.rpartition("=") for target in self.targets)
        return Settings(
            self.granularity,
            self.criterion,
            float(self.sparsity),
            {name: float(text) for name, _, text in named},
            (rows, columns),
            self.n,
            self.m,
            self.seed,
            self.across,
        )

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        prune(op, self, Evidence.load(self.data) if self.data else Evidence())


def prune(module: ModuleOp, options: PfrtPrunePass, evidence: Evidence) -> list[Choice]:
    """Prune a module; what was chosen of each layer, nothing for whole channels. Raises PassFailed."""
    if options.granularity == "structured":
        _remove_channels(module, options, evidence)
        return []
    choices = choices_for(module, options, evidence)
    for choice in choices:
        put(choice, choice.weights, record_of(options, choice.mask))
    return choices


def choices_for(module: ModuleOp, options: PfrtPrunePass, evidence: Evidence) -> list[Choice]:
    """What stays of each layer; nothing is changed. Raises PassFailed."""
    every = layers_of(module)
    require_named(module, options.exclude, [layer.name for layer in every])
    layers = list(selected(every, options.exclude))
    _require_targets(layers, options.targets)
    return choose(layers, options.settings(), evidence)


def record_of(options: PfrtPrunePass, mask: npt.NDArray[np.bool_]) -> Record:
    """What is noted of a mask that these options made."""
    return Record(options.granularity, options.criterion, mask, options.settings().pattern)


def put(choice: Choice, weights: Array | None, record: Record) -> ConstantOp:
    """Put a layer's weights, or new ones, in its place with zeros where the mask has them; the new
    constant."""
    old = choice.layer.constant
    array = choice.layer.weights if weights is None else weights
    masked = np.where(choice.mask, array, np.zeros((), array.dtype)).astype(array.dtype)
    return replaced(old, masked, record)


def replaced(old: ConstantOp, array: Array, record: Record | None) -> ConstantOp:
    """A constant in the place of another, with its names, location and attributes."""
    new = ConstantOp.get(np.ascontiguousarray(array))
    new.names, new.location = old.names, old.location
    new.attributes.update(old.attributes)
    if record is not None:
        records.write(new, record)
    new.result.name_hint = old.result.name_hint
    block = old.parent_block()
    assert block is not None
    block.insert_op_before(new, old)
    old.result.replace_all_uses_with(new.result)
    block.erase_op(old)
    return new


def _remove_channels(module: ModuleOp, options: PfrtPrunePass, evidence: Evidence) -> None:
    # Much code, which is not needed for zeros.
    from pyflame_rt.passes.pruning import removal

    report = removal.plan(module, options, evidence).apply()
    for fixed in report.fixed:
        where = f'"{fixed.name}", axis {fixed.axis}'
        declined(module, f"{where}: {fixed.why}")


def _require_targets(layers: Sequence[Layer], targets: Sequence[str]) -> None:
    for target in targets:
        name = target.rpartition("=")[0]
        if not any(layer.is_called(name) for layer in layers):
            known = ", ".join(f'"{layer.name}"' for layer in layers[:8]) or "none"
            raise PassFailed(
                f'pfrt-prune: there is no layer "{name}" to have a sparsity of its own',
                hint=f"there are {known}",
            )


def _is_part(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
