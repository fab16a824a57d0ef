"""What a step of a plan costs, from the op that it computes and the arrays that it reads.

A plan's calls know neither flops nor result types: the op is made again, on operands of the types
that the arrays have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, i32
from xdsl.ir import Attribute, Block, SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.backends.watching import Step
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import (
    is_tensor,
    numpy_dtype,
    static_shape_of,
    tensor_of,
    to_property,
    type_of,
)


@dataclass(frozen=True)
class Cost:
    """Floating-point operations and bytes moved by one execution; None where unknown."""

    flops: int | None = None
    bytes: int | None = None


def cost_of(step: Step) -> Cost:
    """The cost of a step on the values that it reads and has produced now."""
    key = ("cost", *_shapes(step.inputs()), *_shapes(step.outputs()))
    found = step.known.get(key)
    if found is None:
        found = step.known[key] = _cost(step)
    return cast(Cost, found)


def result_bytes(step: Step) -> int | None:
    """How many bytes the results of a step will take; None where that depends on values.

    Only of steps whose results get memory of their own.
    """
    key = ("bytes", *_shapes(step.inputs()))
    if key not in step.known:
        step.known[key] = _result_bytes(step)
    return cast("int | None", step.known[key])


def _shapes(values: Sequence[Any]) -> list[object]:
    return [getattr(value, "shape", None) for value in values]


def _cost(step: Step) -> Cost:
    arrays = [*step.inputs(), *step.outputs()]
    moved = sum(value.nbytes for value in arrays if isinstance(value, np.ndarray))
    op = _operation(step)
    if op is None:
        return Cost(None, moved)
    try:
        return Cost(op.flops(), moved)
    except (VerifyException, ValueError, IndexError, AttributeError):
        return Cost(None, moved)


def _result_bytes(step: Step) -> int | None:
    op = _operation(step, infer_only=True)
    if op is None:
        return None
    total = 0
    for result in op.results:
        shape = static_shape_of(result) if is_tensor(result.type) else None
        if shape is None:
            return None
        total += math.prod(shape) * numpy_dtype(type_of(result).element_type).itemsize
    return total


def _operation(step: Step, *, infer_only: bool = False) -> PfrtOp | None:
    """The op that a step computes, on values of the types that are there now."""
    kind = _classes().get(step.op)
    if kind is None:
        return None
    try:
        types = [None if v is None else _type(v) for v in step.inputs()]
        block = Block(arg_types=[t for t in types if t is not None])
        properties = {name: to_property(v) for name, v in step.params.items() if v is not None}
        properties = {
            k: v for k, v in properties.items() if k in kind.get_irdl_definition().properties
        }
        _add_segments(kind, types, properties)
        results: Sequence[Attribute] = ()
        if not infer_only:
            results = [_type(v) for v in step.outputs()]
        op = kind.create(
            operands=cast("Sequence[SSAValue]", block.args),
            result_types=results,
            properties=properties,
        )
        if infer_only:
            inferred = op.infer_types()
            op = kind.create(
                operands=cast("Sequence[SSAValue]", block.args),
                result_types=inferred,
                properties=properties,
            )
        return op
    except (VerifyException, ValueError, TypeError, KeyError, IndexError, AttributeError):
        # A step that is not its op alone: what it costs is not known.
        return None


def _add_segments(
    kind: type[PfrtOp], types: Sequence[Attribute | None], properties: dict[str, Attribute]
) -> None:
    definition = kind.get_irdl_definition()
    if not any("Segment" in type(option).__name__ for option in definition.options):
        return
    sizes = [int(t is not None) for t in types]
    count = len(definition.operands)
    if len(sizes) > count:
        # The last operand is the variadic one.
        sizes = [*sizes[: count - 1], len(sizes) - count + 1]
    sizes += [0] * (count - len(sizes))
    properties["operandSegmentSizes"] = DenseArrayBase.from_list(i32, sizes)


def _type(value: Any) -> Attribute:
    if not isinstance(value, np.ndarray):
        raise TypeError("not a tensor")
    return tensor_of(cast("np.ndarray[Any, Any]", value))


@cache
def _classes() -> dict[str, type[PfrtOp]]:
    return cast("dict[str, type[PfrtOp]]", operations())
