"""Says of calls that they are to be compiled to machine code, and how."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, MemRefType, ModuleOp, f32
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.plan.ops import (
    CallOp,
    ConstantOp,
    ParallelOp,
    PartOp,
    ReshapeOp,
    is_static,
)
from pyflame_rt.dialects.plan.schedules import ELEMENTWISE, SCHEDULE, SCHEDULES
from pyflame_rt.errors import PassFailed

_OTHERS = (
    *ELEMENTWISE, "attention", "average_pool_nhwc", "conv_depthwise_nhwc", "copy", "layer_normalization",
    "max_pool_nhwc", "rms_normalization", "softmax", "transpose",
)  # fmt: skip
"""Algorithms without weights to pack that machine code is faster for, whatever their sizes."""

_CONVOLUTION = "conv_im2col_nhwc"
_PRODUCTS = ("conv_gemm_1x1_nhwc", "gemm", "matmul", _CONVOLUTION)
"""The algorithms that machine code is faster for; the second operand is the weights. Winograd's, which
multiplies less, stays ahead on NumPy: on ResNet-50's layers 11.9 ms against 14.6 at full speed."""


_MOST_THREADS = 256


@dataclass(frozen=True)
class ConvertPlanToNativePass(ModulePass):
    """Gives each product of f32 with constant weights the schedule by which it is compiled.

    Before: `plan.call @matmul(%x, %w) into(%y) : …`
    After: `plan.call @matmul(%x, %w) into(%y) {plan.schedule = {cpu = "avx512", rows = 12 : i64, …}} : …`

    The call stays what it is: where code cannot be compiled, or not for that processor, it runs as
    without a schedule. A call that has a schedule keeps it. Belongs before `plan-split`, which leaves
    to machine code how its work is divided.
    """

    name = "convert-plan-to-native"

    cpu: str = "generic"
    """The instructions: "avx512", "avx2" (with a fused multiply-add), or "generic"."""

    worth: int = 0
    """Multiplications of a product that is compiled, at least."""

    threads: int = 1
    """How many threads there are."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 1 <= self.threads <= _MOST_THREADS:
            raise PassFailed(f"{self.name}: threads = {self.threads} is not 1 to {_MOST_THREADS}")
        schedule = SCHEDULES.get(self.cpu)
        if schedule is None:
            known = ", ".join(SCHEDULES)
            raise PassFailed(f"{self.name}: cpu = {self.cpu!r} is unknown: it is one of {known}")
        for call in op.walk():
            if not isinstance(call, CallOp) or SCHEDULE in call.attributes:
                continue
            is_worth = _is_compiled(call) and _multiplications(call) >= self.worth
            if is_worth or _is_other(call):
                shares = 1 if isinstance(call.parent_op(), ParallelOp) else self.threads
                call.attributes[SCHEDULE] = replace(schedule, shares=shares).to_attribute()


def _is_compiled(call: CallOp) -> bool:
    slots = call.slots()
    if call.algorithm not in _PRODUCTS or len(call.into) != 1 or len(slots) < 2:
        return False
    weights = slots[1]
    if call.algorithm == _CONVOLUTION and not _is_in_one_group(call):
        return False
    operands = [value for value in (*slots, *call.into) if value is not None]
    return weights is not None and _is_constant(weights) and all(map(_is_f32, operands))


def _is_other(call: CallOp) -> bool:
    operands = [value for value in (*call.slots(), *call.into) if value is not None]
    is_into = len(call.into) > 0
    return call.algorithm in _OTHERS and is_into and all(map(_is_f32, operands))


def _multiplications(call: CallOp) -> int:
    """Those of a product: each weight with as many rows of x as there are positions in y."""
    weights = cast("MemRefType[Any]", call.inputs[1].type)
    (y,) = (cast("MemRefType[Any]", value.type) for value in call.into)
    return weights.element_count() * math.prod(y.get_shape()[:-1])


def _is_in_one_group(call: CallOp) -> bool:
    group = None if call.params is None else call.params.data.get("group")
    return group is None or (isinstance(group, IntegerAttr) and group.value.data == 1)


def _is_f32(value: SSAValue) -> bool:
    return is_static(value.type) and cast("MemRefType[Any]", value.type).element_type == f32


def _is_constant(value: SSAValue) -> bool:
    while isinstance(value.owner, PartOp | ReshapeOp):
        value = value.owner.source
    return isinstance(value.owner, ConstantOp)
