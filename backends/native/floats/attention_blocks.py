"""Attention of many queries, head by head, in blocks whose scores stay in the cache.

Keys and values are packed as weights are. Then, for some tiles of queries after the other: scores with
some of the keys, their powers, products of those with the values, and the same with the next keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.floats.attention_rows import Rows
from pyflame_rt.backends.native.floats.copying import Square
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values, vector_of
from pyflame_rt.backends.native.writing.elements import multiplying
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors
from pyflame_rt.backends.native.writing.register_tiles import Registers
from pyflame_rt.dialects.plan.schedules import Schedule

FIELDS = (
    "@q", "@k", "@v", "@y", "@added",
    "@packed_k", "@packed_v", "@packed_q", "@scores", "@sums", "@states", "@job",
    "heads", "group", "keys", "size", "v_size", "high", "low", "together", "keys_together",
    "q_head", "q_row", "k_head", "k_row", "v_head", "v_row", "y_head", "y_row",
    "added_head", "added_row", "limit", "limit_step", "scale",
)  # fmt: skip
"""For `heads` heads of k and v, each with a `group` of those of q: y = softmax(q @ k * scale + added) @ v.

Queries are `high` tiles of the first height, then `low` ones of the second; so many tiles are taken
`together`, with `keys_together` keys, a multiple of the columns of a panel. `added` may be 0. The first
query sees `limit` keys, one at least, the next ones `limit_step` more each. Ways from head to head and
row to row are in bytes; `scale` holds the bits of f32.

Room: a panel of packed keys has a row for each of the `size` elements, one of packed values a row for
each key. `packed_q`, `scores`, and `sums`, of as many columns as the panels of values have, have rows for
the queries of the tiles that are taken together, `states` one of `state_size` f32 for each. `job` is what
tiles read: see `_JOB`."""

_JOB = ("depth", "adds")
"""Steps along the depth; whether sums begin with what is there."""

_LINE = 64
"""Bytes of a line of the cache."""


def state_size(schedule: Schedule) -> int:
    """Numbers that are kept of a query: see `Rows`."""
    return schedule.columns + schedule.lanes


@dataclass(frozen=True)
class AttentionBlocksKernel:
    """Code of attention of many queries. The columns of a panel are a power of two."""

    schedule: Schedule
    heights: tuple[int, ...]
    """Rows of tiles: of the high ones, and of the low ones if there may be any."""
    fused: bool

    entry = "attention_blocks"
    operands: ClassVar[tuple[str, ...]] = ()
    fields: ClassVar[tuple[str, ...]] = _JOB
    panels = 1
    size = 4

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        tiles = [self.tile(rows, 1).emit() for rows in self.heights]
        names = [tile.sym_name.data for tile in tiles]
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        _Heads(self, b, dict(zip(self.heights, names, strict=True))).emit()
        return ModuleOp([*tiles, b.finish()])

    def tile(self, rows: int, panels: int) -> Registers:
        """The code of a tile."""
        return _Tile(self, rows, panels)


class _Tile(Registers):
    """Sums in room that has all columns of a panel."""

    AXES = ()

    def __init__(self, kernel: AttentionBlocksKernel, rows: int, panels: int) -> None:
        b = Registers.builder(rows, panels, fused=kernel.fused)
        super().__init__(kernel, rows, panels, b, multiplying(b, kernel.schedule))

    def begin(self) -> Sequence[SSAValue]:
        """Nothing, or what is there."""
        b, lanes, count = self.b, self.elements.lanes, len(self.places)

        def there() -> Values:
            return [b.load_vector(self.place("c", r, k, 4), lanes) for r, k in self.places]

        adds = b.compare("ne", self.said("job", "adds")["adds"], 0)
        nothing = [b.splat(0.0, lanes)] * count
        return b.either(adds, there, lambda: nothing, [vector_of(lanes)] * count)

    def end(self, carried: Sequence[SSAValue]) -> None:
        """Put the sums down."""
        for (r, k), value in zip(self.places, carried, strict=True):
            self.b.store(value, self.place("c", r, k, 4))


class _Heads:
    """The loops over heads, queries and keys; what is packed."""

    def __init__(self, kernel: AttentionBlocksKernel, b: Builder, names: dict[int, str]) -> None:
        self.b, self.names = b, names
        """The functions of tiles by their heights."""
        self.given = given = fields(b, b.arguments[0], FIELDS)
        self._lanes, self.width = kernel.schedule.lanes, kernel.schedule.columns
        self.panel_row = 4 * self.width
        self.k_panel = b.times(given["size"], self.panel_row)
        self.v_panel = b.times(given["keys"], self.panel_row)
        self.v_panels = self.panels(given["v_size"])
        self.q_row, self.scores_row = (b.times(given[n], 4) for n in ("size", "keys_together"))
        self.sums_row = b.times(self.v_panels, self.panel_row)
        record_scale = b.at(b.arguments[0], 8 * FIELDS.index("scale"))
        self._scale = b.broadcast(record_scale, self.width)
        state = 4 * state_size(kernel.schedule)
        self._rows = Rows(b, given, self.width, self.scores_row, self.sums_row, state)

    def panels(self, columns: SSAValue) -> SSAValue:
        """How many have so many columns."""
        b = self.b
        return b.shifted(b.plus(columns, self.width - 1), self.width.bit_length() - 1)

    def emit(self) -> None:
        """Head of k and v by head."""
        b, given = self.b, self.given
        group = given["group"]
        over(
            b,
            given["heads"],
            [given[name] for name in ("q", "k", "v", "y", "added")],
            [
                b.times(given["q_head"], group), given["k_head"], given["v_head"],
                b.times(given["y_head"], group), b.times(given["added_head"], group),
            ],
            self._head,
        )  # fmt: skip

    def _head(self, places: Pointers) -> None:
        q, k, v, y, added = places
        self._pack_keys(k)
        self._pack_values(v)
        ways = [self.given[name] for name in ("q_head", "y_head", "added_head")]
        over(self.b, self.given["group"], [q, y, added], ways, self._queries)

    def _ask_for(self, name: str, row: SSAValue) -> None:
        """Have the same row of the next head brought: rows of a head are far from each other."""
        b, given = self.b, self.given
        size = b.times(given["v_size" if name == "v" else "size"], 4)
        lines = b.shifted(b.plus(size, _LINE - 1), _LINE.bit_length() - 1)
        start = b.at(row, given[f"{name}_head"])
        over(b, lines, [start], [_LINE], lambda place: b.prefetch(place[0]))

    def _pack_keys(self, k: SSAValue) -> None:
        """Columns of a panel are keys."""
        b, given, width = self.b, self.given, self.width
        square = Square(b, self._lanes, given["k_row"], b.integer(self.panel_row))
        across = b.times(given["k_row"], width)

        def panel(values: Values) -> Values:
            source, target, left = values
            rows = b.smallest(left, width)
            over(b, rows, [source], [given["k_row"]], lambda row: self._ask_for("k", row[0]))
            square.all(source, target, rows, given["size"])
            return [b.at(source, across), b.at(target, self.k_panel), b.minus(left, width)]

        b.loop(self.panels(given["keys"]), [k, given["packed_k"], given["keys"]], panel)

    def _pack_values(self, v: SSAValue) -> None:
        """Rows of a panel are keys."""
        b, given, width = self.b, self.given, self.width

        def row(places: Pointers) -> None:
            def some(values: Pointers, mask: SSAValue | None, before: Values) -> Values:
                b.store(b.load_vector(values[0], width, mask), before[0])
                return [b.at(before[0], self.v_panel)]

            self._ask_for("v", places[0])
            vectors(b, given["v_size"], width, places[:1], some, places[1:])

        over(b, given["keys"], [v, given["packed_v"]], [given["v_row"], self.panel_row], row)

    def _pack_queries(self, q: SSAValue, rows: SSAValue) -> None:
        """Multiplied with the scale."""
        b, given, width = self.b, self.given, self.width

        def row(places: Pointers) -> None:
            def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
                value = b.multiply(b.load_vector(places[0], width, mask), self._scale)
                b.store(value, places[1], mask)
                return ()

            self._ask_for("q", places[0])
            vectors(b, given["size"], width, places, some)

        over(b, rows, [q, given["packed_q"]], [given["q_row"], self.q_row], row)

    def _queries(self, places: Pointers) -> None:
        """A head of q: some tiles of queries after the other."""
        b, given = self.b, self.given
        together = given["together"]

        def block(values: Values) -> tuple[SSAValue, Values]:
            q, y, added, limit, high, low = values
            high_here = b.smallest(high, together)
            low_here = b.smallest(low, b.minus(together, high_here))
            tiles = _Tiles(self, (high_here, low_here), limit)
            self._pack_queries(q, tiles.rows)
            self._rows.begin(tiles.rows)
            self._attend(tiles, added)
            self._rows.finish(tiles.rows, y)
            high, low = b.minus(high, high_here), b.minus(low, low_here)
            ways = (given[name] for name in ("q_row", "y_row", "added_row"))
            q, y, added = (
                b.at(place, b.times(way, tiles.rows))
                for place, way in zip((q, y, added), ways, strict=True)
            )
            limit = b.plus(limit, b.times(given["limit_step"], tiles.rows))
            return b.compare("sgt", b.plus(high, low), 0), [q, y, added, limit, high, low]

        b.repeat_while([*places, given["limit"], given["high"], given["low"]], block)

    def _attend(self, tiles: _Tiles, added: SSAValue) -> None:
        """Some keys after the other, as far as the last query sees."""
        b, given = self.b, self.given
        together = given["keys_together"]
        last = b.times(given["limit_step"], b.minus(tiles.rows, 1))
        seen = b.smallest(b.plus(tiles.limit, last), given["keys"])
        ways = [
            b.times(self.panels(together), self.k_panel),
            b.times(together, self.panel_row),
            b.times(together, 4),
        ]

        def block(values: Values) -> tuple[SSAValue, Values]:
            first, packed_k, packed_v, added = values
            count = b.smallest(together, b.minus(seen, first))
            tiles.score(packed_k, first, count)
            self._rows.weigh(tiles.rows, added, b.minus(tiles.limit, first), count, first)
            tiles.mix(packed_v, first, count)
            after = b.plus(first, together)
            places = zip((packed_k, packed_v, added), ways, strict=True)
            return b.compare("slt", after, seen), [after, *(b.at(p, way) for p, way in places)]

        start = [b.integer(0), given["packed_k"], given["packed_v"], added]
        b.repeat_while(start, block)


class _Tiles:
    """Those that are taken together: of each height so many, whose first query sees `limit` keys."""

    def __init__(self, heads: _Heads, counts: Sequence[SSAValue], limit: SSAValue) -> None:
        self._heads, self.limit = heads, limit
        b = heads.b
        self._counts = tuple(zip(heads.names, counts, strict=False))
        self.rows = b.integer(0)
        for height, count in self._counts:
            self.rows = b.plus(self.rows, b.times(count, height))

    def score(self, packed_k: SSAValue, first: SSAValue, count: SSAValue) -> None:
        """Scores with keys from `first` on, panel by panel; but for tiles that see none of a panel."""
        heads, b, given = self._heads, self._heads.b, self._heads.given
        self._job("depth", given["size"])
        self._job("adds", b.integer(0))

        def panel(values: Values) -> Values:
            packed, scores, before = values

            def tile(height: int, q: SSAValue, target: SSAValue, seen: SSAValue) -> None:
                def some() -> Values:
                    self._call(height, q, heads.q_row, packed, target, heads.scores_row)
                    return ()

                b.when(b.compare("sgt", seen, before), some, ())

            places = (given["packed_q"], heads.q_row), (scores, heads.scores_row)
            self._each(*places, first, count, tile)
            further = b.at(packed, heads.k_panel), b.at(scores, heads.panel_row)
            return [*further, b.plus(before, heads.width)]

        b.loop(heads.panels(count), [packed_k, given["scores"], b.integer(0)], panel)

    def mix(self, packed_v: SSAValue, first: SSAValue, count: SSAValue) -> None:
        """Values of keys from `first` on, panel by panel, times what scores have become."""
        heads, b, given = self._heads, self._heads.b, self._heads.given
        self._job("adds", first)

        def panel(values: Pointers) -> None:
            packed, sums = values

            def tile(height: int, scores: SSAValue, target: SSAValue, seen: SSAValue) -> None:
                self._job("depth", b.largest(seen, 0))
                self._call(height, scores, heads.scores_row, packed, target, heads.sums_row)

            places = (given["scores"], heads.scores_row), (sums, heads.sums_row)
            self._each(*places, first, count, tile)

        ways = [heads.v_panel, heads.panel_row]
        over(b, heads.v_panels, [packed_v, given["sums"]], ways, panel)

    def _job(self, name: str, value: SSAValue) -> None:
        heads = self._heads
        place = heads.b.at(heads.given["job"], 8 * _JOB.index(name))
        heads.b.store_number(value, place)

    def _each(
        self,
        source: tuple[SSAValue, SSAValue],
        target: tuple[SSAValue, SSAValue],
        first: SSAValue,
        count: SSAValue,
        body: Callable[[int, SSAValue, SSAValue, SSAValue], None],
    ) -> None:
        """`body` of the height of a tile, where its rows begin in a source and a target (given with the
        ways from row to row), and how many of `count` keys from `first` on its last query sees."""
        b, step = self._heads.b, self._heads.given["limit_step"]
        values: Values = [source[0], target[0], b.minus(self.limit, first)]
        for height, number in self._counts:
            ways = [b.times(way, height) for way in (source[1], target[1], step)]
            last = b.times(step, height - 1)

            def turn(
                values: Values,
                height: int = height,
                ways: Sequence[SSAValue] = ways,
                last: SSAValue = last,
            ) -> Values:
                a, c, limit = values
                body(height, a, c, b.smallest(b.plus(limit, last), count))
                return [b.at(a, ways[0]), b.at(c, ways[1]), b.plus(limit, ways[2])]

            values = b.loop(number, values, turn)

    def _call(
        self,
        height: int,
        a: SSAValue,
        a_row: SSAValue,
        packed: SSAValue,
        c: SSAValue,
        c_row: SSAValue,
    ) -> None:
        """A tile; it has one panel, no residual, and no edge."""
        heads, nothing = self._heads, self._heads.b.integer(0)
        job = heads.given["job"]
        unused = (c, nothing, nothing, nothing)
        heads.b.call_function(
            heads.names[height], [a, a_row, packed, nothing, c, c_row, *unused, job, job]
        )
