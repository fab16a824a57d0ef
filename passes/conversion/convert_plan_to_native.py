"""Says of calls that they are to be compiled to machine code, and how."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType, ModuleOp, f32, i1
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.plan.expressions import FUSED
from pyflame_rt.dialects.plan.ops import (
    CallOp,
    ParallelOp,
    is_constant,
    is_static,
)
from pyflame_rt.dialects.plan.schedules import (
    ELEMENTWISE,
    MOVEMENTS,
    REDUCTIONS,
    SCHEDULE,
    SCHEDULES,
    WITH_PAIRS,
)
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.conversion.native_convolutions import CONVOLUTIONS, convolution_schedule
from pyflame_rt.passes.conversion.native_elements import NarrowWeights, is_between_floats
from pyflame_rt.passes.conversion.native_elementwise import has_elementwise_code

_OTHERS = (
    *ELEMENTWISE, *MOVEMENTS, *REDUCTIONS, "attention", "average_pool_nhwc",
    "batch_normalization_folded_nhwc", "conv_depthwise_nhwc",
    "global_average_pool_nhwc", "global_max_pool_nhwc", "group_normalization",
    "instance_normalization", "layer_normalization", "log_softmax", "lrn",
    "max_pool_nhwc",
    "rms_normalization", "softmax",
)  # fmt: skip
"""Algorithms without weights to pack that machine code is faster for, whatever their sizes."""

_PRODUCTS = ("conv_gemm_1x1_nhwc", "conv_transpose_nhwc", "gemm", "matmul", *CONVOLUTIONS)
"""The algorithms that machine code is faster for; the second operand is the weights."""

_OF_TWO = ("gemm", "matmul")
"""Those of them whose second operand may be anything."""

_OF_ANY_SIZE = (
    *ELEMENTWISE, FUSED, "attention", "average_pool", "conv", "gemm", "global_average_pool",
    "global_max_pool", "layer_normalization", "matmul", "max_pool", "rms_normalization", "softmax",
    "transpose",
)  # fmt: skip
"""What machine code computes into results that are made in a run, when their sizes are known."""

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
    """The instructions: "avx512", "avx512bf16" (which has one for products of bf16), "avx2" (with a
    fused multiply-add), or "generic"."""

    worth: int = 0
    """Multiplications of a product that is compiled, at least."""

    threads: int = 1
    """How many threads there are."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 1 <= self.threads <= _MOST_THREADS:
            raise PassFailed(f"{self.name}: threads = {self.threads} is not 1 to {_MOST_THREADS}")
        schedule = SCHEDULES.get(WITH_PAIRS.get(self.cpu, self.cpu))
        if schedule is None:
            known = ", ".join((*SCHEDULES, *WITH_PAIRS))
            raise PassFailed(f"{self.name}: cpu = {self.cpu!r} is unknown: it is one of {known}")
        weights = NarrowWeights(pairs=self.cpu in WITH_PAIRS)
        for call in op.walk():
            if not isinstance(call, CallOp) or SCHEDULE in call.attributes:
                continue
            is_worth = _is_compiled(call) and _multiplications(call) >= self.worth
            if is_worth or _is_other(call) or _is_of_any_size(call):
                shares = 1 if isinstance(call.parent_op(), ParallelOp) else self.threads
                found = weights.schedule(call, replace(schedule, shares=shares))
                call.attributes[SCHEDULE] = convolution_schedule(call, found).to_attribute()
        weights.drop_unused()


def _is_compiled(call: CallOp) -> bool:
    slots = call.slots()
    if call.algorithm not in _PRODUCTS or len(call.into) != 1 or len(slots) < 2:
        return False
    weights = slots[1]
    if weights is None or not (call.algorithm in _OF_TWO or is_constant(weights)):
        return False
    return all(_is_f32(value) for value in (*slots, *call.into) if value is not None)


def _is_other(call: CallOp) -> bool:
    operands = [value for value in (*call.slots(), *call.into) if value is not None]
    is_into = len(call.into) > 0
    if call.algorithm == "cast" and is_between_floats(call):
        return is_into
    if call.algorithm in ELEMENTWISE:
        return has_elementwise_code(call)
    return call.algorithm in _OTHERS and is_into and all(map(_is_f32, operands))


def _is_of_any_size(call: CallOp) -> bool:
    operands = [value for value in (*call.slots(), *call.owned) if value is not None]
    kinds = {getattr(value.type, "element_type", None) for value in operands}
    allowed = {f32, i1} if call.algorithm in (*ELEMENTWISE, FUSED) else {f32}
    return call.algorithm in _OF_ANY_SIZE and len(call.owned) > 0 and kinds <= allowed


def _multiplications(call: CallOp) -> int:
    """Those of a product: each weight with as many rows of x as there are positions in y."""
    weights = cast("MemRefType[Any]", call.inputs[1].type)
    (y,) = (cast("MemRefType[Any]", value.type) for value in call.into)
    matrices = math.prod(weights.get_shape()[:-2]) if call.algorithm in _OF_TWO else 1
    return weights.element_count() * math.prod(y.get_shape()[:-1]) // max(matrices, 1)


def _is_f32(value: SSAValue) -> bool:
    return is_static(value.type) and cast("MemRefType[Any]", value.type).element_type == f32
