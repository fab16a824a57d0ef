"""Syntax trees of the language that TorchScript archives are written in.

It has no operators, comparisons, comprehensions, imports or decorators: everything is a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Number: TypeAlias = int | float | complex


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, True, False or None."""

    value: Number | str | bool | None
    line: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or the first part of a qualified name."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """`value.name`"""

    value: Expression
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Subscript:
    """`value[items]`; also in types, which may have several items."""

    value: Expression
    items: tuple[Expression, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments, name=argument)`"""

    function: Expression
    arguments: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    line: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[items]`"""

    items: tuple[Expression, ...]
    line: int


@dataclass(frozen=True, slots=True)
class TupleOf:
    """`(items)`, or items without parentheses."""

    items: tuple[Expression, ...]
    line: int


@dataclass(frozen=True, slots=True)
class DictOf:
    """`{key: value}`"""

    items: tuple[tuple[Expression, Expression], ...]
    line: int


@dataclass(frozen=True, slots=True)
class Negative:
    """`-value`, of what is no literal."""

    value: Expression
    line: int


Expression: TypeAlias = (
    Literal | Name | Attribute | Subscript | Call | ListOf | TupleOf | DictOf | Negative
)


@dataclass(frozen=True, slots=True)
class Assign:
    """`target : annotation = value`, or `a, b = value` where the value has as many parts."""

    target: Expression
    annotation: Expression | None
    value: Expression
    line: int


@dataclass(frozen=True, slots=True)
class Evaluate:
    """An expression for what it does."""

    value: Expression
    line: int


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`"""

    value: Expression | None
    line: int


@dataclass(frozen=True, slots=True)
class If:
    """`if condition: then_body else: else_body`"""

    condition: Expression
    then_body: Body
    else_body: Body
    line: int


@dataclass(frozen=True, slots=True)
class While:
    """`while condition: body`"""

    condition: Expression
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class For:
    """`for target in iterable: body`"""

    target: Expression
    iterable: Expression
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class With:
    """`with manager as target: body`"""

    manager: Expression
    target: Expression | None
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class Pass:
    """`pass`"""

    line: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function, with its annotation and default."""

    name: str
    annotation: Expression | None
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Function:
    """`def name(parameters) -> returns: body`"""

    name: str
    parameters: tuple[Parameter, ...]
    returns: Expression | None
    body: Body
    line: int


Statement: TypeAlias = Assign | Evaluate | Return | If | While | For | With | Pass | Function
Body: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Class:
    """A class: the annotations of its fields, what is assigned in its body, and its methods.

    `base` is `Module`, `NamedTuple`, `Enum`, `Interface`, or "" for a plain class.
    """

    name: str
    base: str
    fields: tuple[tuple[str, Expression], ...]
    constants: tuple[tuple[str, Expression], ...]
    methods: tuple[Function, ...]
    line: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of an archive's code."""

    classes: tuple[Class, ...]
    functions: tuple[Function, ...]


def dotted(expression: Expression) -> str | None:
    """`a.b.c` of an attribute chain that starts with a name; None of anything else."""
    parts: list[str] = []
    while isinstance(expression, Attribute):
        parts.append(expression.name)
        expression = expression.value
    if not isinstance(expression, Name):
        return None
    parts.append(expression.name)
    return ".".join(reversed(parts))
