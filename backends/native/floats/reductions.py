"""Sums, products and extremes along axes, in blocks: results do not depend on threads.

A sum is taken in blocks of a few vectors; what adding a block to the total loses is kept beside it and
added in the end, so that the error does not grow with the number of blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing import vector_math
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors
from pyflame_rt.backends.native.writing.vector_math import like

FIELDS = (
    "@x", "@y", "kept0", "x_kept0", "y_kept0", "kept1", "x_kept1", "y_kept1",
    "gone0", "x_gone0", "gone1", "x_gone1", "number",
)  # fmt: skip
"""Two axes that are kept and two that go, each with its size and the ways in x and y; bytes. In the
form "rows" the last that goes lies side by side, in "columns" the last that is kept. `number` holds the
bits of how many elements a result is made of, as f32."""

_BLOCK = 16
"""Vectors that are added before their sum is added to the total."""

SUMS = ("l1", "l2", "log_sum", "log_sum_exp", "mean", "sum", "sum_square")
OTHERS = ("max", "min", "prod")

Take = Callable[[SSAValue, SSAValue], SSAValue]


@dataclass(frozen=True)
class ReductionKernel:
    """Code of a reduction; `form` is "rows" or "columns"."""

    cpu: str
    lanes: int
    fused: bool
    name: str
    form: str

    entry = "reduction"

    @property
    def width(self) -> int:
        """Elements that are added side by side."""
        return (4 if self.form == "rows" else 8) * self.lanes

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)
        number = b.load(b.at(b.arguments[0], 8 * FIELDS.index("number")), f32, 4)
        emit = _Rows(self, b, given, number) if self.form == "rows" else _Columns(
            self, b, given, number
        )  # fmt: skip
        over(
            b, given["kept0"], [given["x"], given["y"]], [given["x_kept0"], given["y_kept0"]],
            lambda places: emit.kept(*places),
        )  # fmt: skip
        return ModuleOp([b.finish()])


class _Form:
    """What both forms have in common."""

    def __init__(
        self, kernel: ReductionKernel, b: Builder, given: dict[str, SSAValue], number: SSAValue
    ) -> None:
        self._b, self._given, self._number, self._kernel = b, given, number, kernel
        self._name, self._width = kernel.name, kernel.width

    def _start(self, name: str) -> SSAValue:
        b, infinity = self._b, float("inf")
        values = {"max": -infinity, "min": infinity, "prod": 1.0}
        return b.splat(values.get(name, 0.0), self._width)

    def _taken(self, top: SSAValue | None) -> Take:
        """What a vector of elements adds to what was there before."""
        b = self._b

        def take(before: SSAValue, value: SSAValue) -> SSAValue:
            match self._name:
                case "l1":
                    return b.add_floats(before, b.unary("fabs", value))
                case "l2" | "sum_square":
                    return b.multiply_add(value, value, before)
                case "log_sum_exp":
                    assert top is not None
                    return b.add_floats(before, vector_math.exp(b, b.subtract(value, top)))
                case "max":
                    return b.larger(before, value)
                case "min":
                    return b.smaller(before, value)
                case "prod":
                    return b.multiply(before, value)
                case _:
                    return b.add_floats(before, value)

        return take

    def _missing(self, name: str) -> SSAValue:
        """What stands for elements that are not there."""
        return self._start("max" if name == "log_sum_exp" else name)

    def _joined(self, state: Values, block: SSAValue) -> Values:
        """Total and what it has lost so far, with another block."""
        b = self._b
        total, lost = state
        found = b.add_floats(total, block)
        moved = b.subtract(found, total)
        off = b.add_floats(b.subtract(total, b.subtract(found, moved)), b.subtract(block, moved))
        return [found, b.add_floats(lost, off)]

    def _whole(self, total: SSAValue, lost: SSAValue) -> SSAValue:
        """The total made good, unless it is infinite: then what is lost is no number."""
        b = self._b
        is_infinite = b.compare_lanes("oeq", b.unary("fabs", total), like(b, total, float("inf")))
        return b.choose(is_infinite, total, b.add_floats(total, lost))

    def _ended(self, value: SSAValue, top: SSAValue | None) -> SSAValue:
        """The result, of the sum or whatever it is."""
        b = self._b
        match self._name:
            case "mean":
                return b.divide(value, b.spread(self._number, vector_math.lanes_of(value)))
            case "l2":
                return b.unary("sqrt", value)
            case "log_sum":
                return vector_math.log(b, value)
            case "log_sum_exp":
                assert top is not None
                return b.add_floats(vector_math.log(b, value), top)
            case _:
                return value

    def _finite(self, top: SSAValue) -> SSAValue:
        """A largest element, or 0 for what is infinite or no number."""
        b, infinity = self._b, like(self._b, top, float("inf"))
        is_finite = b.compare_lanes("olt", b.unary("fabs", top), infinity)
        return b.choose(is_finite, top, like(b, top, 0.0))


class _Rows(_Form):
    """Elements that go lie side by side."""

    def kept(self, x: SSAValue, y: SSAValue) -> None:
        """The results along the second axis that is kept."""
        b, given = self._b, self._given

        def one(places: Pointers) -> None:
            self._one(*places)

        over(b, given["kept1"], [x, y], [given["x_kept1"], given["y_kept1"]], one)

    def _one(self, x: SSAValue, y: SSAValue) -> None:
        b, top, wide_top = self._b, None, None
        if self._name == "log_sum_exp":
            (found,) = self._plain(x, b.larger, "max")
            top = self._finite(b.spread(b.largest_lane(found), 1))
            wide_top = self._finite(b.spread(b.largest_lane(found), self._width))
        take = self._taken(wide_top)
        if self._name in SUMS:
            total, lost = self._blocks(x, take)
            sums = [b.spread(b.total(part), 1) for part in (total, lost)]
            value = self._whole(*sums)
        else:
            (found,) = self._plain(x, take, self._name)
            value = b.spread(self._of_lanes(found), 1)
        b.store(self._ended(value, top), y)

    def _of_lanes(self, found: SSAValue) -> SSAValue:
        b = self._b
        match self._name:
            case "max":
                return b.largest_lane(found)
            case "min":
                return b.smallest_lane(found)
            case _:
                return b.product(found)

    def _plain(self, x: SSAValue, take: Take, name: str) -> Values:
        """Every row after the other, into one vector."""
        b, given = self._b, self._given

        def body(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
            value = b.load_vector(places[0], self._width, mask, self._missing(name))
            return [take(before[0], value)]

        def row(values: Pointers) -> Values:
            found = vectors(b, given["gone1"], self._width, [values[0]], body, [values[1]])
            return [b.at(values[0], given["x_gone0"]), *found]

        return b.loop(given["gone0"], [x, self._start(name)], row)[1:]

    def _blocks(self, x: SSAValue, take: Take) -> Values:
        """Every row, block after block."""
        b, given, width = self._b, self._given, self._width
        nothing, size = self._start("sum"), _BLOCK * self._width

        def body(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
            value = b.load_vector(places[0], width, mask, self._missing(self._name))
            return [take(before[0], value)]

        def block(values: Pointers) -> Values:
            (found,) = vectors(
                b, b.integer(size), width, [values[0]], body, [nothing], has_rest=False
            )
            return [b.at(values[0], 4 * size), *self._joined(values[1:], found)]

        def row(values: Pointers) -> Values:
            begin, *state = values
            blocks = b.shifted(given["gone1"], size.bit_length() - 1)
            place, *state = b.loop(blocks, [begin, *state], block)
            (found,) = vectors(
                b, b.masked(given["gone1"], size - 1), width, [place], body, [nothing]
            )
            return [b.at(begin, given["x_gone0"]), *self._joined(state, found)]

        return b.loop(given["gone0"], [x, nothing, nothing], row)[1:]


class _Columns(_Form):
    """Elements that are kept lie side by side."""

    def kept(self, x: SSAValue, y: SSAValue) -> None:
        """The results along the second axis that is kept."""

        def body(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            self._columns(places[0], places[1], mask)
            return ()

        vectors(self._b, self._given["kept1"], self._width, [x, y], body)

    def _columns(self, x: SSAValue, y: SSAValue, mask: SSAValue | None) -> None:
        b, top = self._b, None
        if self._name == "log_sum_exp":
            (found,) = self._plain(x, mask, b.larger, "max")
            top = self._finite(found)
        take = self._taken(top)
        if self._name in SUMS:
            value = self._whole(*self._blocks(x, mask, take))
        else:
            (value,) = self._plain(x, mask, take, self._name)
        b.store(self._ended(value, top), y, mask)

    def _rows(
        self, x: SSAValue, state: Values, body: Callable[[SSAValue, Values], Values]
    ) -> Values:
        """What `body` of the first element of each stretch of rows makes of a state."""
        b, given = self._b, self._given

        def turn(values: Pointers) -> Values:
            return [b.at(values[0], given["x_gone0"]), *body(values[0], values[1:])]

        return b.loop(given["gone0"], [x, *state], turn)[1:]

    def _down(
        self,
        place: SSAValue,
        count: SSAValue | int,
        mask: SSAValue | None,
        take: Take,
        start: SSAValue,
    ) -> Values:
        """Rows from a place on, so many; a number that is known makes no loop."""
        b, way = self._b, self._given["x_gone1"]

        def turn(values: Pointers) -> Values:
            value = b.load_vector(values[0], self._width, mask)
            return [b.at(values[0], way), take(values[1], value)]

        if isinstance(count, SSAValue):
            return b.loop(count, [place, start], turn)
        found: Values = [place, start]
        for _ in range(count):
            found = turn(tuple(found))
        return found

    def _plain(self, x: SSAValue, mask: SSAValue | None, take: Take, name: str) -> Values:
        count = self._given["gone1"]

        def body(place: SSAValue, state: Values) -> Values:
            return self._down(place, count, mask, take, state[0])[1:]

        return self._rows(x, [self._start(name)], body)

    def _blocks(self, x: SSAValue, mask: SSAValue | None, take: Take) -> Values:
        b, count, nothing = self._b, self._given["gone1"], self._start("sum")
        full, rest = b.shifted(count, _BLOCK.bit_length() - 1), b.masked(count, _BLOCK - 1)

        def block(values: Pointers) -> Values:
            # A loop of so few turns would take as long as what is in it, unless that is long.
            is_short = mask is None and self._name != "log_sum_exp"
            rows = _BLOCK if is_short else b.integer(_BLOCK)
            place, found = self._down(values[0], rows, mask, take, nothing)
            return [place, *self._joined(values[1:], found)]

        def body(place: SSAValue, state: Values) -> Values:
            place, *state = b.loop(full, [place, *state], block)
            _, found = self._down(place, rest, mask, take, nothing)
            return self._joined(state, found)

        return self._rows(x, [nothing, nothing], body)
