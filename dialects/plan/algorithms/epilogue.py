"""What an activation in a product's own call asks of the plan."""

from __future__ import annotations

from xdsl.dialects.builtin import MemRefType

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.epilogue import ActivatedOp
from pyflame_rt.dialects.pfrt.types import shape_of, type_of
from pyflame_rt.dialects.plan.algorithms.base import Buffers
from pyflame_rt.dialects.plan.algorithms.elementwise import ELEMENTWISE

_OUT_OF_PLACE = frozenset(entry.op for entry in ELEMENTWISE if 0 not in entry.in_place)


def before_activation(op: PfrtOp) -> Buffers:
    """A buffer for the sum that an activation reads, if its algorithm does not overwrite it."""
    activation = op.activation if isinstance(op, ActivatedOp) else None
    if activation is None or f"pfrt.{activation.op.data}" not in _OUT_OF_PLACE:
        return ()
    result = op.results[0]
    return (MemRefType(type_of(result).element_type, shape_of(result) or ()),)
