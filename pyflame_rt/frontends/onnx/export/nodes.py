"""Ops as nodes: the rule that holds for most, driven by ONNX's own definition of the operator.

The operands of an op are the inputs of its operator, in order, and the properties are its
attributes, by name. What is a property of an op that may have it as an operand too is an input of
some versions and an attribute of others: the definition says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import OptOperandDef, VarOperandDef, VarResultDef

from pyflame_rt import dtypes
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp
from pyflame_rt.dialects.pfrt.names import op_type_of
from pyflame_rt.dialects.pfrt.types import (
    PropertyValue,
    from_properties,
    from_property,
    numpy_dtype,
    type_of,
)
from pyflame_rt.frontends.onnx.export.schemas import (
    AttributeRule,
    Schema,
    Target,
    ValueRule,
    domain_of,
    schema,
    type_name,
)

Array: TypeAlias = npt.NDArray[Any]
Input: TypeAlias = "SSAValue | Array | None"
"""A value, an array that becomes an initializer, or nothing."""


@dataclass(frozen=True)
class Body:
    """A region as a graph: `inputs` are the arguments of its block, in the order of the graph."""

    region: Region
    name: str


@dataclass(frozen=True)
class TypeValue:
    """A type as the value of an attribute."""

    kind: Attribute


AttributeValue: TypeAlias = (
    int
    | float
    | str
    | tuple[int, ...]
    | tuple[float, ...]
    | tuple[str, ...]
    | Array
    | Body
    | TypeValue
)
"""What an attribute can be: a number, a text, a list of these, a tensor, a graph or a type."""


@dataclass(frozen=True)
class AttributeEntry:
    """An attribute to write: its value, and the kind of attribute it is (`INTS`)."""

    value: AttributeValue
    kind: str


@dataclass(frozen=True)
class Node:
    """A node to write; `version` is that of its domain where it is none of ONNX's."""

    op_type: str
    inputs: tuple[Input, ...]
    outputs: tuple[SSAValue | None, ...]
    attributes: Mapping[str, AttributeEntry] = field(default_factory=dict[str, AttributeEntry])
    domain: str = ""
    version: int = 0


class Refused(Exception):
    """An op cannot be said in the operator set that is written for; the text says why."""


@dataclass(frozen=True)
class Parts:
    """An op taken apart: operands by declaration, properties and results as they are exported.

    An operand that may be a property instead has the name of that property in `dynamic`.
    """

    operands: tuple[SSAValue | Array | None, ...]
    dynamic: tuple[str | None, ...]
    properties: dict[str, PropertyValue]
    results: tuple[SSAValue | None, ...]
    defaults: Mapping[str, PropertyValue]


def parts_of(op: PfrtOp) -> Parts:
    """An op taken apart as it is declared."""
    definition = op.get_irdl_definition()
    operands: list[SSAValue | Array | None] = []
    dynamic: list[str | None] = []
    for name, operand in definition.operands:
        given = cast(OperandArg, getattr(op, name))
        if isinstance(operand, VarOperandDef) and not isinstance(operand, OptOperandDef):
            values = list(cast(Sequence[SSAValue], given))
            operands += values
            dynamic += [None] * len(values)
            continue
        operands.append(cast("SSAValue | None", given))
        parameter = name.removesuffix("_value")
        dynamic.append(parameter if parameter in op.DYNAMIC_PROPERTIES else None)
    results: list[SSAValue | None] = []
    for name, result in definition.results:
        found = cast("SSAValue | Sequence[SSAValue]", getattr(op, name))
        if isinstance(result, VarResultDef):
            results += list(cast(Sequence[SSAValue], found))
        else:
            results.append(cast(SSAValue, found))
    defaults = {
        name: from_property(row.default_value)
        for name, row in definition.properties.items()
        if row.default_value is not None
    }
    properties = from_properties(op.kernel_properties())
    return Parts(tuple(operands), tuple(dynamic), properties, tuple(results), defaults)


def default_nodes(op: PfrtOp, target: Target) -> list[Node]:
    """The node of the operator that an op is named after. Raises Refused."""
    return [fit(op, target, parts_of(op))]


def fit(
    op: PfrtOp,
    target: Target,
    parts: Parts,
    *,
    op_type: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    vectors: bool = False,
) -> Node:
    """The node of an operator with these parts, as the definition of its version arranges them.

    `attributes` are written as they are, beside those that properties become. `vectors`: a number
    that becomes an input is a vector of one element. Raises Refused when the version cannot say it.
    """
    name = op_type_of(op.name) if op_type is None else op_type
    domain = domain_of(name)
    if domain is None:
        raise Refused("ONNX has no such operator")
    definition = schema(name, domain, target.version(domain))
    if definition is None:
        raise Refused(f"{name} is not in {_set(domain, target)}")
    properties = dict(parts.properties)
    inputs = _inputs(definition, parts, properties, vectors=vectors)
    entries = _attributes(definition, parts, properties)
    for key, value in (attributes or {}).items():
        if key not in definition.attributes:
            raise Refused(f"{name} has no attribute {key} in {_set(domain, target)}")
        entries[key] = AttributeEntry(value, definition.attributes[key].kind)
    for key, value in properties.items():
        if not _is_default(value, parts.defaults.get(key)):
            raise Refused(f"{name} cannot have {key} in {_set(domain, target)}")
    for rule in definition.attributes.values():
        if rule.required and rule.name not in entries:
            raise Refused(f"{name} needs the attribute {rule.name}")
    outputs = _trimmed(parts.results)
    _check_types(definition, inputs, outputs)
    return Node(name, inputs, outputs, entries, domain)


def _set(domain: str, target: Target) -> str:
    return f"{domain or 'opset'} {target.version(domain)}"


def _inputs(
    definition: Schema, parts: Parts, properties: dict[str, PropertyValue], *, vectors: bool
) -> tuple[Input, ...]:
    found: list[Input] = []
    for index, (operand, name) in enumerate(zip(parts.operands, parts.dynamic, strict=True)):
        rule = definition.input(index)
        if rule is None:
            if operand is not None:
                what = f"{name} as an input" if name else f"{index + 1} inputs"
                raise Refused(
                    f"{definition.op_type} cannot have {what} in version {definition.since}"
                )
            continue
        if operand is None and name is not None and name in properties:
            array = _parameter(properties.pop(name), rule, definition, parts.operands)
            operand = array.reshape(1) if vectors and array.ndim == 0 else array
        found.append(operand)
    missing = [
        rule.name
        for index, rule in enumerate(definition.inputs)
        if not rule.optional and not rule.variadic and (index >= len(found) or found[index] is None)
    ]
    if missing:
        raise Refused(f"{definition.op_type} needs {missing[0]} as an input")
    trimmed = _trimmed(tuple(found))
    return (*trimmed, *[None] * (definition.min_inputs - len(trimmed)))


def _trimmed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    count = len(values)
    while count and values[count - 1] is None:
        count -= 1
    return values[:count]


def _parameter(
    value: PropertyValue, rule: ValueRule, definition: Schema, operands: Sequence[Input]
) -> Array:
    """A property as an array, of the type of what shares its type, else of one that it can have."""
    if isinstance(value, np.ndarray):
        return value
    for other, operand in zip(definition.inputs, operands, strict=False):
        if other.parameter == rule.parameter and isinstance(operand, SSAValue):
            return np.array(value, numpy_dtype(type_of(operand).element_type))
    wanted = np.dtype(np.float32) if isinstance(value, float) else np.dtype(np.int64)
    known = dtypes.by_numpy()
    if f"tensor({known[wanted].onnx_name})" not in rule.types:
        wanted = next(
            row.numpy for row in dtypes.table() if f"tensor({row.onnx_name})" in rule.types
        )
    return np.array(value, wanted)


def _attributes(
    definition: Schema, parts: Parts, properties: dict[str, PropertyValue]
) -> dict[str, AttributeEntry]:
    entries: dict[str, AttributeEntry] = {}
    for rule in definition.attributes.values():
        name = snake_case(rule.name)
        if name not in properties:
            continue
        value = _attribute_value(properties.pop(name), rule)
        if rule.required or not _is_left_out(value, rule, parts.defaults.get(name)):
            entries[rule.name] = AttributeEntry(value, rule.kind)
    return entries


def snake_case(name: str) -> str:
    """The property of an attribute: `transA` -> `trans_a`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _attribute_value(value: PropertyValue, rule: AttributeRule) -> AttributeValue:
    match value:
        case bool():
            return int(value)
        case np.dtype():
            return code_of(value)
        case np.ndarray() if rule.kind == "TENSOR":
            return value
        case np.ndarray():
            return tuple(value.reshape(-1).tolist())
        case int() if rule.kind == "FLOAT":
            return float(value)
        case int() | float() | str():
            return value
        case tuple():
            return value
        case _:
            raise Refused(f"{rule.name} has a value that no attribute can have")


def code_of(dtype: np.dtype[Any]) -> int:
    """The code of `TensorProto.DataType` for a dtype."""
    row = dtypes.by_numpy().get(dtype)
    return 8 if row is None else row.onnx


def _is_left_out(value: AttributeValue, rule: AttributeRule, own: PropertyValue | None) -> bool:
    """Whether an attribute says what its absence says."""
    if rule.default is None:
        # An empty list or 0 stands for what ONNX gives no value; a text may be empty.
        return own is not None and isinstance(value, int | float | tuple) and value == own
    message = rule.default
    match rule.kind:
        case "INT":
            return value == message.i
        case "FLOAT":
            return value == message.f
        case "STRING":
            return value == message.s.decode()
        case "INTS":
            return value == tuple(message.ints)
        case "FLOATS":
            return value == tuple(message.floats)
        case "STRINGS":
            return value == tuple(item.decode() for item in message.strings)
        case _:
            return False


def _is_default(value: PropertyValue, default: PropertyValue | None) -> bool:
    if default is None or isinstance(value, np.ndarray):
        return False
    return value == default


def _check_types(
    definition: Schema, inputs: Sequence[Input], outputs: Sequence[SSAValue | None]
) -> None:
    pairs: list[tuple[Input, ValueRule | None]] = [
        *((value, definition.input(k)) for k, value in enumerate(inputs)),
        *((value, definition.output(k)) for k, value in enumerate(outputs)),
    ]
    for value, rule in pairs:
        if not isinstance(value, SSAValue):
            continue
        if rule is None:
            raise Refused(f"{definition.op_type} has no output for a {value.type}")
        kind = type_name(value.type)
        if kind not in rule.types:
            raise Refused(
                f"{rule.name} of {definition.op_type} cannot be a {kind} "
                f"in version {definition.since}"
            )
