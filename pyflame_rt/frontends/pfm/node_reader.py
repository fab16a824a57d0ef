"""Building a module of the records of its ops."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.context import Context
from xdsl.dialects.builtin import UNKNOWN_LOC, LocationAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, TypeAttribute

from pyflame_rt.errors import UnsupportedOperatorError
from pyflame_rt.frontends.pfm.attribute_reader import AttributeReader
from pyflame_rt.frontends.pfm.layout import Feature
from pyflame_rt.frontends.pfm.words import WordReader
from pyflame_rt.limits import Limits

LEAST_WORDS = 6
"""Of a node's record."""


class NodeReader:
    """Reads ops in a Context."""

    def __init__(
        self,
        ctx: Context,
        source: WordReader,
        strings: Sequence[str],
        attributes: AttributeReader,
        features: Feature,
        limits: Limits,
    ):
        self.values: list[SSAValue] = []
        """In the order of their definitions."""
        self._ctx = ctx
        self._source = source
        self._strings = strings
        self._attributes = attributes
        self._features = features
        self._limits = limits
        self._visible: list[SSAValue] = []
        self._kinds: dict[int, type[Operation]] = {}
        # In the order of their records, None for those whose regions are being read.
        self._nodes: list[Operation | None] = []

    def read(self, count: int) -> Operation:
        """The first op with all that is in it, `count` ops. Raises InvalidModelError."""
        op = self._op(0)
        if len(self._nodes) != count:
            raise self._source.error(f"has {len(self._nodes)} nodes, but says {count}")
        self._source.finish("the list of nodes")
        return op

    def set_locations(self, source: WordReader) -> None:
        """Read where each node comes from. Raises InvalidModelError."""
        for op in filter(None, self._nodes):
            location = self._attributes.optional(source)
            if location is None:
                continue
            if not isinstance(location, LocationAttr):
                raise source.error(f"says that a node comes from {location.name}")
            op.location = location
        source.finish("the section of locations")

    def set_names(self, source: WordReader) -> None:
        """Read how IR text calls each value. Raises InvalidModelError."""
        for value in self.values:
            number = source.index(len(self._strings) + 1, "string")
            name = self._strings[number - 1] if number else None
            if name is not None:
                if not SSAValue.is_valid_name(name):
                    raise source.error(f"{name[:64]!a} is no name for a value")
                value.name_hint = name
        source.finish("the section of value names")

    def _op(self, depth: int) -> Operation:
        source = self._source
        place = len(self._nodes)
        self._nodes.append(None)
        kind = self._kind(source.index(len(self._strings), "string"))
        operands = [self._operand() for _ in range(source.count())]
        types = [self._type() for _ in range(source.count())]
        properties, attributes = self._dictionary(), self._dictionary()
        regions = [self._region(depth) for _ in range(source.count())]
        try:
            op = kind.create(
                operands=operands,
                result_types=types,
                properties=properties,
                attributes=attributes,
                regions=regions,
                location=UNKNOWN_LOC,
            )
        except Exception as error:
            why = " ".join(str(error).split())[:200]
            raise source.error(f"a {kind.name} cannot be made: {why}") from None
        self._nodes[place] = op
        self._define(op.results)
        return op

    def _kind(self, index: int) -> type[Operation]:
        if (kind := self._kinds.get(index)) is not None:
            return kind
        name = self._strings[index]
        found = self._ctx.get_optional_op(name) if "." in name else None
        if found is None:
            raise UnsupportedOperatorError(
                f"there is no operation {name[:64]!a}",
                where=self._source.where,
                hint="a custom operator must be registered before",
            )
        self._kinds[index] = found
        return found

    def _operand(self) -> SSAValue:
        return self._visible[self._source.index(len(self._visible), "value")]

    def _type(self) -> Attribute:
        kind = self._attributes.used(self._source)
        if not isinstance(kind, TypeAttribute):
            raise self._source.error(f"a value has {kind.name} for a type")
        return kind

    def _dictionary(self) -> dict[str, Attribute]:
        source, entries = self._source, dict[str, Attribute]()
        for _ in range(source.count(2)):
            key = self._strings[source.index(len(self._strings), "string")]
            if key in entries:
                raise source.error(f"a node has {key[:64]!a} twice")
            entries[key] = self._attributes.used(source)
        return entries

    def _region(self, depth: int) -> Region:
        source = self._source
        if depth >= self._limits.pfm_depth:
            raise source.error(f"nests regions more than {self._limits.pfm_depth} deep")
        if depth > 1 and not self._features & Feature.SUBGRAPHS:
            raise source.error("has subgraphs, which its header does not say")
        blocks = source.count(2)
        if blocks > 1:
            raise source.error("has a region of several blocks")
        return Region([self._block(depth) for _ in range(blocks)])

    def _block(self, depth: int) -> Block:
        outside = len(self._visible)
        block = Block(arg_types=[self._type() for _ in range(self._source.count())])
        self._define(block.args)
        for _ in range(self._source.count(LEAST_WORDS)):
            block.add_op(self._op(depth + 1))
        del self._visible[outside:]
        return block

    def _define(self, values: Sequence[SSAValue]) -> None:
        self._visible += values
        self.values += values
