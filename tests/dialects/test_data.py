"""Constants and their text, and type inference of the ops beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseIntOrFPElementsAttr,
    FileLineColLoc,
    IntAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt import dtypes
from pyflame_rt.dialects.pfrt import data
from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.types import DYNAMIC, constant_attr, tensor_of
from pyflame_rt.kernels import data as kernels
from pyflame_rt.universe import make_context

DRAWN = settings(max_examples=60, deadline=None, derandomize=True)
NUMBERS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def parsed(text: str) -> data.ConstantOp:
    """The constant of a line of IR."""
    op = Parser(make_context(), text).parse_module().body.block.first_op
    assert isinstance(op, data.ConstantOp)
    op.verify()
    return op


def same_bits(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    assert a is not None
    assert b is not None
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@DRAWN
@given(array=hnp.arrays(st.sampled_from([np.dtype(name) for name in NUMBERS]), SHAPES))
def test_every_bit_survives_text(array: np.ndarray):
    """Any floats: denormal, NaN with payload, infinite, minus zero."""
    op = data.ConstantOp.of(dense(array), tensor_of(array), names=["n"])
    assert same_bits(op.array, array)
    text = str(ModuleOp([op]))
    again = parsed(text)
    assert same_bits(again.array, array)
    assert str(ModuleOp([again.clone()])) == text


def dense(array: np.ndarray) -> Any:
    """The array as a dense attribute, whatever its values."""
    stored = np.where(array, 0xFF, 0).astype(np.uint8) if array.dtype == np.bool_ else array
    return DenseIntOrFPElementsAttr(tensor_of(array), BytesAttr(stored.tobytes()))


@pytest.mark.parametrize("row", dtypes.table(), ids=lambda row: row.mlir)
def test_every_element_type_has_text(row: dtypes.DTypeRow):
    """Extension types are written as numbers, complex ones as bytes."""
    array = np.array([1, 0, 1]).astype(row.numpy)
    op = data.ConstantOp.of(dense(array), tensor_of(array))
    assert same_bits(parsed(str(ModuleOp([op]))).array, array)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("dense<[1, -2]> : tensor<2xi8>", [1, -2]),
        ("dense<3> : tensor<2x1xf32>", [[3.0], [3.0]]),
        ("dense<[[true], [false]]> : tensor<2x1xi1>", [[True], [False]]),
        ("dense<[0x10, 1]> : tensor<2xi64>", [16, 1]),
        ("dense<-1.5e2> : tensor<bf16>", -150.0),
        ("dense<> : tensor<0x2xf32>", []),
        ("dense<[]> : tensor<0xf32>", []),
        ('dense<"0x01FF"> : tensor<2xi8>', [1, -1]),
        ('dense<"0x01"> : tensor<3xui8>', [1, 1, 1]),
        ("dense<18446744073709551615> : tensor<ui64>", 2**64 - 1),
    ],
)
def test_text_of_constants(text: str, values: Any):
    array = parsed(f"%0 = pfrt.constant {text}").array
    assert array is not None
    assert array.tolist() == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dense<[1, 300]> : tensor<2xi8>", "300 is not an element"),
        ("dense<-1> : tensor<2xui8>", "-1 is not an element"),
        ("dense<1.5> : tensor<2xi8>", "1.5 is not an element"),
        ("dense<2> : tensor<2xi1>", "2 is not an element"),
        ("dense<[[1], [2, 3]]> : tensor<2x2xi8>", "differ in length"),
        ("dense<[1, 2]> : tensor<3xi8>", "of shape [2]"),
        ("dense<[[1, 2]]> : tensor<2xi8>", "of shape [1, 2]"),
        ("dense<[1, [2]]> : tensor<2xi8>", "differ in length"),
        ("dense<> : tensor<2xi8>", "of shape [0]"),
        ("dense<1> : tensor<?xi8>", "cannot have the type"),
        ("dense<1> : tensor<2xindex>", "cannot have the type"),
        ("dense<1> : i8", "not i8"),
        ("dense<1> : tensor<*xi8>", "not tensor<*xi8>"),
        ('dense<"0x0102"> : tensor<3xi8>', "2 bytes"),
        ('dense<"hello"> : tensor<3xi8>', "hexadecimal"),
        ('dense<"0xZZ"> : tensor<3xi8>', "hexadecimal"),
        ("dense<(1.0, 2.0)> : tensor<complex<f32>>", ""),
        ("dense<1> : tensor<complex<f32>>", "hexadecimal"),
        (f"dense<{'[' * 100}1{']' * 100}> : tensor<i8>", "deep"),
        (f"dense<{10**400}> : tensor<f64>", "too large"),
        ('"text" : tensor<2xi8>', "dense, a weight or texts"),
        ("dense<x> : tensor<2xi8>", ""),
        ("dense<1> : tensor<1000000x1000000xi8>", "too large"),
    ],
)
def test_text_that_is_no_constant(text: str, message: str):
    """A parse error that says why, never a traceback."""
    with pytest.raises(ParseError) as error:
        parsed(f"%0 = pfrt.constant {text}")
    assert message in str(error.value)


def test_small_constants_are_text_and_large_ones_handles():
    small, large = np.arange(6, dtype=np.int64), np.zeros(2000, np.float32)
    assert str(data.ConstantOp.get(small)).endswith("dense<[0, 1, 2, 3, 4, 5]> : tensor<6xi64>")
    op = data.ConstantOp.get(large, names=["w"])
    assert isinstance(op.value, WeightAttr)
    assert op.array is not None
    assert np.shares_memory(op.array, large)
    assert f'"{op.value.data.digest}"> as "w" : tensor<2000xf32>' in str(op)


def test_a_constant_carries_name_and_location():
    location = FileLineColLoc(StringAttr("m.onnx"), IntAttr(3), IntAttr(0))
    op = data.ConstantOp.get(np.array(1.5), names=["c"], location=location)
    op.verify()
    assert op.location == location
    assert op.names is not None
    assert op.names.data == ("c",)
    assert op.flops() == 0
    array = constant_of(op.result)
    assert array is not None
    assert array == 1.5


def test_a_weight_without_values_is_still_a_constant():
    """IR whose side file is missing parses and verifies; folders find nothing."""
    op = parsed('%0 = pfrt.constant #pfrt.weight<"00"> : tensor<4xf32>')
    assert op.array is None
    assert constant_of(op.result) is None


def test_materialized_constants_have_the_type_asked_for():
    attr = constant_attr(np.array([1, 2]))
    make = data.PfrtConstants().materialize_constant
    made = make(attr, TensorType(i64, [2]))
    assert isinstance(made, data.ConstantOp)
    made.verify()
    assert make(attr, TensorType(i64, [DYNAMIC])) is None
    assert make(StringAttr("x"), TensorType(i64, [2])) is None


@pytest.mark.parametrize("start", [0, 1, -1, -9])
@pytest.mark.parametrize("end", [None, 0, 2, -1, 9])
def test_shape(check_inference: Callable[..., PfrtOp], start: int, end: int | None):
    bounds = {"start": start} if end is None else {"start": start, "end": end}
    op = check_inference(data.ShapeOp, [np.ones((2, 3, 0), np.float32)], bounds)
    assert isinstance(op, data.ShapeOp)
    assert op.fold() == (constant_attr(np.array([2, 3, 0][start:end], np.int64)),)


def test_shape_of_a_dynamic_value_folds_where_it_is_static():
    x = create_ssa_value(TensorType(f32, [DYNAMIC, 3]))
    assert data.ShapeOp.create_op([x]).fold() is None
    folded = data.ShapeOp.create_op([x], {"start": 1}).fold()
    assert folded == (constant_attr(np.array([3], np.int64)),)


def test_size(check_inference: Callable[..., PfrtOp]):
    op = check_inference(data.SizeOp, [np.ones((2, 3), np.float32)])
    assert isinstance(op, data.SizeOp)
    assert op.fold() == (constant_attr(np.array(6, np.int64)),)
    huge = create_ssa_value(TensorType(f32, [1 << 40, 1 << 40]))
    assert data.SizeOp.create_op([huge]).fold() is None


@pytest.mark.parametrize("row", [r for r in dtypes.table() if r.numpy.kind != "c"])
def test_cast(check_inference: Callable[..., PfrtOp], row: dtypes.DTypeRow):
    """Between every two types, the attribute given as a dtype."""
    for source in (np.float32, np.int8, np.bool_, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2):
        check_inference(data.CastOp, [np.ones((2, 1)).astype(source)], {"to": row.numpy})


@DRAWN
@given(shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), data_=st.data())
def test_constant_of_shape(
    check_inference: Callable[..., PfrtOp], shape: tuple[int, ...], data_: st.DataObject
):
    """From a property; from an operand whose values are known, or only its length."""
    dtype = data_.draw(st.sampled_from([np.int8, np.float32, np.bool_, ml_dtypes.bfloat16]))
    value = np.ones(1).astype(dtype)
    check_inference(data.ConstantOfShapeOp, [None], {"shape": shape, "value": value})
    constant = data.ConstantOp.get(np.array(shape, np.int64))
    known = data.ConstantOfShapeOp.create_op([constant.result])
    assert known.result.type == TensorType(f32, shape)
    length = create_ssa_value(TensorType(i64, [len(shape)]))
    vague = data.ConstantOfShapeOp.create_op([length], {"value": value})
    assert vague.result.type == TensorType(tensor_of(value).element_type, [DYNAMIC] * len(shape))


@pytest.mark.parametrize("values", [(3, 9, 3), (10, 4, -2), (5, 0, 1)])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float16])
def test_range_of_constants_has_a_length(values: tuple[int, ...], dtype: Any):
    arrays = [np.array(value).astype(dtype) for value in values]
    op = data.RangeOp.create_op([data.ConstantOp.get(array).result for array in arrays])
    op.verify()
    assert op.result.type == tensor_of(kernels.range_(*arrays))
    unknown = data.RangeOp.create_op([create_ssa_value(tensor_of(array)) for array in arrays])
    assert unknown.result.type == TensorType(tensor_of(arrays[0]).element_type, [DYNAMIC])
