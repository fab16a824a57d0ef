"""Recurrent cells: hidden elements go, with their rows of every gate and in all directions."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.recurrent import GruOp, LstmOp, RecurrentOp, RnnOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.passes.pruning.relations.links import Links, Rule


def _recurrent(op: RecurrentOp, links: Links) -> None:
    hidden = op.extents()[3]
    if hidden in (0, DYNAMIC):
        return
    links.contract(op.x, -1, op.w, 2)
    links.feature(op.w, 1)
    links.vanishing(op.w, op.r, op.bias)
    peepholes = op.p if isinstance(op, LstmOp) else None
    for value, axis in ((op.w, 1), (op.r, 1), (op.bias, 1), (peepholes, 1)):
        if value is not None:
            _each(links, value, axis, op.r, hidden)
    for value in (*op.results, *op.states):
        if value is not None:
            links.same(value, -1, op.r, 2)
    batch = 0 if op.layout.value.data else 1
    links.same(op.x, batch, op.y, 0 if batch == 0 else 2)
    links.same(op.x, 1 - batch, op.y, 1 - batch)
    for value in (*op.results[1:], *op.states):
        if value is not None:
            links.same(value, batch, op.x, batch)


def _each(links: Links, value: SSAValue, axis: int, r: SSAValue, hidden: int) -> None:
    """Rows that lie gate after gate, each for one hidden element, a column of r."""
    size = (shape_of(value) or ())[axis]
    if size == DYNAMIC:
        links.fix(r, 2, "its weights' size is known only at run time")
        return
    rows = np.arange(size)
    links.tie(value, axis, rows, r, 2, rows % hidden)


RULES: dict[type, Rule] = {kind: Rule(_recurrent) for kind in (LstmOp, GruOp, RnnOp)}
