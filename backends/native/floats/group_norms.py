"""Normalization of groups of channels, each image's by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors

FIELDS = (
    "@x", "@y", "@scale", "@bias", "images", "groups", "each", "positions", "epsilon", "share",
)  # fmt: skip
"""y = (x - mean) / sqrt(mean square + epsilon) * scale + bias; mean and mean square are those of a
group, scale and bias those of a channel. There are `each` channels in a group, and so many positions in
a channel. `epsilon` and `share`, one divided by the elements of a group, hold the bits of f32."""

_ROWS = 16
"""Vectors that are added before their sum is added to the total."""


@dataclass(frozen=True)
class GroupNormKernel:
    """Code of a normalization by groups; all of an image's lie one after the other."""

    cpu: str
    lanes: int
    fused: bool

    entry = "group_norm"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)
        numbers = {
            name: b.load(b.at(b.arguments[0], 8 * FIELDS.index(name)), f32, 4)
            for name in ("epsilon", "share")
        }
        count = b.times(given["each"], given["positions"])
        way, channels = b.times(count, 4), b.times(given["each"], 4)

        def image(places: Pointers) -> None:
            each = [*places, given["scale"], given["bias"]]
            group = _Group(self, b, given, numbers, count)
            over(b, given["groups"], each, [way, way, channels, channels], group.emit)

        whole = b.times(way, given["groups"])
        over(b, given["images"], [given["x"], given["y"]], [whole, whole], image)
        return ModuleOp([b.finish()])


class _Group:
    def __init__(
        self,
        kernel: GroupNormKernel,
        b: Builder,
        given: dict[str, SSAValue],
        numbers: dict[str, SSAValue],
        count: SSAValue,
    ) -> None:
        self._b, self._given, self._numbers, self._count = b, given, numbers, count
        self._width = 4 * kernel.lanes

    def emit(self, places: Pointers) -> None:
        """One group of one image."""
        b, width, given = self._b, self._width, self._given
        x, y, scale, bias = places
        share = self._numbers["share"]

        def sums(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
            return [b.add_floats(before[0], b.load_vector(places[0], width, mask))]

        mean = b.multiply(b.total(self._blocks(x, sums)), share)
        wide_mean = b.spread(mean, width)

        def squares(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
            value = b.subtract(b.load_vector(places[0], width, mask, wide_mean), wide_mean)
            return [b.multiply_add(value, value, before[0])]

        variance = b.multiply(b.total(self._blocks(x, squares)), share)
        root = b.unary("sqrt", b.add_floats(variance, self._numbers["epsilon"]))
        factor = b.divide(b.float(1.0), root)

        def channel(found: Pointers) -> None:
            x, y, scale, bias = found
            own = b.spread(b.multiply(factor, b.load(scale, f32, 4)), width)
            shift = b.spread(b.load(bias, f32, 4), width)

            def body(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
                value = b.subtract(b.load_vector(places[0], width, mask), wide_mean)
                b.store(b.multiply_add(value, own, shift), places[1], mask)
                return ()

            vectors(b, given["positions"], width, [x, y], body)

        way = b.times(given["positions"], 4)
        over(b, given["each"], [x, y, scale, bias], [way, way, 4, 4], channel)

    def _blocks(
        self, x: SSAValue, body: Callable[[Pointers, SSAValue | None, Values], Values]
    ) -> SSAValue:
        """What a group adds up to, of sums of blocks."""
        b, size, nothing = self._b, _ROWS * self._width, self._b.splat(0.0, self._width)

        def block(values: Pointers) -> Values:
            place, total = values
            (found,) = vectors(
                b, b.integer(size), self._width, [place], body, [nothing], has_rest=False
            )
            return [b.at(place, 4 * size), b.add_floats(total, found)]

        blocks = b.shifted(self._count, size.bit_length() - 1)
        place, total = b.loop(blocks, [x, nothing], block)
        rest = b.masked(self._count, size - 1)
        (found,) = vectors(b, rest, self._width, [place], body, [nothing])
        return b.add_floats(total, found)
