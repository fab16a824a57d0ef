"""The text of modules: parsing with errors of one line, printing that reads back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from typing import IO, Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp, UnknownLoc
from xdsl.ir import Attribute, Operation
from xdsl.parser import Parser
from xdsl.parser.generic_parser import ParserState
from xdsl.printer import Printer
from xdsl.syntax_printer import SyntaxPrinter
from xdsl.targets.mlir import MLIRTarget
from xdsl.utils.exceptions import ParseError
from xdsl.utils.lexer import Input, Position, Token
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRToken, MLIRTokenKind

from pyflame_rt.errors import InvalidModelError, PyFlameRTError
from pyflame_rt.pipelines import one_line


def parse(
    data: bytes | str,
    ctx: Context,
    name: str,
    *,
    line_offset: int = 0,
    implicit_module: bool = True,
) -> ModuleOp:
    """The module that a text holds; `name` and `line_offset` say where the text came from.

    Raises InvalidModelError `name:line:column: what is wrong`.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
    except UnicodeDecodeError as error:
        raise InvalidModelError("is not UTF-8 text", where=name) from error
    if not text.strip():
        raise InvalidModelError("is empty", where=name)
    try:
        parser = _Parser(ctx, text, name)
        return _parsed(parser, line_offset, implicit_module)
    except ParseError as error:
        place = error.span.get_location()
        where = f"{name}:{place.line + line_offset}:{place.col}"
        raise InvalidModelError(error.msg, where=where) from None


def _parsed(parser: Parser, line_offset: int, implicit_module: bool) -> ModuleOp:
    try:
        return parser.parse_module(implicit_module)
    except (ParseError, PyFlameRTError):
        raise
    except Exception as error:
        # Verifiers of attributes, and parsers of ops that fail in their own way.
        why = "is nested too deeply" if isinstance(error, RecursionError) else one_line(error)
        text, at = parser.lexer.input.content[: parser.pos], parser.pos
        line = text.count("\n") + 1 + line_offset
        where = f"{parser.lexer.input.name}:{line}:{at - text.rfind(chr(10))}"
        raise InvalidModelError(why, where=where) from None


def to_text(module: ModuleOp, locations: bool = True) -> str:
    """A module's text, as `load` reads it; with locations if any op has one."""
    output = StringIO()
    IRPrinter(output, print_debuginfo=locations and has_locations(module)).print_op(module)
    return output.getvalue() + "\n"


def has_locations(module: ModuleOp) -> bool:
    """Whether any op of a module knows where it came from."""
    return any(not isinstance(op.location, UnknownLoc) for op in module.walk())


class _ExactConstants(Printer):
    """Prints dense constants so that every bit reads back.

    Upstream prints some floats as the digits of their bits, which it reads as whole numbers.
    """

    def print_attribute(self, attribute: Attribute) -> None:
        from pyflame_rt.dialects.pfrt.literal import print_literal
        from pyflame_rt.dialects.pfrt.types import is_element_type

        if not isinstance(attribute, DenseIntOrFPElementsAttr):
            super().print_attribute(attribute)
            return
        value = cast("DenseIntOrFPElementsAttr[Any]", attribute)
        if not is_element_type(value.get_element_type()):
            super().print_attribute(value)
            return
        print_literal(self, value)
        self.print_string(" : ")
        self.print_attribute(value.type)


class IRPrinter(_ExactConstants, Printer):
    """The printer of IR text."""


class _HighlightingPrinter(_ExactConstants, SyntaxPrinter):
    """The same in colours."""


@dataclass(frozen=True)
class IRTarget(MLIRTarget):
    """The `mlir` target, printing constants exactly."""

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        kind = _HighlightingPrinter if self.syntax_highlight else IRPrinter
        printer = kind(
            stream=output,
            print_generic_format=self.print_generic_format,
            print_properties_as_attributes=self.print_properties_as_attributes,
            print_debuginfo=self.print_debuginfo,
        )
        printer.print_op(module)
        printer.print_metadata(ctx.loaded_dialects)


class _Lexer(MLIRLexer):
    """Strings with escapes are text wherever they are UTF-8, and a missing quote is found at once.

    Upstream takes those outside of ASCII for bytes: a name printed as "\\C3\\A9" would not parse.
    Its expression for strings takes exponential time on one that does not end; this is the same
    one without backtracking.
    """

    _unescaped_characters_regex = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')

    def _lex_string_literal(self, start_pos: Position) -> MLIRToken:
        token = super()._lex_string_literal(start_pos)
        if token.kind is not MLIRTokenKind.BYTES_LIT:
            return token
        try:
            MLIRTokenKind.STRING_LIT.get_string_literal_value(token.span)
        except UnicodeDecodeError:
            return token
        return Token(MLIRTokenKind.STRING_LIT, token.span)


class _Parser(Parser):
    def __init__(self, ctx: Context, text: str, name: str):
        super().__init__(ctx, text, name)
        self._parser_state = ParserState(_Lexer(Input(text, name)))

    def _get_op_by_name(self, name: str) -> type[Operation]:
        stack = self._parser_state.dialect_stack
        if self.ctx.get_optional_op(name, dialect_stack=stack) is None:
            # Upstream reports the token after the name, which may stand on another line.
            start = self.lexer.input.content.rfind(name, 0, self._current_token.span.start)
            close = get_close_matches(name, [op.name for op in self.ctx.loaded_ops], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            if name.partition(".")[0] not in self.ctx.registered_dialect_names:
                hint = "; if a plugin defines it, load that first (--load-plugin)"
            self.raise_error(f"there is no operation {name}{hint}", start, start + len(name))
        return super()._get_op_by_name(name)
