"""What the ops of the wse dialect share: how they are written, and how they look names up.

An op verifies what it can see by itself in `verify_`. What needs the names of its tile is in `check`,
which the tile calls for every op inside once it knows all names: so a name is looked up in a dictionary,
and an op by itself, as in an example, is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar, cast

from xdsl.dialects.builtin import (
    Float16Type,
    Float32Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, TypedAttribute
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    RegionVariable,
    irdl_custom_directive,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

OpT = TypeVar("OpT", bound=Operation)

COST: Final = "wse.cost"
"""The attribute of any op that carries a declared cost."""

INTEGER: Final = IntegerAttr.constr(i64)
"""What integer properties are; they are printed as numbers."""


def integer(value: int | None) -> IntegerAttr | None:
    """The attribute of an integer property."""
    return None if value is None else IntegerAttr(value, i64)


def number(attribute: IntegerAttr | None, default: int = 0) -> int:
    """The value of an integer property, or what it is when absent."""
    return default if attribute is None else attribute.value.data


def reference(name: str | None) -> SymbolRefAttr | None:
    """The attribute of a reference to a symbol."""
    return None if name is None else SymbolRefAttr(name)


def flag(value: bool) -> UnitAttr | None:
    """The attribute of a flag."""
    return UnitAttr() if value else None


def word(value: str | None) -> StringAttr | None:
    """The attribute of a keyword."""
    return None if value is None else StringAttr(value)


def name_of(symbol: SymbolRefAttr | StringAttr) -> str:
    """The name that a reference or declaration has, without the @."""
    return symbol.data if isinstance(symbol, StringAttr) else symbol.root_reference.data


def bits_of(kind: Attribute) -> int:
    """Bits of a scalar in a register: 16 or 32; 1 for a truth value; 0 when it does not fit one."""
    match kind:
        case Float16Type():
            return 16
        case Float32Type() | IndexType():
            return 32
        case IntegerType():
            return kind.width.data if kind.width.data in (1, 16, 32) else 0
        case _:
            return 0


def is_scalar(kind: Attribute) -> bool:
    """Whether it is an element of a buffer or a register: i16, i32, f16, f32."""
    return bits_of(kind) in (16, 32) and not isinstance(kind, IndexType)


@dataclass(frozen=True)
class Scope:
    """The names that a tile declares, and behind them those of its program; None: it is in none."""

    tile: Mapping[str, Operation]
    program: Mapping[str, Operation] | None

    def find(self, symbol: SymbolRefAttr) -> Operation | None:
        """What a name means in the tile."""
        name = name_of(symbol)
        return self.tile.get(name) or (self.program or {}).get(name)


class WseOp(IRDLOperation):
    """Base of the dialect's ops."""

    irdl_options = (ParsePropInAttrDict(),)

    def fail(self, constraint: str, why: str) -> NoReturn:
        """Raise VerifyException for a numbered constraint."""
        raise VerifyException(f"{self.name}: {constraint}: {why}")

    def require(self, constraint: str, holds: bool, why: str) -> None:
        """Raise VerifyException unless a numbered constraint holds."""
        if not holds:
            self.fail(constraint, why)

    def check(self, scope: Scope) -> None:
        """Verify what needs the names of the tile."""

    def found(
        self, constraint: str, scope: Scope, symbol: SymbolRefAttr, what: str, *kinds: type[OpT]
    ) -> OpT:
        """What a name means, which has to be one of some kinds of op."""
        op = scope.find(symbol)
        if not isinstance(op, kinds):
            self.fail(constraint, f"{symbol} is no {what}" if op else f"there is no {symbol}")
        return op


@irdl_custom_directive
class Word(CustomDirective):
    """A property that is one of some words, printed bare."""

    word: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        self.word.set(state, StringAttr(parser.parse_identifier()))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        printer.print_string(cast(StringAttr, self.word.get(op)).data)


@irdl_custom_directive
class NamedWord(CustomDirective):
    """An optional property that is one of some words, printed bare after its name."""

    word: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        if parser.parse_optional_keyword(self.word.name) is not None:
            self.word.set(state, StringAttr(parser.parse_identifier()))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        word = self.word.get(op)
        if isinstance(word, StringAttr):
            state.print_whitespace(printer)
            printer.print_string(f"{self.word.name} {word.data}")


@irdl_custom_directive
class Typed(CustomDirective):
    """`: i32`, or `: i32 = 7` with a value."""

    kind: AttributeVariable
    value: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        parser.parse_punctuation(":")
        position = parser.pos
        kind = parser.parse_type()
        self.kind.set(state, kind)
        if parser.parse_optional_punctuation("=") is not None:
            self.value.set(state, parse_value(parser, kind, position))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        printer.print_string(": ")
        printer.print_attribute(cast(Attribute, self.kind.get(op)))
        value = self.value.get(op)
        if isinstance(value, TypedAttribute):
            printer.print_string(" = ")
            value.print_without_type(printer)


def parse_value(parser: Parser, kind: Attribute, position: int) -> Attribute:
    """A number or dense values of a type that has been read."""
    if isinstance(kind, IntegerType):
        return IntegerAttr.parse_with_type(parser, cast(Attribute, kind))
    if isinstance(kind, Float16Type | Float32Type):
        return FloatAttr.parse_with_type(parser, kind)
    if not isinstance(kind, MemRefType):
        parser.raise_error(f"no value can be given for {kind}", position)
    buffer = cast("MemRefType[Any]", kind)
    parser.parse_keyword("dense")
    return parser.parse_dense_int_or_fp_elements_attr(
        TensorType(buffer.element_type, buffer.get_shape())
    )


@irdl_custom_directive
class Body(CustomDirective):
    """A region of one block without arguments."""

    region: RegionVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        self.region.set(state, parser.parse_region(()))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        print_body(printer, self.region.get(op))


@irdl_custom_directive
class ArgumentBody(CustomDirective):
    """A region of one block, its arguments before it in parentheses when it has any."""

    region: RegionVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        arguments = parser.parse_optional_comma_separated_list(
            parser.Delimiter.PAREN, parser.parse_argument
        )
        self.region.set(state, parser.parse_region(arguments or ()))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        region = self.region.get(op)
        state.print_whitespace(printer)
        if arguments := region.block.args:
            print_arguments(printer, arguments)
        print_body(printer, region)


def print_arguments(printer: Printer, arguments: tuple[BlockArgument, ...]) -> None:
    """`(%w: f32) `."""
    with printer.in_parens():
        printer.print_list(arguments, printer.print_block_argument)
    printer.print_string(" ")


def print_body(printer: Printer, region: Region) -> None:
    """A region whose block's arguments are printed elsewhere."""
    printer.print_region(region, print_entry_block_args=False, print_empty_block=False)


def body_of(region: Region | Block | None) -> Region:
    """A region of one block."""
    if isinstance(region, Region):
        return region
    return Region(region if region is not None else Block())
