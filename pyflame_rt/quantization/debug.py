"""Where a quantized model loses: signal to noise of weights and values, layer by layer.

```
from pyflame_rt.quantization import debug

print(debug.compare(result.reference, result.quantized_graph, feeds))
```
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.backends.base import find_function, only_block
from pyflame_rt.compiler import Program, signature
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.contraction import GemmOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import dtype_of, is_tensor
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.quantization.products import PRODUCTS, factors
from pyflame_rt.pruning.feeding import Feeds, batches
from pyflame_rt.quantization.observing import Observer
from pyflame_rt.quantization.rounded_weights import real_weights, sqnr, weights_behind

Array: TypeAlias = npt.NDArray[Any]

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class LayerQuality:
    """Signal to quantization noise of a layer in dB: 10 log10(sum x^2 / sum (x - x')^2)."""

    name: str
    """That of the layer's result in the model."""
    kind: str
    """`conv`, `gemm`, `relu`, …"""
    weights: float | None = None
    """None: it has none, or they are as they were."""
    values: float | None = None
    """Of its result, all layers before it being quantized too; None: nothing was run."""


@dataclass(frozen=True)
class Comparison:
    """A float model and a quantized one. `str` is a table; the outputs come last in it."""

    layers: list[LayerQuality] = field(default_factory=list[LayerQuality])
    outputs: dict[str, float] = field(default_factory=dict[str, float])
    """dB by the names of outputs; empty: nothing was run."""

    def worst(self, count: int = 5) -> list[LayerQuality]:
        """The layers whose weights or values are the noisiest, noisiest first."""
        return sorted(self.layers, key=_least)[:count]

    def layer(self, name: str) -> LayerQuality:
        """A layer by its name. Raises KeyError."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    def to_json(self) -> str:
        """Everything as JSON; what is not finite is null."""
        layers = [
            {name: _finite(value) for name, value in asdict(layer).items()} for layer in self.layers
        ]
        outputs = {name: _finite(value) for name, value in self.outputs.items()}
        return json.dumps({"layers": layers, "outputs": outputs}, indent=1)

    def __str__(self) -> str:
        return table(self.layers, self.outputs)


def compare(
    reference: Graph,
    quantized: Graph,
    data: Feeds | None = None,
    kinds: Collection[str] = (),
) -> Comparison:
    """How far a quantized graph is from the float graph it comes from, by the names of values.

    `reference` is `QuantizationResult.reference`, or any graph with the same names; values whose
    names only one of the two has are left out. Both run on `data`, a feed or several, all of which
    count; without data weights alone are compared. `kinds` (`conv`, …): only such layers. Raises ValidationError when the graphs have no
    name in common, and as runs do.
    """
    before, after = reference.program(), quantized.program()
    ours, theirs = _named(before), _named(after)
    shared = [name for name in ours if name in theirs]
    if kinds:
        shared = [n for n in shared if _kind(ours[n]) in kinds]
    elif not shared:
        raise ValidationError("the graphs have no value of one name", where="debug.compare")
    outputs = [spec.name for spec in signature(before.module)[1]]
    values: dict[str, float] = {}
    if data is not None:
        first, second = [ours[n] for n in shared], [theirs[n] for n in shared]
        first, second = first + _results(before), second + _results(after)
        keys = [*shared, *(f"\0{name}" for name in outputs)]
        values = _noise(keys, Observer(before, first), Observer(after, second), data)
    layers: list[LayerQuality] = []
    for name in shared:
        weights = _weights(ours[name], theirs[name])
        layers.append(LayerQuality(name, _kind(ours[name]), weights, values.get(name)))
    found = {name: values[f"\0{name}"] for name in outputs if f"\0{name}" in values}
    return Comparison(layers, found)


def table(layers: list[LayerQuality], outputs: dict[str, float]) -> str:
    """Layers and outputs as columns of text."""
    rows = [("layer", "kind", "weights", "values")]
    rows += [(row.name, row.kind, _text(row.weights), _text(row.values)) for row in layers]
    rows += [(name, "output", "", _text(value)) for name, value in outputs.items()]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    lines = [
        f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip()
        for a, b, c, d in rows
    ]
    return "\n".join(lines)


def _noise(
    names: list[str], reference: Observer, quantized: Observer, data: Feeds
) -> dict[str, float]:
    """dB by name, over all batches; other numbers than floats are left out."""
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for feed in batches(data, "debug.compare"):
        for name, x, y in zip(names, reference(feed), quantized(feed), strict=True):
            if x.dtype.name not in _FLOATS or x.shape != y.shape:
                signal.pop(name, None)
                continue
            wide, other = x.astype(np.float64), y.astype(np.float64)
            signal[name] += float(np.square(wide).sum())
            noise[name] += float(np.square(wide - other).sum())
    return {name: sqnr(value, noise[name]) for name, value in signal.items()}


def _named(program: Program) -> dict[str, SSAValue]:
    """The values of floats of the main function, by name, in order; constants apart."""
    found: dict[str, SSAValue] = {}
    for op in only_block(find_function(program.module, "main")).ops:
        if not isinstance(op, PfrtOp) or isinstance(op, ConstantOp) or op.names is None:
            continue
        for name, value in zip(op.names.data, op.results, strict=True):
            if name and is_tensor(value.type) and dtype_of(value).name in _FLOATS:
                found[name] = value
    return found


def _kind(value: SSAValue) -> str:
    op = value.owner
    assert isinstance(op, PfrtOp)
    return op.name.removeprefix("pfrt.")


def _results(program: Program) -> list[SSAValue]:
    terminator = only_block(find_function(program.module, "main")).last_op
    assert terminator is not None
    return list(terminator.operands)


def _weights(reference: SSAValue, quantized: SSAValue) -> float | None:
    """dB of a product's weights, if they changed."""
    op = reference.owner
    if not isinstance(op, PRODUCTS):
        return None
    before, after = real_weights(factors(op)[1]), weights_behind(quantized)
    if before is None or after is None:
        return None
    if isinstance(op, GemmOp) and op.trans_b and not isinstance(quantized.owner, GemmOp):
        before = before.T
    if before.shape != after.shape:
        return None
    wide = before.astype(np.float32, copy=False)
    lost = wide - after.astype(np.float32, copy=False)
    noise = float(np.vdot(lost, lost))
    return None if noise == 0 else sqnr(float(np.vdot(wide, wide)), noise)


def _least(layer: LayerQuality) -> float:
    known = [each for each in (layer.weights, layer.values) if each is not None]
    return min(known, default=float("inf"))


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} dB"


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not np.isfinite(value) else value
