"""Tensors that hold their nonzeros only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import BackendError, ShapeMismatchError, ValidationError
from pyflame_rt.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]

_WIDENED = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
"""Types that SciPy does not multiply."""


class SparseFormat(Enum):
    """How nonzeros are held.

    COO: the indices of each, of a tensor of any rank. CSR and CSC: rows or columns one after the
    other, an index each. BSR: dense blocks, an index for each block of a row of blocks.
    """

    COO = 0
    CSR = 1
    CSC = 2
    BSR = 3


class SparseTensor:
    """A tensor by its nonzeros.

    All formats but COO are of matrices: a tensor of more dimensions is one of its first dimension
    times all others, as the weights of a convolution are multiplied; a vector is one row.
    They need SciPy (the extra `sparse`).
    """

    def __init__(
        self,
        parts: Sequence[Array],
        shape: Sequence[int],
        format: SparseFormat,
        dtype: npt.DTypeLike,
    ):
        self._parts = tuple(parts)
        self._shape = tuple(shape)
        self._format = format
        self._dtype = np.dtype(dtype)

    @staticmethod
    def from_dense(
        tensor: Tensor | Array,
        format: SparseFormat = SparseFormat.CSR,
        block_size: Sequence[int] = (4, 4),
    ) -> SparseTensor:
        """The nonzeros of a tensor; `block_size` is that of BSR, and divides the matrix.

        Raises ValidationError for strings and for blocks that do not fit, BackendError without SciPy.
        """
        array = np.asarray(tensor)
        if array.dtype.kind in "OSU":
            raise ValidationError("strings have no zeros", where="SparseTensor")
        flat = array.reshape(-1)
        places = np.flatnonzero(flat)
        indices = np.zeros((places.size, 0), np.int64)
        if array.ndim:
            indices = np.stack(np.unravel_index(places, array.shape), axis=-1)
        parts = (indices, flat[places])
        whole = SparseTensor(parts, array.shape, SparseFormat.COO, array.dtype)
        return whole.to(format, block_size)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._dtype

    @property
    def format(self) -> SparseFormat:
        """How nonzeros are held."""
        return self._format

    @property
    def values(self) -> Array:
        """What is held, zeros inside of blocks included."""
        return self._parts[-1]

    def to(self, format: SparseFormat, block_size: Sequence[int] = (4, 4)) -> SparseTensor:
        """The same tensor in another format. Raises as `from_dense`."""
        if format is self._format and format is not SparseFormat.BSR:
            return self
        if format is SparseFormat.COO:
            return SparseTensor.from_dense(self._array(), SparseFormat.COO)
        rows, columns = self._matrix_shape()
        if format is SparseFormat.BSR:
            size = tuple(block_size)
            if len(size) != 2 or min(size) < 1 or rows % size[0] or columns % size[1]:
                raise ValidationError(
                    f"blocks of {list(size)} do not divide a matrix of {rows} x {columns}",
                    where="SparseTensor",
                )
        matrix = self._matrix()
        made: Any
        match format:
            case SparseFormat.CSR:
                made = matrix.tocsr()
            case SparseFormat.CSC:
                made = matrix.tocsc()
            case _:
                made = matrix.tobsr(blocksize=tuple(block_size))
        parts = (made.indptr, made.indices, made.data.astype(self._dtype, copy=False))
        return SparseTensor(parts, self._shape, format, self._dtype)

    def to_coo(self) -> SparseTensor:
        """The same tensor as indices and values."""
        return self.to(SparseFormat.COO)

    def to_csr(self) -> SparseTensor:
        """The same tensor by rows."""
        return self.to(SparseFormat.CSR)

    def to_csc(self) -> SparseTensor:
        """The same tensor by columns."""
        return self.to(SparseFormat.CSC)

    def to_bsr(self, block_size: Sequence[int] = (4, 4)) -> SparseTensor:
        """The same tensor by blocks."""
        return self.to(SparseFormat.BSR, block_size)

    def to_dense(self) -> Tensor:
        """All elements."""
        return Tensor.owning(self._array())

    def nnz(self) -> int:
        """How many elements are not 0."""
        return int(np.count_nonzero(self.values))

    def sparsity(self) -> float:
        """The part of the elements that is 0."""
        size = math.prod(self._shape)
        return 1 - self.nnz() / size if size else 0.0

    def memory_bytes(self) -> int:
        """Bytes of values and indices."""
        return sum(part.nbytes for part in self._parts)

    def compression_ratio(self) -> float:
        """Bytes of all elements for each byte held."""
        held = self.memory_bytes()
        return math.prod(self._shape) * self._dtype.itemsize / held if held else 1.0

    def __repr__(self) -> str:
        return f"SparseTensor({self._format.name}, {list(self._shape)}, {self._dtype.name}, nnz={self.nnz()})"

    def _matrix_shape(self) -> tuple[int, int]:
        if len(self._shape) < 2:
            return 1, math.prod(self._shape)
        return self._shape[0], math.prod(self._shape[1:])

    def _matrix(self) -> Any:
        """A matrix of SciPy's."""
        sparse, shape = _scipy(), self._matrix_shape()
        values = self.values
        if values.dtype.name in _WIDENED:
            values = values.astype(np.float32)
        match self._format:
            case SparseFormat.COO:
                index = np.zeros(len(values), np.int64)
                if self._shape:
                    index = np.ravel_multi_index(tuple(self._parts[0].T), self._shape)
                rows, columns = np.divmod(index, shape[1]) if shape[1] else (index, index)
                if max(shape) < 1 << 31:
                    # Half the memory, which is what products wait for.
                    rows, columns = rows.astype(np.int32), columns.astype(np.int32)
                return sparse.coo_array((values, (rows, columns)), shape=shape)
            case SparseFormat.CSR:
                kind = sparse.csr_array
            case SparseFormat.CSC:
                kind = sparse.csc_array
            case _:
                kind = sparse.bsr_array
        return kind((values, self._parts[1], self._parts[0]), shape=shape)

    def _array(self) -> Array:
        if self._format is SparseFormat.COO:
            array = np.zeros(self._shape, self._dtype)
            array[tuple(self._parts[0].T)] = (
                self.values if self._shape else self.values[:1].sum(dtype=self._dtype)
            )
            return array
        return self._matrix().toarray().astype(self._dtype).reshape(self._shape)

    def times(self, other: Array, *, is_left: bool) -> Array:
        """The product with a dense array, which may be the left factor."""
        dtype = np.result_type(self._dtype, other.dtype)
        if other.dtype.name in _WIDENED:
            other = other.astype(np.float32)
        matrix = self._matrix()
        if is_left:
            product = (matrix.T @ other.reshape(-1, other.shape[-1]).T).T
            return np.ascontiguousarray(product).astype(dtype).reshape(*other.shape[:-1], -1)
        return np.asarray(matrix @ other).astype(dtype)


def sparse_matmul(a: SparseTensor | Tensor | Array, b: SparseTensor | Tensor | Array) -> Tensor:
    """a @ b, one of them sparse (as a matrix), the other dense. A sparse right factor takes a of any
    rank, a sparse left one a vector or matrix.

    Raises ShapeMismatchError when sizes differ, ValidationError unless one is sparse, BackendError
    without SciPy.
    """
    if isinstance(a, SparseTensor) == isinstance(b, SparseTensor):
        raise ValidationError("needs one sparse and one dense factor", where="sparse_matmul")
    is_left = isinstance(b, SparseTensor)
    sparse = cast(SparseTensor, b if is_left else a)
    dense = np.asarray(cast("Tensor | Array", a if is_left else b))
    rows, columns = sparse._matrix_shape()  # pyright: ignore[reportPrivateUsage]
    wanted = rows if is_left else columns
    found = 0 if not dense.ndim else dense.shape[-1] if is_left else dense.shape[0]
    if found != wanted or (not is_left and dense.ndim > 2):
        raise ShapeMismatchError(
            f"a sparse matrix of {rows} x {columns} does not go with {list(dense.shape)}",
            where="sparse_matmul",
        )
    return Tensor.owning(sparse.times(dense, is_left=is_left))


def _scipy() -> Any:
    try:
        from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise BackendError(
            "sparse matrices need SciPy", hint="pip install 'pyflame-rt[sparse]'"
        ) from error
    return sparse
