"""Softmax and its logarithm along any axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing import vector_math
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors
from pyflame_rt.backends.native.writing.vector_math import like

FIELDS = ("@x", "@y", "outer", "outer_way", "inner", "inner_way", "count", "way")
"""Of x and y, which lie alike: two axes and the ways along them, and the axis of the softmax; bytes. In
the form "rows" elements of that lie side by side, in "columns" those of the inner axis."""

Each = Callable[[Pointers, SSAValue | None, Values], Values]


@dataclass(frozen=True)
class SoftmaxesKernel:
    """Code of softmax, or of its logarithm; `form` is "rows" or "columns"."""

    cpu: str
    lanes: int
    fused: bool
    form: str
    logarithm: bool

    entry = "softmaxes"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)
        one = _Rows(self, b, given) if self.form == "rows" else _Columns(self, b, given)
        way, inner = given["outer_way"], given["inner_way"]

        def row(places: Pointers) -> None:
            one.all(places[0], places[1], None)

        def outer(places: Pointers) -> None:
            if self.form == "rows":
                over(b, given["inner"], places, [inner, inner], row)
                return

            def columns(found: Pointers, mask: SSAValue | None, _: Values) -> Values:
                one.all(found[0], found[1], mask)
                return ()

            vectors(b, given["inner"], one.width, places, columns)

        over(b, given["outer"], [given["x"], given["y"]], [way, way], outer)
        return ModuleOp([b.finish()])


class _Form:
    """The passes over the elements of a softmax, or of as many as there are columns in a vector."""

    def __init__(self, kernel: SoftmaxesKernel, b: Builder, given: dict[str, SSAValue]) -> None:
        self._b, self._given, self._kernel = b, given, kernel
        self.width = (2 if kernel.form == "rows" else 4) * kernel.lanes

    def _each(
        self, places: Values, mask: SSAValue | None, body: Each, carried: Values = ()
    ) -> Values:
        raise NotImplementedError

    def _together(self, found: SSAValue, how: str) -> SSAValue:
        """One number in all lanes, if a softmax is of several lanes."""
        raise NotImplementedError

    def all(self, x: SSAValue, y: SSAValue, mask: SSAValue | None) -> None:
        """The largest element, the sum of powers, and the results; what is NaN makes the sum NaN."""
        b, width, logarithm = self._b, self.width, self._kernel.logarithm
        low = b.splat(-float("inf"), width)

        def largest(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
            value = b.load_vector(places[0], width, mask, low)
            return [vector_math.larger_number(b, value, before[0])]

        (found,) = self._each([x], mask, largest, [low])
        top = self._together(found, "max")

        def powers(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
            value = b.load_vector(places[0], width, mask, low)
            power = vector_math.exp_of_less(b, b.subtract(value, top))
            if not logarithm:
                b.store(power, places[1], mask)
            return [b.add_floats(before[0], power)]

        (found,) = self._each([x, y], mask, powers, [b.splat(0.0, width)])
        total = self._together(found, "sum")
        last = vector_math.log(b, total) if logarithm else b.divide(like(b, total, 1.0), total)

        def results(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            if logarithm:
                value = b.subtract(b.load_vector(places[0], width, mask), top)
                b.store(b.subtract(value, last), places[1], mask)
            else:
                value = b.load_vector(places[1], width, mask)
                b.store(b.multiply(value, last), places[1], mask)
            return ()

        self._each([x, y], mask, results)


class _Rows(_Form):
    def _each(
        self, places: Values, mask: SSAValue | None, body: Each, carried: Values = ()
    ) -> Values:
        return vectors(self._b, self._given["count"], self.width, places, body, carried)

    def _together(self, found: SSAValue, how: str) -> SSAValue:
        b = self._b
        one = b.largest_number(found) if how == "max" else b.total(found)
        return b.spread(one, self.width)


class _Columns(_Form):
    def _each(
        self, places: Values, mask: SSAValue | None, body: Each, carried: Values = ()
    ) -> Values:
        b, way, size = self._b, self._given["way"], len(places)

        def turn(values: Pointers) -> Values:
            found = body(values[:size], mask, values[size:])
            return [*(b.at(place, way) for place in values[:size]), *found]

        return b.loop(self._given["count"], [*places, *carried], turn)[size:]

    def _together(self, found: SSAValue, how: str) -> SSAValue:
        return found


SHORT = ("@x", "@y", "rows")
MOST_OF_SHORT = 8
"""Elements of a row, at the most, for which a vector holds one of each row."""


@dataclass(frozen=True)
class ShortSoftmaxKernel:
    """Code of softmax of rows of a few elements, or of its logarithm: as many rows as a vector has
    lanes, in registers."""

    cpu: str
    lanes: int
    fused: bool
    size: int
    logarithm: bool

    entry = "short_softmax"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b, lanes = Builder(self.entry, [POINTER], public=True, fused=self.fused), self.lanes
        given = fields(b, b.arguments[0], SHORT)
        way = 4 * lanes * self.size

        def turn(values: Pointers) -> Values:
            self._rows(b, values[0], values[1], None)
            return [b.at(value, way) for value in values]

        full = b.shifted(given["rows"], lanes.bit_length() - 1)
        places = b.loop(full, [given["x"], given["y"]], turn)
        rest = b.masked(given["rows"], lanes - 1)

        def last() -> Values:
            self._rows(b, places[0], places[1], b.times(rest, self.size))
            return ()

        b.when(b.compare("sgt", rest, 0), last, ())
        return ModuleOp([b.finish()])

    def _rows(self, b: Builder, x: SSAValue, y: SSAValue, count: SSAValue | None) -> None:
        lanes, size = self.lanes, self.size
        masks = [
            None if count is None else b.lanes_below(b.minus(count, i * lanes), lanes)
            for i in range(size)
        ]
        found = [b.load_vector(b.at(x, 4 * lanes * i), lanes, masks[i]) for i in range(size)]
        values = _dealt(b, found, [[lane * size + i for lane in range(lanes)] for i in range(size)])
        top = reduce(lambda top, value: vector_math.larger_number(b, value, top), values)
        less = [b.subtract(value, top) for value in values]
        powers = [vector_math.exp_of_less(b, value) for value in less]
        total = reduce(b.add_floats, powers)
        if self.logarithm:
            last = vector_math.log(b, total)
            results = [b.subtract(value, last) for value in less]
        else:
            share = b.divide(like(b, total, 1.0), total)
            results = [b.multiply(power, share) for power in powers]
        order = [
            [(place % size) * lanes + place // size for place in range(i * lanes, (i + 1) * lanes)]
            for i in range(size)
        ]
        for i, value in enumerate(_dealt(b, results, order)):
            b.store(value, b.at(y, 4 * lanes * i), masks[i])


def _dealt(
    b: Builder, vectors: Sequence[SSAValue], order: Sequence[Sequence[int]]
) -> list[SSAValue]:
    """Vectors of these lanes, which are counted through all of the given ones."""
    lanes = len(order[0])
    found: list[SSAValue] = []
    for places in order:
        value: SSAValue | None = None
        for number, vector in enumerate(vectors):
            mine = {
                lane: place % lanes for lane, place in enumerate(places) if place // lanes == number
            }
            if not mine:
                continue
            if value is None:
                # The other lanes are put in later.
                value = b.picked(vector, vector, [mine.get(lane, lane) for lane in range(lanes)])
            else:
                chosen = [lanes + mine[lane] if lane in mine else lane for lane in range(lanes)]
                value = b.picked(value, vector, chosen)
        assert value is not None
        found.append(value)
    return found
