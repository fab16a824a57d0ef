"""Convolutions and matrix products.

The features of the weights are the channels of the result, and the contracted axes of data and
weights go together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp, ConvTransposeOp
from pyflame_rt.dialects.pfrt.einsum import EinsumOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, to_property
from pyflame_rt.kernels.einsum import Equation
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.passes.pruning.relations.links import Links, Rule, is_weights
from pyflame_rt.passes.pruning.relations.slots import Axis


def channel_axis(value: SSAValue, layout: str) -> int | None:
    """The axis of the channels of N x C x spatial data in a layout; None where it is no axis."""
    shape = shape_of(value)
    if shape is None or len(shape) < 2 or layout == "nc4hw4":
        return None
    return len(shape) - 1 if layout == "nhwc" else 1


def data_layout(op: object) -> str:
    """The layout of an op's data, "nchw" for one that knows no other."""
    return op.data_layout if isinstance(op, LayoutOp) else "nchw"


class _Groups(NamedTuple):
    """A grouped convolution: channels of x, features of the result, and their numbers a group."""

    x: Axis
    y: Axis
    number: int
    inputs: int
    features: int


def _conv(op: ConvOp, links: Links) -> None:
    own = StringAttr(op.data_layout) if op.x_layout is None else op.x_layout
    x, y = channel_axis(op.x, own.data), channel_axis(op.result, op.data_layout)
    w = shape_of(op.w)
    if x is None or y is None or w is None or DYNAMIC in w[:2]:
        return
    links.same(op.x, 0, op.result, 0)
    links.same(op.w, 0, op.result, y)
    links.same(op.bias, 0, op.result, y)
    links.broadcast(op.residual, op.result)
    links.vanishing(op.w, op.bias)
    links.feature(op.w, 0)
    count = op.group.value.data
    if count == 1:
        links.contract(op.x, x, op.w, 1)
        return
    features = w[0] // count
    groups = _Groups(Axis(op.x, x), Axis(op.result, y), count, w[1], features)
    if _whole_groups(groups, links):
        links.fix(op.w, 1, "whole groups go, and each keeps its channels")
        return
    where = np.arange(count * w[1])
    links.tie(op.x, x, where, op.w, 1, where % w[1])
    where = np.arange(w[0])
    links.tie(op.result, y, where, op.result, y, where % features)


def _conv_transpose(op: ConvTransposeOp, links: Links) -> None:
    x, y = (channel_axis(value, data_layout(op)) for value in (op.x, op.result))
    w = shape_of(op.w)
    if x is None or y is None or w is None or DYNAMIC in w[:2]:
        return
    links.same(op.x, 0, op.result, 0)
    links.contract(op.x, x, op.w, 0)
    links.same(op.bias, 0, op.result, y)
    links.vanishing(op.w, op.bias)
    links.feature(op.w, 1)
    count = op.group.value.data
    if count == 1:
        links.same(op.w, 1, op.result, y)
        return
    inputs = w[0] // count
    groups = _Groups(Axis(op.x, x), Axis(op.result, y), count, inputs, w[1])
    if _whole_groups(groups, links):
        links.fix(op.w, 1, "whole groups go, and each keeps its features")
        return
    where = np.arange(w[0])
    links.tie(op.x, x, where, op.x, x, where % inputs)
    where = np.arange(count * w[1])
    links.tie(op.result, y, where, op.w, 1, where % w[1])


def _whole_groups(groups: _Groups, links: Links) -> bool:
    """Whether whole groups go; else each loses the same of its channels and features.

    What gives more to choose from is tried first.
    """
    wide = min(groups.inputs, groups.features) > 1
    choice = links.choose(2 if wide else 1, groups.x, groups.y)
    if wide and choice == int(groups.number >= min(groups.inputs, groups.features)):
        return False
    links.blocks(*groups.x, groups.inputs)
    links.blocks(*groups.y, groups.features)
    firsts = np.arange(groups.number)
    links.tie(*groups.x, firsts * groups.inputs, *groups.y, firsts * groups.features)
    return True


def _fewer_groups(op: ConvOp | ConvTransposeOp, kept: Kept) -> None:
    data = op.x if isinstance(op, ConvOp) else op.result
    layout = data_layout(op)
    if isinstance(op, ConvOp) and op.x_layout is not None:
        layout = op.x_layout.data
    axis = channel_axis(data, layout)
    if op.group.value.data > 1 and axis is not None:
        op.properties["group"] = to_property(kept.count(data, axis) // kept.count(op.w, 1))


def _gemm(op: GemmOp, links: Links) -> None:
    rows, depth = (1, 0) if op.trans_a.value.data else (0, 1)
    other, columns = (1, 0) if op.trans_b.value.data else (0, 1)
    links.same(op.a, rows, op.result, 0)
    links.contract(op.a, depth, op.b, other)
    links.same(op.b, columns, op.result, 1)
    links.broadcast(op.c, op.result)
    links.broadcast(op.residual, op.result)
    links.vanishing(op.c)
    links.feature(op.b, columns)


def _matmul(op: MatmulOp, links: Links) -> None:
    left, right = len(shape_of(op.lhs) or ()), len(shape_of(op.rhs) or ())
    if left < 2 or right < 2:
        return
    links.same(op.lhs, -2, op.result, -2)
    links.same(op.rhs, -1, op.result, -1)
    links.contract(op.lhs, -1, op.rhs, -2)
    for value, rank in ((op.lhs, left), (op.rhs, right)):
        for back in range(3, rank + 1):
            links.same(value, -back, op.result, -back)
    links.same(op.bias, 0, op.result, -1)
    links.broadcast(op.residual, op.result)
    links.vanishing(op.bias)
    links.feature(op.rhs, -1)


def _einsum(op: EinsumOp, links: Links) -> None:
    equation = Equation.parse(op.equation.data)
    terms = [*equation.operands, equation.result]
    if any("." in term or len(set(term)) < len(term) for term in terms):
        return
    values = [*op.operands, op.result]
    for letter in dict.fromkeys("".join(terms)):
        places = [
            Axis(value, term.index(letter))
            for value, term in zip(values, terms, strict=True)
            if letter in term
        ]
        computed = [place for place in places if not is_weights(place.value)]
        if letter not in equation.result and len(computed) != 1:
            for place in places:
                links.fix(*place, f"{op.name} sums over it products of computed values")
            continue
        for place in places:
            links.same(*places[0], *place)
            if letter in equation.result:
                links.feature(*place)
    links.vanishing(*op.operands)


RULES: dict[type, Rule] = {
    ConvOp: Rule(_conv, _fewer_groups),
    ConvTransposeOp: Rule(_conv_transpose, _fewer_groups),
    GemmOp: Rule(_gemm),
    MatmulOp: Rule(_matmul),
    EinsumOp: Rule(_einsum),
}
