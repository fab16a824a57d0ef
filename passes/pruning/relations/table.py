"""The one table of rules: an op that is not here, and is not elementwise, keeps all its channels."""

from __future__ import annotations

from functools import cache

from xdsl.ir import Operation

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.control import yielded
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.passes.pruning.relations import attention, pieces, products, recurrent, shapes
from pyflame_rt.passes.pruning.relations import elementwise as places
from pyflame_rt.passes.pruning.relations.links import Links, Rule
from pyflame_rt.passes.pruning.relations.slots import Slots


def _fused(op: FusedOp, links: Links) -> None:
    """What is computed inside relates by its own rules; arguments and results are handed on."""
    for argument, value in zip(op.body.block.args, op.inputs, strict=True):
        links.broadcast(argument, value)
    for result, value in zip(op.results, yielded(op.body), strict=True):
        links.broadcast(value, result)


def _constant(op: ConstantOp, links: Links) -> None:
    """Constants lose what their users lose."""
    for index in range(len(op.result.type.get_shape())):
        links.free(op.result, index)


_OTHERS: dict[type, Rule] = {FusedOp: Rule(_fused), ConstantOp: Rule(_constant)}

RULES: dict[type, Rule] = {
    **products.RULES,
    **places.RULES,
    **shapes.RULES,
    **pieces.RULES,
    **attention.RULES,
    **recurrent.RULES,
    **_OTHERS,
}
"""By class; a rule holds for subclasses, the nearest one counts."""


@cache
def rule_of(kind: type[Operation]) -> Rule | None:
    """The rule of a class of ops; None for one that pruning knows nothing of."""
    for base in kind.__mro__:
        if base in RULES:
            return RULES[base]
    if issubclass(kind, PfrtOp) and kind.ELEMENTWISE:
        return Rule(places.elementwise)
    return None


def links_of(op: Operation, slots: Slots, choice: int = 0) -> Links:
    """How the axes of an op's operands and results relate."""
    links = Links(op, slots, choice)
    rule = rule_of(type(op))
    if rule is None:
        links.close(f"how channels pass {op.name} is not known")
        return links
    rule.relate(op, links)
    links.close(links.reason or f"{op.name} needs all of it")
    return links
