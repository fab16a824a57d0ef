"""What ONNX says of an operator at a version of its operator set, and its names of types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

import onnx.defs
from xdsl.ir import Attribute

from pyflame_rt import dtypes
from pyflame_rt.dialects.pfrt.containers import MapType, OptionalType, SequenceType, StringType
from pyflame_rt.dialects.pfrt.types import AnyTensor, numpy_dtype

ML = "ai.onnx.ml"
TRAINING = "ai.onnx.preview.training"
LATEST_ML = 5
LATEST_OPSET = 28


@dataclass(frozen=True)
class Target:
    """The versions of ONNX's operator sets that a model is written for."""

    opset: int
    ml: int = 3

    def version(self, domain: str) -> int:
        """The version of one of ONNX's own domains."""
        return {"": self.opset, ML: self.ml}.get(domain, 1)


@dataclass(frozen=True)
class AttributeRule:
    """An attribute of an operator; `default` is the message that holds its value, or None."""

    name: str
    kind: str
    required: bool
    default: Any


@dataclass(frozen=True)
class ValueRule:
    """An input or output: `parameter` is the name of its type, `types` those that it can have."""

    name: str
    parameter: str
    types: frozenset[str]
    optional: bool
    variadic: bool


@dataclass(frozen=True)
class Schema:
    """An operator at a version."""

    op_type: str
    domain: str
    since: int
    inputs: tuple[ValueRule, ...]
    outputs: tuple[ValueRule, ...]
    attributes: Mapping[str, AttributeRule]
    min_inputs: int = 0

    def input(self, index: int) -> ValueRule | None:
        """What the input at a position is; None when there is no such input."""
        return _at(self.inputs, index)

    def output(self, index: int) -> ValueRule | None:
        """What the output at a position is; None when there is no such output."""
        return _at(self.outputs, index)


def _at(rules: tuple[ValueRule, ...], index: int) -> ValueRule | None:
    if index < len(rules):
        return rules[index]
    return rules[-1] if rules and rules[-1].variadic else None


@cache
def schema(op_type: str, domain: str, version: int) -> Schema | None:
    """An operator as it is at a version; None when it is not there, not yet or not any more."""
    try:
        found = onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return None
    if found.deprecated:
        return None
    types = {row.type_param_str: frozenset(row.allowed_type_strs) for row in found.type_constraints}
    return Schema(
        op_type,
        domain,
        found.since_version,
        tuple(_value_rule(row, types) for row in found.inputs),
        tuple(_value_rule(row, types) for row in found.outputs),
        {
            name: AttributeRule(
                name,
                str(cast(Any, row.type).name),
                row.required,
                row.default_value if row.default_value.ByteSize() else None,
            )
            for name, row in found.attributes.items()
        },
        found.min_input,
    )


def _value_rule(row: Any, types: Mapping[str, frozenset[str]]) -> ValueRule:
    option = row.option
    return ValueRule(
        str(row.name),
        str(row.type_str),
        types.get(row.type_str, frozenset((str(row.type_str),))),
        option == onnx.defs.OpSchema.FormalParameterOption.Optional,
        option == onnx.defs.OpSchema.FormalParameterOption.Variadic,
    )


@cache
def domain_of(op_type: str) -> str | None:
    """The domain of ONNX in which there is an operator of that name; None when there is none."""
    for domain in ("", ML, TRAINING):
        if onnx.defs.has(op_type, domain):
            return domain
    return None


def type_name(kind: Attribute) -> str:
    """ONNX's name of a type: `tensor(float)`, `seq(tensor(int64))`."""
    match kind:
        case SequenceType(item=item):
            return f"seq({type_name(item)})"
        case OptionalType(item=item):
            return f"optional({type_name(item)})"
        case MapType(key=key, value=value):
            return f"map({element_name(key)}, {element_name(value)})"
        case _:
            return f"tensor({element_name(cast(AnyTensor, kind).element_type)})"


@lru_cache(maxsize=64)
def element_name(element: Attribute) -> str:
    """ONNX's name of an element type."""
    if element == StringType():
        return "string"
    return dtypes.by_numpy()[numpy_dtype(element)].onnx_name
