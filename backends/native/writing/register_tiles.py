"""The code of products of matrices, whatever their elements: tiles in registers, and the way over them.

A tile is some rows and columns of the result, whose sums stay in registers while the code goes along
the depth. Weights are packed by panels of as many columns as a tile has, so that they are read one
after the other; x is read as it lies, the elements of one step for all columns.

What is multiplied is said by jobs, records of numbers: the code itself knows neither sizes nor
addresses, so that a network needs few kernels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol

from xdsl.dialects.builtin import ModuleOp, i64
from xdsl.dialects.llvm import FuncOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.activations import activated
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.elements import Multiplying
from pyflame_rt.backends.native.writing.loops import fields

PLACES = ("a", "a_row", "@b", "b_panel", "c", "c_row", "residual", "residual_row")
SIZES = (
    "columns", "wide", "narrow", "high", "low",
    "repeats", "a_repeat", "c_repeat", "residual_repeat",
)  # fmt: skip
"""What each job begins with, all of 64 bits and distances in bytes.

`a`, `c`, `residual` are offsets, `b` the address of weights; `…_row` the way from row to row, `b_panel`
from panel to panel. There are `columns`: `wide` times several panels, then `narrow` single ones; and
`high` tiles of the first height, then `low` ones of the second. All that `repeats` times, `…_repeat`
further on. Where the elements of a row lie, a job says after that: see `Registers.AXES`.
"""

_TILE = (
    "a", "a_row", "b", "b_panel", "c", "c_row", "residual", "residual_row", "left", "across", "job",
    "record",
)  # fmt: skip
"""What a tile's function takes: `left` columns from its first one on, which stands `across` elements
behind the first of the job; the job's record, and the kernel's."""
_POINTERS = ("a", "b", "c", "residual", "job", "record", "soon")

SOON = ("panel_size", "panel_step")
"""What jobs of kernels that ask for the next panel say beside: bytes of theirs of a panel, and for how
many of them a tile asks. Its function takes where these begin, as `soon`."""

_TOGETHER = 3
"""Rows that share a register for their address, which reaches others by the first and second multiple
of the way from row to row."""

_LINE = 64
"""Bytes that a processor moves at once."""

Masks = Sequence[SSAValue | None]
"""Which columns of each value are there; None for all."""


class TiledKernel(Protocol):
    """What code is made of; its record has x, y, residual, …, jobs and their number."""

    entry: str
    operands: ClassVar[tuple[str, ...]]
    fields: ClassVar[tuple[str, ...]]

    @property
    def schedule(self) -> Any:
        """Columns of a panel, and the way along the depth."""
        ...

    @property
    def heights(self) -> tuple[int, ...]:
        """Rows of tiles: of the high ones, and of the low ones if there are any."""
        ...

    @property
    def panels(self) -> int:
        """Panels of a wide tile; 1 if there are none."""
        ...

    @property
    def size(self) -> int:
        """Bytes of an element of the result."""
        ...

    def tile(self, rows: int, panels: int) -> Registers:
        """The code of a tile."""
        ...


def emit(kernel: TiledKernel, *, asks_soon: bool = False) -> ModuleOp:
    """The module of a kernel, in the `llvm` dialect, whose tiles of one panel may ask for the next one."""
    widths = _widths(kernel)
    tiles = [kernel.tile(rows, panels).emit() for rows in kernel.heights for panels in widths]
    return ModuleOp([*tiles, _emit_jobs(kernel, widths, asks_soon)])


def lines_of_turn(columns: int, unroll: int, weights: int) -> int:
    """Cache lines of weights in a turn of the loop along the depth, where an element and its like of a
    group have so many bytes: tiles that ask for one each turn have asked for all of a panel."""
    return max(1, -(-columns * unroll * weights // _LINE))


def _widths(kernel: TiledKernel) -> tuple[int, ...]:
    return (1,) if kernel.panels == 1 else (kernel.panels, 1)


def _tile_name(rows: int, panels: int) -> str:
    return f"tile_{rows}x{panels}"


def _arguments(panels: int, asks_soon: bool) -> tuple[str, ...]:
    return (*_TILE, "soon") if asks_soon and panels == 1 else _TILE


class Registers(ABC):
    """The function that computes one tile. How sums begin and end is said by those that derive."""

    AXES: tuple[tuple[str, str], ...]
    """Stretches of a row of x: how many a job says that there are of each, and how far apart, outer ones
    first. The innermost have `depth` elements."""

    def __init__(
        self, kernel: TiledKernel, rows: int, panels: int, b: Builder, elements: Multiplying
    ) -> None:
        self.kernel, self.b, self.elements = kernel, b, elements
        self.rows, self.panels = rows, panels
        self.beside = kernel.schedule.columns // elements.lanes
        """Values of a row of a panel."""
        self.places = [(r, k) for r in range(rows) for k in range(panels * self.beside)]
        names = _arguments(panels, len(b.arguments) > len(_TILE))
        self.given: dict[str, SSAValue] = dict(zip(names, b.arguments, strict=True))
        self._asks_soon = "soon" in names

    @staticmethod
    def builder(rows: int, panels: int, *, fused: bool = True, asks_soon: bool = False) -> Builder:
        """That of a tile's function."""
        names = _arguments(panels, asks_soon)
        kinds = [POINTER if name in _POINTERS else i64 for name in names]
        return Builder(_tile_name(rows, panels), kinds, fused=fused)

    @abstractmethod
    def begin(self) -> Sequence[SSAValue]:
        """The sums before the first step, and what else is carried along."""

    @abstractmethod
    def end(self, carried: Sequence[SSAValue]) -> None:
        """Finish the sums, and put them down."""

    def other(self, left: SSAValue | None) -> Any:
        """What each row of x is multiplied with beside the weights, to a sum of its own; None if
        nothing."""
        return None

    def emit(self) -> FuncOp:
        """The function."""
        b, given = self.b, self.given
        given |= self.said("job", *(name for axis in self.AXES for name in axis), "depth")
        carried = self.begin()
        rows = [self.row(given["a"], given["a_row"], r) for r in range(0, self.rows, _TOGETHER)]
        columns = [b.at(given["b"], b.times(given["b_panel"], p)) for p in range(self.panels)]
        if self._asks_soon:
            columns.append(given["soon"])
        found = self._along(list(self.AXES), len(rows))([*rows, *columns, *carried])
        self.end(found[len(rows) + len(columns) :])
        return b.finish()

    def said(self, record: str, *names: str) -> dict[str, SSAValue]:
        """Numbers of the "job", or the "record" of the kernel, by name; those of addresses begin with
        "@"."""
        b, known = self.b, self.kernel.fields if record == "job" else self.kernel.operands
        return {
            name.removeprefix("@"): b.load(
                b.at(self.given[record], 8 * known.index(name)),
                POINTER if name.startswith("@") else i64,
                8,
            )
            for name in names
        }

    def row(self, base: SSAValue, way: SSAValue, row: int) -> SSAValue:
        """Where a row begins."""
        return base if row == 0 else self.b.at(base, self.b.times(way, row))

    def place(self, name: str, row: int, value: int, size: int) -> SSAValue:
        """Where a value of elements of that size belongs in y or the residual."""
        base = self.row(self.given[name], self.given[f"{name}_row"], row)
        return self.b.at(base, size * self.elements.lanes * value)

    def by_edge(self, body: Callable[[Masks], Values], kinds: Sequence[Any] = ()) -> Values:
        """`body`, of results of these types, for whole panels, or with masks where there are not as
        many columns left."""
        b, left, lanes = self.b, self.given["left"], self.elements.lanes
        whole = [None] * (self.panels * self.beside)
        if self.panels > 1:
            return body(whole)

        def masked() -> Values:
            rest = [b.minus(left, lanes * k) if k else left for k in range(self.beside)]
            return body([b.lanes_below(count, lanes) for count in rest])

        is_whole = b.compare("sge", left, self.kernel.schedule.columns)
        return b.either(is_whole, lambda: body(whole), masked, kinds)

    def activate_put_down(self, name: str, numbers: Sequence[float]) -> None:
        """An activation whose code is long, which stands once, in a loop over the f32 that were just
        put down."""
        b, given, lanes = self.b, self.given, self.kernel.schedule.lanes
        width = b.smallest(given["left"], self.panels * self.kernel.schedule.columns)
        whole, rest = b.shifted(width, lanes.bit_length() - 1), b.masked(width, lanes - 1)

        def some(values: Values, mask: SSAValue | None = None) -> Values:
            (place,) = values
            found = activated(b, name, numbers, b.load_vector(place, lanes, mask))
            b.store(found, place, mask)
            return [b.at(place, 4 * lanes)]

        def row(values: Values) -> Values:
            (end,) = b.loop(whole, values, some)

            def last() -> Values:
                some((end,), b.lanes_below(rest, lanes))
                return ()

            b.when(b.compare("sgt", rest, 0), last, ())
            return [b.at(values[0], given["c_row"])]

        b.loop(b.integer(self.rows), [given["c"]], row)

    def along_run(self, values: Values) -> Values:
        """Along one stretch of a row: places in rows and columns, and what is carried along, go on."""
        return self.along_part(values, self.given["depth"])

    def _along(self, axes: list[tuple[str, str]], rows: int) -> Callable[[Values], Values]:
        """The way along stretches of the row, of so many addresses of rows and what else is carried."""
        if not axes:
            return self.along_run
        (count, way), *rest = axes
        b, given, inside = self.b, self.given, self._along(rest, rows)

        def turn(values: Values) -> Values:
            moved = inside(values)
            return [*(b.at(start, given[way]) for start in values[:rows]), *moved[rows:]]

        return lambda values: b.loop(given[count], values, turn)

    def along_part(self, values: Values, depth: SSAValue) -> Values:
        """Along so many elements: several steps at a time, single ones, and what is less than a step."""
        b, unroll = self.b, self.kernel.schedule.unroll
        steps = b.shifted(depth, self.elements.kind.group.bit_length() - 1)
        many = b.shifted(steps, unroll.bit_length() - 1)
        found: Values = b.loop(many, values, partial(self._steps, unroll))
        if unroll > 1:
            found = b.loop(b.masked(steps, unroll - 1), found, partial(self._steps, 1))
        if self.elements.kind.group == 1:
            return found
        left, before = b.masked(depth, self.elements.kind.group - 1), found
        return b.when(b.compare("sgt", left, 0), lambda: self._steps(1, before, left), before)

    def _steps(self, count: int, values: Values, left: SSAValue | None = None) -> list[SSAValue]:
        """Some steps along the depth; or one that has only so many elements as are `left`."""
        b, elements, ahead = self.b, self.elements, self.kernel.schedule.ahead
        groups, size = -(-self.rows // _TOGETHER), len(self.places)
        rows, columns = values[:groups], values[groups : groups + self.panels]
        soon = list(values[groups + self.panels :][: self._asks_soon])
        carried = list(values[groups + self.panels + len(soon) :])
        sums, others = carried[:size], carried[size:]
        panel, across = elements.width * self.beside, range(self.beside)
        starts = self._starts(rows)
        for step in range(count):
            here = panel * step
            weights = [
                elements.weights(b.at(start, here + elements.width * k))
                for start in columns
                for k in across
            ]
            for start in () if soon else columns:
                # They come from far, as long as there are few rows to multiply them with.
                for line in range(0, panel, _LINE):
                    b.prefetch(b.at(start, ahead + here + line))
            other = self.other(left)
            for r, start in enumerate(starts):
                element = elements.element(b.at(start, elements.step * step), left)
                for k, weight in enumerate(weights):
                    index = r * len(weights) + k
                    sums[index] = elements.added(sums[index], element, weight)
                if other is not None:
                    others[r] = elements.added(others[r], element, other)
        # Who sees that all rows go on alike keeps an address for each: more than there are registers.
        moved = [b.hidden(b.at(row, elements.step * count)) for row in rows]
        moved += [b.at(start, panel * count) for start in columns]
        if soon and count > 1:
            # One line a turn, so that it does not hold up what comes from near.
            b.prefetch(soon[0])
            soon = [b.at(soon[0], _LINE)]
        return [*moved, *soon, *sums, *others]

    def _starts(self, rows: Sequence[SSAValue]) -> list[SSAValue]:
        b, way = self.b, self.given["a_row"]
        ways = [None, way, b.plus(way, way)]
        return [
            rows[r // _TOGETHER]
            if (offset := ways[r % _TOGETHER]) is None
            else b.at(rows[r // _TOGETHER], offset)
            for r in range(self.rows)
        ]


def _emit_jobs(kernel: TiledKernel, widths: tuple[int, ...], asks_soon: bool) -> FuncOp:
    """The function that goes over jobs, panels, repeats and tiles."""
    b = Builder(kernel.entry, [POINTER], public=True)
    (record,) = b.arguments
    operands = fields(b, record, kernel.operands)

    def job(values: tuple[SSAValue, ...]) -> list[SSAValue]:
        (place,) = values
        given = fields(b, place, (*PLACES, *SIZES))
        given["a"], given["c"] = b.at(operands["x"], given["a"]), b.at(operands["y"], given["c"])
        given["residual"] = b.at(operands["residual"], given["residual"])
        given["job"], given["record"] = place, record
        if asks_soon:
            for name in SOON:
                given[name] = b.load(b.at(place, 8 * kernel.fields.index(name)), i64, 8)
        _Job(kernel, b, given).emit(widths)
        return [b.at(place, 8 * len(kernel.fields))]

    b.loop(operands["count"], [operands["jobs"]], job)
    return b.finish()


class _Job:
    """The loops of one job."""

    def __init__(self, kernel: TiledKernel, b: Builder, given: dict[str, SSAValue]) -> None:
        self._kernel, self._b, self._given = kernel, b, given

    def emit(self, widths: tuple[int, ...]) -> None:
        """Along the columns, wide tiles first."""
        b, given = self._b, self._given
        # The columns of a job are counted from its own first one.
        place = [given["c"], given["residual"], b.integer(0), given["b"], given["columns"]]
        for panels in widths:
            count = given["wide" if panels > 1 else "narrow"]
            place = list(b.loop(count, place, partial(self._panel, panels)))

    def _panel(self, panels: int, place: tuple[SSAValue, ...]) -> list[SSAValue]:
        b, given, size = self._b, self._given, self._kernel.size
        here = {**given, **dict(zip(("c", "residual", "across", "b", "left"), place, strict=True))}
        wide = panels * self._kernel.schedule.columns
        c, residual, across, packed, left = place
        following = b.at(packed, b.times(given["b_panel"], panels))
        asked: list[SSAValue] = []
        if "panel_step" in given and panels == 1:
            # Behind the last panel comes, for other rows, the first one.
            is_last = b.compare("sle", left, wide)
            here["soon"] = b.choose(is_last, given["b"], following)
            asked = [b.integer(0)]

        def repeat(values: tuple[SSAValue, ...]) -> list[SSAValue]:
            a, c, residual, *asked = values
            asked = self._tiles(panels, {**here, "a": a, "c": c, "residual": residual}, asked)
            steps = (given["a_repeat"], given["c_repeat"], given["residual_repeat"])
            moved = [b.at(p, step) for p, step in zip((a, c, residual), steps, strict=True)]
            return [*moved, *asked]

        b.loop(given["repeats"], [here["a"], here["c"], here["residual"], *asked], repeat)
        # Residuals have elements of the result's size.
        after = [b.at(c, size * wide), b.at(residual, size * wide), b.plus(across, 4 * wide)]
        return [*after, following, b.minus(left, wide)]

    def _tiles(
        self, panels: int, here: dict[str, SSAValue], asked: Sequence[SSAValue]
    ) -> list[SSAValue]:
        """Along the rows, high tiles first; `asked` is how much of the next panel was asked for."""
        b = self._b
        values = [here["a"], here["c"], here["residual"], *asked]
        ways = (here["a_row"], here["c_row"], here["residual_row"])
        for name, height in zip(("high", "low"), self._kernel.heights, strict=False):
            steps = [b.times(way, height) for way in ways]

            def tile(
                values: tuple[SSAValue, ...],
                height: int = height,
                steps: Sequence[SSAValue] = steps,
            ) -> list[SSAValue]:
                *places, asked = values if len(values) > 3 else (*values, None)
                given = {**here, **dict(zip(("a", "c", "residual"), places, strict=True))}
                names = _arguments(panels, asked is not None)
                after: list[SSAValue] = []
                if asked is not None:
                    given["soon"] = b.at(here["soon"], asked)
                    more = b.plus(asked, here["panel_step"])
                    is_all = b.compare("sge", more, here["panel_size"])
                    after = [b.choose(is_all, b.integer(0), more)]
                b.call_function(_tile_name(height, panels), [given[n] for n in names])
                return [*(b.at(p, step) for p, step in zip(places, steps, strict=True)), *after]

            values = list(b.loop(here[name], values, tile))
        return values[3:]
