"""Attributes of the wse dialect: rectangles, switch positions, filters, declared costs; its one type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xdsl.dialects.builtin import IntAttr, StringAttr
from xdsl.ir import Attribute, Data, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer

DIRECTIONS: Final = ("north", "east", "south", "west", "ramp")
"""A router's ports; y grows to the south."""

POP_MODES: Final = ("no_pop", "always_pop", "pop_on_advance")
"""Whether a router takes the command that it obeyed off a control word's list."""


_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True)
class Slice:
    """The coordinates start, start + step, … below stop."""

    start: int
    stop: int
    step: int = 1

    def indices(self) -> range:
        """The coordinates."""
        return range(self.start, self.stop, self.step)

    def __str__(self) -> str:
        if self.stop == self.start + 1 and self.step == 1:
            return str(self.start)
        step = f":{self.step}" if self.step != 1 else ""
        return f"{self.start}:{self.stop}{step}"


@dataclass(frozen=True)
class Rectangle:
    """PEs by a slice of their columns and one of their rows."""

    x: Slice
    y: Slice

    @classmethod
    def of(cls, x: int | slice | range | Slice, y: int | slice | range | Slice = 0) -> Rectangle:
        """A rectangle of numbers, slices with both ends, or ranges."""
        return cls(_slice(x), _slice(y))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y.indices()), len(self.x.indices())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Coordinates (x, y), row by row."""
        return ((x, y) for y in self.y.indices() for x in self.x.indices())

    def index(self) -> tuple[slice, slice]:
        """What it is of an array of rows."""
        return (
            slice(self.y.start, self.y.stop, self.y.step),
            slice(self.x.start, self.x.stop, self.x.step),
        )

    def __str__(self) -> str:
        return f"[{self.x}, {self.y}]"


def _slice(part: int | slice | range | Slice) -> Slice:
    if isinstance(part, Slice):
        return part
    if isinstance(part, int):
        return Slice(part, part + 1)
    start, step = part.start or 0, part.step or 1
    stop: int = part.stop
    # One spelling of one set: of a single PE the step says nothing.
    return (
        Slice(start, start + 1) if len(range(start, stop, step)) == 1 else Slice(start, stop, step)
    )


@irdl_attr_definition
class RectangleAttr(Data[Rectangle]):
    """PEs by slices of x and of y, as `start:stop:step`; a single number stands for itself.

    ```mlir
    wse.route @red at [0:4:2, 0] rx [east] tx [ramp]
    ```
    """

    name = "wse.rectangle"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Rectangle:
        with parser.in_square_brackets():
            x = _parse_slice(parser)
            parser.parse_punctuation(",")
            y = _parse_slice(parser)
        return Rectangle(x, y)

    def print_parameter(self, printer: Printer) -> None:
        printer.print_string(str(self.data))


def _parse_slice(parser: AttrParser) -> Slice:
    start = _natural(parser)
    if parser.parse_optional_punctuation(":") is None:
        return Slice(start, start + 1)
    stop = _natural(parser)
    step = _natural(parser) if parser.parse_optional_punctuation(":") is not None else 1
    if step < 1 or stop <= start:
        parser.raise_error(f"the slice {start}:{stop}:{step} holds no coordinate")
    return Slice(start, start + 1) if start + step >= stop else Slice(start, stop, step)


def _natural(parser: AttrParser) -> int:
    position = parser.pos
    value = parser.parse_integer(allow_boolean=False, allow_negative=False)
    if value > _LARGEST:
        parser.raise_error(f"{value} is more than {_LARGEST}", position)
    return value


@dataclass(frozen=True)
class Position:
    """What a router does with a colour in one switch position: where from, and where to."""

    rx: tuple[str, ...]
    tx: tuple[str, ...]

    @classmethod
    def of(cls, rx: str | Sequence[str], tx: str | Sequence[str]) -> Position:
        """A position of direction names."""
        first, second = ((p,) if isinstance(p, str) else tuple(p) for p in (rx, tx))
        return cls(first, second)

    def __str__(self) -> str:
        return f"rx [{', '.join(self.rx)}] tx [{', '.join(self.tx)}]"


@irdl_attr_definition
class PositionsAttr(Data[tuple[Position, ...]]):
    """The switch positions of a route: receive and transmit directions of each.

    ```mlir
    wse.route @red at [1:4, 0] positions [rx [ramp] tx [west], rx [east] tx [west]]
    ```
    """

    name = "wse.positions"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> tuple[Position, ...]:
        with parser.in_angle_brackets():
            return cls.parse_bare(parser).data

    @classmethod
    def parse_bare(cls, parser: AttrParser) -> PositionsAttr:
        """What stands in the text of a route."""
        if parser.parse_optional_keyword("positions") is None:
            return cls((_parse_position(parser),))
        return cls(
            tuple(
                parser.parse_comma_separated_list(
                    parser.Delimiter.SQUARE, lambda: _parse_position(parser)
                )
            )
        )

    def print_parameter(self, printer: Printer) -> None:
        printer.print_string(f"<{self.bare}>")

    @property
    def bare(self) -> str:
        """What `parse_bare` reads."""
        text = ", ".join(map(str, self.data))
        return text if len(self.data) == 1 else f"positions [{text}]"


def _parse_position(parser: AttrParser) -> Position:
    sides: list[tuple[str, ...]] = []
    for keyword in ("rx", "tx"):
        parser.parse_keyword(keyword)
        sides.append(
            tuple(
                parser.parse_comma_separated_list(
                    parser.Delimiter.SQUARE,
                    lambda: parser.parse_keyword_in(DIRECTIONS),
                )
            )
        )
    return Position(*sides)


@dataclass(frozen=True)
class Filter:
    """Which words of a route go up the ramp.

    `range` keeps words whose high half, unsigned, is in [low, high]. `counter` counts words from
    `start` up to `high`, then from 0 again, and keeps those whose count is at most `low`.
    """

    kind: str
    low: int
    high: int
    start: int = 0

    def __str__(self) -> str:
        if self.kind == "range":
            return f"range min {self.low} max {self.high}"
        return f"counter init {self.start} max {self.high} limit {self.low}"


@irdl_attr_definition
class FilterAttr(Data[Filter]):
    """A filter before the ramp, by the high half of a word (`range`) or by counting (`counter`).

    ```mlir
    wse.route @red at [1, 0] rx [west] tx [ramp] filter counter init 0 max 3 limit 0
    ```
    """

    name = "wse.filter"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Filter:
        with parser.in_angle_brackets():
            return cls.parse_bare(parser).data

    @classmethod
    def parse_bare(cls, parser: AttrParser) -> FilterAttr:
        """What stands in the text of a route."""
        kind = parser.parse_keyword_in(("range", "counter"))
        if kind == "range":
            low, high = _named(parser, "min", "max")
            return cls(Filter(kind, low, high))
        start, high, low = _named(parser, "init", "max", "limit")
        return cls(Filter(kind, low, high, start))

    def print_parameter(self, printer: Printer) -> None:
        printer.print_string(f"<{self.bare}>")

    @property
    def bare(self) -> str:
        """What `parse_bare` reads."""
        return str(self.data)


def _named(parser: AttrParser, *names: str) -> Iterable[int]:
    for name in names:
        parser.parse_keyword(name)
        yield _natural(parser)


@irdl_attr_definition
class CostAttr(ParametrizedAttribute):
    """A declared cost in cycles, by name: what stands in for code that a vendor's compiler scheduled.

    ```mlir
    %n = arith.addi %a, %b {wse.cost = #wse.cost<"count", 0>} : i16
    ```
    """

    name = "wse.cost"

    label: StringAttr = param_def()
    cycles: IntAttr = param_def()

    @classmethod
    def of(cls, label: str, cycles: int) -> CostAttr:
        """The cost of that name."""
        return cls(StringAttr(label), IntAttr(cycles))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            label = parser.parse_str_literal(" for the name of a declared cost")
            parser.parse_punctuation(",")
            cycles = _natural(parser)
        return [StringAttr(label), IntAttr(cycles)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(self.label.data)
            printer.print_string(f", {self.cycles.data}")


@irdl_attr_definition
class ColorType(ParametrizedAttribute, TypeAttribute):
    """The type of a tile's parameter that is a colour.

    ```mlir
    wse.param @in : !wse.color
    ```
    """

    name = "wse.color"


ATTRIBUTES: tuple[type[Attribute], ...] = (
    ColorType,
    CostAttr,
    FilterAttr,
    PositionsAttr,
    RectangleAttr,
)
"""The attributes and types of the dialect."""
