"""The file of the layout: colours, tiles and routes, by loops over the rectangles that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final, cast

from xdsl.dialects import csl
from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    SymbolRefAttr,
)
from xdsl.ir import Attribute
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
)

from pyflame_rt.backends.wse.csl.names import Names
from pyflame_rt.backends.wse.csl.printer import CslPrinter
from pyflame_rt.backends.wse.csl.scalars import literal, type_name
from pyflame_rt.backends.wse.csl.tiles import array, values_of
from pyflame_rt.dialects.wse.attributes import ColorType, Rectangle
from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.program import ColorOp, DataOp, PlaceOp, RouteOp
from pyflame_rt.dialects.wse.tasks import FuncOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp
from pyflame_rt.errors import BackendError

COORDINATE: Final = "i16"
_LINE: Final = 76


@dataclass(frozen=True)
class Project:
    """The modules of a program."""

    layout: csl.CslModuleOp
    tiles: Mapping[str, csl.CslModuleOp]
    program: str
    machine: str
    shape: tuple[int, int]

    def inside(self, *kinds: type[Any]) -> list[Any]:
        """The ops of some kinds of the layout."""
        return [op for op in self.layout.walk() if isinstance(op, kinds)]

    def declared(self, *kinds: type[Any]) -> list[Any]:
        """The declarations of some kinds of all tiles."""
        return [
            op
            for tile in self.tiles.values()
            for op in tile.body.block.ops
            if isinstance(op, kinds)
        ]

    def exports(self) -> dict[str, str | None]:
        """What the host sees: element types of buffers, None of functions. Raises BackendError."""
        found: dict[str, str | None] = {}
        for op in self.declared(BufferOp, FuncOp):
            if op.export is None:
                continue
            name = name_of(op.sym_name)
            kind = type_name(op.buffer_type.element_type) if isinstance(op, BufferOp) else None
            if found.setdefault(name, kind) != kind:
                raise BackendError(
                    "two tiles export it as different things", where=f"@{name}", hint="rename one"
                )
        return found

    def launched(self) -> list[str]:
        """The functions that the host launches."""
        return [name for name, kind in self.exports().items() if kind is None]


def layout_file(project: Project) -> str:
    """The source of the layout. Raises BackendError for what CSL cannot say."""
    output = StringIO()
    _Layout(project, CslPrinter(output)).write()
    return output.getvalue()


@dataclass
class _Layout:
    project: Project
    printer: CslPrinter
    used: Names = field(default_factory=Names)
    colors: dict[str, str] = field(default_factory=dict[str, str])

    def write(self) -> None:
        """Print the file."""
        height, width = self.project.shape
        known = (ColorOp, csl.LayoutOp, csl.SetRectangleOp, RouteOp, PlaceOp, DataOp)
        for op in self.project.layout.walk():
            ours = op.name.split(".")[0] in ("csl", "wse") and op is not self.project.layout
            if ours and not isinstance(op, known):
                raise BackendError(f"{op.name}: has no form in CSL", where="layout")
        memcpy = self.used.take("memcpy")
        x, y = self.used.take("x"), self.used.take("y")
        line = self.printer.print
        line(f"// Layout of the program @{self.project.program}.")
        line("")
        for op in self.project.inside(ColorOp):
            name = name_of(op.sym_name)
            self.colors[name] = self.used.take(name)
            line(f"const {self.colors[name]}: color = @get_color({number(op.number)});")
        line("" if self.colors else "// It has no colours.")
        size = f".{{ .width = {width}, .height = {height} }}"
        line(f'const {memcpy} = @import_module("<memcpy/get_params>", {size});')
        places = self.project.inside(PlaceOp)
        tables = self.tables(places)
        line("")
        with self.printer.descend("layout") as inner:
            inner.print(f"@set_rectangle({width}, {height});")
            for place in places:
                inner.print("")
                _looped(inner, place.where.data, (x, y), self.placing(place, tables, memcpy))
            for route in self.project.inside(RouteOp):
                inner.print("")
                _looped(inner, route.where.data, (x, y), self.routing(route))
            inner.print("")
            for name, kind in self.project.exports().items():
                sort = "fn()void" if kind is None else f"[*]{kind}, true"
                inner.print(f'@export_name("{name}", {sort});')

    def tables(self, places: Iterable[PlaceOp]) -> dict[tuple[PlaceOp, str], str]:
        """Print the parameters that are given one by one, as arrays; their names."""
        tables: dict[tuple[PlaceOp, str], str] = {}
        for place in places:
            for name, value in place.values().items():
                numbers = self.numbers(place, value)
                if numbers is None:
                    continue
                tables[place, name] = self.used.take(f"{name_of(place.tile)}_{name}")
                kind = f"[{len(numbers)}]{self.kind_of(place, name)}"
                self.printer.print(f"const {tables[place, name]} = {array(kind, numbers)};")
        return tables

    def numbers(self, place: PlaceOp, value: Attribute) -> list[Any] | None:
        """One value a PE, row by row; None for what is said by one expression."""
        if isinstance(value, DenseIntOrFPElementsAttr):
            return values_of(cast("DenseIntOrFPElementsAttr[Any]", value)).tolist()
        if isinstance(value, AffineMapAttr) and _expression(value, ("x", "y")) is None:
            return [value.data.eval((x, y), ())[0] for x, y in place.where.data]
        return None

    def kind_of(self, place: PlaceOp, name: str) -> str:
        """The type of a parameter."""
        tile = self.project.tiles[name_of(place.tile)]
        for op in tile.body.block.ops:
            if isinstance(op, ParamOp) and name_of(op.sym_name) == name:
                return "color" if isinstance(op.kind, ColorType) else str(type_name(op.kind))
        raise BackendError(f"has no parameter {name}", where=f"tile {place.tile}")

    def placing(
        self, place: PlaceOp, tables: Mapping[tuple[PlaceOp, str], str], memcpy: str
    ) -> Callable[[str, str], str]:
        """What sets the code of a PE at some coordinates."""
        rectangle = place.where.data

        def text(x: str, y: str) -> str:
            fields = [f".memcpy_params = {memcpy}.get_params({x})"]
            for name, value in place.values().items():
                shown = self.value(place, name, value, x, y)
                if (place, name) in tables:
                    shown = f"{tables[place, name]}[{_index(rectangle, x, y)}]"
                fields.append(f".{_field(name)} = {shown}")
            file = f'"{name_of(place.tile)}.csl"'
            return f"@set_tile_code({x}, {y}, {file}, {_struct(fields)});"

        return text

    def value(self, place: PlaceOp, name: str, value: Attribute, x: str, y: str) -> str:
        """The value of a parameter at some coordinates."""
        if isinstance(value, SymbolRefAttr):
            if name_of(value) not in self.colors:
                raise BackendError(
                    f"there is no colour {value}", where=f"placement of {place.tile}"
                )
            return self.colors[name_of(value)]
        kind = self.kind_of(place, name)
        if isinstance(value, AffineMapAttr):
            return f"@as({kind}, {_expression(value, (x, y))})"
        if isinstance(value, IntegerAttr | FloatAttr):
            return f"@as({kind}, {literal(cast(Attribute, value))})"
        return ""

    def routing(self, route: RouteOp) -> Callable[[str, str], str]:
        """What sets the route of a colour at some coordinates."""
        first = route.positions.data[0]
        swaps = "".join(
            f", .color_swap_{axis} = true"
            for axis, color in (("x", route.swap_x), ("y", route.swap_y))
            if color is not None
        )
        fields = [f".routes = .{{ .rx = {_set(first.rx)}, .tx = {_set(first.tx)}{swaps} }}"]
        if switches := _switches(route, self.project.machine):
            fields.append(f".switches = .{{ {', '.join(switches)} }}")
        if route.filter is not None:
            kept = route.filter.data
            if kept.kind == "range":
                fields.append(
                    f".filter = .{{ .kind = .{{ .range = true }}, .min_idx = {kept.low}, "
                    f".max_idx = {kept.high} }}"
                )
            else:
                fields.append(
                    ".filter = .{ .kind = .{ .counter = true }, .count_data = true, "
                    f".init_counter = {kept.start}, .max_counter = {kept.high}, "
                    f".limit1 = {kept.low} }}"
                )
        color, config = self.colors[name_of(route.color)], _struct(fields)
        return lambda x, y: f"@set_color_config({x}, {y}, {color}, {config});"


def _struct(fields: Sequence[str]) -> str:
    """A struct on one line, or a line a field."""
    whole = f".{{ {', '.join(fields)} }}"
    if len(whole) <= _LINE:
        return whole
    return "\n".join([".{", *(f"  {field}," for field in fields), "}"])


def _field(name: str) -> str:
    """The name that a parameter has in its tile, whose names are taken first."""
    names = Names()
    names.take("memcpy_params")
    return names.take(name)


def _set(directions: Sequence[str]) -> str:
    return f".{{ {', '.join(direction.upper() for direction in directions)} }}"


def _one(directions: Sequence[str]) -> str:
    return directions[0].upper() if len(directions) == 1 else _set(directions)


def _switches(route: RouteOp, machine: str) -> list[str]:
    """Positions after the first, and how the switch turns.

    On wse2 a position names the side that it changes: `cslc` takes one there. A position that leaves one out
    keeps it, some say as it is in the first and some as in the one before; where both can be named, both are.
    """
    first, *others = route.positions.data
    fields: list[str] = []
    before = first
    for index, position in enumerate(others, 1):
        sides = [
            f".{side} = {_one(after)}"
            for side, old, after in (
                ("rx", before.rx, position.rx),
                ("tx", before.tx, position.tx),
            )
            if machine != "wse2" or old != after
        ]
        sides = sides or [f".tx = {_one(position.tx)}"]
        fields.append(f".pos{index} = .{{ {', '.join(sides)} }}")
        before = position
    if number(route.initial):
        fields.append(f".current_switch_pos = {number(route.initial)}")
    if route.ring_mode is not None:
        fields.append(".ring_mode = true")
    if route.pop_mode is not None:
        fields.append(f".pop_mode = .{{ .{route.pop_mode.data} = true }}")
    return fields


def _looped(
    printer: CslPrinter, where: Rectangle, names: tuple[str, str], text: Callable[[str, str], str]
) -> None:
    """Print a statement for each PE of a rectangle, by loops over x and y where it has several."""
    x, y = (
        str(part.start) if len(part.indices()) == 1 else name
        for part, name in zip((where.x, where.y), names, strict=True)
    )
    ranges = [
        f"for (@range({COORDINATE}, {part.start}, {part.stop}, {part.step})) |{name}|"
        for part, name in zip((where.x, where.y), names, strict=True)
        if len(part.indices()) > 1
    ]
    _nested(printer, ranges, text(x, y))


def _nested(printer: CslPrinter, ranges: Sequence[str], text: str) -> None:
    if not ranges:
        printer.print(text)
        return
    with printer.descend(ranges[0]) as inner:
        _nested(inner, ranges[1:], text)


def _index(where: Rectangle, x: str, y: str) -> str:
    """Where the value of a PE is in a table of all of a rectangle."""
    terms: list[str] = []
    columns = len(where.x.indices())
    for part, name, factor in ((where.y, y, columns), (where.x, x, 1)):
        if len(part.indices()) == 1:
            continue
        term = f"({name} - {part.start})" if part.start else name
        term = f"{term} / {part.step}" if part.step > 1 else term
        terms.append(f"{term} * {factor}" if factor > 1 else term)
    return " + ".join(terms) or "0"


_SIGNS: Final = {AffineBinaryOpKind.Add: "+", AffineBinaryOpKind.Mul: "*"}


def _expression(value: AffineMapAttr, names: tuple[str, str]) -> str | None:
    """A map of sums and products as it is written; None for others."""
    return _affine(value.data.results[0], names)


def _affine(expr: AffineExpr, names: tuple[str, str]) -> str | None:
    match expr:
        case AffineConstantExpr():
            return str(expr.value) if expr.value >= 0 else f"({expr.value})"
        case AffineDimExpr():
            return names[expr.position]
        case AffineBinaryOpExpr() if expr.kind in _SIGNS:
            sides = (_affine(expr.lhs, names), _affine(expr.rhs, names))
            return None if None in sides else f"({sides[0]} {_SIGNS[expr.kind]} {sides[1]})"
        case _:
            return None
