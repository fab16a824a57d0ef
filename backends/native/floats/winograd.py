"""The way to the tiles of Winograd's algorithm, and back: what comes before its products, and after.

Images lie as rows x columns x channels; vectors hold neighbouring channels. Tiles lie as places x tiles
x channels, so that those of each place are the rows of a matrix product. Both kernels go over tiles one
by one, along a row, then to the next row, then to the next image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.floats.winograd_matrices import from_tile, to_tile
from pyflame_rt.backends.native.writing.activations import activated, is_short
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors

TO_TILES = (
    "@x", "@tiles", "@filler", "channels", "count", "row", "column", "rows", "columns",
    "height", "width", "x_image", "x_row", "x_column", "top", "left", "place", "tile",
)  # fmt: skip
"""`count` tiles from the one in that `row` and `column`, of `rows` x `columns` an image; `place` and
`tile` are the ways between places of a tile and between tiles. What lies outside of the image is read
from the filler, a row of zeros."""

FROM_TILES = (
    "@products", "@y", "@residual", "@bias", "features", "count", "row", "column", "rows", "columns",
    "height", "width", "y_image", "y_row", "y_column", "residual_image", "residual_row",
    "residual_column", "place", "tile", "activates",
)  # fmt: skip
"""As above; `height` and `width` are those of the result, beyond which nothing is put down."""


def _next_tile(
    b: Builder, given: dict[str, SSAValue], row: SSAValue, column: SSAValue, images: Pointers
) -> tuple[SSAValue, SSAValue, list[SSAValue], SSAValue]:
    """The row and column of the next tile, the images as they were, and whether it is of the next one."""
    column = b.plus(column, 1)
    ends = b.compare("eq", column, given["columns"])
    zero = b.integer(0)
    column = b.choose(ends, zero, column)
    row = b.choose(ends, b.plus(row, 1), row)
    is_next = b.compare("eq", row, given["rows"])
    return b.choose(is_next, zero, row), column, list(images), is_next


@dataclass(frozen=True)
class ToTiles:
    """Code that makes tiles of images: B^T d B."""

    cpu: str
    lanes: int
    fused: bool
    size: int
    """Outputs of a tile along an axis."""
    has_rest: bool
    """Whether channels may be no multiple of the lanes."""

    entry = "to_tiles"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], TO_TILES)

        def tile(values: Pointers) -> Values:
            x, row, column, target = values
            self._tile(b, given, values)
            row, column, _, is_next = _next_tile(b, given, row, column, ())
            x = b.choose(is_next, b.at(x, given["x_image"]), x)
            return [x, row, column, b.at(target, given["tile"])]

        start = [given[name] for name in ("x", "row", "column", "tiles")]
        b.loop(given["count"], start, tile)
        return ModuleOp([b.finish()])

    def _tile(self, b: Builder, given: dict[str, SSAValue], values: Pointers) -> None:
        x, row, column, target = values
        side, size = range(self.size + 2), self.size
        first = b.minus(b.times(row, size), given["top"])
        lines: list[SSAValue] = []
        for i in side:
            line = b.plus(first, i)
            there = b.at(x, b.times(line, given["x_row"]))
            inside = b.compare("ult", line, given["height"])
            lines.append(b.choose(inside, there, given["filler"]))
        first = b.minus(b.times(column, size), given["left"])
        taps: list[list[SSAValue]] = []
        for j in side:
            at = b.plus(first, j)
            inside, way = b.compare("ult", at, given["width"]), b.times(at, given["x_column"])
            # The filler is as long as a row, and all of its elements are the same.
            taps.append([b.choose(inside, b.at(n, way), given["filler"]) for n in lines])

        def channels(places: Pointers, mask: SSAValue | None, carried: Values) -> Values:
            (offset,) = carried
            load = partial(b.load_vector, lanes=self.lanes, mask=mask)
            by_column = [to_tile(b, size, [load(b.at(n, offset)) for n in taps[j]]) for j in side]
            put = places[0]
            for i in side:
                for value in to_tile(b, size, [by_column[j][i] for j in side]):
                    b.store(value, put, mask)
                    put = b.at(put, given["place"])
            return [b.plus(offset, 4 * self.lanes)]

        vectors(
            b, given["channels"], self.lanes, [target], channels, [b.integer(0)],
            has_rest=self.has_rest,
        )  # fmt: skip


@dataclass(frozen=True)
class FromTiles:
    """Code that makes images of products: A^T m A, with bias, residual and activation."""

    cpu: str
    lanes: int
    fused: bool
    size: int
    has_rest: bool
    activation: str = ""
    numbers: tuple[float, ...] = ()

    entry = "from_tiles"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FROM_TILES)
        is_there = b.compare("ne", b.number_of(given["residual"]), 0)

        def tile(values: Pointers) -> Values:
            y, residual, row, column, source = values
            _Put(self, b, given, is_there, values).emit()
            row, column, _, is_next = _next_tile(b, given, row, column, ())
            y = b.choose(is_next, b.at(y, given["y_image"]), y)
            residual = b.choose(is_next, b.at(residual, given["residual_image"]), residual)
            return [y, residual, row, column, b.at(source, given["tile"])]

        start = [given[name] for name in ("y", "residual", "row", "column", "products")]
        b.loop(given["count"], start, tile)
        return ModuleOp([b.finish()])


class _Put:
    """One tile of the result."""

    def __init__(
        self,
        kernel: FromTiles,
        b: Builder,
        given: dict[str, SSAValue],
        has_residual: SSAValue,
        values: Pointers,
    ) -> None:
        self._kernel, self._b, self._given = kernel, b, given
        self._has_residual = has_residual
        y, residual, row, column, self._source = values
        row, column = b.times(row, kernel.size), b.times(column, kernel.size)
        self._y = self._within("y", y, row, column)
        self._residual = self._within("residual", residual, row, column)
        self._rows = b.smallest(b.minus(given["height"], row), kernel.size)
        self._columns = b.smallest(b.minus(given["width"], column), kernel.size)
        whole = b.times(self._rows, self._columns)
        self._is_whole = b.compare("eq", whole, kernel.size * kernel.size)

    def _within(self, name: str, image: SSAValue, row: SSAValue, column: SSAValue) -> SSAValue:
        b, given = self._b, self._given
        line = b.at(image, b.times(row, given[f"{name}_row"]))
        return b.at(line, b.times(column, given[f"{name}_column"]))

    def emit(self) -> None:
        b, given, kernel = self._b, self._given, self._kernel
        starts = [self._source, self._y, self._residual, given["bias"]]
        vectors(
            b, given["features"], kernel.lanes, starts, self._features, has_rest=kernel.has_rest
        )
        if self._activates_after:
            b.when(b.compare("ne", given["activates"], 0), self._activate_put_down, ())

    @property
    def _activates_after(self) -> bool:
        return bool(self._kernel.activation) and not is_short(self._kernel.activation)

    def _features(self, places: Pointers, mask: SSAValue | None, _: Values) -> Values:
        b, given, kernel = self._b, self._given, self._kernel
        source, y, residual, bias = places
        side = range(kernel.size + 2)
        line, lines = source, list[SSAValue]()
        for _i in side:
            lines.append(line)
            line = b.at(line, b.times(given["place"], len(side)))
        by_column: list[list[SSAValue]] = []
        for j in side:
            way = b.times(given["place"], j)
            products = [b.load_vector(b.at(n, way), kernel.lanes, mask) for n in lines]
            by_column.append(from_tile(b, kernel.size, products))
        sums = [
            from_tile(b, kernel.size, [by_column[j][i] for j in side]) for i in range(kernel.size)
        ]
        added = b.load_vector(bias, kernel.lanes, mask)
        sums = [[b.add_floats(value, added) for value in row] for row in sums]
        put = partial(self._put, y, residual, mask)

        def whole() -> Values:
            every = [(i, j) for i in range(kernel.size) for j in range(kernel.size)]
            put(every, [sums[i][j] for i, j in every])
            return ()

        def in_part() -> Values:
            for i, row in enumerate(sums):
                b.when(b.compare("sgt", self._rows, i), partial(some, i, row), ())
            return ()

        def some(i: int, row: list[SSAValue]) -> Values:
            for j, value in enumerate(row):
                is_inside = b.compare("sgt", self._columns, j)
                b.when(is_inside, partial(one, i, j, value), ())
            return ()

        def one(i: int, j: int, value: SSAValue) -> Values:
            put([(i, j)], [value])
            return ()

        b.either(self._is_whole, whole, in_part)
        return ()

    def _put(
        self,
        y: SSAValue,
        residual: SSAValue,
        mask: SSAValue | None,
        places: Sequence[tuple[int, int]],
        values: Sequence[SSAValue],
    ) -> None:
        b, given, kernel = self._b, self._given, self._kernel

        def at(name: str, base: SSAValue, i: int, j: int) -> SSAValue:
            line = b.at(base, b.times(given[f"{name}_row"], i)) if i else base
            return b.at(line, b.times(given[f"{name}_column"], j)) if j else line

        def more() -> Values:
            there = (at("residual", residual, i, j) for i, j in places)
            loaded = [b.load_vector(place, kernel.lanes, mask) for place in there]
            return [b.add_floats(v, added) for v, added in zip(values, loaded, strict=True)]

        values = list(b.when(self._has_residual, more, list(values)))
        if kernel.activation and not self._activates_after:
            activate = partial(activated, b, kernel.activation, kernel.numbers)
            before = values
            activates = b.compare("ne", given["activates"], 0)
            values = list(b.when(activates, lambda: [activate(v) for v in before], before))
        for (i, j), value in zip(places, values, strict=True):
            b.store(value, at("y", y, i, j), mask)

    def _activate_put_down(self) -> Values:
        """Long code stands once, in a loop over what was just put down."""
        b, given, kernel = self._b, self._given, self._kernel

        def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            value = b.load_vector(places[0], kernel.lanes, mask)
            b.store(activated(b, kernel.activation, kernel.numbers, value), places[0], mask)
            return ()

        def pixel(places: Pointers) -> None:
            vectors(b, given["features"], kernel.lanes, [places[0]], some, has_rest=kernel.has_rest)

        def row(places: Pointers) -> None:
            over(b, self._columns, [places[0]], [given["y_column"]], pixel)

        over(b, self._rows, [self._y], [given["y_row"]], row)
        return ()
