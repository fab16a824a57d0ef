"""Algorithms that combine elements along axes: reductions, softmax, normalization."""

from __future__ import annotations

import math
from typing import Any

from xdsl.dialects.builtin import IntegerAttr, MemRefType

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.types import shape_of, type_of
from pyflame_rt.dialects.plan.algorithms.base import (
    Algorithm,
    Buffers,
    arithmetic,
    bytes_moved,
    channels_first,
    floats,
    native,
)

_REDUCTIONS = ("reduce_max", "reduce_mean", "reduce_min", "reduce_sum")
_OTHER_REDUCTIONS = (
    "reduce_l1", "reduce_l2", "reduce_log_sum", "reduce_log_sum_exp", "reduce_prod",
    "reduce_sum_square",
)  # fmt: skip
"""Those that only machine code has a short form of."""


def _known_axes(op: PfrtOp) -> bool:
    applies = floats if op.name == "pfrt.reduce_mean" else native
    return applies(op) and len(op.operands) == 1


def _known_axes_of_floats(op: PfrtOp) -> bool:
    return floats(op) and len(op.operands) == 1


def _axis(op: PfrtOp) -> int:
    attr = op.properties.get("axis")
    return attr.value.data if isinstance(attr, IntegerAttr) else -1


def _along_axis(op: PfrtOp) -> MemRefType[Any]:
    """A buffer of the operand's shape with 1 for the axis: a maximum or sum for each row."""
    shape = list(shape_of(op.operands[0]) or ())
    if shape:
        shape[_axis(op)] = 1
    return MemRefType(type_of(op.operands[0]).element_type, shape)


def _rows(op: PfrtOp) -> Buffers:
    return (_along_axis(op),)


def _rows_and_exponentials(op: PfrtOp) -> Buffers:
    kind = type_of(op.operands[0])
    return (_along_axis(op), MemRefType(kind.element_type, shape_of(op.operands[0]) or ()))


def _rows_alike(op: PfrtOp) -> bool:
    """Whether scale and bias are the same for all rows, the dimensions from `axis` on."""
    shape = shape_of(op.operands[0]) or ()
    row = shape[_axis(op) % max(len(shape), 1) :]
    sizes = {math.prod(shape_of(value) or ()) for value in op.operands[1:]}
    return floats(op) and sizes == {math.prod(row)}


def _constant_statistics(op: PfrtOp) -> bool:
    statistics = op.operands[1:]
    return channels_first(op) and all(constant_of(value) is not None for value in statistics)


def _known_count(op: PfrtOp) -> bool:
    return len(op.operands) == 1


def _known_weights(op: PfrtOp) -> bool:
    """Whether nothing but data and initial states is known at run time only, and all is f32 or f64."""
    slots = op.operand_slots()
    weights = [slots[i] for i in (1, 2, 3)]
    known = all(value is None or constant_of(value) is not None for value in weights)
    return known and slots[4] is None and floats(op)


def _unfolded_cost(op: PfrtOp) -> float:
    """Scale and shift are computed from the statistics in every run."""
    return arithmetic(op) + bytes_moved(op)


def _like_input(op: PfrtOp) -> Buffers:
    """A copy of x, of which what is found is taken out."""
    x = op.operands[0]
    return (MemRefType(type_of(x).element_type, shape_of(x) or ()),)


def _gates(op: PfrtOp) -> Buffers:
    """What the inputs contribute to the gates of all steps; a step's gates, and a product of them."""
    x, r = op.operands[0], op.operands[2]
    element, (steps, batch, _) = type_of(x).element_type, shape_of(x) or (0, 0, 0)
    size = (shape_of(r) or (0,))[-1]
    shapes = ((steps, batch, 4 * size), (batch, 4 * size), (batch, size))
    return tuple(MemRefType(element, shape) for shape in shapes)


REDUCTIONS: tuple[Algorithm, ...] = (
    *(
        Algorithm(n, f"pfrt.{n}", late=True, applies=_known_axes, cost=arithmetic)
        for n in _REDUCTIONS
    ),
    *(
        Algorithm(n, f"pfrt.{n}", late=True, applies=_known_axes_of_floats, cost=arithmetic)
        for n in _OTHER_REDUCTIONS
    ),
    Algorithm(
        "global_average_pool", "pfrt.global_average_pool", late=True, applies=channels_first,
        cost=arithmetic,
    ),
    Algorithm(
        "global_max_pool", "pfrt.global_max_pool", late=True, applies=channels_first,
        cost=arithmetic,
    ),
    Algorithm(
        "softmax", "pfrt.softmax", late=True, applies=floats, scratch=_rows, in_place=(0,),
        cost=arithmetic,
    ),
    Algorithm(
        "layer_normalization", "pfrt.layer_normalization", late=True, applies=_rows_alike,
        in_place=(0,), cost=arithmetic,
    ),
    Algorithm(
        "rms_normalization", "pfrt.rms_normalization", late=True, applies=_rows_alike,
        in_place=(0,), cost=arithmetic,
    ),
    Algorithm(
        "group_normalization", "pfrt.group_normalization", late=True, applies=channels_first,
        cost=arithmetic,
    ),
    Algorithm(
        "instance_normalization", "pfrt.instance_normalization", late=True,
        applies=channels_first, cost=arithmetic,
    ),
    Algorithm("lrn", "pfrt.lrn", late=True, applies=floats, cost=arithmetic),
    Algorithm(
        "top_k", "pfrt.top_k", late=True, applies=_known_count, scratch=_like_input,
        cost=bytes_moved,
    ),
    Algorithm(
        "lstm", "pfrt.lstm", late=True, applies=_known_weights, scratch=_gates, cost=arithmetic
    ),
    Algorithm(
        "log_softmax", "pfrt.log_softmax", late=True, applies=floats,
        scratch=_rows_and_exponentials, in_place=(0,), cost=arithmetic,
    ),
    # Scale and shift of constant statistics are precomputed, which makes it bound.
    Algorithm(
        "batch_normalization_folded", "pfrt.batch_normalization", late=False,
        applies=_constant_statistics, in_place=(0,), cost=arithmetic,
    ),
    Algorithm(
        "batch_normalization", "pfrt.batch_normalization", late=True, applies=channels_first,
        in_place=(0,), cost=_unfolded_cost,
    ),
)  # fmt: skip
"""The algorithms of this family."""
