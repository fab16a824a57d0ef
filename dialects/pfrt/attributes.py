"""Attributes of the pfrt dialect: handles to large constants, texts, and the model's own value names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialect_interfaces import DialectInterface
from xdsl.dialects.builtin import DictionaryAttr, StringAttr
from xdsl.ir import Attribute, Data, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from pyflame_rt.weights import Weight, WeightStore

PRUNED = "pfrt.pruned"
"""The attribute of a constant that says how it was pruned: a dictionary with its mask."""


class WeightStoreInterface(DialectInterface):
    """Gives each Context its own weight store: the pfrt dialect object carries it."""

    def __init__(self) -> None:
        self.store = WeightStore()


def weight_store(ctx: Context) -> WeightStore:
    """The weight store of a Context in which the pfrt dialect is registered."""
    interface = ctx.get_dialect("pfrt").get_interface(WeightStoreInterface)
    if interface is None:
        raise ValueError("the registered pfrt dialect has no weight store")
    return interface.store


@irdl_attr_definition
class WeightAttr(Data[Weight]):
    """A handle to a read-only array in the weight store, printed as its content digest.

    ```mlir
    %w = pfrt.constant #pfrt.weight<"8c0d2b…"> : tensor<64x3x7x7xf32>
    ```
    Its type is that of the value it defines. A digest the store does not hold still parses.
    """

    name = "pfrt.weight"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Weight:
        with parser.in_angle_brackets():
            digest = parser.parse_str_literal(" for the digest of a weight")
        return weight_store(parser.ctx).get(digest)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(self.data.digest)


@dataclass(frozen=True)
class Strings:
    """The texts of a tensor in row-major order."""

    shape: tuple[int, ...]
    items: tuple[str, ...]


@irdl_attr_definition
class StringsAttr(Data[Strings]):
    """A constant tensor of texts: its shape, then its elements in row-major order.

    ```mlir
    %0 = pfrt.constant #pfrt.strings<[2], ["yes", "no"]> : tensor<2x!pfrt.string>
    ```
    """

    name = "pfrt.strings"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Strings:
        with parser.in_angle_brackets():
            shape = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE,
                lambda: parser.parse_integer(allow_boolean=False, allow_negative=False),
            )
            parser.parse_punctuation(",")
            items = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, lambda: parser.parse_str_literal(" for a text")
            )
        if math.prod(shape) != len(items):
            parser.raise_error(f"{len(items)} texts do not fill the shape {shape}")
        return Strings(tuple(shape), tuple(items))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{list(self.data.shape)}, ")
            with printer.in_square_brackets():
                printer.print_list(self.data.items, printer.print_string_literal)


@irdl_attr_definition
class ActivationAttr(ParametrizedAttribute):
    """An elementwise op of one operand, by name and properties, that another op applies to its
    result.

    ```mlir
    %y = pfrt.conv %x, %w {activation = #pfrt.activation<"clip", {max = 6.0 : f32, min = 0.0 : f32}>}
    ```
    """

    name = "pfrt.activation"

    op: StringAttr = param_def()
    properties: DictionaryAttr = param_def()

    @classmethod
    def of(cls, op: str, properties: Mapping[str, Attribute] | None = None) -> ActivationAttr:
        """The activation of that op, `relu`."""
        return cls(StringAttr(op), DictionaryAttr(dict(properties or {})))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            op = parser.parse_str_literal(" for the name of an op")
            given = parser.parse_optional_punctuation(",") is not None
            properties = parser.parse_optional_dictionary_attr_dict() if given else {}
        return [StringAttr(op), DictionaryAttr(properties)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(self.op.data)
            if self.properties.data:
                printer.print_string(", ")
                printer.print_attribute(self.properties)


@irdl_attr_definition
class NamesAttr(Data[tuple[str, ...]]):
    """The names that a model's file gives to an op's results, one each; "" where it gives none.

    ```mlir
    %0 = pfrt.relu %x as "/layer1/Relu_output_0" : tensor<1x64x56x56xf32>
    ```
    Names identify values for people, not for the compiler: any two are equal, so that `cse` merges
    ops that differ in nothing else (the survivor keeps its own names).
    """

    name = "pfrt.names"

    @staticmethod
    def of(names: Sequence[str]) -> NamesAttr:
        """The attribute for the names of an op's results, in order."""
        return NamesAttr(tuple(names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamesAttr)

    def __hash__(self) -> int:
        return hash(NamesAttr)

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> tuple[str, ...]:
        with parser.in_angle_brackets():
            return tuple(parser.parse_comma_separated_list(
                parser.Delimiter.NONE, lambda: parser.parse_str_literal(" for a value's name")
            ))  # fmt: skip

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_list(self.data, printer.print_string_literal)
