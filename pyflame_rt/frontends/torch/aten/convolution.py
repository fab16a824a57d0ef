"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyflame_rt.frontends.torch.aten import sizes, views
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.rules import Rule, aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Ints, Value

_MOST_PLACES = 1 << 20


def _spatial(b: AtenBuilder, weight: Value) -> int:
    rank = b.rank(weight)
    if rank < 3:
        raise b.error(f"weights of {rank} dimensions are none of a convolution")
    return rank - 2


def _batched(b: AtenBuilder, input: Value, spatial: int) -> tuple[Value, bool]:
    """The input with a batch, and whether it had none."""
    rank = input.rank
    if rank is None or rank == spatial + 2:
        return input, False
    if rank != spatial + 1:
        raise b.error(f"an input of {rank} dimensions does not fit {spatial} of the weights")
    return b.one("unsqueeze", [input, None], {"axes": (0,)}), True


def _unbatched(b: AtenBuilder, value: Value, single: bool) -> Value:
    return b.one("squeeze", [value, None], {"axes": (0,)}) if single else value


def convolved(
    b: AtenBuilder,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[Int],
    padding: Sequence[Int] | str,
    dilation: Sequence[Int],
    groups: Int,
) -> Value:
    """A convolution, its padding given or `same` or `valid`."""
    spatial = _spatial(b, weight)
    x, single = _batched(b, input, spatial)
    strides, dilations = b.ints(stride, spatial), b.ints(dilation, spatial)
    if isinstance(padding, str):
        before, after = _named_padding(b, padding, weight, strides, dilations)
    else:
        before = after = b.ints(padding, spatial)
    properties = {
        "strides": strides,
        "pads": (*before, *after),
        "dilations": dilations,
        "group": b.int(groups),
    }
    return _unbatched(b, b.one("conv", [x, weight, bias], properties), single)


def _named_padding(
    b: AtenBuilder,
    padding: str,
    weight: Value,
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if padding == "valid":
        return (0,) * len(strides), (0,) * len(strides)
    if padding != "same":
        raise b.error("padding must be same or valid")
    if any(step != 1 for step in strides):
        raise b.error("padding same needs strides of 1")
    kernel = b.ints(b.sizes(weight)[2:])
    total = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    before = tuple(n // 2 for n in total)
    return before, tuple(n - m for n, m in zip(total, before, strict=True))


def transposed_convolution(
    b: AtenBuilder,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[Int],
    padding: Sequence[Int],
    output_padding: Sequence[Int],
    groups: Int,
    dilation: Sequence[Int],
) -> Value:
    """A transposed convolution."""
    spatial = _spatial(b, weight)
    x, single = _batched(b, input, spatial)
    pads = b.ints(padding, spatial)
    properties = {
        "strides": b.ints(stride, spatial),
        "pads": (*pads, *pads),
        "dilations": b.ints(dilation, spatial),
        "output_padding": b.ints(output_padding, spatial),
        "group": b.int(groups),
    }
    return _unbatched(b, b.one("conv_transpose", [x, weight, bias], properties), single)


def _conv(spatial: int) -> tuple[Rule[..., Value], Rule[..., Value]]:
    ones, zeros = (1,) * spatial, (0,) * spatial

    @aten(f"conv{spatial}d")
    def conv(
        b: AtenBuilder,
        input: Value,
        weight: Value,
        bias: Value | None = None,
        stride: Ints = ones,
        padding: Ints = zeros,
        dilation: Ints = ones,
        groups: Int = 1,
    ) -> Value:
        return convolved(b, input, weight, bias, stride, padding, dilation, groups)

    @aten(f"conv{spatial}d", overload="padding")
    def conv_padding(
        b: AtenBuilder,
        input: Value,
        weight: Value,
        bias: Value | None = None,
        stride: Ints = ones,
        padding: str = "valid",
        dilation: Ints = ones,
        groups: Int = 1,
    ) -> Value:
        return convolved(b, input, weight, bias, stride, padding, dilation, groups)

    return conv, conv_padding


def _conv_transpose(spatial: int) -> Rule[..., Value]:
    ones, zeros = (1,) * spatial, (0,) * spatial

    @aten(f"conv_transpose{spatial}d", overload="" if spatial == 1 else "input")
    def rule(
        b: AtenBuilder,
        input: Value,
        weight: Value,
        bias: Value | None = None,
        stride: Ints = ones,
        padding: Ints = zeros,
        output_padding: Ints = zeros,
        groups: Int = 1,
        dilation: Ints = ones,
    ) -> Value:
        return transposed_convolution(
            b, input, weight, bias, stride, padding, output_padding, groups, dilation
        )

    return rule


@aten("convolution")
def convolution(
    b: AtenBuilder,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: Int,
) -> Value:
    """A convolution or a transposed one"""
    if transposed:
        return transposed_convolution(
            b, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return convolved(b, input, weight, bias, stride, padding, dilation, groups)


@aten("_convolution")
def convolution_internal(
    b: AtenBuilder,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: Int,
    benchmark: bool,
    deterministic: bool,
    cudnn_enabled: bool,
    allow_tf32: bool,
) -> Value:
    """A convolution or a transposed one"""
    return convolution(
        b, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


@aten("_convolution", overload="deprecated")
def convolution_deprecated(
    b: AtenBuilder,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: Int,
    benchmark: bool,
    deterministic: bool,
    cudnn_enabled: bool,
) -> Value:
    """A convolution or a transposed one"""
    return convolution(
        b, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


def _patches(
    b: AtenBuilder,
    size: Int,
    kernel: int,
    dilation: int,
    stride: int,
) -> Value:
    """Where the elements of each window are along an axis: (kernel, windows)."""
    count = sizes.add(sizes.floor_divide(sizes.add(size, -dilation * (kernel - 1) - 1), stride), 1)
    if isinstance(count, int) and count < 1:
        raise b.error("the windows are larger than the input")
    starts = views.positions(b, 0, count)
    if stride != 1:
        starts = b.one("mul", [starts, b.constant(stride)])
    if kernel > _MOST_PLACES:
        raise b.error(f"has windows of {kernel}")
    inside = b.constant((np.arange(kernel, dtype=np.int64) * dilation)[:, None])
    return b.one("add", [inside, starts])


@aten("im2col")
def im2col(
    b: AtenBuilder, self: Value, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> Value:
    """The elements of each window as a column"""
    kernel, dilations = b.ints(kernel_size, 2), b.ints(dilation, 2)
    pads, strides = b.ints(padding, 2), b.ints(stride, 2)
    x, single = _batched(b, self, 2)
    if any(pads):
        x = b.one("pad", [x, None, None, None], {"pads": (0, 0, *pads, 0, 0, *pads)})
    for axis, n in ((2, 0), (4, 1)):
        places = _patches(b, b.size(x, axis), kernel[n], dilations[n], strides[n])
        x = b.one("gather", [x, places], {"axis": axis})
    batch, channels, _, high, _, wide = b.sizes(x)
    turned = b.one("transpose", [x], {"perm": (0, 1, 2, 4, 3, 5)})
    rows = sizes.multiply(channels, kernel[0] * kernel[1])
    return _unbatched(b, b.reshape(turned, (batch, rows, sizes.multiply(high, wide))), single)


@aten("col2im")
def col2im(
    b: AtenBuilder,
    self: Value,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints,
    padding: Ints,
    stride: Ints,
) -> Value:
    """The sum of columns, each where its window was"""
    rank = b.rank(self)
    x = b.one("unsqueeze", [self, None], {"axes": (0,)}) if rank == 2 else self
    pads = b.ints(padding, 2)
    properties = {
        "image_shape": b.ints(output_size, 2),
        "block_shape": b.ints(kernel_size, 2),
        "dilations": b.ints(dilation, 2),
        "pads": (*pads, *pads),
        "strides": b.ints(stride, 2),
    }
    return _unbatched(b, b.one("col2_im", [x, None, None], properties), rank == 2)


RULES = (
    *(rule for spatial in (1, 2, 3) for rule in _conv(spatial)),
    *map(_conv_transpose, (1, 2, 3)),
    *rules_in(globals()),
)
