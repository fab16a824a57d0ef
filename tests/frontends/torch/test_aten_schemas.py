"""The rules' signatures are torch's schemas."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="the signatures are compared with torch's")

import torch

from pyflame_rt.frontends.torch.aten import rules

pytestmark = pytest.mark.torch
_KINDS = {
    "Tensor": ("Value",),
    "List[Tensor]": ("Values",),
    "List[Optional[Tensor]]": ("Indices",),
    "int": ("int", "Int", "DType", "Scalar"),
    "SymInt": ("Int",),
    "List[int]": ("Ints",),
    "List[SymInt]": ("Ints",),
    "float": ("float", "Scalar"),
    "complex": ("Scalar",),
    "List[float]": ("Floats",),
    "bool": ("bool", "Scalar"),
    "str": ("str",),
    "number": ("Scalar",),
}
ROWS = sorted(
    (rule for rows in rules.table().values() for rule in rows), key=lambda rule: rule.full_name
)


def _schema(rule: Any) -> Any:
    name = f"{rule.namespace}::{rule.name}"
    found = [
        schema
        for schema in torch._C._jit_get_schemas_for_operator(name)
        if schema.overload_name == rule.overload
    ]
    assert found, f"torch has no {rule.full_name}"
    return found[0]


def _type(argument: Any) -> str:
    text = str(argument.type)
    return text[len("Optional[") : -1] if text.startswith("Optional[") else text


def _plain(value: Any) -> Any:
    """A default in a form that does not tell lists from tuples, or codes from types."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@pytest.mark.parametrize("rule", ROWS, ids=lambda rule: rule.full_name)
def test_signature(rule: Any) -> None:
    """Names, order, defaults, what is given by name only, and what may be None."""
    arguments = _schema(rule).arguments
    assert [row.name for row in rule.parameters] == [row.name for row in arguments]
    for mine, theirs in zip(rule.parameters, arguments, strict=True):
        assert mine.keyword_only == theirs.kwarg_only, mine.name
        assert mine.required == (not theirs.has_default_value()), mine.name
        if not mine.required:
            assert _plain(mine.default) == _plain(theirs.default_value), mine.name
        if mine.kind == "Argument":
            continue
        assert mine.optional == isinstance(theirs.type, torch._C.OptionalType), mine.name
        assert mine.kind in _KINDS[_type(theirs)]
