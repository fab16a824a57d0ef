"""Programs: a rectangle of PEs, its colours, their routes, and which tile runs where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    IntegerAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    irdl_custom_directive,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, NoTerminator, SymbolOpInterface, SymbolTable

from pyflame_rt.dialects.wse.attributes import (
    POP_MODES,
    Filter,
    FilterAttr,
    Position,
    PositionsAttr,
    Rectangle,
    RectangleAttr,
)
from pyflame_rt.dialects.wse.base import (
    INTEGER,
    Body,
    NamedWord,
    WseOp,
    body_of,
    flag,
    integer,
    name_of,
    number,
    reference,
    word,
)

COLORS = 24
"""Routable colours of every generation."""

# More PEs than this are a slip of the pen, and arrays that no host has room for.
_MOST_PES = 1 << 22


@irdl_custom_directive
class Positions(CustomDirective):
    """The switch positions of a route without brackets."""

    positions: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        self.positions.set(state, PositionsAttr.parse_bare(parser))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        printer.print_string(cast(PositionsAttr, self.positions.get(op)).bare)


@irdl_custom_directive
class FilterWords(CustomDirective):
    """`filter`, and the filter of a route without brackets, if it has one."""

    filter: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        if parser.parse_optional_keyword("filter") is not None:
            self.filter.set(state, FilterAttr.parse_bare(parser))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        found = self.filter.get(op)
        if isinstance(found, FilterAttr):
            state.print_whitespace(printer)
            printer.print_string(f"filter {found.bare}")


@irdl_op_definition
class ProgramOp(WseOp):
    """A program for a rectangle of PEs: x grows to the east, y to the south.

    ```mlir
    wse.program @sum width 4 height 1 {
      wse.color @red
    }
    ```
    C1: width and height are at least 1. C2: it holds colours, routes, tiles, placements and data.
    C3: it has at most 4194304 PEs, more than any wafer.
    """

    name = "wse.program"

    sym_name = prop_def(SymbolNameConstraint())
    width = prop_def(INTEGER)
    height = prop_def(INTEGER)
    body = region_def("single_block")

    custom_directives = (Body,)
    assembly_format = (
        "$sym_name `width` $width `height` $height attr-dict-with-keyword custom<Body>($body)"
    )
    traits = traits_def(SymbolOpInterface(), SymbolTable(), NoTerminator(), IsolatedFromAbove())

    def __init__(
        self, name: str, width: int, height: int, body: Region | Block | None = None
    ) -> None:
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "width": integer(width),
                "height": integer(height),
            },
            regions=[body_of(body)],
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return number(self.height), number(self.width)

    def symbols(self) -> dict[str, Operation]:
        """The colours and tiles by name."""
        return symbols_of(self.body.block)

    def verify_(self) -> None:
        from pyflame_rt.dialects.wse.checking import check_program
        from pyflame_rt.dialects.wse.tile import TileOp

        height, width = self.shape
        self.require("C1", min(height, width) >= 1, f"{width} x {height} PEs")
        self.require("C3", height * width <= _MOST_PES, f"{width} x {height} PEs")
        for op in self.body.block.ops:
            known = isinstance(op, ColorOp | RouteOp | TileOp | PlaceOp | DataOp)
            self.require("C2", known, f"{op.name} is none of these")
        check_program(self)


def symbols_of(block: Block) -> dict[str, Operation]:
    """The ops of a block that declare a name, by it."""
    named = ((op, op.properties.get("sym_name")) for op in block.ops)
    return {name.data: op for op, name in named if isinstance(name, StringAttr)}


@irdl_op_definition
class ColorOp(WseOp):
    """A colour: a virtual channel that routes and queues name; its number is the loader's to choose.

    ```mlir
    wse.color @red
    wse.color @blue = 3
    ```
    C1: a number is 0 to 23. C2: no two colours of a program have one number, and there are at most 24.
    """

    name = "wse.color"

    sym_name = prop_def(SymbolNameConstraint())
    number = opt_prop_def(INTEGER)

    assembly_format = "$sym_name (`=` $number^)? attr-dict"
    traits = traits_def(SymbolOpInterface())

    def __init__(self, name: str, number: int | None = None):
        super().__init__(properties={"sym_name": StringAttr(name), "number": integer(number)})

    def verify_(self) -> None:
        value = number(self.number)
        self.require("C1", 0 <= value < COLORS, f"colours are 0 to {COLORS - 1}, not {value}")


@irdl_op_definition
class RouteOp(WseOp):
    """What the routers of some PEs do with a colour, in each of its switch positions.

    A word from a direction that the current position does not receive waits in its queue. Position
    `initial` is the first; SWITCH_ADV goes to the next and, with `ring_mode`, from the last to the
    first. `filter` drops words before the ramp. `swap_x` (`swap_y`) is the colour that words have once
    they have left to the east or west (north or south).

    ```mlir
    wse.route @red at [0:4:2, 0] rx [east] tx [ramp]
    wse.route @blue at [1:4:2, 0] positions [rx [ramp] tx [west], rx [east] tx [west]] pop_mode always_pop
    ```
    C1: there are one to four positions, and the initial one is among them. C2: each direction is named
    once. C3: pop_mode is no_pop, always_pop or pop_on_advance. C4: the rectangle is inside the program.
    C5: the colours are the program's. C6: a router has one route of a colour. C7: what it sends in its
    initial position stays in the program and is received by the neighbour, in some position. C8: what
    goes up the ramp in that position is taken by an input queue of the tile there, once tiles are placed.
    """

    name = "wse.route"

    color = prop_def(SymbolRefAttr)
    where = prop_def(RectangleAttr)
    positions = prop_def(PositionsAttr)
    initial = opt_prop_def(INTEGER)
    ring_mode = opt_prop_def(UnitAttr)
    pop_mode = opt_prop_def(StringAttr)
    filter = opt_prop_def(FilterAttr)
    swap_x = opt_prop_def(SymbolRefAttr)
    swap_y = opt_prop_def(SymbolRefAttr)

    custom_directives = (NamedWord, Positions, FilterWords)
    assembly_format = (
        "$color `at` $where custom<Positions>($positions) (`initial` $initial^)? "
        "(`ring_mode` $ring_mode^)? custom<NamedWord>($pop_mode) custom<FilterWords>($filter) (`swap_x` $swap_x^)? "
        "(`swap_y` $swap_y^)? attr-dict"
    )

    def __init__(
        self, color: str, where: Rectangle, positions: Sequence[Position], *,
        initial: int | None = None, ring_mode: bool = False, pop_mode: str | None = None,
        filter: Filter | None = None, swap_x: str | None = None, swap_y: str | None = None,
    ):  # fmt: skip
        super().__init__(
            properties={
                "color": SymbolRefAttr(color),
                "where": RectangleAttr(where),
                "positions": PositionsAttr(tuple(positions)),
                "initial": integer(initial),
                "ring_mode": flag(ring_mode),
                "pop_mode": word(pop_mode),
                "filter": None if filter is None else FilterAttr(filter),
                "swap_x": reference(swap_x),
                "swap_y": reference(swap_y),
            }
        )

    def verify_(self) -> None:
        positions, initial = self.positions.data, number(self.initial)
        self.require(
            "C1",
            1 <= len(positions) <= 4 and 0 <= initial < len(positions),
            f"{len(positions)} positions, of which {initial} is the first: there are one to four",
        )
        for position in positions:
            for side in (position.rx, position.tx):
                self.require("C2", len(set(side)) == len(side), f"{position} names one twice")
        mode = self.pop_mode.data if self.pop_mode is not None else POP_MODES[0]
        self.require("C3", mode in POP_MODES, f"{mode} is none of {', '.join(POP_MODES)}")


@irdl_op_definition
class PlaceOp(WseOp):
    """Runs a tile on some PEs, with values for its parameters, which may depend on the coordinates.

    A value is a number, a colour, an affine map of (x, y), or one value a PE, row by row.

    ```mlir
    wse.place @worker at [0:4, 0] params {in = @red, x = affine_map<(d0, d1) -> (d0)>, n = 8 : i16}
    ```
    C1: a value is one of these kinds. C2: a map has two dimensions, no symbol and one result. C3: there
    is one value for each PE. C4: the rectangle is inside the program. C5: the tile is the program's.
    C6: a PE has one tile. C7: each parameter without a default has a value, of its type, and no other
    is given. C8: the colour of each queue has a route up (input) or down (output) the ramp on each PE.
    C9: no two input queues have one colour.
    """

    name = "wse.place"

    tile = prop_def(SymbolRefAttr)
    where = prop_def(RectangleAttr)
    params = opt_prop_def(DictionaryAttr)

    assembly_format = "$tile `at` $where (`params` $params^)? attr-dict"

    def __init__(self, tile: str, where: Rectangle, params: Mapping[str, Attribute] | None = None):
        super().__init__(
            properties={
                "tile": SymbolRefAttr(tile),
                "where": RectangleAttr(where),
                "params": DictionaryAttr(dict(params)) if params else None,
            }
        )

    def values(self) -> Mapping[str, Attribute]:
        """The parameters by name."""
        return self.params.data if self.params is not None else {}

    def verify_(self) -> None:
        from xdsl.dialects.builtin import AffineMapAttr, FloatAttr

        rows, columns = self.where.data.shape
        for name, value in self.values().items():
            if isinstance(value, AffineMapAttr):
                sizes = (value.data.num_dims, value.data.num_symbols, len(value.data.results))
                self.require("C2", sizes == (2, 0, 1), f"{name}: {value} is no map of (x, y)")
            elif isinstance(value, DenseIntOrFPElementsAttr):
                count = 1
                for size in value.get_shape():
                    count *= size
                self.require(
                    "C3",
                    count == rows * columns,
                    f"{name}: {count} values for {rows * columns} PEs",
                )
            elif not isinstance(value, IntegerAttr | FloatAttr | SymbolRefAttr):
                self.fail("C1", f"{name}: {value} is no value of a parameter")


@irdl_op_definition
class DataOp(WseOp):
    """Initial contents of a buffer on some PEs: all of it for each PE, row by row, or one for all.

    ```mlir
    wse.data @worker::@own at [0:2, 0] = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
    ```
    C1: the buffer is named as `@tile::@buffer`. C2: there is such a buffer on each of the PEs. C3: the
    values are as many as one buffer has, or all of them, and of its type. C4: the rectangle is inside
    the program.
    """

    name = "wse.data"

    buffer = prop_def(SymbolRefAttr)
    where = prop_def(RectangleAttr)
    value = prop_def(DenseIntOrFPElementsAttr)

    assembly_format = "$buffer `at` $where `=` $value attr-dict"

    def __init__(self, tile: str, buffer: str, where: Rectangle, value: DenseIntOrFPElementsAttr):
        super().__init__(
            properties={
                "buffer": SymbolRefAttr(tile, [buffer]),
                "where": RectangleAttr(where),
                "value": value,
            }
        )

    @property
    def names(self) -> tuple[str, str]:
        """The tile's and the buffer's."""
        nested = self.buffer.nested_references.data
        return name_of(self.buffer), nested[0].data if nested else ""

    def verify_(self) -> None:
        nested = self.buffer.nested_references.data
        self.require("C1", len(nested) == 1, f"{self.buffer} is no @tile::@buffer")


OPS = (ProgramOp, ColorOp, RouteOp, PlaceOp, DataOp)
"""The ops of this module."""
