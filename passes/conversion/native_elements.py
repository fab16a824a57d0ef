"""Weights of 16 bits of compiled products: kept as they came, where they were only widened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from xdsl.dialects.builtin import MemRefType, bf16, f16, f32
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.plan.ops import CallOp, ConstantOp, is_static
from pyflame_rt.dialects.plan.schedules import Schedule

_TYPES = {"float16": ("f16", f16), "bfloat16": ("bf16", bf16)}

_PACKED = frozenset(
    ("conv_gemm_1x1_nhwc", "conv_im2col_nhwc", "conv_winograd_nhwc", "gemm", "matmul")
)
"""Algorithms whose second operand is packed."""


def is_between_floats(call: CallOp) -> bool:
    """Whether a cast is between f32 and floats of 16 bits, of sizes that are known."""
    kinds = [value.type for value in (*call.inputs, *call.into)]
    elements = [cast("MemRefType[Any]", kind).element_type for kind in kinds]
    narrow = [kind for kind in elements if kind in (f16, bf16)]
    return all(map(is_static, kinds)) and len(narrow) == 1 and f32 in elements


class NarrowWeights:
    """Gives calls the weights that `pfrt-widen-floats` made f32 of."""

    def __init__(self, *, pairs: bool) -> None:
        self._pairs = pairs
        """Whether the processor multiplies pairs of bf16."""
        self._known: dict[SSAValue, SSAValue] = {}

    def schedule(self, call: CallOp, schedule: Schedule) -> Schedule:
        """The schedule for a call, whose weights are the narrow ones then; or the same."""
        name = _narrow_name(call)
        if name is None:
            return schedule
        elements, kind = _TYPES[name]
        if elements == "bf16" and self._pairs:
            elements = "bf16_pairs"
        call.operands[1] = self._narrow(call.inputs[1], kind)
        # As many bytes of weights as of f32 stay in the cache.
        return replace(schedule, elements=elements, depth=2 * schedule.depth)

    def _narrow(self, wide: SSAValue, kind: Any) -> SSAValue:
        if (found := self._known.get(wide)) is not None:
            return found
        old = cast(ConstantOp, wide.owner)
        weight = cast(WeightAttr, old.value).data.narrow
        assert weight is not None
        shape = cast("MemRefType[Any]", wide.type).get_shape()
        new = ConstantOp(WeightAttr(weight), MemRefType(kind, shape))
        new.location = old.location
        new.result.name_hint = wide.name_hint
        Rewriter.insert_op(new, InsertPoint.before(old))
        self._known[wide] = new.result
        return new.result

    def drop_unused(self) -> None:
        """Erase the f32 that nobody takes any more."""
        for wide in self._known:
            if wide.first_use is None:
                Rewriter.erase_op(cast(ConstantOp, wide.owner))


def _narrow_name(call: CallOp) -> str | None:
    """The type of the numbers that a call's weights were made of; None where they are f32 by birth."""
    if call.algorithm not in _PACKED or len(call.inputs) < 2:
        return None
    owner = call.inputs[1].owner
    if not isinstance(owner, ConstantOp) or not isinstance(owner.value, WeightAttr):
        return None
    narrow = owner.value.data.narrow
    name = None if narrow is None else narrow.array.dtype.name
    return name if name in _TYPES else None
