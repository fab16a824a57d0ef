"""The text of patterns: expressions of ops, variables and numbers, as trees.

```text
source  = { name "=" term ";" } term
term    = choice { "|" choice }
choice  = name "(" [ term { "," term } ] ")" [ "{" property { "," property } "}" ]
        | name [ ":" kind ] | number | "(" term ")"
property = name "=" value | "*" name
value   = number | string | "true" | "false" | "[" [ number { "," number } ] "]" | name
```
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

from pyflame_rt.errors import ValidationError

T = TypeVar("T")

KINDS = ("any", "const", "scalar")
"""What a variable may stand for: any value, a constant, a constant whose elements are all equal."""


Heads: TypeAlias = frozenset[str] | None
"""Names of the ops that can define the value of a term; None if any can, or none."""

CONSTANT = "pfrt.constant"


@dataclass(frozen=True)
class Variable:
    """A value; the same one wherever the name stands."""

    name: str
    kind: str = "any"

    @property
    def heads(self) -> Heads:
        """What can define it."""
        return None if self.kind == "any" else _CONSTANTS


@dataclass(frozen=True)
class Number:
    """A constant whose elements all equal a number that was written with so many digits."""

    value: float
    digits: int

    @property
    def heads(self) -> Heads:
        """What can define it."""
        return _CONSTANTS


@dataclass(frozen=True)
class PropertyName:
    """A property's value by the name of a variable."""

    name: str


Literal: TypeAlias = bool | int | float | str | tuple[int, ...]
PropertyTerm: TypeAlias = Literal | PropertyName


@dataclass(frozen=True)
class Call:
    """An op of the pfrt dialect; `rest` is the variable of all properties that are not named."""

    op: str
    operands: tuple[Term, ...]
    properties: tuple[tuple[str, PropertyTerm], ...] = ()
    rest: str | None = None

    @cached_property
    def heads(self) -> Heads:
        """What can define it."""
        return frozenset((f"pfrt.{self.op}",))


@dataclass(frozen=True)
class Either:
    """Any of several forms, tried in order."""

    forms: tuple[Term, ...]

    @cached_property
    def heads(self) -> Heads:
        """What can define it."""
        names = [form.heads for form in self.forms]
        known = [heads for heads in names if heads is not None]
        return frozenset[str]().union(*known) if len(known) == len(names) else None


@dataclass(frozen=True)
class Let:
    """A part with a name: where the name stands again, it is the same value."""

    name: str
    term: Term

    @property
    def heads(self) -> Heads:
        """What can define it."""
        return self.term.heads


Term: TypeAlias = Variable | Number | Call | Either | Let

_CONSTANTS = frozenset((CONSTANT,))
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*)|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<string>'[^']*'|\"[^\"]*\")|(?P<mark>[(){}\[\],=|:;*]))"
)
_WHOLE = re.compile(r"[-+]?\d+")
_TRUTHS = {"true": True, "false": False}


def parse(text: str) -> Term:
    """The tree of a pattern's source or target. Raises ValidationError where it is no expression."""
    return _Parser(text).parse()


def walk(term: Term) -> Iterator[Term]:
    """A term and all its parts, a named part at each place where its name stands."""
    yield term
    for part in _parts(term):
        yield from walk(part)


def _parts(term: Term) -> Sequence[Term]:
    match term:
        case Call(operands=operands):
            return operands
        case Either(forms=forms):
            return forms
        case Let(term=inner):
            return (inner,)
        case _:
            return ()


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str):
        self._text = text
        self._named: dict[str, Let] = {}
        self._kinds: dict[str, str] = {}
        self._tokens = list(self._split())
        self._next = 0

    def _split(self) -> Iterator[tuple[str, str]]:
        place = 0
        end = len(self._text.rstrip())
        while place < end:
            found = _TOKEN.match(self._text, place)
            if found is None:
                raise self._error(f'has "{self._text[place:].strip()[:12]}", which is no token')
            place = found.end()
            kind = found.lastgroup or ""
            yield kind, found.group(kind)
        yield "end", ""

    def parse(self) -> Term:
        while self._peek(1) == ("mark", "="):
            name = self._take("name")
            if name in self._named:
                raise self._error(f'names "{name}" twice')
            self._take_mark("=")
            self._named[name] = Let(name, self._term())
            self._take_mark(";")
        term = self._term()
        self._take("end")
        return term

    def _term(self) -> Term:
        forms = [self._choice()]
        while self._skip("|"):
            forms.append(self._choice())
        return forms[0] if len(forms) == 1 else Either(tuple(forms))

    def _choice(self) -> Term:
        if self._skip("("):
            term = self._term()
            self._take_mark(")")
            return term
        kind, text = self._tokens[self._next]
        if kind == "number":
            self._next += 1
            return _number(text)
        name = self._take("name")
        if self._skip("("):
            operands = self._list(")", self._term)
            properties, rest = self._properties()
            return Call(name, tuple(operands), properties, rest)
        return self._variable(name)

    def _variable(self, name: str) -> Term:
        kind = self._kinds.get(name, "any")
        if self._skip(":"):
            kind = self._take("name")
            if kind not in KINDS:
                raise self._error(f'"{name}" is a {kind}, but can only be {", ".join(KINDS)}')
            self._kinds[name] = kind
        return self._named.get(name) or Variable(name, kind)

    def _properties(self) -> tuple[tuple[tuple[str, PropertyTerm], ...], str | None]:
        if not self._skip("{"):
            return (), None
        rests: list[str] = []
        found: dict[str, PropertyTerm] = {}

        def item() -> None:
            if self._skip("*"):
                rests.append(self._take("name"))
                return
            name = self._take("name")
            self._take_mark("=")
            found[name] = self._value()

        self._list("}", item)
        if len(rests) > 1:
            raise self._error("has two names for the other properties of an op")
        return tuple(found.items()), rests[0] if rests else None

    def _value(self) -> PropertyTerm:
        if self._skip("["):
            return tuple(self._list("]", self._whole))
        kind, text = self._tokens[self._next]
        self._next += 1
        if kind == "number":
            return int(text) if _WHOLE.fullmatch(text) else float(text)
        if kind == "string":
            return text[1:-1]
        if kind != "name":
            raise self._error(f'has "{text}" where a property\'s value should be')
        return _TRUTHS[text] if text in _TRUTHS else PropertyName(text)

    def _whole(self) -> int:
        text = self._take("number")
        if not _WHOLE.fullmatch(text):
            raise self._error(f"has {text} where a whole number should be")
        return int(text)

    def _list(self, end: str, item: Callable[[], T]) -> list[T]:
        found: list[T] = []
        while not self._skip(end):
            if found:
                self._take_mark(",")
            found.append(item())
        return found

    def _peek(self, ahead: int) -> tuple[str, str]:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def _skip(self, mark: str) -> bool:
        if self._tokens[self._next] != ("mark", mark):
            return False
        self._next += 1
        return True

    def _take_mark(self, mark: str) -> None:
        if not self._skip(mark):
            found = self._tokens[self._next][1] or "the end"
            raise self._error(f'has "{found}" where "{mark}" should be')

    def _take(self, kind: str) -> str:
        found, text = self._tokens[self._next]
        if found != kind:
            raise self._error(f'has "{text or "the end"}" where a {kind} should be')
        self._next += 1
        return text

    def _error(self, why: str) -> ValidationError:
        return ValidationError(why, where=f'pattern "{" ".join(self._text.split())}"')


def _number(text: str) -> Number:
    mantissa = re.split("[eE]", text)[0].lstrip("+-").replace(".", "").strip("0")
    return Number(float(text), len(mantissa))
