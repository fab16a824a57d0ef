"""Whether a compiled convolution goes by windows or by tiles, and what its schedule says of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.types import from_properties
from pyflame_rt.dialects.plan.convolution_schedules import Windows
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import Schedule

_TILED = "conv_winograd_nhwc"
CONVOLUTIONS = ("conv_im2col_nhwc", _TILED)
"""The algorithms whose calls become machine code by windows or by tiles; the table of algorithms has
chosen between them by what NumPy takes."""

_OTHERS = ("conv_gemm_1x1_nhwc", "conv_transpose_nhwc")
_FEW = 8
"""With fewer channels a register of a tile is almost empty."""


def convolution_schedule(call: CallOp, schedule: Schedule) -> Schedule:
    """The schedule of a call; that of a convolution suits its features, and with windows of 3 x 3 says
    which way is faster."""
    if call.algorithm in (*CONVOLUTIONS, *_OTHERS) and call.into:
        schedule = schedule.narrowed(_shape(call.into[0])[-1])
    windows = _windows(call) if call.algorithm in CONVOLUTIONS and call.into else None
    if windows is None or schedule.elements == "bf16_pairs":
        # Pairs are as fast without tiles.
        return schedule
    return windows.schedule(schedule)


def _windows(call: CallOp) -> Windows | None:
    """The convolution that a call computes; None if it cannot be computed by tiles."""
    params = from_properties({} if call.params is None else call.params.data)
    x, w = (_shape(value) for value in call.inputs[:2])
    y = _shape(call.into[0])
    ones = [*_numbers(params.get("strides")), *_numbers(params.get("dilations"))]
    if len(y) != 4 or w[2:] != (3, 3) or params.get("layout") != "nhwc" or 0 in (*x, *y):
        return None
    if params.get("group", 1) != 1 or any(n != 1 for n in ones) or min(w[:2]) < _FEW:
        return None
    if params.get("x_layout", "nhwc") != "nhwc":
        return None
    if call.algorithm != _TILED and _are_integers(call.inputs[1]):
        # They were quantized, and their sums are meant to be exact.
        return None
    batch, rows, columns, features = y
    return Windows((rows, columns), batch, w[1], features)


def _shape(value: SSAValue) -> tuple[int, ...]:
    return cast("MemRefType[Any]", value.type).get_shape()


def _numbers(value: Any) -> Sequence[int]:
    return cast("Sequence[int]", value) if isinstance(value, list | tuple) else ()


def _are_integers(weights: SSAValue) -> bool:
    """Whether constant weights are all integers, as far as some of them tell."""
    array = constant_of(weights)
    if array is None:
        return True
    some = array.reshape(-1)[:256]
    return bool((some == np.rint(some)).all())
