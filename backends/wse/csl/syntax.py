"""Syntax trees of CSL. Types are expressions, as in the language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import cast


@dataclass(frozen=True)
class Node:
    """A part of a source."""

    where: str

    def children(self) -> Iterator[Node]:
        """The nodes right inside."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            for item in cast("tuple[object, ...]", value if isinstance(value, tuple) else (value,)):
                if isinstance(item, Node):
                    yield item


@dataclass(frozen=True)
class Name(Node):
    """`x`."""

    name: str


@dataclass(frozen=True)
class Literal(Node):
    """A number, a string, a truth value, `{}`, `undefined`, or an enum's `.value`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Builtin(Node):
    """`@fmacs(…)`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Call(Node):
    """`f(…)`."""

    callee: Node
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Member(Node):
    """`x.field`; `x.*` is the field `*`."""

    value: Node
    field: str


@dataclass(frozen=True)
class Index(Node):
    """`a[i, j]`."""

    value: Node
    indices: tuple[Node, ...]


@dataclass(frozen=True)
class Field(Node):
    """`.name = value` of a struct; of a tuple, without a name."""

    name: str | None
    value: Node


@dataclass(frozen=True)
class Struct(Node):
    """`.{ … }`, or `T{ … }` of a type."""

    kind: Node | None
    entries: tuple[Field, ...]


@dataclass(frozen=True)
class Operation(Node):
    """An operator and its operands."""

    sign: str
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Choice(Node):
    """`if (c) a else b`, as an expression or a statement."""

    condition: Node
    yes: Node
    no: Node | None


@dataclass(frozen=True)
class Case(Node):
    """`a, b => value` of a switch; no values: else."""

    values: tuple[Node, ...]
    body: Node


@dataclass(frozen=True)
class Switch(Node):
    """`switch (x) { … }`."""

    value: Node
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class TypeExpression(Node):
    """`[n]T`, `[*]T`, `*const T`, `fn(T)U`."""

    kind: str
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Access(Node):
    """`|i, j|{n, m} -> a[i + j]`."""

    names: tuple[str, ...]
    sizes: tuple[Node, ...]
    element: Node


@dataclass(frozen=True)
class Block(Node):
    """`{ … }`."""

    statements: tuple[Node, ...]


@dataclass(frozen=True)
class Declaration(Node):
    """`const`, `var` or `param`, with what the language lets stand beside its type."""

    keyword: str
    name: str
    kind: Node | None
    value: Node | None
    others: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Parameter(Node):
    """A parameter of a function."""

    name: str
    kind: Node


@dataclass(frozen=True)
class Function(Node):
    """`fn` or `task`."""

    keyword: str
    name: str
    parameters: tuple[Parameter, ...]
    result: Node | None
    body: Block | None


@dataclass(frozen=True)
class Container(Node):
    """`struct { … }` or `enum(T) { … }`: the names of its fields, and their types."""

    keyword: str
    names: tuple[str, ...]
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Top(Node):
    """`comptime { … }` or `layout { … }` of a file."""

    keyword: str
    body: Block


@dataclass(frozen=True)
class For(Node):
    """`for (range) |x, i| { … }`."""

    range: Node
    names: tuple[str, ...]
    body: Node


@dataclass(frozen=True)
class While(Node):
    """`while (c) : (i += 1) { … }`."""

    condition: Node
    step: Node | None
    body: Node


@dataclass(frozen=True)
class Assign(Node):
    """`a = b`, `a += b`."""

    sign: str
    target: Node
    value: Node


@dataclass(frozen=True)
class Leave(Node):
    """`return x`, `break`, `continue`."""

    keyword: str
    value: Node | None


@dataclass(frozen=True)
class File(Node):
    """A source."""

    items: tuple[Node, ...] = field(default_factory=tuple)


def walk(node: Node) -> Iterator[Node]:
    """A node and all inside."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(list(found.children())))
