"""Pooling over windows, and to a given size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder, Properties
from pyflame_rt.frontends.torch.aten.rules import Rule, aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Ints, Value

_MOST_WEIGHTS = 1 << 24


def batched(b: AtenBuilder, self: Value, spatial: int) -> tuple[Value, bool]:
    """The input with a batch, and whether it had none."""
    rank = self.rank
    if rank is None or rank == spatial + 2:
        return self, False
    if rank != spatial + 1:
        raise b.error(f"an input of {rank} dimensions has no {spatial} spatial ones")
    return b.one("unsqueeze", [self, None], {"axes": (0,)}), True


def unbatched(b: AtenBuilder, value: Value, single: bool) -> Value:
    """The result without the batch that was added."""
    return b.one("squeeze", [value, None], {"axes": (0,)}) if single else value


def _window(
    b: AtenBuilder,
    spatial: int,
    kernel_size: Sequence[Int],
    stride: Sequence[Int],
    padding: Sequence[Int],
    dilation: Sequence[Int],
    ceil_mode: bool,
) -> Properties:
    kernel = b.ints(kernel_size, spatial)
    pads = b.ints(padding, spatial)
    if any(2 * pad > size for pad, size in zip(pads, kernel, strict=True)):
        raise b.error("pads more than half a window")
    return {
        "kernel_shape": kernel,
        "strides": b.ints(stride, spatial) if stride else kernel,
        "pads": (*pads, *pads),
        "dilations": b.ints(dilation, spatial),
        "ceil_mode": ceil_mode,
    }


def max_pooled(
    b: AtenBuilder, self: Value, spatial: int, window: Properties, indices: bool
) -> tuple[Value, Value | None]:
    """The largest element of each window and, if asked for, where it is in its plane."""
    x, single = batched(b, self, spatial)
    if not indices:
        return unbatched(b, b.one("max_pool", [x], window), single), None
    # The values have an op of their own: the indices are mostly not used, and go.
    values = b.one("max_pool", [x], window)
    _, places = b.emit("max_pool_with_indices", [x], window)
    plane = b.number(sizes.product(b.sizes(x)[2:]))
    places = b.one("mod", [places, plane])
    return unbatched(b, values, single), unbatched(b, places, single)


def _max_pool(spatial: int) -> tuple[Rule[..., Value], Rule[..., tuple[Value, Value]]]:
    zeros, ones = (0,) * spatial, (1,) * spatial

    @aten(f"max_pool{spatial}d")
    def rule(
        b: AtenBuilder,
        self: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = zeros,
        dilation: Ints = ones,
        ceil_mode: bool = False,
    ) -> Value:
        window = _window(b, spatial, kernel_size, stride, padding, dilation, ceil_mode)
        return max_pooled(b, self, spatial, window, False)[0]

    @aten(f"max_pool{spatial}d_with_indices")
    def with_indices(
        b: AtenBuilder,
        self: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = zeros,
        dilation: Ints = ones,
        ceil_mode: bool = False,
    ) -> tuple[Value, Value]:
        window = _window(b, spatial, kernel_size, stride, padding, dilation, ceil_mode)
        values, places = max_pooled(b, self, spatial, window, True)
        assert places is not None
        return values, places

    return rule, with_indices


def _average(
    b: AtenBuilder,
    self: Value,
    spatial: int,
    window: Properties,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Value:
    x, single = batched(b, self, spatial)
    if divisor_override is not None:
        return unbatched(b, _summed(b, x, spatial, window, divisor_override), single)
    properties = {**window, "count_include_pad": count_include_pad}
    return unbatched(b, b.one("average_pool", [x], properties), single)


def _summed(b: AtenBuilder, x: Value, spatial: int, window: Properties, divisor: int) -> Value:
    """The sum of each window through a divisor."""
    if divisor == 0:
        raise b.error("divisor_override must not be 0")
    if window["ceil_mode"]:
        raise b.unsupported("divisor_override with ceil_mode is not supported")
    kernel = cast("tuple[int, ...]", window["kernel_shape"])
    factor = math.prod(kernel) / divisor
    mean = b.one("average_pool", [x], {**window, "count_include_pad": True})
    return b.one("mul", [mean, b.constant(factor, x.dtype)])


@aten("avg_pool1d")
def avg_pool1d(
    b: AtenBuilder,
    self: Value,
    kernel_size: Ints,
    stride: Ints = (),
    padding: Ints = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Value:
    """The mean of each window"""
    window = _window(b, 1, kernel_size, stride, padding, (1,), ceil_mode)
    return _average(b, self, 1, window, count_include_pad, None)


def _avg_pool(spatial: int) -> Rule[..., Value]:
    zeros = (0,) * spatial

    @aten(f"avg_pool{spatial}d")
    def rule(
        b: AtenBuilder,
        self: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = zeros,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Value:
        window = _window(b, spatial, kernel_size, stride, padding, (1,), ceil_mode)
        return _average(b, self, spatial, window, count_include_pad, divisor_override)

    return rule


def _fixed_window(given: Sequence[Int], wanted: Sequence[int]) -> Properties | None:
    """The window that makes `wanted` sizes of `given`, where the same one fits everywhere."""
    kernel: list[int] = []
    for size, target in zip(given, wanted, strict=True):
        if not isinstance(size, int) or target == 0 or size % target or size == 0:
            return None
        kernel.append(size // target)
    return {"kernel_shape": tuple(kernel), "strides": tuple(kernel)}


def _averages(size: int, target: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The matrix of (size, target) that takes means of windows, of torch's choice, along an axis."""
    starts = [i * size // target for i in range(target)]
    ends = [-(-(i + 1) * size // target) for i in range(target)]
    matrix = np.zeros((size, target), np.float64)
    for column, (start, end) in enumerate(zip(starts, ends, strict=True)):
        matrix[start:end, column] = 1 / (end - start)
    return matrix.astype(dtype)


def adaptive_average(
    b: AtenBuilder, self: Value, spatial: int, output_size: Sequence[Int]
) -> Value:
    """The means of as many windows as `output_size` says."""
    x, single = batched(b, self, spatial)
    given = b.sizes(x)[2:]
    # A size that stays is that of the input.
    asked = tuple(output_size) * (spatial if len(output_size) == 1 else 1)
    if all(target == size for target, size in zip(asked, given, strict=True)):
        return self
    wanted = b.ints(output_size, spatial)
    if all(target == 1 for target in wanted):
        return unbatched(b, b.one("global_average_pool", [x]), single)
    if (window := _fixed_window(given, wanted)) is not None:
        return unbatched(b, b.one("average_pool", [x], window), single)
    for axis, (size, target) in enumerate(zip(given, wanted, strict=True), start=2):
        if size == target:
            continue
        if target == 1:
            x = b.one("reduce_mean", [x, None], {"axes": (axis,), "keepdims": True})
            continue
        if b.int(size) * target > _MOST_WEIGHTS:
            raise b.error(f"pools {size} elements to {target}")
        matrix = b.constant(_averages(b.int(size), target, x.dtype))
        perm = list(range(spatial + 2))
        perm[axis], perm[-1] = perm[-1], perm[axis]
        turned = axis != spatial + 1
        x = b.one("transpose", [x], {"perm": tuple(perm)}) if turned else x
        x = b.one("matmul", [x, matrix])
        x = b.one("transpose", [x], {"perm": tuple(perm)}) if turned else x
    return unbatched(b, x, single)


def _adaptive_average(name: str, spatial: int) -> Rule[..., Value]:
    @aten(name)
    def rule(b: AtenBuilder, self: Value, output_size: Ints) -> Value:
        return adaptive_average(b, self, spatial, output_size)

    return rule


def _adaptive_max(spatial: int) -> Rule[..., tuple[Value, Value]]:
    @aten(f"adaptive_max_pool{spatial}d")
    def rule(b: AtenBuilder, self: Value, output_size: Ints) -> tuple[Value, Value]:
        wanted = b.ints(output_size, spatial)
        window = _fixed_window(b.sizes(self)[-spatial:], wanted)
        if window is None:
            raise b.unsupported("sizes that do not divide those of the input are not supported")
        values, places = max_pooled(b, self, spatial, window, True)
        assert places is not None
        return values, places

    return rule


RULES = (
    *(rule for spatial in (1, 2, 3) for rule in _max_pool(spatial)),
    *map(_avg_pool, (2, 3)),
    *(_adaptive_average(f"adaptive_avg_pool{n}d", n) for n in (1, 2, 3)),
    *(_adaptive_average(f"_adaptive_avg_pool{n}d", n) for n in (2, 3)),
    *map(_adaptive_max, (1, 2, 3)),
    *rules_in(globals()),
)
