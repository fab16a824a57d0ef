"""The records of a module's ops, in the order of the text.

A value is a number: how many values are visible at the place that defines it. Those of a region
are out of sight behind it, so that whatever a number means, it is visible where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import StringAttr, UnknownLoc, UnregisteredOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation, Region, SSAValue

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.pfm.attribute_writer import AttributeTable, StringTable
from pyflame_rt.frontends.pfm.words import WordWriter
from pyflame_rt.limits import Limits

UNREGISTERED_NAME = "op_name__"
"""Where an op that no dialect knows has its name."""


class NodeWriter:
    """Writes ops, and beside them where they come from and how their values are called."""

    def __init__(
        self, strings: StringTable, attributes: AttributeTable, limits: Limits, locations: bool
    ):
        self.count = 0
        self.has_subgraphs = False
        self.locations: list[int] = []
        """For each node, 0 or 1 + the attribute of its location."""
        self.value_names: list[int] = []
        """For each value, 0 or 1 + the string of its name in IR text."""
        self.out = WordWriter()
        self._strings = strings
        self._attributes = attributes
        self._limits = limits
        self._with_locations = locations
        self._visible: dict[SSAValue, int] = {}

    def write(self, op: Operation, depth: int = 0) -> None:
        """Append the record of an op. Raises PyFlameRTError for what a file cannot hold."""
        if depth > self._limits.pfm_depth:
            raise PyFlameRTError(f"regions are nested more than {self._limits.pfm_depth} deep")
        if op.successors:
            raise _unwritable(op, "branches between blocks")
        self.count += 1
        attributes = dict(op.attributes)
        name = op.name
        if isinstance(op, UnregisteredOp):
            name = op.op_name.data
            del attributes[UNREGISTERED_NAME]
        # Locations and names come with what they belong to, for tables in the order of the text.
        self.locations.append(self._location(op))
        operands = [self._number(operand, op) for operand in op.operands]
        user = _first_name(op)
        kinds = [self._attributes.index(result.type) for result in op.results]
        self.out.words([self._strings.index(name), len(operands), *operands, len(kinds), *kinds])
        self._dictionary(op.properties, user)
        self._dictionary(attributes, user)
        self.out.word(len(op.regions))
        for region in op.regions:
            self.has_subgraphs |= depth > 1 or (not isinstance(op, FuncOp) and depth > 0)
            self._region(region, depth + 1)
        for result in op.results:
            self._define(result)

    def _region(self, region: Region, depth: int) -> None:
        if len(region.blocks) > 1 and region.parent is not None:
            raise _unwritable(region.parent, "several blocks")
        outside = len(self._visible)
        self.out.word(len(region.blocks))
        for block in region.blocks:
            kinds = [self._attributes.index(argument.type) for argument in block.args]
            self.out.words([len(kinds), *kinds])
            for argument in block.args:
                self._define(argument)
            ops = list(block.ops)
            self.out.word(len(ops))
            for op in ops:
                self.write(op, depth)
        while len(self._visible) > outside:
            self._visible.popitem()

    def _define(self, value: SSAValue) -> None:
        self._visible[value] = len(self._visible)
        hint = value.name_hint
        self.value_names.append(0 if hint is None else 1 + self._strings.index(hint))

    def _number(self, value: SSAValue, user: Operation) -> int:
        if (number := self._visible.get(value)) is None:
            raise _unwritable(user, "a value that is not defined before it")
        return number

    def _dictionary(self, entries: Mapping[str, Attribute], user: str) -> None:
        self.out.word(len(entries))
        for key, value in entries.items():
            self.out.words((self._strings.index(key), self._attributes.index(value, user)))

    def _location(self, op: Operation) -> int:
        if not self._with_locations or isinstance(op.location, UnknownLoc):
            return 0
        return 1 + self._attributes.index(op.location)


def _first_name(op: Operation) -> str:
    """What the model calls an op's result; "" if nothing."""
    names = op.properties.get("names")
    if isinstance(names, NamesAttr):
        return next(iter(names.data), "")
    name = op.properties.get("sym_name")
    return name.data if isinstance(name, StringAttr) else ""


def _unwritable(op: Operation, what: str) -> PyFlameRTError:
    return PyFlameRTError(
        f"a .pfm file cannot hold {what}", where=op.name, hint="write IR text, .mlir"
    )
