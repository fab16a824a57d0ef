"""Tensors of torch's files: views of storages, with geometry checked before an array exists.

A storage is a flat run of elements in the file; a tensor is a window of one: offset, sizes and
strides counted in elements. Tensors that share a storage share it here too. Nothing is copied but
what the file stores in another form: big-endian elements, conjugates, sparse and quantized values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias, TypeGuard, cast

import ml_dtypes
import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.archive import Archive, ByteOrder
from pyflame_rt.limits import Limits

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class TorchDType:
    """An element type of torch.

    `name` is what follows `torch.`, `code` its number in TorchScript (c10::ScalarType), `numpy`
    the stored elements: integers for a quantized type.
    """

    name: str
    code: int
    numpy: np.dtype[Any]

    @property
    def is_quantized(self) -> bool:
        """Whether values are `(element - zero point) * scale`."""
        return self.name.startswith("q")


@cache
def torch_dtypes() -> dict[str, TorchDType]:
    """Every dtype that can be read, by torch's name."""
    rows: tuple[tuple[str, int, Any], ...] = (
        ("uint8", 0, np.uint8),
        ("int8", 1, np.int8),
        ("int16", 2, np.int16),
        ("int32", 3, np.int32),
        ("int64", 4, np.int64),
        ("float16", 5, np.float16),
        ("float32", 6, np.float32),
        ("float64", 7, np.float64),
        ("complex64", 9, np.complex64),
        ("complex128", 10, np.complex128),
        ("bool", 11, np.bool_),
        ("qint8", 12, np.int8),
        ("quint8", 13, np.uint8),
        ("qint32", 14, np.int32),
        ("bfloat16", 15, ml_dtypes.bfloat16),
        ("float8_e5m2", 23, ml_dtypes.float8_e5m2),
        ("float8_e4m3fn", 24, ml_dtypes.float8_e4m3fn),
        ("float8_e5m2fnuz", 25, ml_dtypes.float8_e5m2fnuz),
        ("float8_e4m3fnuz", 26, ml_dtypes.float8_e4m3fnuz),
        ("uint16", 27, np.uint16),
        ("uint32", 28, np.uint32),
        ("uint64", 29, np.uint64),
        ("float8_e8m0fnu", 44, ml_dtypes.float8_e8m0fnu),
    )
    return {name: TorchDType(name, code, np.dtype(dtype)) for name, code, dtype in rows}


UNREADABLE_DTYPES = frozenset(
    {"complex32", "quint4x2", "quint2x4", "float4_e2m1fn_x2", "bits8", "bits16"}
)
"""Dtypes of torch without an array type here: packed, or complex of half precision."""

_STORAGES = {
    "Byte": "uint8",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Half": "float16",
    "Float": "float32",
    "Double": "float64",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    "Bool": "bool",
    "QInt8": "qint8",
    "QUInt8": "quint8",
    "QInt32": "qint32",
    "BFloat16": "bfloat16",
}


@cache
def storage_types() -> dict[str, TorchDType]:
    """The dtype of each `torch.XStorage` class, by the class's name."""
    return {f"{name}Storage": torch_dtypes()[dtype] for name, dtype in _STORAGES.items()}


class Storage:
    """A run of elements in a file; two tensors share memory when they have the same storage.

    `dtype` is None for an untyped one, whose length is in bytes. The bytes of a legacy file's
    storages come after the tensors: `bind` gives them then.
    """

    __slots__ = ("_bytes", "_order", "_swapped", "dtype", "key", "length", "where")

    def __init__(self, key: str, dtype: TorchDType | None, length: int, where: str):
        self.key = key
        self.dtype = dtype
        self.length = length
        self.where = where
        self._bytes: memoryview | None = None
        self._order: ByteOrder = "little"
        self._swapped: dict[int, memoryview] = {}

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return self.length * (1 if self.dtype is None else self.dtype.numpy.itemsize)

    def bind(self, data: memoryview, order: ByteOrder = "little") -> None:
        """Say where the bytes are. Raises InvalidModelError when they are not as many."""
        if data.nbytes != self.nbytes:
            raise self.invalid(f"has {data.nbytes} bytes where its tensors need {self.nbytes}")
        self._bytes = data
        self._order = order

    def elements(self, dtype: np.dtype[Any]) -> memoryview:
        """The bytes in little-endian order of that element type; a copy only if they are not.

        Raises InvalidModelError when the file has no bytes for this storage.
        """
        if self._bytes is None:
            raise self.invalid("is not in the file")
        # Both halves of a complex element are numbers of their own.
        width = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
        if self._order == "little" or width == 1:
            return self._bytes
        if width not in self._swapped:
            if self._bytes.nbytes % width:
                raise self.invalid(f"has {self._bytes.nbytes} bytes, not whole {dtype} elements")
            swapped = np.frombuffer(self._bytes, f">u{width}").astype(f"<u{width}")
            swapped.flags.writeable = False
            self._swapped[width] = swapped.view(np.uint8).data
        return self._swapped[width]

    def invalid(self, why: str) -> InvalidModelError:
        """An error about this storage."""
        return InvalidModelError(f"storage {self.key[:64]!a}: {why}", where=self.where)

    def __repr__(self) -> str:
        name = "bytes" if self.dtype is None else self.dtype.name
        return f"Storage({self.key[:64]!r}, {self.length} {name})"


@dataclass(frozen=True, eq=False)
class Quantizer:
    """Scales and zero points: of the tensor, or one for each index along `axis`."""

    scales: float | TensorRecord
    zero_points: int | TensorRecord
    axis: int | None = None


@dataclass(frozen=True, eq=False)
class TensorRecord:
    """A tensor of a file: a window of a storage that lies inside it, not read yet.

    Records are compared by identity: the same tensor met twice in a file is the same record.
    """

    storage: Storage
    dtype: TorchDType
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool = False
    quantizer: Quantizer | None = None
    conjugated: bool = False
    negated: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, by NumPy's name."""
        return self.sizes

    @property
    def nbytes(self) -> int:
        """Bytes of its elements when each is counted, however many share memory."""
        return math.prod(self.sizes) * self.dtype.numpy.itemsize

    def array(self) -> Array:
        """The elements as a read-only array: a view of the file but for lazy conjugates.

        Quantized tensors give the stored integers; `values` gives what they stand for.
        Raises InvalidModelError.
        """
        dtype = self.dtype.numpy
        data = self.storage.elements(dtype)
        if 0 in self.sizes:
            return _frozen(np.empty(self.sizes, dtype))
        # A stride along a single element may be any number: it is never taken.
        strides = (s if n > 1 else 1 for n, s in zip(self.sizes, self.strides, strict=True))
        view = np.ndarray[Any, Any](
            self.sizes,
            dtype,
            data,
            self.offset * dtype.itemsize,
            tuple(stride * dtype.itemsize for stride in strides),
        )
        if dtype == np.bool_ and view.size and int(view.view(np.uint8).max()) > 1:
            raise self.storage.invalid("holds bytes that are neither false nor true")
        if not (self.conjugated or self.negated):
            return view
        view = np.conj(view) if self.conjugated else view
        return _frozen(np.negative(view) if self.negated else view)

    def values(self) -> Array:
        """The values: of a quantized tensor `(element - zero point) * scale` in float32."""
        quantizer = self.quantizer
        if quantizer is None:
            return self.array()
        scales, zeros = (_parameter(p) for p in (quantizer.scales, quantizer.zero_points))
        if quantizer.axis is not None:
            shape = [1] * len(self.sizes)
            shape[quantizer.axis] = -1
            scales, zeros = scales.reshape(shape), zeros.reshape(shape)
        # Differences of int32 elements and zero points need more bits than they have.
        wide = np.float32 if zeros.dtype.kind == "f" else np.int64
        # Scales are the file's: what overflows is infinite.
        with np.errstate(all="ignore"):
            shifted = (self.array().astype(wide) - zeros).astype(np.float32)
            return _frozen(np.asarray(shifted * scales.astype(np.float32)))


@dataclass(frozen=True, eq=False)
class SparseRecord:
    """A tensor of which only some entries are stored: `indices` has a column for each.

    Entries of the same index add up. Entries may be slices: `values` has as many dimensions more
    than one as `sizes` has more than `indices` has rows.
    """

    indices: TensorRecord
    elements: TensorRecord
    sizes: tuple[int, ...]

    @property
    def dtype(self) -> TorchDType:
        """Of the entries."""
        return self.elements.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, by NumPy's name."""
        return self.sizes

    @property
    def nbytes(self) -> int:
        """Bytes of the dense array."""
        return math.prod(self.sizes) * self.dtype.numpy.itemsize

    def values(self) -> Array:
        """The dense array. Raises InvalidModelError for an index out of range."""
        indices, elements = self.indices.array(), self.elements.values()
        sparse = self.sizes[: indices.shape[0]]
        bound = np.array(sparse, np.int64).reshape(-1, 1)
        if ((indices < 0) | (indices >= bound)).any():
            raise self.indices.storage.invalid("holds an index that is outside its sparse tensor")
        dense = np.zeros(self.sizes, elements.dtype)
        if elements.dtype == np.bool_:
            np.logical_or.at(dense, tuple(indices), elements)
        else:
            with np.errstate(all="ignore"):
                np.add.at(dense, tuple(indices), elements)
        return _frozen(dense)


@dataclass
class Budget:
    """What the tensors of one pickle may come to: see `Limits.expansion_ratio`."""

    limits: Limits
    where: str
    stored: int = 0
    viewed: int = 0
    storages: set[int] = field(default_factory=set[int])

    def hold(self, storage: Storage) -> None:
        """Count a storage, the first time it is met."""
        if id(storage) not in self.storages:
            self.storages.add(id(storage))
            self.stored += storage.nbytes

    def view(self, sizes: tuple[int, ...], itemsize: int) -> None:
        """Count a tensor. Raises InvalidModelError when there are too many bytes of them."""
        # NumPy multiplies the sizes of an empty array as well, but for the zeros.
        nbytes = math.prod(size for size in sizes if size) * itemsize
        self.viewed += 0 if 0 in sizes else nbytes
        limits = self.limits
        most = self.stored * limits.expansion_ratio + limits.expansion_bytes
        if nbytes > limits.tensor_bytes or self.viewed > most:
            raise InvalidModelError(
                f"tensors of {self.viewed} bytes in storages of {self.stored} are not believed",
                where=self.where,
            )


def window(
    storage: Storage,
    dtype: TorchDType,
    offset: object,
    sizes: object,
    strides: object,
    budget: Budget,
) -> TensorRecord:
    """A tensor, when its geometry says that it lies in its storage.

    Raises InvalidModelError; nothing is allocated, whatever the numbers.
    """
    rank = budget.limits.tensor_rank
    if not (is_sizes(sizes, rank) and is_sizes(strides, rank) and is_sizes((offset,))):
        raise storage.invalid(f"a tensor needs offset, sizes and strides, at most {rank} of them")
    start = cast(int, offset)
    if len(sizes) != len(strides):
        raise storage.invalid(f"a tensor has {len(sizes)} sizes and {len(strides)} strides")
    if storage.dtype is not None and storage.dtype != dtype:
        raise storage.invalid(f"a {dtype.name} tensor in a storage of {storage.dtype.name}")
    width = dtype.numpy.itemsize
    last = start - 1
    if 0 not in sizes:
        last = start + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if (last + 1) * width > storage.nbytes:
        raise storage.invalid(
            f"a tensor reaches element {last} of {storage.nbytes // width}, "
            f"offset {start}, sizes {list(sizes)}, strides {list(strides)}"
        )
    budget.hold(storage)
    budget.view(sizes, width)
    return TensorRecord(storage, dtype, start, sizes, strides)


def is_sizes(value: object, rank: int = 64) -> TypeGuard[tuple[int, ...]]:
    """Whether a value is a tuple of at most `rank` integers from 0 to 2**63 - 1."""
    if type(value) is not tuple:
        return False
    items = cast(tuple[object, ...], value)
    return len(items) <= rank and all(type(i) is int and 0 <= i < 2**63 for i in items)


Storages: TypeAlias = Callable[[str, TorchDType | None, int], Storage]
"""Gives the storage of a key, with an element type (None: bytes) and a length."""


class ArchiveStorages:
    """The storages of an archive's folder: member `folder/key` holds the bytes of `key`."""

    def __init__(self, archive: Archive, folder: str = "data", *, verify: bool = True):
        self._archive = archive
        self._folder = folder
        self._verify = verify
        self._order: ByteOrder = archive.byte_order
        self._storages: dict[str, Storage] = {}

    def __call__(self, key: str, dtype: TorchDType | None, length: int) -> Storage:
        """The storage of a key, the same each time. Raises InvalidModelError."""
        storage = self._storages.get(key)
        if storage is None:
            storage = Storage(key, dtype, length, self._archive.where)
            name = f"{self._folder}/{key}"
            if name not in self._archive:
                raise storage.invalid("is not in the file")
            if storage.nbytes != self._archive.size(name):
                size = self._archive.size(name)
                raise storage.invalid(f"has {size} bytes where its tensors need {storage.nbytes}")
            storage.bind(self._archive.read(name, verify=self._verify), self._order)
            self._storages[key] = storage
        return same(storage, dtype, length)


def same(storage: Storage, dtype: TorchDType | None, length: int) -> Storage:
    """The storage itself. Raises InvalidModelError when it was another type or length before."""
    if storage.dtype != dtype or storage.length != length:
        raise storage.invalid("is named with two element types or lengths")
    return storage


def _parameter(value: float | TensorRecord) -> Array:
    return value.array() if isinstance(value, TensorRecord) else np.asarray(value)


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
