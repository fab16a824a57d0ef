"""Operators that prepare features and encode labels: one attribute for each type of number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from pyflame_rt.dialects.pfrt.types import dtype_of, from_property
from pyflame_rt.frontends.onnx.export.nodes import (
    Array,
    AttributeValue,
    Node,
    Refused,
    fit,
    parts_of,
)
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


def listed(array: Array) -> AttributeValue:
    """The elements of an array as the value of an attribute."""
    return tuple(array.reshape(-1).tolist())


def _by_kind(op: Any, target: Target, name: str, integers: str, texts: str) -> Sequence[Node]:
    """A node of an op with a property that is either of two attributes."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    array = cast(Array, properties.pop(name))
    attribute = texts if array.dtype.kind == "O" else integers
    without = replace(parts, properties=properties)
    return [fit(op, target, without, attributes={attribute: listed(array)})]


@rule("one_hot_encoder")
def one_hot_encoder(op: Any, target: Target) -> Sequence[Node]:
    return _by_kind(op, target, "cats", "cats_int64s", "cats_strings")


@rule("dict_vectorizer")
def dict_vectorizer(op: Any, target: Target) -> Sequence[Node]:
    return _by_kind(op, target, "vocabulary", "int64_vocabulary", "string_vocabulary")


@rule("zip_map")
def zip_map(op: Any, target: Target) -> Sequence[Node]:
    return _by_kind(op, target, "labels", "classlabels_int64s", "classlabels_strings")


@rule("imputer")
def imputer(op: Any, target: Target) -> Sequence[Node]:
    """Which attributes count, the type of x decides."""
    is_float = dtype_of(op.operand).kind == "f"
    values = cast(Array, from_property(op.imputed_values))
    replaced = from_property(op.replaced_value)
    attributes: dict[str, AttributeValue] = (
        {
            "imputed_value_floats": listed(values.astype(np.float32)),
            "replaced_value_float": float(cast(float, replaced)),
        }
        if is_float
        else {
            "imputed_value_int64s": listed(values),
            "replaced_value_int64": int(cast(int, replaced)),
        }
    )
    return [fit(op, target, replace(parts_of(op), properties={}), attributes=attributes)]


_SIDES = {"float32": "floats", "int64": "int64s", "object": "strings"}
_DEFAULTS = {"float32": "default_float", "int64": "default_int64", "object": "default_string"}


@rule("label_encoder")
def label_encoder(op: Any, target: Target) -> Sequence[Node]:
    """Keys and values are lists of three types, since version 4 tensors of any type."""
    keys, values, default = (
        cast(Array, from_property(attr)) for attr in (op.keys, op.values, op.default)
    )
    if target.ml < 2:
        raise Refused("LabelEncoder knows only texts before version 2")
    attributes: dict[str, AttributeValue] = {}
    for side, array in (("keys", keys), ("values", values)):
        if (name := _SIDES.get(array.dtype.name)) is not None:
            attributes[f"{side}_{name}"] = listed(array)
        else:
            attributes[f"{side}_tensor"] = array
    if (name := _DEFAULTS.get(default.dtype.name)) is not None:
        attributes[name] = default.reshape(-1).tolist()[0]
    else:
        attributes["default_tensor"] = default.reshape(1)
    return [fit(op, target, replace(parts_of(op), properties={}), attributes=attributes)]


RULES: tuple[Rule, ...] = (dict_vectorizer, imputer, label_encoder, one_hot_encoder, zip_map)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
