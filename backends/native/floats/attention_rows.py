"""The softmax of attention in blocks: rows of scores with some of the keys, and then with more.

What a row is divided by is the largest power of all: when a larger score comes, sums so far are
multiplied by what it is larger. In the end sums are divided by that of all powers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing import vector_math
from pyflame_rt.backends.native.writing.builder import Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, over, vectors


@dataclass(frozen=True)
class _Row:
    """Where a row is: its scores, its sums, what is kept of it, what is added to its scores; how many of
    the keys it sees."""

    scores: SSAValue
    sums: SSAValue
    state: SSAValue
    added: SSAValue
    seen: SSAValue


class Rows:
    """Rows that are taken together. What is kept of each is the sum of its powers, lane by lane, in as
    many lanes as a panel has columns, its largest score, and the largest before some keys came."""

    def __init__(
        self,
        b: Builder,
        given: dict[str, SSAValue],
        width: int,
        scores_row: SSAValue,
        sums_row: SSAValue,
        state: int,
    ) -> None:
        self._b, self._given, self._width = b, given, width
        self._scores_row, self._sums_row, self._state = scores_row, sums_row, state
        self._least = b.splat(-float("inf"), width)

    def begin(self, rows: SSAValue) -> None:
        """Nothing has been seen."""
        b = self._b

        def row(places: Pointers) -> None:
            b.store(b.splat(0.0, self._width), places[0])
            self._put("largest", places[0], b.float(-float("inf")))

        over(b, rows, [self._given["states"]], [self._state], row)

    def weigh(
        self, rows: SSAValue, added: SSAValue, limit: SSAValue, count: SSAValue, first: SSAValue
    ) -> None:
        """Scores with `count` keys from `first` on become powers; zeros after those that a query sees,
        which are `limit` for the first row. Rows go by twice, as there is more to do while maxima of
        vectors are waited for."""
        b, given = self._b, self._given

        def each(body: Callable[[_Row], None]) -> None:
            def turn(values: Values) -> Values:
                scores, sums, state, added, limit = values
                seen = b.smallest(b.largest(limit, 0), count)
                body(_Row(scores, sums, state, added, seen))
                return [
                    b.at(scores, self._scores_row), b.at(sums, self._sums_row),
                    b.at(state, self._state), b.at(added, given["added_row"]),
                    b.plus(limit, given["limit_step"]),
                ]  # fmt: skip

            start = [given["scores"], given["sums"], given["states"], added, limit]
            b.loop(rows, start, turn)

        each(self._largest)
        is_further = b.compare("sgt", first, 0)
        each(lambda row: self._powers(row, count, is_further))

    def _largest(self, row: _Row) -> None:
        """What is added, and the largest score."""
        b, width, least = self._b, self._width, self._least

        def larger(places: Pointers, mask: SSAValue | None, found: Values) -> Values:
            value = b.load_vector(places[0], width, mask, least)
            return [vector_math.larger_number(b, value, found[0])]

        def larger_sum(places: Pointers, mask: SSAValue | None, found: Values) -> Values:
            value = b.load_vector(places[0], width, mask, least)
            value = b.add_floats(value, b.load_vector(places[1], width, mask))
            b.store(value, places[0], mask)
            return [vector_math.larger_number(b, value, found[0])]

        (found,) = b.either(
            b.compare("ne", b.number_of(self._given["added"]), 0),
            lambda: vectors(b, row.seen, width, [row.scores, row.added], larger_sum, [least]),
            lambda: vectors(b, row.seen, width, [row.scores], larger, [least]),
            [least.type],
        )
        before = self._kept("largest", row.state)
        self._put("before", row.state, before)
        top = vector_math.larger_number(b, b.largest_number(found), before)
        self._put("largest", row.state, top)

    def _powers(self, row: _Row, count: SSAValue, is_further: SSAValue) -> None:
        b, width, zero = self._b, self._width, self._b.splat(0.0, self._width)
        top = self._kept("largest", row.state)
        # A row of nothing but -inf has powers of 0, not NaN.
        is_blind = b.compare_floats("oeq", top, b.float(-float("inf")))
        base = b.choose(is_blind, b.float(0.0), top)
        bases = b.spread(base, width)

        def powers(places: Pointers, mask: SSAValue | None, total: Values) -> Values:
            value = b.load_vector(places[0], width, mask, self._least)
            power = vector_math.exp_of_less(b, b.subtract(value, bases))
            b.store(power, places[0], mask)
            return [b.add_floats(total[0], power)]

        (total,) = vectors(b, row.seen, width, [row.scores], powers, [zero])

        def further() -> Values:
            less = b.subtract(self._kept("before", row.state), base)
            factor = vector_math.exp_of_less(b, b.spread(less, width))
            columns = b.shifted(self._sums_row, 2)
            self._multiply(row.sums, row.sums, columns, factor, has_rest=False)
            return [b.multiply_add(b.load_vector(row.state, width), factor, total)]

        b.store(b.when(is_further, further, [total])[0], row.state)

        def nothing(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(zero, places[0], mask)
            return ()

        rest = b.at(row.scores, b.times(row.seen, 4))
        vectors(b, b.minus(count, row.seen), width, [rest], nothing)

    def finish(self, rows: SSAValue, y: SSAValue) -> None:
        """Sums divided by that of powers; zeros of a row that saw nothing."""
        b, given = self._b, self._given

        def row(places: Pointers) -> None:
            sums, state, y = places
            total = b.total(b.load_vector(state, self._width))
            is_blind = b.compare_floats("oeq", total, b.float(0.0))
            share = b.choose(is_blind, b.float(0.0), b.divide(b.float(1.0), total))
            self._multiply(sums, y, given["v_size"], b.spread(share, self._width))

        places = [given["sums"], given["states"], y]
        over(b, rows, places, [self._sums_row, self._state, given["y_row"]], row)

    def _multiply(
        self,
        source: SSAValue,
        target: SSAValue,
        count: SSAValue,
        factor: SSAValue,
        *,
        has_rest: bool = True,
    ) -> None:
        b, width = self._b, self._width

        def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(b.multiply(b.load_vector(places[0], width, mask), factor), places[1], mask)
            return ()

        vectors(b, count, width, [source, target], some, has_rest=has_rest)

    def _kept(self, name: str, state: SSAValue) -> SSAValue:
        return self._b.load(self._place(name, state), f32, 4)

    def _put(self, name: str, state: SSAValue, value: SSAValue) -> None:
        self._b.store(value, self._place(name, state))

    def _place(self, name: str, state: SSAValue) -> SSAValue:
        return self._b.at(state, 4 * (self._width + ("largest", "before").index(name)))
