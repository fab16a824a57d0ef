"""Tensors are windows of storages: every dtype, any strides, both byte orders, nothing copied."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from torch_bytes import (
    HOOKS,
    call,
    checkpoint,
    dense,
    flag,
    integer,
    integers,
    mapping,
    name,
    real,
    several,
    sparse,
    storage,
    tensor,
)

from pyflame_rt.frontends.torch.checkpoint import open_checkpoint, read_state_dict
from pyflame_rt.frontends.torch.storage import TensorRecord, storage_types, torch_dtypes

PLAIN = sorted({dtype.name for dtype in storage_types().values() if not dtype.is_quantized})
UNTYPED = sorted(set(torch_dtypes()) - {dtype.name for dtype in storage_types().values()})


def values_of(dtype: np.dtype) -> np.ndarray:
    """Six values of a dtype, 2 by 3."""
    return np.array([[0, 1, 2], [1, 0, 4]]).astype(dtype)


def of_untyped(array: np.ndarray, dtype: str) -> bytes:
    """_rebuild_tensor_v3 of a storage of bytes."""
    held = storage("Untyped", "0", array.nbytes)
    args = (integer(0), integers((2, 3)), integers((3, 1)), flag(False), HOOKS)
    return call(name("torch._utils", "_rebuild_tensor_v3"), held, *args, name("torch", dtype))


def read(pickled: bytes, *held: bytes, order: str = "little") -> np.ndarray:
    data = checkpoint(mapping({"w": pickled}), dict(zip("0123", held, strict=False)), order)
    return read_state_dict(data)["w"]


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_storage_type_in_both_byte_orders(dtype: str, order: str):
    array = values_of(torch_dtypes()[dtype].numpy)
    if array.dtype.kind == "c":
        array = (array + 1j * array).astype(array.dtype)
    width = array.itemsize // 2 if array.dtype.kind == "c" else array.itemsize
    raw = array.tobytes()
    if order == "big":
        raw = np.frombuffer(raw, f"u{width}").byteswap().tobytes()
    found = read(dense(array, "0"), raw, order=order)
    assert found.dtype == array.dtype and found.shape == (2, 3)
    assert found.tobytes() == array.tobytes()
    assert not found.flags.writeable


@pytest.mark.parametrize("dtype", UNTYPED)
@pytest.mark.parametrize("order", ["little", "big"])
def test_dtypes_without_a_storage_type(dtype: str, order: str):
    """uint16 and its like, and the float8s, are windows of untyped bytes."""
    array = values_of(torch_dtypes()[dtype].numpy)
    raw = array.tobytes()
    if order == "big":
        raw = np.frombuffer(raw, f"u{array.itemsize}").byteswap().tobytes()
    found = read(of_untyped(array, dtype), raw, order=order)
    assert (found.dtype, found.tobytes()) == (array.dtype, array.tobytes())


def test_windows_share_the_bytes_of_their_storage():
    data = np.arange(12, dtype=np.float32)
    held = storage("Float", "0", 12)
    windows = {
        "all": tensor(held, 0, (3, 4), (4, 1)),
        "transposed": tensor(held, 0, (4, 3), (1, 4)),
        "column": tensor(held, 1, (3,), (4,)),
        "diagonal": tensor(held, 0, (3,), (5,)),
        "expanded": tensor(held, 2, (5, 2), (0, 1)),
        "scalar": tensor(held, 7, (), ()),
        "empty": tensor(held, 12, (0, 3), (3, 1)),
        "wild": tensor(held, 3, (1, 2), (2**62, 1)),
    }
    found = read_state_dict(checkpoint(mapping(windows), {"0": data.tobytes()}))
    grid = data.reshape(3, 4)
    expected = {
        "all": grid,
        "transposed": grid.T,
        "column": grid[:, 1],
        "diagonal": grid.reshape(-1)[[0, 5, 10]],
        "expanded": np.broadcast_to(data[2:4], (5, 2)),
        "scalar": data[7],
        "empty": np.empty((0, 3), np.float32),
        "wild": data[3:5].reshape(1, 2),
    }
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].shape == array.shape
        assert key == "empty" or np.shares_memory(found[key], found["all"])


def test_lazy_conjugates_and_negatives_are_applied():
    array = np.array([1 + 2j, 3 - 4j], np.complex64)
    held = storage("ComplexFloat", "0", 2)
    marks = mapping({"conj": flag(True), "neg": flag(True)})
    found = read(tensor(held, 0, (2,), (1,), marks), array.tobytes())
    np.testing.assert_array_equal(found, -array.conj())
    assert not found.flags.writeable


@pytest.mark.parametrize(("kind", "dtype"), [("QInt8", np.int8), ("QUInt8", np.uint8)])
def test_quantized_tensors_are_given_as_the_values_they_stand_for(kind: str, dtype: type):
    stored = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    held = storage(kind, "0", 6)
    scheme = several(name("torch", "per_tensor_affine"), real(0.1), integer(2))
    args = (integer(0), integers((2, 3)), integers((3, 1)), scheme, flag(False), HOOKS)
    pickled = call(name("torch._utils", "_rebuild_qtensor"), held, *args)
    expected = (stored.astype(np.float32) - 2) * np.float32(0.1)
    np.testing.assert_array_equal(read(pickled, stored.tobytes()), expected, strict=True)
    tree = open_checkpoint(checkpoint(pickled, {"0": stored.tobytes()})).value
    assert isinstance(tree, TensorRecord) and tree.quantizer is not None
    np.testing.assert_array_equal(tree.array(), stored, strict=True)
    assert (tree.quantizer.scales, tree.quantizer.zero_points) == (0.1, 2)


def test_channels_have_scales_of_their_own():
    stored = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    scales, zeros = np.array([0.5, 2.0]), np.array([1, -1])
    scheme = several(
        name("torch", "per_channel_affine"), dense(scales, "1"), dense(zeros, "2"), integer(0)
    )
    args = (integer(0), integers((2, 3)), integers((3, 1)), scheme, flag(False), HOOKS)
    pickled = call(name("torch._utils", "_rebuild_qtensor"), storage("QInt32", "0", 6), *args)
    found = read(pickled, stored.tobytes(), scales.tobytes(), zeros.tobytes())
    expected = (stored - zeros[:, None]).astype(np.float32) * scales[:, None].astype(np.float32)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, ml_dtypes.bfloat16])
def test_sparse_tensors_are_given_dense(dtype: type):
    """Entries of one index add up; entries may be slices."""
    indices = np.array([[0, 2, 0]])
    elements = np.array([[1, 0], [1, 1], [0, 1]]).astype(dtype)
    found = read(sparse(indices, elements, (3, 2)), indices.tobytes(), elements.tobytes())
    expected = np.array([[1, 1], [0, 0], [1, 1]]).astype(dtype)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
