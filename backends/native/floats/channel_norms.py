"""Local response normalization: each element by the squares of its neighbours in other channels."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors

FIELDS = (
    "@x", "@y", "images", "channels", "positions", "before", "after", "factor", "bias",
)  # fmt: skip
"""y = x / (bias + factor * sum of squares)^beta, of so many channels before and after each; `factor` and
`bias` hold the bits of f32."""

BETAS = (0.5, 0.75, 1.0)
"""Exponents that there is code for: by roots."""


@dataclass(frozen=True)
class ChannelNormKernel:
    """Code of that normalization, of images whose channels lie one after the other."""

    cpu: str
    lanes: int
    fused: bool
    beta: float

    entry = "channel_norm"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)
        width = 2 * self.lanes
        factor, bias = (
            b.spread(b.load(b.at(b.arguments[0], 8 * FIELDS.index(name)), f32, 4), width)
            for name in ("factor", "bias")
        )
        channels, way = given["channels"], b.times(given["positions"], 4)
        step = b.integer(1)

        def channel(values: Values) -> Values:
            x, y, index = values
            first = b.largest(b.minus(index, given["before"]), 0)
            last = b.smallest(b.plus(index, given["after"]), b.minus(channels, 1))
            count = b.plus(b.minus(last, first), 1)
            start = b.at(x, b.times(b.minus(first, index), way))
            self._channel(b, given["positions"], (x, y, start), count, way, (factor, bias))
            return [b.at(x, way), b.at(y, way), b.plus(index, step)]

        def image(places: Pointers) -> None:
            b.loop(channels, [*places, b.integer(0)], channel)

        whole = b.times(way, channels)
        over(b, given["images"], [given["x"], given["y"]], [whole, whole], image)
        return ModuleOp([b.finish()])

    def _channel(
        self,
        b: Builder,
        positions: SSAValue,
        places: Pointers,
        count: SSAValue,
        way: SSAValue,
        numbers: tuple[SSAValue, SSAValue],
    ) -> None:
        """One channel, of so many neighbours from the third place on."""
        width, (factor, bias) = 2 * self.lanes, numbers

        def body(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            x, y, start = places

            def turn(values: Values) -> Values:
                value = b.load_vector(values[0], width, mask)
                return [b.at(values[0], way), b.multiply_add(value, value, values[1])]

            total = b.loop(count, [start, b.splat(0.0, width)], turn)[1]
            scale = self._power(b, b.multiply_add(total, factor, bias))
            b.store(b.divide(b.load_vector(x, width, mask), scale), y, mask)
            return ()

        vectors(b, positions, width, places, body)

    def _power(self, b: Builder, x: SSAValue) -> SSAValue:
        if self.beta == 1:
            return x
        root = b.unary("sqrt", x)
        return root if self.beta == 0.5 else b.multiply(root, b.unary("sqrt", root))
