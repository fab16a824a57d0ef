"""Tensors, what is told of them, and their way to and from NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt import dtypes
from pyflame_rt.compiler import TensorSpec
from pyflame_rt.dialects.pfrt.containers import SequenceType
from pyflame_rt.dialects.pfrt.types import tensor_of

DOCUMENTED = {
    np.float32: rt.DType.Float32,
    np.float64: rt.DType.Float64,
    np.float16: rt.DType.Float16,
    np.int64: rt.DType.Int64,
    np.int32: rt.DType.Int32,
    np.int16: rt.DType.Int16,
    np.int8: rt.DType.Int8,
    np.uint8: rt.DType.UInt8,
    np.bool_: rt.DType.Bool,
    ml_dtypes.bfloat16: rt.DType.BFloat16,
}


@pytest.mark.parametrize(("kind", "dtype"), DOCUMENTED.items())
def test_there_and_back(kind: type, dtype: rt.DType):
    """A Tensor has the array's elements, in memory of its own, and so has the array made of it."""
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(kind)
    tensor = rt.from_numpy(array)
    assert (tensor.dtype, tensor.shape, tensor.owns_data) == (dtype, [2, 3], True)
    array[0, 0] = 1
    back = rt.to_numpy(tensor)
    assert back.dtype == np.dtype(kind)
    assert back.tolist() == [[0, 1, 1], [1, 0, 1]]
    back[:] = 0
    assert tensor.numpy().any()


@pytest.mark.parametrize("dtype", rt.DType)
def test_new_tensors_are_zeros_of_every_dtype(dtype: rt.DType):
    tensor = rt.Tensor([2, 0, 3], dtype)
    assert (tensor.dtype, tensor.ndim, tensor.num_elements) == (dtype, 3, 0)
    # Of float8_e8m0 these bits are the least power of two.
    assert not rt.Tensor([3], dtype).numpy().view(np.uint8).any()


def test_a_reshaped_tensor_shares_memory():
    tensor = rt.from_numpy(np.arange(6.0))
    reshaped = tensor.reshape([2, -1])
    assert reshaped.shape == [2, 3] and not reshaped.owns_data
    clone = tensor.clone()
    tensor.zero()
    assert not reshaped.numpy().any() and clone.numpy().any()
    with pytest.raises(rt.ShapeMismatchError, match=r"6 elements of shape \[6\] do not fit \[4\]"):
        tensor.reshape([4])


def test_numpy_takes_a_tensor_for_an_array():
    tensor = rt.from_numpy(np.ones(3, np.float32))
    assert np.shares_memory(np.asarray(tensor), np.asarray(tensor.reshape([3, 1])))
    assert (np.add(tensor, 1) == 2).all()
    assert np.asarray(tensor, np.int8).dtype == np.int8
    np.array(tensor)[:] = 7
    assert (tensor.numpy() == 1).all()


def test_other_byte_orders_and_scalars():
    assert rt.from_numpy(np.array([1, 2], ">i4")).numpy().tolist() == [1, 2]
    assert rt.from_numpy(np.float32(3)).shape == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "kind", "why"),
    [
        (lambda: rt.from_numpy([1, 2]), TypeError, "not of list"),
        (
            lambda: rt.from_numpy(np.array(["a"])),
            rt.ValidationError,
            "no Tensor has elements of <U1",
        ),
        (lambda: rt.Tensor([-1]), rt.ShapeMismatchError, "negative"),
        (lambda: rt.Tensor([1], np.float32), TypeError, "is no DType"),
    ],
)
def test_what_no_tensor_is_made_of(make, kind: type[Exception], why: str):
    with pytest.raises(kind, match=why) as caught:
        make()
    assert isinstance(caught.value, rt.PyFlameRTError)


def test_weights_are_read_only():
    """What looks at a file's memory cannot be changed, and a clone can."""
    weight = np.ones(2, np.float32)
    weight.flags.writeable = False
    tensor = rt.Tensor.viewing(weight)
    assert np.shares_memory(np.asarray(tensor), weight)
    with pytest.raises(rt.ValidationError, match="read-only"):
        tensor.zero()
    clone = tensor.clone()
    clone.fill(3)
    assert clone.numpy().tolist() == [3, 3]


def test_sessions_are_fed_with_tensors():
    graph = rt.Graph()
    graph.add_input("x", [2])
    graph.add_node("r", "Relu", ["x"], ["y"])
    graph.add_output("y", [2])
    (y,) = rt.InferenceSession(graph).run(None, {"x": rt.from_numpy(np.array([-1, 2], "f4"))})
    assert y.tolist() == [0, 2]


def test_infos_can_be_filled_in():
    info = rt.TensorInfo()
    assert (info.name, info.dtype, info.shape, info.is_dynamic()) == (
        "",
        rt.DType.Float32,
        [],
        False,
    )
    info.name, info.dtype, info.shape = "x", rt.DType.Int8, ["N", None, 3]
    assert (info.shape, info.dims, info.type) == ([None, None, 3], ("N", None, 3), "tensor(int8)")
    assert info.is_dynamic()
    assert info == rt.TensorInfo("x", np.int8, ["N", None, 3])
    assert repr(info) == "TensorInfo(name='x', type='tensor(int8)', shape=['N', None, 3])"
    info.shape = None
    assert info.shape is None and info.is_dynamic()


def test_infos_of_what_has_no_dtype():
    """Strings and sequences have ONNX's type, and no DType."""
    text = rt.TensorInfo("s", str, [2])
    assert (text.dtype, text.type, text.numpy_dtype) == (None, "tensor(string)", dtypes.STRING)
    items = SequenceType(tensor_of(np.ones(2, np.float32)))
    listed = rt.TensorInfo.of(TensorSpec("l", dtypes.STRING, None, container=items))
    assert (listed.dtype, listed.shape, listed.type) == (None, None, "seq(tensor(float))")


@pytest.mark.parametrize("shape", ["N", np.float32, [1.5]])
def test_infos_refuse_what_is_no_shape(shape: object):
    with pytest.raises(TypeError, match="is no shape"):
        rt.TensorInfo("x", rt.DType.Float32, shape)  # type: ignore[arg-type]
