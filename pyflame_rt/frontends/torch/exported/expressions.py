"""Sizes as torch writes them: `Mul(Integer(2), Symbol('s77', positive=True, integer=True))`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

_TOKEN = re.compile(r"\s*(?:([A-Za-z_]\w*)|(-?\d+)|'([^'\\]*)'|([(),=]))")
_MOST = 4096
_DEPTH = 32
_POWER = 8

Expression: TypeAlias = "int | Symbol | Operation"


@dataclass(frozen=True)
class Symbol:
    """A size known at run time."""

    name: str


@dataclass(frozen=True)
class Operation:
    """A function of sizes; of a function that is not known here, nothing is known."""

    function: str
    operands: tuple[Expression, ...]


def parse(text: str) -> Expression:
    """An expression. Raises ValueError when the text is none."""
    if len(text) > _MOST:
        raise ValueError("the expression is too long")
    parser = _Parser(list(_tokens(text)))
    found = parser.expression(0)
    if parser.at != len(parser.tokens):
        raise ValueError("the expression goes on after its end")
    return found


def symbols(expression: Expression) -> Iterator[str]:
    """The names of the symbols in an expression."""
    match expression:
        case Symbol(name):
            yield name
        case Operation(operands=operands):
            for operand in operands:
                yield from symbols(operand)
        case _:
            return


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError("the expression has characters of no meaning")
        word, number, quoted, mark = found.groups()
        if word is not None:
            yield "word", word
        elif number is not None:
            yield "number", number
        elif quoted is not None:
            yield "text", quoted
        else:
            yield mark, mark
        at = found.end()


@dataclass
class _Parser:
    tokens: list[tuple[str, str]]
    at: int = field(default=0)

    def _take(self, kind: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            raise ValueError(f"the expression has no {kind} where one must be")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def _is(self, kind: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][0] == kind

    def expression(self, depth: int) -> Expression:
        """An application of a function, or a number."""
        if depth > _DEPTH:
            raise ValueError("the expression is nested too deeply")
        if self._is("number"):
            return _integer(self._take("number"))
        function = self._take("word")
        self._take("(")
        if function in ("Symbol", "Integer"):
            found: Expression
            if function == "Symbol":
                found = Symbol(self._take("text"))
            else:
                found = _integer(self._take("number"))
            while self._is(","):
                self._take(",")
                self._take("word")
                self._take("=")
                self._take("word")
            self._take(")")
            return found
        operands: list[Expression] = []
        while not self._is(")"):
            operands.append(self.expression(depth + 1))
            if not self._is(")"):
                self._take(",")
        self._take(")")
        return Operation(function, tuple(operands))


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number of the expression is too large")
    return int(text)
