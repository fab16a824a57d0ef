"""The grammar of CSL, as far as the SDK's public examples and our printer go: text to a tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from pyflame_rt.backends.wse.csl import syntax as s
from pyflame_rt.backends.wse.csl.tokens import CslError, Token, tokens

T = TypeVar("T")

DEPTH: Final = 200
"""How deeply expressions and blocks may be nested."""

_LEVELS: Final = (
    ("or",),
    ("and",),
    ("==", "!=", "<", ">", "<=", ">="),
    ("|",),
    ("^",),
    ("&",),
    ("<<", ">>"),
    ("+", "-", "++"),
    ("*", "/", "%"),
)
_ASSIGNS: Final = ("=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^=")
_BEFORE: Final = ("export", "extern", "inline", "noinline", "linkname", "comptime")
_BESIDE: Final = ("align", "linksection", "linkname")


def parse(text: str, file: str = "source.csl") -> s.File:
    """The tree of a source. Raises CslError."""
    return _Parser(tokens(text, file)).file()


class _Parser:
    def __init__(self, found: list[Token]):
        self.tokens = found
        self.place = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.place]

    def fail(self, wanted: str) -> CslError:
        """The error that something else was expected."""
        return CslError(f"expected {wanted}, found {self.token.text}", where=self.token.where)

    def take(self) -> Token:
        """The next token, and go on."""
        token = self.token
        self.place += token.kind != "end"
        return token

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of some signs or keywords."""
        return self.token.kind in ("sign", "keyword") and self.token.text in texts

    def optional(self, *texts: str) -> Token | None:
        """The next token if it is one of these."""
        return self.take() if self.sees(*texts) else None

    def expect(self, text: str) -> Token:
        """A sign or keyword."""
        if not self.sees(text):
            raise self.fail(text)
        return self.take()

    def name(self, what: str = "a name") -> str:
        """A name."""
        if self.token.kind != "name":
            raise self.fail(what)
        return self.take().text

    def listed(self, end: str, item: Callable[[], T]) -> tuple[T, ...]:
        """Items between commas up to a sign, which is taken; a comma may follow the last."""
        found: list[T] = []
        while not self.sees(end):
            found.append(item())
            if self.optional(",") is None:
                break
        self.expect(end)
        return tuple(found)

    def nested(self, rule: Callable[[], T]) -> T:
        """A rule one level deeper."""
        self.depth += 1
        if self.depth > DEPTH:
            raise CslError(f"is nested more than {DEPTH} deep", where=self.token.where)
        found = rule()
        self.depth -= 1
        return found

    def file(self) -> s.File:
        """All of it."""
        where, items = self.token.where, list[s.Node]()
        while self.token.kind != "end":
            items.append(self.item())
        return s.File(where, tuple(items))

    def item(self) -> s.Node:
        """A declaration of a file."""
        token = self.token
        if self.sees("comptime", "layout"):
            self.take()
            if token.text == "layout" or self.sees("{"):
                return s.Top(token.where, token.text, self.block())
        while self.optional(*_BEFORE) is not None:
            pass
        if self.token.kind == "string":
            self.take()
        if self.sees("const", "var", "param"):
            return self.declaration()
        if self.sees("fn", "task"):
            return self.function()
        if self.token.kind == "builtin":
            found = self.expression()
            self.expect(";")
            return found
        raise self.fail("a declaration")

    def declaration(self) -> s.Declaration:
        """`const x: T align(16) = value;`."""
        token = self.take()
        name = self.name()
        kind = self.type() if self.optional(":") is not None else None
        others: list[s.Node] = []
        while self.optional(*_BESIDE) is not None:
            self.expect("(")
            others.append(self.expression())
            self.expect(")")
        value = self.expression() if self.optional("=") is not None else None
        self.expect(";")
        return s.Declaration(token.where, token.text, name, kind, value, tuple(others))

    def function(self) -> s.Function:
        """`fn f(x: T) U { … }`."""
        token = self.take()
        name = self.name()
        self.expect("(")
        parameters = self.listed(")", self.parameter)
        result = None if self.sees("{", ";") else self.type()
        body = self.block() if self.optional(";") is None else None
        return s.Function(token.where, token.text, name, parameters, result, body)

    def parameter(self) -> s.Parameter:
        """`comptime x: T`."""
        self.optional("comptime")
        where, name = self.token.where, self.name("a parameter")
        self.expect(":")
        return s.Parameter(where, name, self.type())

    def block(self) -> s.Block:
        """`{ … }`."""
        where = self.expect("{").where
        found: list[s.Node] = []
        while not self.sees("}"):
            if self.token.kind == "end":
                raise self.fail("}")
            found.append(self.nested(self.statement))
        self.take()
        return s.Block(where, tuple(found))

    def statement(self) -> s.Node:
        """A statement of a block."""
        while self.sees("comptime", "inline") and self.tokens[self.place + 1].text != "(":
            self.take()
        if self.sees("const", "var", "param"):
            return self.declaration()
        if self.sees("{"):
            return self.block()
        if self.sees("if"):
            return self.choice(self.branch)
        if self.sees("for"):
            return self.for_()
        if self.sees("while"):
            return self.while_()
        if self.sees("switch"):
            found = self.switch()
            self.optional(";")
            return found
        if self.sees("return", "break", "continue"):
            token = self.take()
            if self.optional(":") is not None:
                self.name("a label")
            value = None if self.sees(";") else self.expression()
            self.expect(";")
            return s.Leave(token.where, token.text, value)
        found = self.assignment()
        if not self.sees("else"):
            self.expect(";")
        return found

    def branch(self) -> s.Node:
        """A block, or a statement that is none."""
        return self.nested(self.statement)

    def assignment(self) -> s.Node:
        """An expression that may be given a value."""
        target = self.expression()
        sign = self.optional(*_ASSIGNS)
        if sign is None:
            return target
        return s.Assign(sign.where, sign.text, target, self.expression())

    def choice(self, branch: Callable[[], s.Node]) -> s.Choice:
        """`if (c) a else b`."""
        where = self.expect("if").where
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        yes = branch()
        no = branch() if self.optional("else") is not None else None
        return s.Choice(where, condition, yes, no)

    def captured(self) -> tuple[str, ...]:
        """`|x, i|`."""
        self.expect("|")
        names = self.listed("|", self.name)
        if not names:
            raise self.fail("a name")
        return names

    def for_(self) -> s.For:
        """`for (range) |x| { … }`."""
        where = self.take().where
        self.expect("(")
        range_ = self.expression()
        self.expect(")")
        names = self.captured()
        return s.For(where, range_, names, self.branch())

    def while_(self) -> s.While:
        """`while (c) : (step) { … }`."""
        where = self.take().where
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        step = None
        if self.optional(":") is not None:
            self.expect("(")
            step = self.assignment()
            self.expect(")")
        return s.While(where, condition, step, self.branch())

    def switch(self) -> s.Switch:
        """`switch (x) { a => …, else => … }`."""
        where = self.expect("switch").where
        self.expect("(")
        value = self.expression()
        self.expect(")")
        self.expect("{")
        return s.Switch(where, value, self.listed("}", self.case))

    def case(self) -> s.Case:
        """`a, b => value`."""
        where, values = self.token.where, list[s.Node]()
        if self.optional("else") is None:
            values.append(self.expression())
            while self.optional(",") is not None:
                values.append(self.expression())
        self.expect("=>")
        if self.sees("{"):
            return s.Case(where, tuple(values), self.block())
        return s.Case(where, tuple(values), self.assignment())

    def expression(self) -> s.Node:
        """An expression."""
        return self.nested(lambda: self.level(0))

    def level(self, number: int) -> s.Node:
        """Operators of a level and above."""
        if number == len(_LEVELS):
            return self.prefixed()
        left = self.level(number + 1)
        while self.sees(*_LEVELS[number]):
            sign = self.take()
            left = s.Operation(sign.where, sign.text, (left, self.level(number + 1)))
        return left

    def prefixed(self) -> s.Node:
        """`-x`, `!x`, `~x`, `&x`."""
        if (sign := self.optional("-", "!", "~", "&")) is not None:
            return s.Operation(sign.where, sign.text, (self.nested(self.prefixed),))
        if self.optional("comptime") is not None:
            return self.nested(self.prefixed)
        return self.postfixed()

    def postfixed(self) -> s.Node:
        """A primary expression, its members, calls and elements."""
        found = self.primary()
        while True:
            where = self.token.where
            if self.optional(".") is not None:
                found = s.Member(where, found, self.name("a field"))
            elif self.optional(".*") is not None:
                found = s.Member(where, found, "*")
            elif self.optional("(") is not None:
                found = s.Call(where, found, self.listed(")", self.expression))
            elif self.optional("[") is not None:
                found = s.Index(where, found, self.listed("]", self.expression))
            elif self.sees("{") and isinstance(found, s.TypeExpression):
                self.take()
                found = s.Struct(where, found, self.listed("}", self.entry))
            else:
                return found

    def primary(self) -> s.Node:
        """What an expression begins with."""
        token = self.token
        if token.kind == "name":
            self.take()
            if self.sees("{") and self.tokens[self.place + 1].text == ".":
                self.take()
                return s.Struct(
                    token.where, s.Name(token.where, token.text), self.listed("}", self.entry)
                )
            return s.Name(token.where, token.text)
        if token.kind in ("number", "string"):
            return s.Literal(token.where, token.kind, self.take().text)
        if token.kind == "builtin":
            self.take()
            self.expect("(")
            return s.Builtin(token.where, token.text, self.listed(")", self.expression))
        if self.sees("true", "false", "undefined"):
            return s.Literal(token.where, "constant", self.take().text)
        if self.sees("if"):
            return self.choice(self.expression)
        if self.sees("switch"):
            return self.switch()
        if self.sees("struct", "enum", "union", "packed"):
            return self.container()
        if self.optional("(") is not None:
            found = self.expression()
            self.expect(")")
            return found
        if self.optional(".{") is not None:
            return s.Struct(token.where, None, self.listed("}", self.entry))
        if self.optional(".") is not None:
            return s.Literal(token.where, "value", self.name())
        if self.sees("{"):
            self.take()
            self.expect("}")
            return s.Literal(token.where, "void", "{}")
        if self.sees("|"):
            return self.access()
        if self.sees("[", "*", "fn", "task", "const"):
            return self.type()
        raise self.fail("an expression")

    def entry(self) -> s.Field:
        """A field of a struct, or an element."""
        where = self.token.where
        after = self.tokens[min(self.place + 2, len(self.tokens) - 1)]
        if self.sees(".") and after.text == "=":
            self.take()
            name = self.name("a field")
            self.expect("=")
            return s.Field(where, name, self.expression())
        return s.Field(where, None, self.expression())

    def access(self) -> s.Access:
        """`|i|{n} -> a[i]`."""
        where = self.token.where
        names = self.captured()
        self.expect("{")
        sizes = self.listed("}", self.expression)
        self.expect("->")
        if len(sizes) != len(names):
            raise CslError(f"{len(names)} indices with {len(sizes)} sizes", where=where)
        return s.Access(where, names, sizes, self.expression())

    def type(self) -> s.Node:
        """A type: an expression, or one of the forms that only types have."""
        return self.nested(self._type)

    def _type(self) -> s.Node:
        where = self.token.where
        if self.optional("[") is not None:
            if self.optional("*") is not None:
                self.expect("]")
                self.optional("const")
                return s.TypeExpression(where, "[*]", (self.type(),))
            sizes = self.listed("]", self.expression)
            if not sizes:
                raise self.fail("a size")
            self.optional("const")
            return s.TypeExpression(where, "[]", (*sizes, self.type()))
        if self.optional("*") is not None:
            self.optional("const")
            return s.TypeExpression(where, "*", (self.type(),))
        if self.optional("fn", "task") is not None:
            self.expect("(")
            parts = self.listed(")", self.type)
            return s.TypeExpression(where, "fn", (*parts, self.type()))
        if self.optional("const") is not None:
            return self.type()
        found = self.primary()
        while self.sees(".", "("):
            place = self.take()
            if place.text == ".":
                found = s.Member(place.where, found, self.name("a field"))
            else:
                found = s.Call(place.where, found, self.listed(")", self.expression))
        return found

    def container(self) -> s.Container:
        """`struct { x: T, … }`, `enum(T) { A, B = 1 }`."""
        self.optional("packed")
        token = self.take()
        parts: list[s.Node] = []
        if self.optional("(") is not None:
            parts.append(self.type())
            self.expect(")")
        self.expect("{")
        names: list[str] = []

        def entry() -> None:
            names.append(self.name("a field"))
            if self.optional(":") is not None:
                parts.append(self.type())
            if self.optional("=") is not None:
                parts.append(self.expression())

        self.listed("}", entry)
        return s.Container(token.where, token.text, tuple(names), tuple(parts))
