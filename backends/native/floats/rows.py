"""What is computed along rows, each by itself: softmax, and normalization by mean and variance.

Vectors are several registers wide: as many sums go on side by side, which do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.floats.small_products import Vectors
from pyflame_rt.backends.native.writing import vector_math
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, vectors

SOFTMAX = (
    "@x", "@y", "@added", "rows", "count", "x_row", "y_row", "added_row", "limit", "limit_step",
    "scale", "blind",
)  # fmt: skip
"""y = softmax(x * scale + added) of each row's first elements, as many as `limit` says for the first
row, and `limit_step` more from row to row; zeros after them. `added` may be 0. Where `blind` is 1, a row
whose elements are all -inf gives zeros, else NaN. `scale` holds the bits of f32."""

NORM = ("@x", "@y", "@factor", "@added", "rows", "count", "x_row", "y_row", "epsilon", "share")
"""y = (x - mean) / sqrt(mean square + epsilon) * factor + added; `added` may be 0. `epsilon` and
`share`, one divided by the count, hold the bits of f32."""


@dataclass(frozen=True)
class SoftmaxKernel:
    """Code of a softmax along rows."""

    cpu: str
    lanes: int
    fused: bool

    entry = "softmax"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], SOFTMAX)
        scale = _number(b, b.arguments[0], SOFTMAX.index("scale"))

        def row(values: Pointers) -> Values:
            x, y, added, limit = values
            count = b.smallest(b.largest(limit, 0), given["count"])
            SoftmaxRow(self, b, given, scale).emit(x, y, added, count)
            return [
                b.at(x, given["x_row"]),
                b.at(y, given["y_row"]),
                b.at(added, given["added_row"]),
                b.plus(limit, given["limit_step"]),
            ]

        b.loop(given["rows"], [given["x"], given["y"], given["added"], given["limit"]], row)
        return ModuleOp([b.finish()])


class SoftmaxRow:
    """One row."""

    def __init__(
        self, kernel: Vectors, b: Builder, given: dict[str, SSAValue], scale: SSAValue
    ) -> None:
        self._b, self._given, self._lanes = b, given, 2 * kernel.lanes
        self._scale = b.spread(scale, self._lanes)

    def emit(self, x: SSAValue, y: SSAValue, added: SSAValue, count: SSAValue) -> None:
        b, given, lanes = self._b, self._given, self._lanes
        is_added = b.compare("ne", b.number_of(given["added"]), 0)
        least = b.splat(-float("inf"), lanes)

        def scaled(with_added: bool) -> Callable[..., Values]:
            def body(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
                value = b.multiply(b.load_vector(places[0], lanes, mask, least), self._scale)
                if with_added:
                    value = b.add_floats(value, b.load_vector(places[2], lanes, mask))
                b.store(value, places[1], mask)
                if mask is not None:
                    # A negative scale would have made it something else.
                    value = b.load_vector(places[1], lanes, mask, least)
                return [vector_math.larger_number(b, value, before[0])]

            return body

        (found,) = b.either(
            is_added,
            lambda: vectors(b, count, lanes, [x, y, added], scaled(True), [least]),
            lambda: vectors(b, count, lanes, [x, y], scaled(False), [least]),
            [least.type],
        )
        # One that is NaN makes the sum of powers NaN.
        largest = b.largest_number(found)
        is_blind = b.bits_of_all(
            b.compare_floats("oeq", largest, b.float(-float("inf"))),
            b.compare("ne", given["blind"], 0),
        )
        largest = b.choose(is_blind, b.float(0.0), largest)
        total = self._powers(y, count, b.spread(largest, lanes))
        is_nothing = b.compare_floats("oeq", total, b.float(0.0))
        share = b.choose(is_nothing, b.float(0.0), b.divide(b.float(1.0), total))
        self._finish(y, count, b.spread(share, lanes))

    def _powers(self, y: SSAValue, count: SSAValue, largest: SSAValue) -> SSAValue:
        b, lanes = self._b, self._lanes

        def body(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
            # Those that are not there are -inf, and their powers zeros.
            rest = b.splat(-float("inf"), lanes)
            value = b.load_vector(places[0], lanes, mask, rest)
            power = vector_math.exp_of_less(b, b.subtract(value, largest))
            b.store(power, places[0], mask)
            return [b.add_floats(before[0], power)]

        (total,) = vectors(b, count, lanes, [y], body, [b.splat(0.0, lanes)])
        return b.total(total)

    def _finish(self, y: SSAValue, count: SSAValue, share: SSAValue) -> None:
        b, lanes = self._b, self._lanes

        def times(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            value = b.load_vector(places[0], lanes, mask)
            b.store(b.multiply(value, share), places[0], mask)
            return ()

        def zero(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(b.splat(0.0, lanes), places[0], mask)
            return ()

        vectors(b, count, lanes, [y], times)
        rest = b.minus(self._given["count"], count)
        vectors(b, rest, lanes, [b.at(y, b.times(count, 4))], zero)


@dataclass(frozen=True)
class NormKernel:
    """Code of a normalization along rows; only a `centred` one subtracts the mean."""

    cpu: str
    lanes: int
    fused: bool
    centred: bool

    entry = "norm"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b, lanes = Builder(self.entry, [POINTER], public=True, fused=self.fused), 4 * self.lanes
        given = fields(b, b.arguments[0], NORM)
        epsilon, share = (
            _number(b, b.arguments[0], NORM.index(name)) for name in ("epsilon", "share")
        )
        count, nothing = given["count"], b.splat(0.0, lanes)

        def row(values: Pointers) -> Values:
            x, y = values
            mean = nothing
            if self.centred:

                def sums(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
                    return [b.add_floats(before[0], b.load_vector(places[0], lanes, mask))]

                (found,) = vectors(b, count, lanes, [x], sums, [nothing])
                mean = b.spread(b.multiply(b.total(found), share), lanes)

            def squares(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
                value = b.subtract(b.load_vector(places[0], lanes, mask, mean), mean)
                return [b.multiply_add(value, value, before[0])]

            (found,) = vectors(b, count, lanes, [x], squares, [nothing])
            variance = b.add_floats(b.multiply(b.total(found), share), epsilon)
            scale = b.spread(b.divide(b.float(1.0), b.unary("sqrt", variance)), lanes)
            self._put(b, given, x, y, mean, scale)
            return [b.at(x, given["x_row"]), b.at(y, given["y_row"])]

        b.loop(given["rows"], [given["x"], given["y"]], row)
        return ModuleOp([b.finish()])

    def _put(
        self,
        b: Builder,
        given: dict[str, SSAValue],
        x: SSAValue,
        y: SSAValue,
        mean: SSAValue,
        scale: SSAValue,
    ) -> None:
        lanes = 4 * self.lanes

        def body(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            x, y, factor, *added = places
            value = b.subtract(b.load_vector(x, lanes, mask), mean) if self.centred else None
            value = b.load_vector(x, lanes, mask) if value is None else value
            value = b.multiply(b.multiply(value, scale), b.load_vector(factor, lanes, mask))
            if added:
                value = b.add_floats(value, b.load_vector(added[0], lanes, mask))
            b.store(value, y, mask)
            return ()

        places = [x, y, given["factor"]]
        count, added = given["count"], given["added"]
        b.either(
            b.compare("ne", b.number_of(added), 0),
            lambda: vectors(b, count, lanes, [*places, added], body),
            lambda: vectors(b, count, lanes, places, body),
        )


def _number(b: Builder, record: SSAValue, index: int) -> SSAValue:
    """The f32 in a record."""
    return b.load(b.at(record, 8 * index), f32, 4)
