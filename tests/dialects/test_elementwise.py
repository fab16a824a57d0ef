"""Type inference, folding and costs of elementwise ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from xdsl.dialects.builtin import TensorType, f32
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt import dtypes, kernels
from pyflame_rt.dialects.pfrt import bitwise, broadcasting, comparison, elementwise, trigonometry
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    element_type,
    numpy_dtype,
    tensor_of,
    type_of,
)

OPS = elementwise.OPS
UNARY = [op for op in OPS if issubclass(op, elementwise.ElementUnaryOp)]
BINARY = [op for op in OPS if issubclass(op, broadcasting.BinaryOp)]
PROPERTIES = {bitwise.BitShiftOp: {"direction": "LEFT"}}
VARIADIC = [op for op in OPS if issubclass(op, elementwise.VariadicOp)]
BROADCAST = hnp.mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_side=3, max_dims=3)
DRAWN = settings(max_examples=25, deadline=None, derandomize=True)


BY_NAME = {row.numpy.name: row.numpy for row in dtypes.table()}


def allowed(op: type[Any]) -> list[np.dtype[Any]]:
    """The NumPy dtypes an op is defined on."""
    return [BY_NAME[name] for name in sorted(op.ALLOWED) if name in BY_NAME]


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_unary(check_inference: Callable[..., PfrtOp], op: type[Any], shape: tuple[int, ...]):
    """In every type the op is defined on."""
    for dtype in allowed(op):
        check_inference(op, [np.ones(shape).astype(dtype)])


@pytest.mark.parametrize("op", trigonometry.OPS)
@pytest.mark.parametrize("dtype", sorted(broadcasting.FLOATS))
def test_functions_of_angles(check_inference: Callable[..., PfrtOp], op: type[Any], dtype: str):
    """In every float type."""
    check_inference(op, [np.full((2, 3), 0.5).astype(BY_NAME[dtype])])


def test_turning_every_bit_twice(check_inference: Callable[..., PfrtOp]):
    for name in sorted(bitwise.INTEGERS):
        check_inference(bitwise.BitwiseNotOp, [np.ones((2, 0), BY_NAME[name])])
    x = create_ssa_value(tensor_of(np.ones(2, np.uint8)))
    inner = bitwise.BitwiseNotOp.create_op([x])
    assert inner.fold() is None
    assert bitwise.BitwiseNotOp.create_op([inner.result]).fold() == (x,)


@pytest.mark.parametrize("op", [*BINARY, comparison.WhereOp])
@DRAWN
@given(shapes=BROADCAST, data=st.data())
def test_broadcasting(
    check_inference: Callable[..., PfrtOp], op: type[Any], shapes: Any, data: st.DataObject
):
    a, b, c = (np.ones(shape) for shape in shapes.input_shapes)
    if op is comparison.WhereOp:
        check_inference(op, [a.astype(np.bool_), b, c])
        return
    if op is elementwise.PowOp:
        check_inference(
            op, [a, b.astype(data.draw(st.sampled_from([np.int8, np.uint64, np.float32])))]
        )
        return
    dtype = data.draw(st.sampled_from(allowed(op)))
    check_inference(op, [a.astype(dtype), b.astype(dtype)], PROPERTIES.get(op))


@pytest.mark.parametrize("op", VARIADIC)
@DRAWN
@given(shapes=BROADCAST, count=st.integers(1, 3), hidden=st.sets(st.integers(0, 2)))
def test_any_number_of_operands(op: type[Any], shapes: Any, count: int, hidden: set[int]):
    """With static shapes the type is that of the kernel's result, else it agrees with it."""
    arrays = [np.ones(shape, np.float32) for shape in shapes.input_shapes[:count]]
    want = tensor_of(kernels.table()[op.name.removeprefix("pfrt.")](*arrays))
    static = op.create_op([[create_ssa_value(tensor_of(array)) for array in arrays]])
    static.verify()
    assert static.result.type == want
    vague = [
        TensorType(f32, [DYNAMIC if k in hidden else d for k, d in enumerate(array.shape)])
        for array in arrays
    ]
    blurred = op.create_op([[create_ssa_value(kind) for kind in vague]])
    blurred.verify()
    assert compatible(type_of(blurred.result), want)


def test_an_unknown_dimension_takes_the_other_unless_that_is_one():
    """It must be 1 or the other's size at run time."""
    x = create_ssa_value(TensorType(f32, [DYNAMIC, DYNAMIC, DYNAMIC]))
    y = create_ssa_value(TensorType(f32, [4, 1, 0]))
    result = elementwise.AddOp.create_op([x, y]).result
    assert result.type == TensorType(f32, [4, DYNAMIC, 0])
    assert elementwise.AddOp.create_op([x, y]).flops() is None


@pytest.mark.parametrize("op", BINARY)
def test_shapes_that_do_not_broadcast_are_refused(op: type[Any]):
    element = element_type(allowed(op)[0])
    operands = [create_ssa_value(TensorType(element, [d])) for d in (2, 3)]
    with pytest.raises(VerifyException, match="broadcast"):
        op.create_op(operands, PROPERTIES.get(op))


def test_costs():
    """One operation an element; one for each further operand."""
    x = create_ssa_value(TensorType(f32, [2, 3]))
    assert elementwise.AddOp.create_op([x, x]).flops() == 6
    assert elementwise.SumOp.create_op([[x, x, x]]).flops() == 12
    assert elementwise.SumOp.create_op([[x]]).flops() == 6
    assert elementwise.AddOp.create_op([x, x]).bytes() == 72


def test_folding_keeps_types():
    """A value stands in for another only if their types are the same."""
    x = create_ssa_value(TensorType(f32, [DYNAMIC]))
    inner = elementwise.NegOp.create_op([x])
    outer = elementwise.NegOp.create_op([inner.result])
    assert outer.fold() == (x,)
    refined = elementwise.NegOp.build(operands=[inner.result], result_types=[TensorType(f32, [4])])
    assert refined.fold() is None


def test_every_result_type_is_an_element_type():
    for op in BINARY:
        operands = [create_ssa_value(tensor_of(np.ones(2).astype(allowed(op)[0])))] * 2
        result = type_of(op.create_op(operands, PROPERTIES.get(op)).results[0])
        assert numpy_dtype(result.element_type) in (np.bool_, allowed(op)[0])
