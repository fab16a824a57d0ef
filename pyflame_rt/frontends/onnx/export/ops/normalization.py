"""Normalizations, in older operators where there is none of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of
from pyflame_rt.frontends.onnx.export.nodes import AttributeValue, Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rank_of,
    rule,
)
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("batch_normalization_training")
def batch_normalization_training(op: Any, target: Target) -> Sequence[Node]:
    if target.opset < 14:
        raise Refused("BatchNormalization has no training_mode before opset 14")
    training: dict[str, AttributeValue] = {"training_mode": 1}
    parts = parts_of(op)
    return [fit(op, target, parts, op_type="BatchNormalization", attributes=training)]


@rule("mean_variance_normalization")
def mean_variance(op: Any, target: Target) -> Sequence[Node]:
    """The axes are always written: onnx cannot infer shapes without."""
    axes: dict[str, AttributeValue] = {"axes": tuple(op.axes.get_values())}
    return [fit(op, target, parts_of(op), attributes=axes)]


def _along_axis(name: str) -> Rule:
    """Until opset 13 these are over all dimensions from the axis on together."""

    def nodes(op: Any, target: Target) -> Sequence[Node]:
        parts = parts_of(op)
        if target.opset < 13:
            rank = rank_of(op.operand)
            axis = op.axis.value.data % rank
            if axis != rank - 1:
                raise Refused(f"{name} is over several axes before opset 13")
            parts = replace(parts, properties={**parts.properties, "axis": axis})
        return [fit(op, target, parts)]

    return Rule(f"pfrt.{name}", nodes)


def _with_axis_last(name: str) -> ExpansionRule:
    """softmax(x) along an axis -> transpose(softmax(transpose(x)))"""

    def expand(e: Expansion, op: Any) -> Sequence[SSAValue]:
        x, rank = op.operand, rank_of(op.operand)
        axis = op.axis.value.data % rank
        if axis == rank - 1:
            wide = e.wide(x)
            if wide is x:
                raise Refused(f"{name} is not defined on {x.type}")
            return [e.back(e.one(name, wide, axis=axis), x)]
        perm = list(range(rank))
        perm[axis], perm[-1] = perm[-1], perm[axis]
        found = e.one(name, e.transpose(x, perm), axis=-1)
        return [e.transpose(found, perm)]

    return ExpansionRule(f"pfrt.{name}", expand)


def _axes(op: Any) -> tuple[int, ...]:
    rank = rank_of(op.operand)
    return tuple(range(op.axis.value.data % rank, rank))


def _mean(e: Expansion, value: SSAValue, axes: tuple[int, ...]) -> SSAValue:
    return e.one("reduce_mean", value, None, axes=axes)


@expansion("layer_normalization")
def layer_normalization(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """(x - mean) / sqrt(mean of squares + epsilon) * scale + bias"""
    x, axes = e.wide(op.operand), _axes(op)
    centred = e.one("sub", x, _mean(e, x, axes))
    variance = _mean(e, e.one("mul", centred, centred), axes)
    root = e.one("sqrt", e.one("add", variance, e.scalar(op.epsilon.value.data, x)))
    y = e.one("mul", e.one("div", centred, root), e.cast(op.scale, dtype_of(x)))
    if op.bias is not None:
        y = e.one("add", y, e.cast(op.bias, dtype_of(x)))
    return [e.back(y, op.result)]


@expansion("rms_normalization")
def rms_normalization(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """x / sqrt(mean(x * x) + epsilon) * scale"""
    x = e.wide(op.operand)
    squares = _mean(e, e.one("mul", x, x), _axes(op))
    root = e.one("sqrt", e.one("add", squares, e.scalar(op.epsilon.value.data, x)))
    y = e.one("mul", e.one("div", x, root), e.cast(op.scale, dtype_of(x)))
    return [e.back(y, op.result)]


@expansion("group_normalization")
def group_normalization(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """instance_normalization of groups, then scaled and shifted by channel."""
    x, groups = e.wide(op.operand), cast(int, op.num_groups.value.data)
    rank, shape = rank_of(op.operand), shape_of(op.operand) or ()
    if rank < 3 or 0 in shape:
        raise Refused("GroupNormalization of groups without elements")
    grouped = e.one("reshape", x, None, shape=(0, groups, -1))
    ones = e.constant(np.ones(groups, dtype_of(x)))
    zeros = e.constant(np.zeros(groups, dtype_of(x)))
    normal = e.one("instance_normalization", grouped, ones, zeros, epsilon=op.epsilon)
    whole = e.reshape(normal, [e.size(op.operand, axis) for axis in range(rank)])
    y = whole
    for name, value in (("mul", op.scale), ("add", op.bias)):
        wide = e.cast(value, dtype_of(x))
        per_channel = e.one("reshape", wide, None, shape=(-1, *(1,) * (rank - 2)))
        y = e.one(name, y, per_channel)
    return [e.back(y, op.operand)]


@expansion("mean_variance_normalization")
def mean_variance_normalization(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """(x - mean) / (deviation + 1e-9)"""
    x, axes = e.wide(op.operand), tuple(op.axes.get_values())
    centred = e.one("sub", x, _mean(e, x, axes))
    deviation = e.one("sqrt", _mean(e, e.one("mul", centred, centred), axes))
    y = e.one("div", centred, e.one("add", deviation, e.scalar(1e-9, x)))
    return [e.back(y, op.operand)]


RULES: tuple[Rule, ...] = (
    batch_normalization_training,
    mean_variance,
    *(_along_axis(name) for name in ("hardmax", "log_softmax", "softmax")),
)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (
    *(_with_axis_last(name) for name in ("hardmax", "log_softmax", "softmax")),
    group_normalization,
    layer_normalization,
    mean_variance_normalization,
    rms_normalization,
)
"""The expansions of this family."""
