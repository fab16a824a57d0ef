"""Normalizations, with the statistics that a model has learnt or those of its input."""

from __future__ import annotations

import numpy as np

from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.reduction import variance
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Ints, Value


def _filled(b: AtenBuilder, like: Value, shape: Ints, number: int) -> Value:
    return b.full(shape, np.array(number, like.dtype))


def _batch_norm(
    b: AtenBuilder,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    var: Value | None,
    training: bool,
    eps: float,
) -> Value:
    b.require_inference(training)
    if mean is None or var is None:
        raise b.unsupported("a batch normalization without running statistics is not supported")
    channels = b.sizes(mean)
    scale = _filled(b, mean, channels, 1) if weight is None else weight
    shift = _filled(b, mean, channels, 0) if bias is None else bias
    return b.one("batch_normalization", [input, scale, shift, mean, var], {"epsilon": eps})


@aten("batch_norm")
def batch_norm(
    b: AtenBuilder,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Value:
    """Channels normalized by running statistics"""
    return _batch_norm(b, input, weight, bias, running_mean, running_var, training, eps)


@aten("native_batch_norm")
def native_batch_norm(
    b: AtenBuilder,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Value, Value, Value]:
    """Channels normalized by running statistics; the others are for training, and empty"""
    y = _batch_norm(b, input, weight, bias, running_mean, running_var, training, eps)
    nothing = b.constant(np.zeros(0, input.dtype))
    return y, nothing, nothing


@aten("_native_batch_norm_legit_no_training")
def native_batch_norm_inference(
    b: AtenBuilder,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value,
    running_var: Value,
    momentum: float,
    eps: float,
) -> tuple[Value, Value, Value]:
    """Channels normalized by running statistics; the others are for training, and empty"""
    y = _batch_norm(b, input, weight, bias, running_mean, running_var, False, eps)
    nothing = b.constant(np.zeros(0, input.dtype))
    return y, nothing, nothing


@aten("instance_norm")
def instance_norm(
    b: AtenBuilder,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Value:
    """Each channel of each sample normalized by itself, or by running statistics"""
    if not use_input_stats:
        return _batch_norm(b, input, weight, bias, running_mean, running_var, False, eps)
    scale, shift = _affine(b, input, weight, bias)
    return b.one("instance_normalization", [input, scale, shift], {"epsilon": eps})


def _affine(
    b: AtenBuilder, input: Value, weight: Value | None, bias: Value | None
) -> tuple[Value, Value]:
    """A factor and a summand for each channel."""
    channels = (b.size(input, 1),)
    scale = _filled(b, input, channels, 1) if weight is None else weight
    return scale, _filled(b, input, channels, 0) if bias is None else bias


def layer_normalized(
    b: AtenBuilder, input: Value, shape: Ints, weight: Value | None, bias: Value | None, eps: float
) -> Value:
    """The last dimensions normalized, those of `shape`."""
    given = b.sizes(input)[-len(shape) :] if shape else ()
    for wanted, size in zip(shape, given, strict=True):
        if isinstance(size, int) and isinstance(wanted, int) and wanted != size:
            raise b.error(f"normalizes {wanted} elements of a dimension of {size}")
    scale = _filled(b, input, shape, 1) if weight is None else weight
    properties = {"axis": -len(shape), "epsilon": eps}
    return b.one("layer_normalization", [input, scale, bias], properties)


@aten("layer_norm")
def layer_norm(
    b: AtenBuilder,
    input: Value,
    normalized_shape: Ints,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Value:
    """The last dimensions normalized"""
    return layer_normalized(b, input, normalized_shape, weight, bias, eps)


@aten("native_layer_norm")
def native_layer_norm(
    b: AtenBuilder,
    input: Value,
    normalized_shape: Ints,
    weight: Value | None,
    bias: Value | None,
    eps: float,
) -> tuple[Value, Value, Value]:
    """The last dimensions normalized, and the means and reciprocal deviations"""
    rank = b.rank(input)
    axes = tuple(range(rank - len(normalized_shape), rank))
    var, mean = variance(b, input, axes, 0, True)
    spread = b.one("sqrt", [b.one("add", [var, b.constant(eps, var.dtype)])])
    y = layer_normalized(b, input, normalized_shape, weight, bias, eps)
    return y, mean, b.one("reciprocal", [spread])


@aten("group_norm")
def group_norm(
    b: AtenBuilder,
    input: Value,
    num_groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Value:
    """Groups of channels of each sample normalized"""
    scale, shift = _affine(b, input, weight, bias)
    properties = {"num_groups": num_groups, "epsilon": eps}
    if b.rank(input) > 2:
        return b.one("group_normalization", [input, scale, shift], properties)
    wide = b.one("unsqueeze", [input, None], {"axes": (2,)})
    y = b.one("group_normalization", [wide, scale, shift], properties)
    return b.one("squeeze", [y, None], {"axes": (2,)})


@aten("rms_norm")
def rms_norm(
    b: AtenBuilder,
    input: Value,
    normalized_shape: Ints,
    weight: Value | None = None,
    eps: float | None = None,
) -> Value:
    """The last dimensions through the root of their mean square"""
    epsilon = _default_epsilon(input) if eps is None else eps
    scale = _filled(b, input, normalized_shape, 1) if weight is None else weight
    properties = {"axis": -len(normalized_shape), "epsilon": epsilon}
    return b.one("rms_normalization", [input, scale], properties)


@aten("_native_batch_norm_legit", overload="no_stats")
def native_batch_norm_of_input(
    b: AtenBuilder,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Value, Value, Value]:
    """Channels normalized by themselves over the batch, and their means and reciprocal deviations"""
    axes = tuple(axis for axis in range(b.rank(input)) if axis != 1)
    var, mean = variance(b, input, axes, 0, True)
    spread = b.one("sqrt", [b.one("add", [var, b.constant(eps, var.dtype)])])
    y = b.one("div", [b.one("sub", [input, mean]), spread])
    shape = (b.size(input, 1), *(1,) * (b.rank(input) - 2))
    y = y if weight is None else b.one("mul", [y, b.reshape(weight, shape)])
    y = y if bias is None else b.one("add", [y, b.reshape(bias, shape)])
    flat = (b.size(input, 1),)
    return y, b.reshape(mean, flat), b.reshape(b.one("reciprocal", [spread]), flat)


@aten("native_group_norm")
def native_group_norm(
    b: AtenBuilder,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    N: Int,
    C: Int,
    HxW: Int,
    group: int,
    eps: float,
) -> tuple[Value, Value, Value]:
    """Groups of channels of each sample normalized, and their means and reciprocal deviations"""
    rows = b.reshape(input, (b.size(input, 0), group, -1))
    var, mean = variance(b, rows, (2,), 0, False)
    spread = b.one("sqrt", [b.one("add", [var, b.constant(eps, var.dtype)])])
    y = group_norm(b, input, group, weight, bias, eps)
    return y, mean, b.one("reciprocal", [spread])


@aten("_fused_rms_norm")
def fused_rms_norm(
    b: AtenBuilder,
    input: Value,
    normalized_shape: Ints,
    weight: Value | None,
    eps: float | None,
) -> tuple[Value, Value]:
    """The last dimensions through the root of their mean square, and the reciprocal of that"""
    rank = b.rank(input)
    axes = tuple(range(rank - len(normalized_shape), rank))
    squares = b.one("mul", [input, input])
    mean = b.one("reduce_mean", [squares, None], {"axes": axes, "keepdims": True})
    tiny = _default_epsilon(input) if eps is None else eps
    root = b.one("sqrt", [b.one("add", [mean, b.constant(tiny, input.dtype)])])
    return rms_norm(b, input, normalized_shape, weight, eps), b.one("reciprocal", [root])


def _default_epsilon(input: Value) -> float:
    return float(np.finfo(np.float64 if input.dtype.name == "float64" else np.float32).eps)


RULES = rules_in(globals())
