"""The tables of strings and attributes of a `.pfm` file, each entry once, those it uses before it."""

from __future__ import annotations

from xdsl.dialects.builtin import (
    ArrayAttr,
    BytesAttr,
    DictionaryAttr,
    FloatData,
    IntAttr,
    SignednessAttr,
    StringAttr,
    UnregisteredAttr,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute

from pyflame_rt.dialects.pfrt.attributes import NamesAttr, StringsAttr, WeightAttr
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.pfm.tags import SIGNEDNESS, Tag, name_of
from pyflame_rt.frontends.pfm.tensors import TensorTable
from pyflame_rt.frontends.pfm.words import WordWriter
from pyflame_rt.limits import Limits


class StringTable:
    """Texts in the order of their first use."""

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._indices)

    def index(self, text: str) -> int:
        """The place of a text in the table."""
        return self._indices.setdefault(text, len(self._indices))

    def write(self, out: WordWriter) -> None:
        """Append the table."""
        out.word(len(self._indices))
        for text in self._indices:
            out.text(text)


class AttributeTable:
    """Attributes in the order of their first use, parameters first.

    Entries are told apart by their bytes: attributes that are equal may print differently (0.0 and
    -0.0, names of values), and comparing weights would read them.
    """

    def __init__(self, strings: StringTable, tensors: TensorTable, limits: Limits):
        self.uses_text = False
        self._strings = strings
        self._tensors = tensors
        self._limits = limits
        self._records: dict[bytes, int] = {}
        self._known: dict[int, tuple[Attribute, int]] = {}
        self._out = WordWriter()

    def __len__(self) -> int:
        return len(self._records)

    def index(self, attr: Attribute, user: str = "", depth: int = 1) -> int:
        """The place of an attribute in the table; `user` names what uses it, for weights.

        Raises PyFlameRTError for what a file cannot hold, MissingWeightsError for a weight whose
        values are not at hand.
        """
        if (known := self._known.get(id(attr))) is not None:
            return known[1]
        if depth > self._limits.pfm_depth:
            raise PyFlameRTError(f"attributes are nested more than {self._limits.pfm_depth} deep")
        record = WordWriter()
        self._write(attr, record, user, depth + 1)
        index = self._records.setdefault(bytes(record.data), len(self._records))
        # The attribute is kept so that no other can have its identity.
        self._known[id(attr)] = attr, index
        return index

    def write(self, out: WordWriter) -> None:
        """Append the table."""
        out.word(len(self._records))
        for record in self._records:
            out.data += record

    def _write(self, attr: Attribute, out: WordWriter, user: str, depth: int) -> None:
        match attr:
            case StringAttr():
                out.words((Tag.STRING, self._strings.index(attr.data)))
            case IntAttr():
                out.word(Tag.INTEGER)
                out.blob(self._integer(int(attr.data)))
            case FloatData():
                out.word(Tag.FLOAT)
                out.f64(attr.data)
            case BytesAttr():
                out.word(Tag.BYTES)
                out.blob(attr.data)
            case ArrayAttr():
                items = [self.index(item, user, depth) for item in attr.data]
                out.words([Tag.ARRAY, len(items), *items])
            case DictionaryAttr():
                out.words((Tag.DICTIONARY, len(attr.data)))
                for key, value in attr.data.items():
                    out.words((self._strings.index(key), self.index(value, user, depth)))
            case SignednessAttr():
                out.words((Tag.SIGNEDNESS, SIGNEDNESS.index(attr.data)))
            case NamesAttr():
                out.words([Tag.NAMES, len(attr.data), *map(self._strings.index, attr.data)])
            case StringsAttr():
                out.words((Tag.STRINGS, len(attr.data.shape)))
                for size in attr.data.shape:
                    out.u64(size)
                texts = [self._strings.index(text) for text in attr.data.items]
                out.words([len(texts), *texts])
            case WeightAttr():
                out.words((Tag.WEIGHT, self._tensors.index(attr.data, user)))
            case ParametrizedAttribute() if not isinstance(attr, UnregisteredAttr):
                parameters = [self.index(item, user, depth) for item in attr.parameters]
                tag = Tag.TYPE if isinstance(attr, TypeAttribute) else Tag.ATTRIBUTE
                name = self._strings.index(name_of(type(attr)))
                out.words([tag, name, len(parameters), *parameters])
            case _:
                self.uses_text = True
                out.words((Tag.TEXT, self._strings.index(self._text(attr))))

    def _integer(self, value: int) -> bytes:
        size = value.bit_length() // 8 + 1
        if size * 8 > self._limits.pfm_integer_bits:
            raise PyFlameRTError(f"a number of {value.bit_length()} bits cannot be written")
        return value.to_bytes(size, "little", signed=True)

    def _text(self, attr: Attribute) -> str:
        text = str(attr)
        # Texts within a text are not needed by any attribute that comes here today.
        if '"' in text or len(text.encode()) > self._limits.pfm_text_bytes:
            raise PyFlameRTError(
                f"an attribute of kind {attr.name} has no place in a .pfm file",
                hint="write IR text, .mlir",
            )
        return text
