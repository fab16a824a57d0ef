"""Images of another size, sampled at places, and padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.activation import number
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder, Properties
from pyflame_rt.frontends.torch.aten.rules import Rule, aten, rules_in
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.aten.values import Floats, Ints, Scalar, Value

_NEAREST: Properties = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}
_NEAREST_EXACT: Properties = {
    "mode": "nearest",
    "coordinate_transformation_mode": "half_pixel",
    "nearest_mode": "round_prefer_ceil",
}
_MODES = ("linear", "nearest", "cubic")
_PADDINGS = ("zeros", "border", "reflection")


def _linear(align_corners: bool, mode: str = "linear", antialias: bool = False) -> Properties:
    """torch's filters end at the border where they smooth, and the cubic one is another."""
    return {
        "mode": mode,
        "coordinate_transformation_mode": "align_corners" if align_corners else "half_pixel",
        "antialias": antialias,
        "cubic_coeff_a": -0.5 if antialias else -0.75,
        "exclude_outside": antialias,
    }


def resized(
    b: AtenBuilder,
    self: Value,
    spatial: int,
    output_size: Sequence[Int] | None,
    scales: Sequence[float | None] | None,
    properties: Properties,
) -> Value:
    """The spatial dimensions resized: to a size, at given scales where they are known."""
    rank = b.rank(self)
    if rank != spatial + 2:
        raise b.error(f"an input of {rank} dimensions has no {spatial} spatial ones")
    axes = tuple(range(2, rank))
    given = b.sizes(self)
    if scales is not None and all(scale is not None for scale in scales):
        factors = [scale for scale in scales if scale is not None]
        if len(factors) != spatial or any(not scale > 0 for scale in factors):
            raise b.error("there must be a positive scale for each spatial dimension")
        wanted = _scaled_sizes(given[2:], factors)
        consistent = output_size is None or wanted is None or tuple(output_size) == wanted
        aligned = properties["coordinate_transformation_mode"] == "align_corners"
        if consistent and not aligned:
            factor = b.constant(_array(factors))
            return b.one("resize", [self, None, factor, None], {**properties, "axes": axes})
        if output_size is None:
            output_size = wanted
    if output_size is None:
        raise b.unsupported("needs an output size known at import, or scales")
    if len(output_size) != spatial:
        raise b.error(f"the output size has {len(output_size)} numbers, not {spatial}")
    target = b.vector(output_size)
    made = b.one("resize", [self, None, None, target], {**properties, "axes": axes})
    return b.type_as(made, (*given[:2], *output_size))


def _array(numbers: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(numbers, np.float32)


def _scaled_sizes(given: Sequence[Int], scales: Sequence[float]) -> tuple[int, ...] | None:
    found: list[int] = []
    for size, scale in zip(given, scales, strict=True):
        if not isinstance(size, int):
            return None
        found.append(int(size * scale))
    return tuple(found)


def _nearest1(name: str, properties: Properties) -> Rule[..., Value]:
    @aten(name)
    def rule(b: AtenBuilder, self: Value, output_size: Ints, scales: float | None = None) -> Value:
        return resized(b, self, 1, output_size, (scales,), properties)

    return rule


def _nearest2(name: str, properties: Properties) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        self: Value,
        output_size: Ints,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Value:
        return resized(b, self, 2, output_size, (scales_h, scales_w), properties)

    return rule


def _nearest3(name: str, properties: Properties) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        self: Value,
        output_size: Ints,
        scales_d: float | None = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Value:
        return resized(b, self, 3, output_size, (scales_d, scales_h, scales_w), properties)

    return rule


def _nearest_vec(name: str, spatial: int, properties: Properties) -> Rule[..., Value]:
    @aten(name, overload="vec")
    def rule(
        b: AtenBuilder, input: Value, output_size: Ints | None, scale_factors: Floats | None
    ) -> Value:
        return resized(b, input, spatial, output_size, scale_factors, properties)

    return rule


@aten("upsample_linear1d")
def upsample_linear1d(
    b: AtenBuilder,
    self: Value,
    output_size: Ints,
    align_corners: bool,
    scales: float | None = None,
) -> Value:
    """Signals of another length, linear between elements"""
    return resized(b, self, 1, output_size, (scales,), _linear(align_corners))


def _planar(name: str, mode: str, antialias: bool = False) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        self: Value,
        output_size: Ints,
        align_corners: bool,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Value:
        properties = _linear(align_corners, mode, antialias)
        return resized(b, self, 2, output_size, (scales_h, scales_w), properties)

    return rule


@aten("upsample_trilinear3d")
def upsample_trilinear3d(
    b: AtenBuilder,
    self: Value,
    output_size: Ints,
    align_corners: bool,
    scales_d: float | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Value:
    """Volumes of another size, linear between elements"""
    scales = (scales_d, scales_h, scales_w)
    return resized(b, self, 3, output_size, scales, _linear(align_corners))


def _linear_vec(name: str, spatial: int, mode: str, antialias: bool = False) -> Rule[..., Value]:
    @aten(name, overload="vec")
    def rule(
        b: AtenBuilder,
        input: Value,
        output_size: Ints | None,
        align_corners: bool,
        scale_factors: Floats | None,
    ) -> Value:
        properties = _linear(align_corners, mode, antialias)
        return resized(b, input, spatial, output_size, scale_factors, properties)

    return rule


def _sampled(
    b: AtenBuilder,
    input: Value,
    grid: Value,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,
) -> Value:
    if not (0 <= interpolation_mode < 3 and 0 <= padding_mode < 3):
        raise b.error("there is no such interpolation or padding")
    properties = {
        "mode": _MODES[interpolation_mode],
        "padding_mode": _PADDINGS[padding_mode],
        "align_corners": align_corners,
    }
    return b.one("grid_sample", [input, grid], properties)


def _sampler(name: str) -> Rule[..., Value]:
    @aten(name)
    def rule(
        b: AtenBuilder,
        input: Value,
        grid: Value,
        interpolation_mode: int,
        padding_mode: int,
        align_corners: bool,
    ) -> Value:
        return _sampled(b, input, grid, interpolation_mode, padding_mode, align_corners)

    return rule


@aten("affine_grid_generator")
def affine_grid_generator(b: AtenBuilder, theta: Value, size: Ints, align_corners: bool) -> Value:
    """Where the pixels of an image come from under an affine transformation"""
    properties = {"align_corners": align_corners}
    if all(isinstance(n, int) for n in size):
        return b.one("affine_grid", [theta, None], {**properties, "size": b.ints(size)})
    return b.one("affine_grid", [theta, b.vector(size)], properties)


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def padded(b: AtenBuilder, self: Value, pad: Sequence[Int], mode: str, value: Scalar) -> Value:
    """Elements added before and after dimensions, the last one's first."""
    if mode not in _PAD_MODES:
        raise b.error(f"there is no padding {mode}")
    rank = b.rank(self)
    if len(pad) % 2 or len(pad) > 2 * rank:
        raise b.error(f"{len(pad)} pads for {rank} dimensions")
    count = len(pad) // 2
    axes = tuple(range(rank - 1, rank - 1 - count, -1))
    if all(n == 0 for n in pad):
        return self
    before, after = pad[0::2], pad[1::2]
    given = list(b.sizes(self))
    for axis, low, high in zip(axes, before, after, strict=True):
        given[axis] = sizes.add(given[axis], sizes.add(low, high))
    pads = (*before[::-1], *after[::-1])
    fill = None if mode != "constant" or value == 0 else b.tensor(value, self.dtype)
    properties: Properties = {"mode": _PAD_MODES[mode], "axes": axes[::-1]}
    if all(isinstance(n, int) for n in pads):
        known = {**properties, "pads": b.ints(pads)}
        made = b.one("pad", [self, None, fill, None], known)
    else:
        made = b.one("pad", [self, b.vector(pads), fill, None], properties)
    return b.type_as(made, given)


@aten("pad")
def pad_(
    b: AtenBuilder, self: Value, pad: Ints, mode: str = "constant", value: float | None = None
) -> Value:
    """Elements added around a tensor, or removed where a pad is negative"""
    return padded(b, self, pad, mode, 0 if value is None else value)


@aten("constant_pad_nd")
def constant_pad_nd(b: AtenBuilder, self: Value, pad: Ints, value: Scalar = 0) -> Value:
    """A number added around a tensor"""
    return padded(b, self, pad, "constant", number(b, value))


def _padding(name: str, mode: str) -> Rule[..., Value]:
    @aten(name)
    def rule(b: AtenBuilder, self: Value, padding: Ints) -> Value:
        return padded(b, self, padding, mode, 0)

    return rule


RULES = (
    *(
        make(f"{prefix}{n}d", properties)
        for prefix, properties in (
            ("upsample_nearest", _NEAREST),
            ("_upsample_nearest_exact", _NEAREST_EXACT),
        )
        for n, make in ((1, _nearest1), (2, _nearest2), (3, _nearest3))
    ),
    *(_nearest_vec(f"upsample_nearest{n}d", n, _NEAREST) for n in (1, 2, 3)),
    *(_nearest_vec(f"_upsample_nearest_exact{n}d", n, _NEAREST_EXACT) for n in (1, 2, 3)),
    _planar("upsample_bilinear2d", "linear"),
    _planar("upsample_bicubic2d", "cubic"),
    _planar("_upsample_bilinear2d_aa", "linear", True),
    _planar("_upsample_bicubic2d_aa", "cubic", True),
    _linear_vec("upsample_linear1d", 1, "linear"),
    _linear_vec("upsample_bilinear2d", 2, "linear"),
    _linear_vec("upsample_trilinear3d", 3, "linear"),
    _linear_vec("upsample_bicubic2d", 2, "cubic"),
    _linear_vec("_upsample_bilinear2d_aa", 2, "linear", True),
    _linear_vec("_upsample_bicubic2d_aa", 2, "cubic", True),
    *map(_sampler, ("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")),
    *(_padding(f"reflection_pad{n}d", "reflect") for n in (1, 2, 3)),
    *(_padding(f"replication_pad{n}d", "replicate") for n in (1, 2, 3)),
    *rules_in(globals()),
)
