"""Rules: how a version range of an ONNX operator becomes pfrt ops.

Most are rows, data that names the op and the attributes; a function is written where versions or
forms differ. The rule with the highest `since` not above a model's opset applies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import OptOperandDef, VarOperandDef, VerificationContext
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp
from pyflame_rt.dialects.pfrt.names import op_name_of
from pyflame_rt.dialects.pfrt.types import PropertyValue
from pyflame_rt.frontends.onnx.builder import Array, NodeBuilder

Build: TypeAlias = Callable[[NodeBuilder], Sequence[SSAValue]]

_READERS: dict[str, Callable[[NodeBuilder, str], PropertyValue | None]] = {
    "int": NodeBuilder.integer,
    "flag": NodeBuilder.flag,
    "float": NodeBuilder.number,
    "ints": NodeBuilder.integers,
    "string": NodeBuilder.text,
    "dtype": NodeBuilder.dtype,
    "tensor": NodeBuilder.tensor,
}


@dataclass(frozen=True)
class Rule:
    """How nodes of `op_type` are built from opset `since` on.

    Exactly one of `build` and `constant` is set; the latter gives the value of a node that is a
    constant. `build` None and `constant` None: the operator of these opsets is not supported, for
    the reason `why`.
    """

    op_type: str
    since: int
    build: Build | None = None
    constant: Callable[[NodeBuilder], Array] | None = None
    why: str = ""
    domain: str = ""


@dataclass(frozen=True)
class AttributeRow:
    """An attribute of ONNX and the property that it becomes."""

    name: str
    property: str
    read: Callable[[NodeBuilder, str], PropertyValue | None]
    required: bool


def onnx_op(op_type: str, since: int = 1, domain: str = "") -> Callable[[Build], Rule]:
    """Make a function the rule for an operator from an opset on."""
    return lambda build: Rule(op_type, since, build, domain=domain)


def row(
    op_type: str, since: int, attributes: str = "", *, most: int | None = None, domain: str = ""
) -> Rule:
    """A rule by data: inputs are the operands in order, attributes become properties.

    `attributes` reads `"axis: int, perm: ints!"`, a `!` marking what is required. `most` is how
    many inputs the operator has, where that is less than the operands of the op.
    """
    rows = attribute_rows(attributes)
    name = op_name_of(op_type).removeprefix("pfrt.")

    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        if most is not None:
            b.limit_inputs(most)
        operands, properties = inputs(b, name)
        return b.emit(name, operands, {**properties, **read_attributes(b, rows)})

    return Rule(op_type, since, build, domain=domain)


def inputs(b: NodeBuilder, name: str) -> tuple[list[OperandArg], dict[str, Attribute]]:
    """The node's inputs as operands of `pfrt.<name>`, those known as properties where it has them."""
    kind = cast("type[PfrtOp]", operations()[f"pfrt.{name}"])
    operands: list[OperandArg] = []
    properties: dict[str, Attribute] = {}
    index = 0
    for operand, definition in kind.get_irdl_definition().operands:
        parameter = operand.removesuffix("_value")
        if isinstance(definition, OptOperandDef):
            if parameter in kind.DYNAMIC_PROPERTIES:
                value, known = b.parameter(index, _accepts(kind, parameter))
                if known is not None:
                    properties[parameter] = known
            else:
                value = b.any_value(index) if kind.TAKES_CONTAINERS else b.optional(index)
            operands.append(value)
            index += 1
        elif isinstance(definition, VarOperandDef):
            operands.append([b.operand(at) for at in range(index, len(b.node.inputs))])
            index = len(b.node.inputs)
        else:
            operands.append(b.value(index) if kind.TAKES_CONTAINERS else b.operand(index))
            index += 1
    b.limit_inputs(index)
    return operands, properties


def _accepts(kind: type[PfrtOp], name: str) -> Callable[[Attribute], bool]:
    """Whether a property of an op can have a value; a list where it takes a number, it cannot."""
    constraint = kind.get_irdl_definition().properties[name].constr

    def accepts(attribute: Attribute) -> bool:
        try:
            constraint.verify(attribute, VerificationContext())
        except VerifyException:
            return False
        return True

    return accepts


def read_attributes(
    b: NodeBuilder, rows: Sequence[AttributeRow]
) -> dict[str, PropertyValue | Attribute | None]:
    """The properties that a node's attributes give; raises when a required one is missing."""
    properties: dict[str, PropertyValue | Attribute | None] = {}
    for entry in rows:
        value = entry.read(b, entry.name)
        if value is None and entry.required:
            raise b.missing(entry.name)
        properties[entry.property] = value
    return properties


def attribute_rows(text: str) -> tuple[AttributeRow, ...]:
    """Attribute rows from their notation, `"axis: int, perm: ints!"`."""
    return tuple(_attribute_row(part) for part in text.split(",") if part.strip())


def _attribute_row(text: str) -> AttributeRow:
    name, _, kind = text.strip().partition(": ")
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return AttributeRow(name, snake, _READERS[kind.removesuffix("!")], kind.endswith("!"))
