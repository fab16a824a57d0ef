"""How each kind of attribute is held: the numbers of the format, and the classes they stand for."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from xdsl.context import Context
from xdsl.dialects import builtin
from xdsl.dialects.builtin import Signedness
from xdsl.ir import Attribute, ParametrizedAttribute


class Tag(IntEnum):
    """The first word of an attribute's record; docs/pfm.md says what follows it."""

    TEXT = 1
    """IR text; for what has no record of its own."""
    ATTRIBUTE = 2
    """The name of a kind of attributes, and the parameters of one."""
    STRING = 3
    INTEGER = 4
    FLOAT = 5
    BYTES = 6
    ARRAY = 7
    DICTIONARY = 8
    SIGNEDNESS = 9
    NAMES = 10
    STRINGS = 11
    WEIGHT = 12
    TYPE = 13
    """The name of a kind of types, and the parameters of one."""


SIGNEDNESS = (Signedness.SIGNLESS, Signedness.SIGNED, Signedness.UNSIGNED)
"""By their numbers in a file."""

_FURTHER: tuple[type[ParametrizedAttribute], ...] = (
    builtin.NameLoc,
    builtin.FusedLoc,
    builtin.CallSiteLoc,
    builtin.StridedLayoutAttr,
    builtin.TensorType,
    builtin.DenseIntOrFPElementsAttr,
)
_DENSE_ARRAY = "dense_array"
"""Upstream calls it "array", as it does lists of attributes."""


@cache
def builtin_classes() -> dict[str, type[ParametrizedAttribute]]:
    """Builtin attributes and types of parameters by the names that files have for them."""
    own = {
        kind.name: kind
        for kind in (*builtin.Builtin.attributes, *_FURTHER)
        if issubclass(kind, ParametrizedAttribute) and kind is not builtin.UnregisteredAttr
    }
    return own | {_DENSE_ARRAY: builtin.DenseArrayBase}


@cache
def builtin_names() -> dict[type[Attribute], str]:
    """The names that files have for builtin attributes and types."""
    return {kind: name for name, kind in builtin_classes().items()}


def name_of(kind: type[Attribute]) -> str:
    """The name that files have for a kind of attributes or types."""
    return builtin_names().get(kind, kind.name)


def class_of(tag: Tag, name: str, ctx: Context) -> type[ParametrizedAttribute] | None:
    """The kind of that name, a builtin one or a registered dialect's; None if there is none."""
    found: type[Attribute] | None = builtin_classes().get(name)
    if found is None and "." in name:
        found = ctx.get_optional_type(name) if tag is Tag.TYPE else ctx.get_optional_attr(name)
    if found is None or issubclass(found, builtin.UnregisteredAttr):
        return None
    return found if issubclass(found, ParametrizedAttribute) else None
