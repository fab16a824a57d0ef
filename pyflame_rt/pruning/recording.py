"""Recording what layers are fed: the evidence of wanda, sparsegpt and taylor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.graph import Graph
from pyflame_rt.passes.pruning.columns import columns_of
from pyflame_rt.passes.pruning.evidence import Evidence
from pyflame_rt.passes.pruning.layers import Layer, layers_of, selected
from pyflame_rt.pruning.feeding import Feeds, batches, each
from pyflame_rt.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]


def record(
    graph: Graph,
    inputs: Feeds,
    *,
    gradients: Mapping[str, Array | Tensor] | None = None,
    exclude: Sequence[str] = (),
) -> Evidence:
    """Run a graph on inputs and note, for each layer that can be pruned, the sums of x x^T.

    `gradients` (dL/dw by the names of weights) are taken along. `Evidence.save` writes what
    `pfrt-prune{data=…}` reads. Takes memory for columns^2 of each layer. Raises as runs do.
    """
    module = graph.program().module
    layers = list(selected(layers_of(module), exclude))
    grams = grams_of(module, layers, batches(inputs))
    return Evidence({n: np.asarray(g) for n, g in (gradients or {}).items()}, grams)


def grams_of(
    module: ModuleOp, layers: Sequence[Layer], inputs: Sequence[Mapping[str, Array]]
) -> dict[str, Array]:
    """The sum of x x^T of each layer, by the name of its weights."""
    readers: dict[SSAValue, list[Layer]] = {}
    for layer in layers:
        readers.setdefault(layer.input, []).append(layer)
    grams: dict[str, Array] = {}

    def see(value: SSAValue, array: Array) -> None:
        for layer in readers[value]:
            x = columns_of(layer, array)
            # A sample that is not finite says nothing of the others.
            x = np.where(np.isfinite(x).all(axis=2, keepdims=True), x, 0.0)
            gram = x.swapaxes(1, 2) @ x
            grams[layer.name] = grams[layer.name] + gram if layer.name in grams else gram

    each(module, inputs, list(readers), see)
    return grams
