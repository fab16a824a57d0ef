"""Every op has a way to ONNX, and what the rule that holds for most relies on is so."""

from __future__ import annotations

import onnx.defs
import pytest
from xdsl.irdl import VarOperandDef

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.names import op_type_of
from pyflame_rt.frontends.onnx.export.nodes import snake_case
from pyflame_rt.frontends.onnx.export.ops import expansions, rules
from pyflame_rt.frontends.onnx.export.schemas import (
    LATEST_ML,
    LATEST_OPSET,
    ML,
    Target,
    domain_of,
    schema,
)
from pyflame_rt.frontends.onnx.ops import LATEST_OPSET as LATEST_READ

INLINED = {"pfrt.fused": "its ops are exported", "pfrt.yield": "ends a region, as its outputs do"}
"""Ops that are no nodes."""
OF_DEVICES = {
    f"pfrt.{name}"
    for name in ("all_gather", "all_reduce", "broadcast", "receive", "scatter_slices", "send")
}
"""Ops of modules that are spread over devices, which no ONNX file says."""
OF_LAYOUTS = {"layout", "x_layout"}
"""Properties that are gone when nodes are made."""
IN_RULES = {"activation", "residual"}


def test_every_op_has_a_way() -> None:
    """By a rule, an expansion, or the operator it is named after."""
    without = [
        name
        for name in operations()
        if name not in rules() and name not in expansions() and domain_of(op_type_of(name)) is None
    ]
    assert sorted(without) == sorted({*INLINED, *OF_DEVICES})


def test_rules_are_of_ops() -> None:
    """None is of an op that is not there."""
    assert set(rules()) <= set(operations())
    assert set(expansions()) <= set(operations())


@pytest.mark.parametrize(
    "name", [n for n in operations() if n not in rules() and domain_of(op_type_of(n)) is not None]
)
def test_ops_without_a_rule_are_like_their_operators(name: str) -> None:
    """Operands are inputs, properties attributes or inputs, and what has no property is optional."""
    op = operations()[name]
    definition = op.get_irdl_definition()
    domain = domain_of(op_type_of(name))
    assert domain is not None
    target = Target(LATEST_OPSET, LATEST_ML)
    known = schema(op_type_of(name), domain, target.version(domain))
    assert known is not None
    operands = [n for n, _ in definition.operands if n not in IN_RULES]
    variadic = any(type(d) is VarOperandDef for _, d in definition.operands)
    assert variadic or len(operands) == len(known.inputs)
    attributes = {snake_case(attribute): rule for attribute, rule in known.attributes.items()}
    hidden = {"names", "operandSegmentSizes", "resultSegmentSizes", *OF_LAYOUTS, *IN_RULES}
    properties = set(definition.properties) - hidden
    dynamic = set(getattr(op, "DYNAMIC_PROPERTIES", ()))
    assert properties - dynamic <= set(attributes)
    assert not [n for n, rule in attributes.items() if rule.required and n not in properties]
    assert len(definition.results) <= max(len(known.outputs), 1)


def test_versions_are_those_that_are_read() -> None:
    """What can be written can be read, and onnx knows it."""
    assert LATEST_OPSET == LATEST_READ == onnx.defs.onnx_opset_version()
    assert onnx.defs.get_schema("TreeEnsemble", LATEST_ML, ML).since_version == LATEST_ML
