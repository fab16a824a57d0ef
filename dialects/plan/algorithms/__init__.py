"""The algorithms that a plan can call: where each applies, what it needs, what it costs.

`convert-pfrt-to-plan` chooses among the algorithms of an op the cheapest that applies;
`plan-allocate` reads the in-place rule; a backend implements each under its name. An op without an
algorithm is computed by its kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from xdsl.dialects.builtin import StringAttr

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.plan.algorithms.attention import ATTENTION
from pyflame_rt.dialects.plan.algorithms.base import ALGORITHM, Algorithm
from pyflame_rt.dialects.plan.algorithms.channels_last import CHANNELS_LAST
from pyflame_rt.dialects.plan.algorithms.contraction import CONTRACTIONS
from pyflame_rt.dialects.plan.algorithms.elementwise import ELEMENTWISE
from pyflame_rt.dialects.plan.algorithms.movement import MOVEMENTS
from pyflame_rt.dialects.plan.algorithms.quantized import QUANTIZED
from pyflame_rt.dialects.plan.algorithms.reduction import REDUCTIONS
from pyflame_rt.dialects.plan.algorithms.sparse import SPARSE
from pyflame_rt.dialects.plan.algorithms.window import WINDOWS
from pyflame_rt.dialects.plan.expressions import FUSED, MOST_OPERANDS

__all__ = [
    "ALGORITHM",
    "ALGORITHMS",
    "Algorithm",
    "candidates",
    "choose",
    "for_op",
    "in_place",
    "modelled",
]

_ALL = (
    *ELEMENTWISE,
    *MOVEMENTS,
    *REDUCTIONS,
    *CONTRACTIONS,
    *SPARSE,
    *WINDOWS,
    *CHANNELS_LAST,
    *ATTENTION,
    *QUANTIZED,
)

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType({entry.name: entry for entry in _ALL})
"""Every algorithm by its name."""


def for_op(op_name: str) -> tuple[Algorithm, ...]:
    """The algorithms of an op, `pfrt.conv`, whether or not they apply to a particular one."""
    return _BY_OP.get(op_name, ())


def candidates(op: PfrtOp) -> tuple[Algorithm, ...]:
    """The algorithms that apply to an op of static shapes."""
    return tuple(entry for entry in for_op(op.name) if entry.applies(op))


def choose(op: PfrtOp) -> Algorithm | None:
    """The algorithm of an op of static shapes: what its attribute says, if that applies; else the
    cheapest that does, the first of equals."""
    found = candidates(op)
    if len(found) < 2:
        return found[0] if found else None
    asked = op.attributes.get(ALGORITHM)
    if isinstance(asked, StringAttr):
        for entry in found:
            if entry.name == asked.data:
                return entry
    return _cheapest(op, found)


def in_place(name: str) -> Sequence[int]:
    """The inputs of a callee whose buffer its first result may take; see `Algorithm`."""
    if name == FUSED:
        return range(MOST_OPERANDS)
    entry = ALGORITHMS.get(name)
    return () if entry is None else entry.in_place


def modelled(op: PfrtOp) -> Algorithm:
    """The cheapest algorithm of an op that has one, whatever its attribute says."""
    return _cheapest(op, candidates(op))


def _cheapest(op: PfrtOp, found: Sequence[Algorithm]) -> Algorithm:
    return min(found, key=lambda entry: entry.cost(op))


def _by_op() -> Mapping[str, tuple[Algorithm, ...]]:
    names = dict.fromkeys(entry.op for entry in _ALL)
    return MappingProxyType({n: tuple(e for e in _ALL if e.op == n) for n in names})


_BY_OP = _by_op()
