"""The mean and the maximum of each channel of images: rows x columns x channels become channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors

FIELDS = (
    "@x", "@y", "channels", "images", "rows", "columns", "x_image", "x_row", "x_column", "y_image",
)  # fmt: skip
"""Ways are in bytes; behind the fields stands, as f32, how many elements a mean is of."""

_BESIDE = 4
"""Registers of channels at once, so that whole lines are read from a row of the image."""


@dataclass(frozen=True)
class GlobalPoolKernel:
    """Code for "average" or "max"."""

    cpu: str
    lanes: int
    what: str

    entry = "global_pool"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        count = b.load(b.at(b.arguments[0], 8 * len(FIELDS)), f32, 4)
        wide = self.lanes * _BESIDE
        whole = b.masked(given["channels"], -wide)

        def image(places: Pointers) -> None:
            def some(lanes: int) -> Callable[[Pointers, SSAValue | None, Values], Values]:
                def put(at: Pointers, mask: SSAValue | None, _: Values) -> Values:
                    b.store(self._pooled(b, given, at[0], lanes, mask, count), at[1], mask)
                    return ()

                return put

            vectors(b, whole, wide, places, some(wide), has_rest=False)
            after = [b.at(place, b.times(whole, 4)) for place in places]
            vectors(b, b.minus(given["channels"], whole), self.lanes, after, some(self.lanes))

        ways = [given["x_image"], given["y_image"]]
        over(b, given["images"], [given["x"], given["y"]], ways, image)
        return ModuleOp([b.finish()])

    def _pooled(
        self,
        b: Builder,
        given: dict[str, SSAValue],
        x: SSAValue,
        lanes: int,
        mask: SSAValue | None,
        count: SSAValue,
    ) -> SSAValue:
        """Row by row, so that the sum of many elements is one of sums that are not as long."""
        is_max = self.what == "max"
        combine = b.larger if is_max else b.add_floats
        start = b.splat(-float("inf") if is_max else 0.0, lanes)

        def column(values: Pointers) -> Values:
            place, found = values
            here = b.load_vector(place, lanes, mask)
            return [b.at(place, given["x_column"]), combine(found, here)]

        def row(values: Pointers) -> Values:
            place, found = values
            of_row = b.loop(given["columns"], [place, start], column)[1]
            return [b.at(place, given["x_row"]), combine(found, of_row)]

        found = b.loop(given["rows"], [x, start], row)[1]
        return found if is_max else b.divide(found, b.spread(count, lanes))
