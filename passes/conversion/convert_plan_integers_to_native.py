"""Says of calls on integers of 8 bits that they are to be compiled to machine code, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerType, MemRefType, ModuleOp, Signedness, i8
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES
from pyflame_rt.dialects.plan.ops import (
    CallOp,
    ParallelOp,
    is_constant,
    is_static,
)
from pyflame_rt.dialects.plan.schedules import SCHEDULE
from pyflame_rt.errors import PassFailed

_PRODUCTS: Mapping[str, int] = MappingProxyType(
    {
        "conv_integer_nhwc": 1,
        "conv_integer_to_float_nhwc": 1,
        "matmul_integer": 1,
        "matmul_integer_to_float": 1,
        "qlinear_conv": 3,
        "qlinear_conv_add_nhwc": 3,
        "qlinear_conv_nhwc": 3,
        "qlinear_matmul": 3,
    }
)
"""Algorithms that machine code is faster for, and which operand the weights are."""

_QUANTIZING = (
    "dequantize_linear", "dynamic_quantize_linear", "max_pool_bytes_nhwc", "qlinear_add",
    "quantize_linear",
)  # fmt: skip
"""Those without weights that go with them."""

_OF_BYTES = ("clip", "concat", "transpose")
"""Those that take elements of whatever type: here bytes."""

_UI8 = IntegerType(8, Signedness.UNSIGNED)
_OF_ANY_SIZE = ("dynamic_quantize_linear", "matmul_integer_to_float")
"""Those that are compiled where sizes are known in a run only, too."""

_MOST_THREADS = 256


@dataclass(frozen=True)
class ConvertPlanIntegersToNativePass(ModulePass):
    """Gives each product of integers with constant weights, and what goes with them, a schedule.

    Before: `plan.call @matmul_integer(%x, %w, %z) into(%y) : …`
    After: `plan.call @matmul_integer(%x, %w, %z) into(%y) {plan.schedule = {cpu = "avx512vnni", …}} : …`

    The call stays what it is, and its results have the same bits: where code cannot be compiled, or not
    for that processor, or has no form for the call, it runs as without a schedule. A call that has a
    schedule keeps it. Belongs before `plan-split`, which leaves to machine code how its work is divided.
    """

    name = "convert-plan-integers-to-native"

    cpu: str = "generic"
    """The instructions: "avx512vnni" or "avxvnni", which multiply bytes, "avx512", "avx2", "generic"."""

    threads: int = 1
    """How many threads there are."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 1 <= self.threads <= _MOST_THREADS:
            raise PassFailed(f"{self.name}: threads = {self.threads} is not 1 to {_MOST_THREADS}")
        schedule = INTEGER_SCHEDULES.get(self.cpu)
        if schedule is None:
            known = ", ".join(INTEGER_SCHEDULES)
            raise PassFailed(f"{self.name}: cpu = {self.cpu!r} is unknown: it is one of {known}")
        for call in op.walk():
            if not isinstance(call, CallOp) or SCHEDULE in call.attributes:
                continue
            if _is_compiled(call):
                shares = 1 if isinstance(call.parent_op(), ParallelOp) else self.threads
                call.attributes[SCHEDULE] = replace(schedule, shares=shares).to_attribute()


def _is_compiled(call: CallOp) -> bool:
    slots = call.slots()
    if call.algorithm in _OF_ANY_SIZE and len(call.owned) > 0:
        weights = slots[1] if len(slots) > 1 else None
        return weights is None or is_constant(weights)
    operands = [value for value in (*slots, *call.into) if value is not None]
    if not call.into or not all(is_static(value.type) for value in operands):
        return False
    if call.algorithm in _QUANTIZING:
        return True
    if call.algorithm in _OF_BYTES:
        return all(_holds_bytes(value) for value in operands)
    position = _PRODUCTS.get(call.algorithm, len(slots))
    weights = slots[position] if position < len(slots) else None
    return weights is not None and is_constant(weights)


def _holds_bytes(value: SSAValue) -> bool:
    return cast("MemRefType[Any]", value.type).element_type in (i8, _UI8)
