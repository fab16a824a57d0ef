"""Sparse tensors hold what the dense ones hold, in every format."""

from __future__ import annotations

import builtins

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pyflame_rt import Tensor, pruning
from pyflame_rt.errors import BackendError, ShapeMismatchError, ValidationError
from pyflame_rt.pruning import PackedNM, SparseFormat, SparseTensor, sparse_matmul

pytest.importorskip("scipy", reason="the formats of matrices need SciPy")

VALUES = st.sampled_from([0, 0, 0, 1, -2, 3])
TENSORS = npst.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.int8]),
    npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    elements=VALUES,
)


@settings(deadline=None)
@given(TENSORS, st.lists(st.sampled_from(list(SparseFormat)), min_size=1, max_size=3))
def test_every_chain_of_formats_keeps_all_elements(array, formats):
    """Any rank; those of matrices by the first dimension."""
    sparse = SparseTensor.from_dense(array, SparseFormat.COO)
    for format in formats:
        sparse = sparse.to(format, (1, 1))
        assert sparse.format is format
        assert sparse.nnz() == np.count_nonzero(array)
    dense = sparse.to_dense().numpy()
    assert dense.dtype == array.dtype
    assert np.array_equal(dense, array)


def test_memory_and_sparsity_are_those_of_the_parts():
    """CSR of 4 x 8 with 4 nonzeros: as many values and columns, 5 starts."""
    array = np.zeros((4, 8), np.float32)
    array[:, 3] = 1
    sparse = SparseTensor.from_dense(Tensor.owning(array), SparseFormat.CSR)
    assert sparse.sparsity() == 1 - 4 / 32
    assert sparse.memory_bytes() == 4 * 4 + 4 * 4 + 5 * 4
    assert sparse.compression_ratio() == 128 / 52
    assert sparse.to_coo().memory_bytes() == 4 * 4 + 4 * 2 * 8
    assert sparse.to_csc().to_bsr((2, 4)).values.shape == (2, 2, 4)
    assert repr(sparse) == "SparseTensor(CSR, [4, 8], float32, nnz=4)"


@pytest.mark.parametrize("format", list(SparseFormat))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_products_are_those_of_dense_matrices(format, dtype):
    """Sparse factors on either side, vectors and more dimensions; narrow types through f32."""
    rng = np.random.default_rng(0)
    w = (rng.integers(-3, 4, (8, 12)) * (rng.random((8, 12)) < 0.4)).astype(dtype)
    sparse = SparseTensor.from_dense(w, format)
    x, v, left = (rng.integers(-3, 4, s).astype(dtype) for s in ((12, 5), (12,), (2, 3, 8)))
    for found, wanted in (
        (sparse_matmul(sparse, x), w.astype(float) @ x.astype(float)),
        (sparse_matmul(sparse, v), w.astype(float) @ v.astype(float)),
        (sparse_matmul(left, sparse), left.astype(float) @ w.astype(float)),
    ):
        assert found.numpy().dtype == dtype
        assert np.array_equal(found.numpy().astype(float), wanted)


def test_the_weights_of_a_convolution_are_a_matrix():
    """As the documentation does it: features times everything else."""
    w = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    sparse = SparseTensor.from_dense(w, SparseFormat.CSR)
    found = sparse_matmul(sparse, np.ones(12, np.float32)).numpy()
    assert found.tolist() == w.reshape(2, -1).sum(1).tolist()


def test_what_does_not_go_together_is_said():
    """Sizes, blocks, two dense factors, strings."""
    sparse = SparseTensor.from_dense(np.eye(4, dtype=np.float32))
    with pytest.raises(ShapeMismatchError, match=r"4 x 4 does not go with \[5\]"):
        sparse_matmul(sparse, np.ones(5))
    with pytest.raises(ValidationError, match="one sparse and one dense"):
        sparse_matmul(np.ones(4), np.ones(4))
    with pytest.raises(ValidationError, match="do not divide a matrix of 4 x 4"):
        sparse.to_bsr((3, 4))
    with pytest.raises(ValidationError, match="strings"):
        SparseTensor.from_dense(np.array(["a"], object))


def test_without_scipy_the_extra_is_named(monkeypatch):
    """COO needs nothing; the others say what to install."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    array = np.eye(4, dtype=np.float32)
    assert np.array_equal(SparseTensor.from_dense(array, SparseFormat.COO).to_dense(), array)
    with pytest.raises(BackendError, match=r"pyflame-rt\[sparse\]"):
        SparseTensor.from_dense(array, SparseFormat.CSR)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.sampled_from([(2, 4), (1, 4), (1, 2), (4, 8)]))
def test_packed_patterns_hold_and_multiply_what_the_matrix_does(rows, groups, pattern):
    """Groups with fewer nonzeros than N too."""
    n, m = pattern
    rng = np.random.default_rng([rows, groups, n, m])
    w = rng.integers(-4, 5, (rows, groups * m)).astype(np.float32)
    w[~pruning_mask(w, n, m)] = 0
    packed = PackedNM.from_dense(w, n, m)
    assert np.array_equal(packed.to_dense(), w)
    assert packed.memory_bytes() == rows * groups * n * 5
    for shape in ((groups * m,), (groups * m, 3)):
        x = rng.integers(-4, 5, shape).astype(np.float32)
        assert np.array_equal(packed.matmul(x), w @ x)


def pruning_mask(w: np.ndarray, n: int, m: int) -> np.ndarray:
    """The largest N of each M."""
    from pyflame_rt.passes.pruning import nm

    return nm.pattern(np.abs(w), n, m)


def test_only_patterns_are_packed():
    """A matrix that has none loses nothing silently."""
    with pytest.raises(ValidationError, match="has no pattern of 2:4"):
        pruning.PackedNM.from_dense(np.ones((2, 4), np.float32))
    with pytest.raises(ShapeMismatchError):
        pruning.PackedNM.from_dense(np.zeros((2, 4), np.float32)).matmul(np.ones(3))
