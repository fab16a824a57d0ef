"""The algorithms that a plan can call: where each applies, what it needs, what it costs.

`convert-pfrt-to-plan` chooses among the algorithms of an op the cheapest that applies;
`plan-allocate` reads the in-place rule; a backend implements each under its name. An op without an
algorithm is computed by its kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.plan.algorithms.attention import ATTENTION
from pyflame_rt.dialects.plan.algorithms.base import Algorithm
from pyflame_rt.dialects.plan.algorithms.channels_last import CHANNELS_LAST
from pyflame_rt.dialects.plan.algorithms.contraction import CONTRACTIONS
from pyflame_rt.dialects.plan.algorithms.elementwise import ELEMENTWISE
from pyflame_rt.dialects.plan.algorithms.movement import MOVEMENTS
from pyflame_rt.dialects.plan.algorithms.quantized import QUANTIZED
from pyflame_rt.dialects.plan.algorithms.reduction import REDUCTIONS
from pyflame_rt.dialects.plan.algorithms.window import WINDOWS

__all__ = ["ALGORITHMS", "Algorithm", "choose", "for_op"]

_ALL = (
    *ELEMENTWISE,
    *MOVEMENTS,
    *REDUCTIONS,
    *CONTRACTIONS,
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


def choose(op: PfrtOp) -> Algorithm | None:
    """The cheapest algorithm that applies to an op of static shapes; the first of equals."""
    candidates = [entry for entry in for_op(op.name) if entry.applies(op)]
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    return min(candidates, key=lambda entry: entry.cost(op))


def _by_op() -> Mapping[str, tuple[Algorithm, ...]]:
    names = dict.fromkeys(entry.op for entry in _ALL)
    return MappingProxyType({n: tuple(e for e in _ALL if e.op == n) for n in names})


_BY_OP = _by_op()
