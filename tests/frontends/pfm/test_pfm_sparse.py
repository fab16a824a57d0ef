"""Tensors of many zeros are stored without them, and come back bit by bit."""

from __future__ import annotations

import io

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.pfm import PfmFile, dump_pfm, sparse, tensors
from pyflame_rt.frontends.pfm.layout import Feature
from pyflame_rt.limits import Expansion, Limits
from pyflame_rt.universe import make_context
from pyflame_rt.weights import Weight

DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.int64]


def module(array: np.ndarray) -> ModuleOp:
    """A function that returns a constant."""
    constant = ConstantOp.get(array, names=["w"])
    block = Block([constant, func.ReturnOp(constant.result)])
    kinds = ((), (constant.result.type,))
    return ModuleOp([func.FuncOp("main", kinds, Region(block))])


def written(array: np.ndarray) -> bytes:
    """The file of such a module."""
    stream = io.BytesIO()
    dump_pfm(module(array), stream)
    return stream.getvalue()


def read(data: bytes) -> np.ndarray:
    """The constant of such a file."""
    file = PfmFile.open(data)
    file.verify()
    found = next(op for op in file.module(make_context()).walk() if isinstance(op, ConstantOp))
    assert found.array is not None
    return found.array


@settings(deadline=None)
@given(st.sampled_from(DTYPES), st.sampled_from([0.0, 0.3, 0.6, 0.97, 1.0]), st.integers(1, 9))
def test_all_bits_come_back(dtype, sparsity, odd):
    """Of any type and number; -0.0 and nan are not 0."""
    rng = np.random.default_rng([int(100 * sparsity), odd])
    array = (rng.standard_normal(5000 + odd) * 100).astype(dtype)
    array[rng.random(array.size) < sparsity] = 0
    if array.dtype.kind == "f":
        array[:2] = [-0.0, np.nan]
    assert read(written(array)).tobytes() == array.tobytes()


def test_files_are_as_much_smaller_as_is_promised():
    """A bit an element, and the elements that are there; not below 25 % of saving."""
    array = np.zeros((64, 64), np.float32)
    array[:, ::2] = 1
    file = PfmFile.open(written(array))
    assert file.features == Feature.SPARSE
    assert file.tensors[0].size == sparse.stored_bytes(array) == 64 * 64 // 8 + 64 * 32 * 4
    dense = np.ones((64, 64), np.float32)
    dense[:, :16] = 0
    assert (
        PfmFile.open(written(dense)).tensors[0].size == dense.nbytes == sparse.stored_bytes(dense)
    )
    assert PfmFile.open(written(dense)).features == 0


@pytest.mark.parametrize("bit", [0, 5, 4097])
def test_bits_and_elements_that_disagree_are_refused(bit):
    """Whatever the checksums say: one bit more, one less, a spare bit."""
    array = np.zeros(4100, np.float32)
    array[:100] = 1
    form = sparse.encoded(array)
    assert form is not None
    form[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="do not fill"):
        sparse.decoded(form, array.dtype, array.size)
    spare = sparse.encoded(array)
    assert spare is not None
    spare[512] |= 0x80
    with pytest.raises(ValueError, match="do not fill"):
        sparse.decoded(spare, array.dtype, array.size)


def test_sizes_that_no_sparse_tensor_has_are_refused():
    """Before anything is read: fewer bytes than bits, more than all elements, half elements."""
    assert sparse.fits(512 + 400, 4096, 4)
    assert not sparse.fits(511, 4096, 4)
    assert not sparse.fits(512 + 4 * 4097, 4096, 4)
    assert not sparse.fits(512 + 2, 4096, 4)


def test_a_damaged_sparse_tensor_is_one_line():
    """Its bytes changed in the file, checksums not looked at."""
    data = bytearray(written(np.zeros(5000, np.float32)))
    data[PfmFile.open(bytes(data)).header.data_offset] ^= 1
    file = PfmFile.open(bytes(data))
    with pytest.raises(InvalidModelError, match=r"cannot be made dense"):
        file.module(make_context())
    with pytest.raises(InvalidModelError, match="is damaged"):
        file.verify()


def test_a_small_file_does_not_become_a_large_model():
    """One bit an element of f64: what all tensors come to is counted before there is an array."""
    data = written(np.zeros(50_000, np.float64))
    small = Limits(expansion_ratio=8, expansion_bytes=4096)
    with pytest.raises(InvalidModelError, match="sparse tensors of 400000 bytes in 6250 are not"):
        PfmFile.open(data, limits=small)
    assert PfmFile.open(data, limits=Limits(expansion_bytes=350_000)).tensors[0].is_sparse


def test_what_is_written_can_be_read(monkeypatch):
    """Where sparse tensors would be more than a reader believes, they are dense."""
    arrays = [np.zeros(50_000, np.float64) for _ in range(4)]
    for index, array in enumerate(arrays):
        array[index] = 1
    table = tensors.TensorTable()
    monkeypatch.setattr(
        table, "_expansion", Expansion(Limits(expansion_bytes=700_000, expansion_ratio=8))
    )
    for array in arrays:
        table.index(Weight(array), "w")
    # The dense one is something to expand from.
    assert [entry.is_sparse for entry in table.entries] == [True, True, False, True]
