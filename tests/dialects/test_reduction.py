"""Type inference and costs of reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, f32, i64
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt.dialects.pfrt import reduction
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import tensor

REDUCTIONS = [op for op in reduction.OPS if issubclass(op, reduction.ReduceOp)]


@pytest.mark.parametrize("op", REDUCTIONS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data(), shape=st.lists(st.integers(0, 3), max_size=3).map(tuple))
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp],
    op: type[PfrtOp],
    data: st.DataObject,
    shape: tuple[int, ...],
):
    """Axes absent, empty, negative, as property and as operand, keepdims, noop; empty tensors."""
    rank = len(shape)
    axes = data.draw(st.none() | st.sets(st.integers(0, rank - 1)).map(tuple)) if rank else None
    if axes is not None and data.draw(st.booleans()):
        axes = tuple(axis - rank for axis in axes)
    flags = {"keepdims": data.draw(st.booleans()), "noop_with_empty_axes": data.draw(st.booleans())}
    x = np.ones(shape, data.draw(st.sampled_from([np.float32, np.float16, ml_dtypes.bfloat16])))
    check_inference(op, [x, None], flags if axes is None else {**flags, "axes": axes})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), shape=st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
def test_axes_known_at_run_time_give_a_compatible_type(data: st.DataObject, shape: tuple[int, ...]):
    """Whatever the axes turn out to be."""
    axes = np.array(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1)))), np.int64)
    keepdims = data.draw(st.booleans())
    operands = [
        create_ssa_value(TensorType(f32, shape)),
        create_ssa_value(TensorType(i64, [len(axes)])),
    ]
    op = reduction.ReduceSumOp.create_op(operands, {"keepdims": keepdims})
    op.verify()
    constant = ConstantOp.get(axes)
    known = reduction.ReduceSumOp.create_op([operands[0], constant.result], {"keepdims": keepdims})
    result = np.sum(np.ones(shape), axis=tuple(axes) or None, keepdims=keepdims)
    assert known.result.type == tensor(f32, result.shape)
    declared = reduction.ReduceSumOp.build(
        operands=operands, properties=op.properties, result_types=[known.result.type]
    )
    declared.verify()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_integers_stay_what_they_are(check_inference: Callable[..., PfrtOp], dtype: Any):
    """NumPy alone would widen a sum."""
    for op in REDUCTIONS:
        if not issubclass(op, reduction.FloatReduceOp):
            check_inference(op, [np.ones((2, 3), dtype), None], {"axes": (1,)})


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8])
def test_extremes_of_small_types(check_inference: Callable[..., PfrtOp], dtype: Any):
    """Max and min also take booleans and bytes."""
    for op in (reduction.ReduceMaxOp, reduction.ReduceMinOp):
        check_inference(op, [np.ones((2, 3), dtype), None])


@pytest.mark.parametrize("op", [reduction.ArgMaxOp, reduction.ArgMinOp])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.float16])
def test_arg(
    check_inference: Callable[..., PfrtOp],
    op: type[PfrtOp],
    keepdims: bool,
    last: bool,
    dtype: Any,
):
    """Indices are i64 along every axis, from either end."""
    for axis in range(-3, 3):
        how = {"axis": axis, "keepdims": keepdims, "select_last_index": last}
        check_inference(op, [np.ones((2, 3, 4), dtype)], how)
    check_inference(op, [np.ones((0, 3), dtype)], {"axis": 1, "keepdims": keepdims})


def test_flops_are_one_an_element_read(check_inference: Callable[..., PfrtOp]):
    """What cost models get."""
    x = np.ones((2, 3), np.float32)
    assert check_inference(reduction.ReduceSumOp, [x, None]).flops() == 6
    assert check_inference(reduction.ArgMaxOp, [x]).flops() == 6
