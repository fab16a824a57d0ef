"""A recursive-descent parser of the code in TorchScript archives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.script.syntax import (
    Assign,
    Attribute,
    Body,
    Call,
    Class,
    DictOf,
    Evaluate,
    Expression,
    File,
    For,
    Function,
    If,
    ListOf,
    Literal,
    Name,
    Negative,
    Number,
    Parameter,
    Pass,
    Return,
    Statement,
    Subscript,
    TupleOf,
    While,
    With,
)
from pyflame_rt.frontends.torch.script.tokens import Token, tokens, unescaped
from pyflame_rt.limits import Limits

T = TypeVar("T")

_CONSTANTS = {
    "True": True,
    "False": False,
    "None": None,
    "inf": float("inf"),
    "nan": float("nan"),
    "infj": complex(0.0, float("inf")),
    "nanj": complex(0.0, float("nan")),
}
_KEYWORDS = frozenset(
    ["class", "def", "return", "if", "else", "elif", "while", "for", "in", "with", "as", "pass"]
)
_BASES = frozenset({"Module", "NamedTuple", "Enum", "Interface"})
_DIGITS = 20
"""Of the longest whole number: more do not fit 64 bits."""


def parse(text: str, file: str, limits: Limits) -> File:
    """The classes and functions of a file. Raises InvalidModelError for what is not the language."""
    return _Parser(text, file, limits.script_nesting).file()


class _Parser:
    def __init__(self, text: str, file: str, nesting: int):
        self._file = file
        self._nesting = nesting
        self._depth = 0
        self._tokens = tokens(text, file, nesting)
        self._token = next(self._tokens)

    # Tokens.

    def _error(self, why: str, line: int | None = None) -> InvalidModelError:
        return InvalidModelError(why, where=f"{self._file}:{line or self._token.line}")

    def _next(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._token = next(self._tokens)
        return token

    def _at(self, text: str) -> bool:
        return self._token.text == text and self._token.kind in ("op", "name")

    def _accept(self, text: str) -> bool:
        if not self._at(text):
            return False
        self._next()
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            found = self._token.text or self._token.kind
            raise self._error(f'expected "{text}", found {quoted(found)}')

    def _expect_kind(self, kind: str) -> Token:
        if self._token.kind != kind:
            found = self._token.text or self._token.kind
            raise self._error(f"expected a {kind}, found {quoted(found)}")
        return self._next()

    def _identifier(self) -> str:
        token = self._expect_kind("name")
        if token.text in _KEYWORDS or token.text in _CONSTANTS:
            raise self._error(f"{quoted(token.text)} is no name", token.line)
        return token.text

    def _end_line(self) -> None:
        self._expect_kind("line")

    def _items(self, close: str, item: Callable[[], T]) -> tuple[T, ...]:
        """Items up to a closing bracket; the last one may be followed by a comma."""
        items: list[T] = []
        while not self._at(close):
            items.append(item())
            if not self._at(close):
                self._expect(",")
        self._next()
        return tuple(items)

    # Files, classes and functions.

    def file(self) -> File:
        classes: list[Class] = []
        functions: list[Function] = []
        while self._token.kind != "end":
            if self._at("class"):
                classes.append(self._class())
            elif self._at("def"):
                functions.append(self._function())
            else:
                raise self._error("a file holds classes and functions only")
        return File(tuple(classes), tuple(functions))

    def _block(self, statement: Callable[[], T]) -> tuple[T, ...]:
        self._expect(":")
        self._end_line()
        self._expect_kind("indent")
        statements: list[T] = []
        while self._token.kind != "dedent":
            statements.append(statement())
        self._next()
        return tuple(statements)

    def _class(self) -> Class:
        line = self._next().line
        name, base = self._identifier(), ""
        if self._accept("("):
            base = self._identifier()
            if base not in _BASES:
                raise self._error(f"a class cannot derive from {quoted(base)}")
            self._expect(")")
        fields: list[tuple[str, Expression]] = []
        constants: list[tuple[str, Expression]] = []
        methods: list[Function] = []

        def member() -> None:
            if self._at("def"):
                methods.append(self._function())
                return
            if self._accept("pass"):
                self._end_line()
                return
            self._field(fields, constants)

        self._block(member)
        return Class(name, base, tuple(fields), tuple(constants), tuple(methods), line)

    def _field(
        self, fields: list[tuple[str, Expression]], constants: list[tuple[str, Expression]]
    ) -> None:
        name = self._identifier()
        if self._accept("["):
            # __annotations__["0"] = Type, for names that are no identifiers.
            key = self._expect_kind("string")
            self._expect("]")
            self._expect("=")
            where = f"{self._file}:{key.line}"
            fields.append((unescaped(key.text, where), self._expression()))
        elif self._accept(":"):
            fields.append((name, self._expression()))
            if self._accept("="):
                constants.append((name, self._expression()))
        else:
            self._expect("=")
            constants.append((name, self._expression()))
        self._end_line()

    def _function(self) -> Function:
        line = self._next().line
        name = self._identifier()
        self._expect("(")
        parameters = self._items(")", self._parameter)
        returns = self._expression() if self._accept("->") else None
        return Function(name, parameters, returns, self._block(self._statement), line)

    def _parameter(self) -> Parameter:
        name = self._identifier()
        annotation = self._expression() if self._accept(":") else None
        default = self._expression() if self._accept("=") else None
        return Parameter(name, annotation, default)

    # Statements.

    def _statement(self) -> Statement:
        line = self._token.line
        statement: Statement
        match self._token.text if self._token.kind == "name" else "":
            case "if":
                return self._if()
            case "while":
                self._next()
                condition = self._expression()
                return While(condition, self._body(), line)
            case "for":
                self._next()
                target = self._targets()
                self._expect("in")
                iterable = self._expression()
                return For(target, iterable, self._body(), line)
            case "with":
                self._next()
                manager = self._expression()
                name = self._identifier_target() if self._accept("as") else None
                return With(manager, name, self._body(), line)
            case "def":
                return self._function()
            case "return":
                self._next()
                value = None if self._token.kind == "line" else self._values()
                statement = Return(value, line)
            case "pass":
                self._next()
                statement = Pass(line)
            case _:
                statement = self._simple()
        self._end_line()
        return statement

    def _body(self) -> Body:
        return self._block(self._statement)

    def _if(self) -> If:
        line = self._next().line
        condition = self._expression()
        then_body = self._body()
        else_body: Body = ()
        if self._accept("else"):
            else_body = self._body()
        return If(condition, then_body, else_body, line)

    def _simple(self) -> Statement:
        line = self._token.line
        left = self._values()
        annotation = self._expression() if self._accept(":") else None
        if not self._accept("="):
            if annotation is not None:
                raise self._error("a variable is declared without a value")
            return Evaluate(left, line)
        self._require_target(left)
        return Assign(left, annotation, self._values(), line)

    def _targets(self) -> Expression:
        """The target of a for: names, not `a in b` of any expression."""
        target = self._values()
        self._require_target(target)
        return target

    def _identifier_target(self) -> Expression:
        line = self._token.line
        return Name(self._identifier(), line)

    def _require_target(self, target: Expression) -> None:
        items = target.items if isinstance(target, TupleOf) else (target,)
        for item in items:
            if not isinstance(item, Name | Attribute):
                raise self._error("only variables and attributes can be assigned to", item.line)

    # Expressions.

    def _values(self) -> Expression:
        """An expression, or several with commas between them, which are a tuple."""
        line = self._token.line
        first = self._expression()
        if not self._at(","):
            return first
        items = [first]
        while self._accept(","):
            if self._token.kind == "line" or self._at("=") or self._at("in"):
                break
            items.append(self._expression())
        return TupleOf(tuple(items), line)

    def _expression(self) -> Expression:
        self._depth += 1
        if self._depth > self._nesting:
            raise self._error("expressions are nested too deeply")
        expression = self._accessors(self._primary())
        self._depth -= 1
        return expression

    def _accessors(self, value: Expression) -> Expression:
        for _ in range(self._nesting):
            line = self._token.line
            if self._accept("."):
                value = Attribute(value, self._expect_kind("name").text, line)
            elif self._accept("("):
                value = self._call(value, line)
            elif self._accept("["):
                value = Subscript(value, self._items("]", self._expression), line)
            else:
                return value
        raise self._error("an expression has too many accessors")

    def _call(self, function: Expression, line: int) -> Call:
        arguments: list[Expression] = []
        keywords: list[tuple[str, Expression]] = []

        def argument() -> None:
            value = self._expression()
            if isinstance(value, Name) and self._accept("="):
                keywords.append((value.name, self._expression()))
            elif keywords:
                raise self._error("an argument without a name follows named ones")
            else:
                arguments.append(value)

        self._items(")", argument)
        return Call(function, tuple(arguments), tuple(keywords), line)

    def _primary(self) -> Expression:
        kind, text, line = self._token
        match kind:
            case "name":
                if text in _KEYWORDS:
                    raise self._error(f"{quoted(text)} is out of place")
                self._next()
                return Literal(_CONSTANTS[text], line) if text in _CONSTANTS else Name(text, line)
            case "number":
                return Literal(self._number(), line)
            case "string":
                self._next()
                return Literal(unescaped(text, f"{self._file}:{line}"), line)
            case "op":
                return self._bracketed(text, line)
            case _:
                raise self._error("a statement ends too early")

    def _bracketed(self, text: str, line: int) -> Expression:
        match text:
            case "-":
                return self._negative()
            case "[":
                self._next()
                return ListOf(self._items("]", self._expression), line)
            case "{":
                self._next()
                return DictOf(self._items("}", self._pair), line)
            case "(":
                self._next()
                return self._parenthesised(line)
            case _:
                raise self._error(f"{quoted(text)} is out of place")

    def _parenthesised(self, line: int) -> Expression:
        if self._accept(")"):
            return TupleOf((), line)
        first = self._expression()
        if self._accept(")"):
            return first
        self._expect(",")
        return TupleOf((first, *self._items(")", self._expression)), line)

    def _pair(self) -> tuple[Expression, Expression]:
        key = self._expression()
        self._expect(":")
        return key, self._expression()

    def _negative(self) -> Expression:
        line = self._next().line
        if self._token.kind == "number":
            return Literal(self._number(-1), line)
        value = self._expression()
        if isinstance(value, Literal) and isinstance(value.value, float | complex):
            return Literal(-value.value, line)
        return Negative(value, line)

    def _number(self, sign: int = 1) -> Number:
        """A number; `1.+2.j` is one too."""
        value = sign * self._plain_number()
        if isinstance(value, complex) or not (self._at("+") or self._at("-")):
            return value
        sign = -1 if self._next().text == "-" else 1
        return complex(value, sign * self._imaginary().imag)

    def _imaginary(self) -> complex:
        if self._token.kind == "name" and self._token.text in ("infj", "nanj"):
            return complex(0.0, float(self._next().text[:3]))
        imaginary = self._plain_number()
        if not isinstance(imaginary, complex):
            raise self._error("numbers are added by a call")
        return imaginary

    def _plain_number(self) -> Number:
        text = self._expect_kind("number").text
        if text.endswith("j"):
            return complex(0.0, float(text[:-1]))
        if not text.isdigit():
            return float(text)
        if len(text) > _DIGITS:
            raise self._error("a whole number does not fit 64 bits")
        return int(text)
