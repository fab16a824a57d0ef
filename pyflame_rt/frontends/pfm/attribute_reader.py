"""Reading the table of attributes: each entry is built of those before it, and checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    BytesAttr,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    FloatAttr,
    FloatData,
    IntAttr,
    IntegerAttr,
    IntegerType,
    MemRefType,
    SignednessAttr,
    StringAttr,
    TensorType,
    VectorType,
)
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.parser import Parser

from pyflame_rt.dialects.pfrt.attributes import NamesAttr, Strings, StringsAttr, WeightAttr
from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.pfm.layout import Feature
from pyflame_rt.frontends.pfm.tags import SIGNEDNESS, Tag, class_of
from pyflame_rt.frontends.pfm.words import WordReader
from pyflame_rt.limits import Limits
from pyflame_rt.weights import Weight

_MAX_DIM = 2**63


class AttributeReader:
    """Reads attributes with the strings and weights of their file, in a Context."""

    def __init__(
        self,
        ctx: Context,
        strings: Sequence[str],
        weights: Sequence[Weight],
        features: Feature,
        limits: Limits,
        budget: int,
    ):
        self.attributes: list[Attribute] = []
        self._ctx = ctx
        self._strings = strings
        self._weights = weights
        self._features = features
        self._limits = limits
        self._budget = budget
        self._sizes: list[int] = []
        self._depths: list[int] = []
        self._size = 1
        self._depth = 0

    def read_table(self, source: WordReader) -> None:
        """Read all entries. Raises InvalidModelError."""
        for _ in range(source.count(2)):
            self._size, self._depth = 1, 0
            try:
                attr = self._read(source)
            except InvalidModelError:
                raise
            except Exception as error:
                # Verifiers of attributes, and parsers of text that fail in their own way.
                why = " ".join(str(error).split())[:200] or type(error).__name__
                raise source.error(f"attribute {len(self.attributes)}: {why}") from None
            if self._depth + 1 > self._limits.pfm_depth:
                raise source.error(f"nests attributes more than {self._limits.pfm_depth} deep")
            self.attributes.append(attr)
            self._sizes.append(self._size)
            self._depths.append(self._depth + 1)
            self._spend(self._size, source)

    def used(self, source: WordReader) -> Attribute:
        """The attribute that the next word names. Raises InvalidModelError."""
        index = source.index(len(self.attributes), "attribute")
        self._spend(self._sizes[index], source)
        return self.attributes[index]

    def optional(self, source: WordReader) -> Attribute | None:
        """As `used`, but for 0, which is none; the first attribute is 1."""
        number = source.index(len(self.attributes) + 1, "attribute")
        if number == 0:
            return None
        self._spend(self._sizes[number - 1], source)
        return self.attributes[number - 1]

    def _spend(self, size: int, source: WordReader) -> None:
        self._budget -= size
        if self._budget < 0:
            raise source.error("has attributes that are far larger than the file")

    def _child(self, source: WordReader) -> Attribute:
        index = source.index(len(self.attributes), "attribute")
        self._size += self._sizes[index]
        self._depth = max(self._depth, self._depths[index])
        # Checked here as well, so that no list is made of more than the budget.
        if self._size > self._budget:
            raise source.error("has attributes that are far larger than the file")
        return self.attributes[index]

    def _string(self, source: WordReader) -> str:
        return self._strings[source.index(len(self._strings), "string")]

    def _read(self, source: WordReader) -> Attribute:
        match source.word():
            case Tag.STRING:
                return StringAttr(self._string(source))
            case Tag.INTEGER:
                return IntAttr(self._integer(source))
            case Tag.FLOAT:
                return FloatData(source.f64())
            case Tag.BYTES:
                return BytesAttr(source.blob())
            case Tag.ARRAY:
                return ArrayAttr([self._child(source) for _ in range(source.count())])
            case Tag.DICTIONARY:
                return DictionaryAttr(self._dictionary(source))
            case Tag.SIGNEDNESS:
                return SignednessAttr(SIGNEDNESS[source.index(len(SIGNEDNESS), "signedness")])
            case Tag.NAMES:
                return NamesAttr(tuple(self._string(source) for _ in range(source.count())))
            case Tag.STRINGS:
                return self._texts(source)
            case Tag.WEIGHT:
                return WeightAttr(self._weights[source.index(len(self._weights), "initializer")])
            case Tag.ATTRIBUTE:
                return self._parametrized(Tag.ATTRIBUTE, source)
            case Tag.TYPE:
                return self._parametrized(Tag.TYPE, source)
            case Tag.TEXT:
                return self._text(source)
            case tag:
                raise source.error(f"has an attribute of the unknown kind {tag}")

    def _integer(self, source: WordReader) -> int:
        data = source.blob()
        if len(data) * 8 > self._limits.pfm_integer_bits:
            raise source.error(f"a number of {len(data)} bytes is over the limit")
        return int.from_bytes(data, "little", signed=True)

    def _dictionary(self, source: WordReader) -> dict[str, Attribute]:
        entries: dict[str, Attribute] = {}
        for _ in range(source.count(2)):
            key = self._string(source)
            if key in entries:
                raise source.error(f"has a dictionary with {key[:64]!a} twice")
            entries[key] = self._child(source)
        return entries

    def _texts(self, source: WordReader) -> StringsAttr:
        shape = tuple(source.u64() for _ in range(source.count(2)))
        items = tuple(self._string(source) for _ in range(source.count()))
        if len(shape) > self._limits.pfm_rank or math.prod(shape) != len(items):
            raise source.error(f"{len(items)} texts do not fill the shape {shape[:8]}")
        self._size += len(items)
        return StringsAttr(Strings(shape, items))

    def _text(self, source: WordReader) -> Attribute:
        text = self._string(source)
        if not self._features & Feature.TEXT:
            raise source.error("holds IR text, which its header does not say")
        if '"' in text or len(text) > self._limits.pfm_text_bytes:
            raise source.error(f"holds IR text that it must not: {text[:64]!a}")
        parser = Parser(self._ctx, text)
        attr = parser.parse_attribute()
        if parser.pos != len(text):
            raise source.error(f"holds IR text with something after it: {text[:64]!a}")
        return attr

    def _parametrized(self, tag: Tag, source: WordReader) -> Attribute:
        name = self._string(source)
        parameters = [self._child(source) for _ in range(source.count())]
        kind = class_of(tag, name, self._ctx)
        if kind is None:
            what = "type" if tag is Tag.TYPE else "attribute"
            raise source.error(f"there is no {what} {name[:64]!a}")
        if kind is IntegerType:
            self._check_width(parameters, source)
        return _checked(kind.new(parameters))

    def _check_width(self, parameters: Sequence[Attribute], source: WordReader) -> None:
        # Python computes the range of a type of any width, or tries to.
        width = cast("IntAttr", parameters[0]) if parameters else None
        if isinstance(width, IntAttr) and width.data > self._limits.pfm_integer_bits:
            raise source.error(f"has integers of {width.data} bits")


def _checked(attr: ParametrizedAttribute) -> ParametrizedAttribute:
    """The attribute as its text would be read. Raises ValueError for what upstream's verifiers let
    pass, and no text says."""
    match attr:
        case IntegerAttr():
            return IntegerAttr(attr.value, attr.type)
        case FloatAttr():
            return FloatAttr(attr.value, attr.type)
        case TensorType() | MemRefType() | VectorType():
            shape = cast("TensorType[Any]", attr).get_shape()
            unknown = None if isinstance(attr, VectorType) else DYNAMIC
            if any(not 0 <= dim < _MAX_DIM for dim in shape if dim != unknown):
                raise ValueError(f"a type has the shape {shape[:8]}")
        case DenseIntOrFPElementsAttr():
            dense = cast("DenseIntOrFPElementsAttr[Any]", attr)
            size: int = dense.get_element_type().compile_time_size
            shape, length = dense.get_shape(), len(dense.data.data)
            if DYNAMIC in shape or length not in (size, size * math.prod(shape)):
                raise ValueError(f"{length} bytes do not fill a constant of shape {shape[:8]}")
        case _:
            pass
    return attr
