"""Integer products of one tensor with several constants, as one product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.integer_to_float import MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.types import Array, shape_of, type_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.fusion.parts import is_open

Key = tuple[object, ...]


def key_of(op: MatmulIntegerToFloatOp) -> Key | None:
    """What products have in common that can be merged; None for those that never can."""
    weights, shape = shape_of(op.b), shape_of(op.a)
    if not is_open(op) or weights is None or len(weights) != 2 or not shape or len(shape) < 2:
        return None
    return op.a, op.a_scale, op.a_zero_point, type_of(op.b).element_type, op.bias is not None


def merged(
    group: Sequence[MatmulIntegerToFloatOp],
) -> tuple[list[ConstantOp], MatmulIntegerToFloatOp] | None:
    """One product with the columns of all, and its constants; None if not all are constants, or
    something else uses them too."""
    columns = [_columns(op) for op in group]
    if any(parts is None for parts in columns):
        return None
    if not all(op.b.has_one_use() for op in group):
        declined(group[0], "its weights are also used by something else")
        return None
    known = [parts for parts in columns if parts is not None]
    b, scale, zero_point, *bias = (
        ConstantOp.get(np.concatenate(parts, axis=-1)) for parts in zip(*known, strict=True)
    )
    first, constants, shift = group[0], [b, scale, *bias], None
    if any(parts[2].any() for parts in known):
        constants, shift = [*constants, zero_point], zero_point.result
    given: list[SSAValue | None] = [
        first.a, b.result, first.a_scale, scale.result, first.a_zero_point, shift,
        bias[0].result if bias else None, None,
    ]  # fmt: skip
    return constants, MatmulIntegerToFloatOp.create_op(given)


def _columns(op: MatmulIntegerToFloatOp) -> list[Array] | None:
    """Weights, and of each column the scale, the zero point, and the bias if there is one."""
    values = [op.b, op.b_scale, op.b_zero_point, op.bias]
    arrays = [None if value is None else constant_of(value) for value in values]
    weights, scale, zero_point, bias = arrays
    missing = any(a is None and v is not None for a, v in zip(arrays, values, strict=True))
    if missing or weights is None or scale is None:
        return None
    if zero_point is None:
        zero_point = np.zeros((), weights.dtype)
    each = [
        np.broadcast_to(array.reshape(-1), weights.shape[1:])
        for array in (scale, zero_point, bias)
        if array is not None
    ]
    return [weights, *each]
