"""An op as the nodes that say it, expanded where the operator set has no operator for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.frontends.onnx.export.domains import custom_nodes
from pyflame_rt.frontends.onnx.export.nodes import Node, Refused, default_nodes
from pyflame_rt.frontends.onnx.export.ops import expansions, rules
from pyflame_rt.frontends.onnx.export.rules import Expand, Expansion, in_f32
from pyflame_rt.frontends.onnx.export.schemas import LATEST_ML, Target

Step: TypeAlias = "Node | ConstantOp"
_MAX_DEPTH = 8
"""Expansions inside each other."""


@dataclass
class Steps:
    """Nodes and constants in order; `stands_for` maps results of an expansion to those of its op."""

    steps: list[Step] = field(default_factory=list[Step])
    stands_for: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])


def steps_of(op: Operation, target: Target, depth: int = 0) -> Steps:
    """The steps that an op becomes. Raises Refused when there are none in the target."""
    if isinstance(op, ConstantOp):
        return Steps([op])
    try:
        return Steps(list(nodes_of(op, target)))
    except Refused as refused:
        if depth == _MAX_DEPTH or not isinstance(op, PfrtOp):
            raise
        ways = [way.expand for way in (expansions().get(op.name),) if way is not None]
        for expand in (*ways, in_f32):
            try:
                return _expanded(op, expand, target, depth)
            except Refused:
                continue
        raise refused


def _expanded(op: PfrtOp, expand: Expand, target: Target, depth: int) -> Steps:
    made = Expansion(op.location, target)
    values = expand(made, op)
    found = Steps()
    for new in made.ops:
        inner = steps_of(new, target, depth + 1)
        found.steps += inner.steps
        found.stands_for.update(inner.stands_for)
    for value, result in zip(values, op.results, strict=True):
        if value.owner not in made.ops or value in found.stands_for:
            raise Refused("its expansion computes nothing")
        found.stands_for[value] = result
    return found


def nodes_of(op: Operation, target: Target) -> Sequence[Node]:
    """The nodes that an op is. Raises Refused."""
    if not op.name.startswith("pfrt."):
        return custom_nodes(op)
    found = rules().get(op.name)
    return default_nodes(cast(PfrtOp, op), target) if found is None else found.nodes(op, target)


def smallest_target(
    op: Operation, opsets: Sequence[int], *, expanding: bool = False
) -> Target | None:
    """The smallest target that holds an op; None when none does.

    `expanding`: being made of other ops will do.
    """
    for ml in range(Target.ml, LATEST_ML + 1):
        for opset in opsets:
            target = Target(opset, ml)
            try:
                if expanding:
                    steps_of(op, target)
                else:
                    nodes_of(op, target)
            except Refused:
                continue
            return target
    return None
