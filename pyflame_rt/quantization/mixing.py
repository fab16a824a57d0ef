"""Layers of 8 bits, of 16 and of 32 in one model, by what each costs and what there is to spend."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from pyflame_rt import pipelines
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.products import drop_unused, factors
from pyflame_rt.pruning.feeding import Feeds, batches
from pyflame_rt.quantization.candidates import Candidates, decibels, products_of
from pyflame_rt.quantization.config import QuantConfig, QuantMode
from pyflame_rt.quantization.quantizer import stored_bytes

Precision: TypeAlias = Literal["int8", "fp16", "float"]

_ORDER: Final[tuple[Precision, ...]] = ("int8", "fp16", "float")
_BYTES: Final[dict[Precision, int]] = {"int8": 1, "fp16": 2, "float": 4}
_LARGEST: Final = 65504.0


@dataclass(frozen=True)
class MixedPrecision:
    """A model of several precisions. `fp16` weights are stored so, and widened when they are used."""

    graph: Graph
    precisions: dict[str, Precision]
    """Of each layer, by the name of its result, in order."""
    sqnr: float
    """Of the outputs on the data, in dB."""
    size_bytes: int
    """Of the constants as they are stored."""

    def __str__(self) -> str:
        counts = [f"{sum(p == each for p in self.precisions.values())} {each}" for each in _ORDER]
        lines = [f"{self.sqnr:.1f} dB, {self.size_bytes} bytes: {', '.join(counts)}"]
        width = max((len(name) for name in self.precisions), default=0)
        lines += [f"{name:<{width}}  {each}" for name, each in self.precisions.items()]
        return "\n".join(lines)


def mix(
    graph: Graph,
    data: Feeds,
    *,
    max_bytes: int | None = None,
    min_sqnr: float | None = None,
    config: QuantConfig | None = None,
) -> MixedPrecision:
    """The graph with int8, fp16 and float layers, within a size or as good as is asked for.

    All layers begin as int8, as `config` says (static, or dynamic). Then layers are raised to fp16
    or float, each time the one that takes most noise off the outputs for a byte, noise being that
    of the layer alone on `data`: until no other fits into `max_bytes` of constants, or the SQNR of
    the outputs, measured, is `min_sqnr` dB. Raises ValidationError when not exactly one of the two
    is given, when int8 is too large already, and as runs do.
    """
    if (max_bytes is None) == (min_sqnr is None):
        raise ValidationError("give one of max_bytes and min_sqnr", where="mix")
    settings = QuantConfig.static_int8() if config is None else config
    if settings.mode not in (QuantMode.StaticInt8, QuantMode.DynamicInt8):
        raise ValidationError("the config's mode must be StaticInt8 or DynamicInt8", where="mix")
    return _Mixing(Candidates(graph, settings, batches(data, "mix"))).mixed(max_bytes, min_sqnr)


class _Mixing:
    """The noise and size of each layer in each precision."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        program = candidates.graph.program()
        ops = products_of(program.module)
        self._sizes: dict[str, int] = {}
        self._noise: dict[tuple[str, Precision], float] = {}
        for layer in candidates.layers:
            weights = constant_of(factors(ops[layer])[1])
            self._sizes[layer] = 0 if weights is None else weights.size
            eight = candidates.alone(layer).quantized_graph
            assert eight is not None
            half = _with_halves(program, [layer])
            self._noise[layer, "int8"] = candidates.noise(eight)
            self._noise[layer, "fp16"] = candidates.noise(Graph.of_program(half))
            self._noise[layer, "float"] = 0.0

    def mixed(self, max_bytes: int | None, min_sqnr: float | None) -> MixedPrecision:
        """Raise layers while they may be, or must be."""
        chosen: dict[str, Precision] = dict.fromkeys(self._candidates.layers, "int8")
        found = self._made(chosen)
        if max_bytes is not None and found.size_bytes > max_bytes:
            raise ValidationError(
                f"int8 takes {found.size_bytes} bytes, more than {max_bytes}", where="mix"
            )
        while min_sqnr is None or found.sqnr < min_sqnr:
            room = None if max_bytes is None else max_bytes - found.size_bytes
            raised = self._best(chosen, room)
            if raised is None:
                break
            chosen[raised[0]] = raised[1]
            found = self._made(chosen)
        return found

    def _best(self, chosen: dict[str, Precision], room: int | None) -> tuple[str, Precision] | None:
        """The layer to raise and to what, within so many bytes more."""
        best: tuple[float, str, Precision] | None = None
        for layer, now in chosen.items():
            for wanted in _ORDER[_ORDER.index(now) + 1 :]:
                more = self._sizes[layer] * (_BYTES[wanted] - _BYTES[now])
                gain = self._noise[layer, now] - self._noise[layer, wanted]
                if gain <= 0 or (room is not None and more > room):
                    continue
                worth = gain / max(more, 1)
                if best is None or worth > best[0]:
                    best = worth, layer, wanted
        return None if best is None else best[1:]

    def _made(self, chosen: dict[str, Precision]) -> MixedPrecision:
        floats = [layer for layer, each in chosen.items() if each != "int8"]
        graph = self._candidates.quantized(floats).quantized_graph
        assert graph is not None
        halves = [layer for layer, each in chosen.items() if each == "fp16"]
        program = _with_halves(graph.program(), halves)
        made = Graph.of_program(program)
        size = stored_bytes(program.module)
        return MixedPrecision(made, dict(chosen), decibels(self._candidates.noise(made)), size)


def _with_halves(program: Program, layers: Collection[str]) -> Program:
    """A copy of a program in which these products have weights of f16, which are cast to f32.

    Weights that f16 does not hold stay.
    """
    copy = Program(program.ctx, program.module.clone(), program.name)
    ops = products_of(copy.module)
    for layer in layers:
        weights = factors(ops[layer])[1]
        array = constant_of(weights)
        if array is None or not np.abs(array).max(initial=0) <= _LARGEST:
            continue
        at = Place.after(weights)
        narrow = at.constant(array.astype(np.float16))
        weights.replace_all_uses_with(at.emit("cast", [narrow], {"to": np.dtype(np.float32)}))
        drop_unused(weights)
    pipelines.verify_module(copy.module)
    return copy
