"""Rules for normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Build, Rule, onnx_op, row


def _batch_normalization(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(5)
    b.number("momentum")
    if any(b.node.outputs[1:]):
        raise b.error("has the outputs of training, but is not in training mode")
    operands = [b.operand(index) for index in range(5)]
    return b.emit("batch_normalization", operands, {"epsilon": b.number("epsilon")})


def _batch_normalization_training(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(5)
    if any(b.node.outputs[3:]):
        raise b.unsupported(
            "the saved statistics of training are not supported", "only gradients use them"
        )
    operands = [b.operand(index) for index in range(5)]
    properties = {"epsilon": b.number("epsilon"), "momentum": b.number("momentum")}
    return b.emit("batch_normalization_training", operands, properties)


def batch_normalization_6(b: NodeBuilder) -> Sequence[SSAValue]:
    if not b.flag("is_test", False):
        raise b.unsupported("training mode is not supported", "export with is_test = 1")
    return batch_normalization_7(b)


def batch_normalization_7(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 9 statistics could be kept for each element instead of each channel.

    Until opset 14 the number of outputs says whether it is training.
    """
    if b.flag("spatial", True):
        training = any(b.node.outputs[1:])
        return _batch_normalization_training(b) if training else _batch_normalization(b)
    b.limit_inputs(5)
    b.number("momentum")
    if any(b.node.outputs[1:]):
        raise b.unsupported("training with spatial = 0 is not supported")
    operand = b.operand(0)
    flat = b.emit("flatten", [operand], {"axis": 1})
    statistics = [
        b.emit("reshape", [b.operand(index), None], {"shape": (-1,)})[0] for index in range(1, 5)
    ]
    (normal,) = b.emit(
        "batch_normalization", [*flat, *statistics], {"epsilon": b.number("epsilon")}
    )
    return b.reshape_like(normal, operand)


def batch_normalization_14(b: NodeBuilder) -> Sequence[SSAValue]:
    if b.flag("training_mode", False):
        return _batch_normalization_training(b)
    return _batch_normalization(b)


@onnx_op("GroupNormalization", since=18)
def group_normalization_18(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 21 there is a scale a group: the instance normalization of groups."""
    b.limit_inputs(3)
    operand, scale, bias = b.operand(0), b.operand(1), b.operand(2)
    if (groups := b.integer("num_groups")) is None:
        raise b.missing("num_groups")
    shape = (0, groups, -1)
    (grouped,) = b.emit("reshape", [operand, None], {"shape": shape})
    properties = {"epsilon": b.number("epsilon")}
    (normal,) = b.emit("instance_normalization", [grouped, scale, bias], properties)
    return b.reshape_like(normal, operand)


def _stashing(rule: Rule) -> Rule:
    """A rule with statistics that are computed in f32 or, of f64, in f64."""
    build = rule.build

    def checked(b: NodeBuilder) -> Sequence[SSAValue]:
        if b.integer("stash_type", 1) != 1:
            raise b.unsupported("statistics in another type than float are not supported")
        return [] if build is None else build(b)

    return replace(rule, build=checked)


def layer_normalization(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(3)
    axis, epsilon = b.integer("axis", -1), b.number("epsilon", 1e-5)
    result = b.emit(
        "layer_normalization",
        [b.operand(0), b.operand(1), b.optional(2)],
        {"axis": axis, "epsilon": epsilon},
    )
    return (*result, *_statistics(b, axis, epsilon)) if any(b.node.outputs[1:]) else result


def _statistics(b: NodeBuilder, axis: int, epsilon: float) -> Sequence[SSAValue]:
    """Mean and inverse standard deviation, which are of use in training only."""
    operand = b.operand(0)
    known, axes = _axes_from(b, operand, axis)
    (wide,) = b.emit("cast", [operand], {"to": np.dtype(np.float32)})
    (mean,) = b.emit("reduce_mean", [wide, axes], known)
    (centred,) = b.emit("sub", [wide, mean])
    (squares,) = b.emit("mul", [centred, centred])
    (variance,) = b.emit("reduce_mean", [squares, axes], known)
    (shifted,) = b.emit("add", [variance, b.constant(np.array(epsilon, np.float32))])
    (deviation,) = b.emit("sqrt", [shifted])
    return (mean, *b.emit("reciprocal", [deviation]))


def _axes_from(
    b: NodeBuilder, operand: SSAValue, axis: int
) -> tuple[dict[str, tuple[int, ...]], SSAValue | None]:
    """All axes from one on: as a property, or as a value where that takes the rank to be known."""
    shape = shape_of(operand)
    if shape is not None or axis < 0:
        rank = 0 if shape is None else len(shape)
        return {"axes": tuple(range(axis % rank if rank else axis, rank))}, None
    (dims,) = b.emit("shape", [operand])
    (rank_value,) = b.emit("size", [dims])
    bounds = [b.constant(np.array(axis)), rank_value, b.constant(np.array(1))]
    return {}, b.emit("range", bounds)[0]


def _flattening(name: str) -> Build:
    """Until opset 13 softmax is over all dimensions from `axis` on together."""

    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        b.limit_inputs(1)
        operand, axis = b.operand(0), b.integer("axis", 1)
        shape = shape_of(operand)
        if shape is not None and -len(shape) <= axis < len(shape):
            axis %= len(shape)
            wide = [index for index in range(axis, len(shape)) if shape[index] != 1]
            if len(wide) <= 1:
                return b.emit(name, [operand], {"axis": wide[0] if wide else axis})
        elif axis == -1:
            return b.emit(name, [operand], {"axis": -1})
        (flat,) = b.emit("flatten", [operand], {"axis": axis})
        (normal,) = b.emit(name, [flat], {"axis": 1})
        return b.reshape_like(normal, operand)

    return build


RULES: tuple[Rule, ...] = (
    Rule("BatchNormalization", 6, batch_normalization_6),
    Rule("BatchNormalization", 7, batch_normalization_7),
    Rule("BatchNormalization", 14, batch_normalization_14),
    group_normalization_18,
    _stashing(row("GroupNormalization", 21, "epsilon: float, num_groups: int!")),
    Rule("Hardmax", 1, _flattening("hardmax")),
    row("Hardmax", 13, "axis: int"),
    row("InstanceNormalization", 1, "epsilon: float"),
    _stashing(Rule("LayerNormalization", 17, layer_normalization)),
    row("LRN", 1, "alpha: float, beta: float, bias: float, size: int!"),
    Rule("LogSoftmax", 1, _flattening("log_softmax")),
    row("LogSoftmax", 13, "axis: int"),
    row("LpNormalization", 1, "axis: int, p: int"),
    row("MeanVarianceNormalization", 9, "axes: ints"),
    _stashing(row("RMSNormalization", 23, "axis: int, epsilon: float")),
    Rule("Softmax", 1, _flattening("softmax")),
    row("Softmax", 13, "axis: int"),
)
"""The rules of this family."""
