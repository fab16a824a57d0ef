"""TensorProto and SparseTensorProto as arrays: views of the file wherever the layout allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt
from onnx.onnx_ml_pb2 import SparseTensorProto, TensorProto

from pyflame_rt import dtypes
from pyflame_rt.dtypes import STRING, strings
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx.external import ExternalFiles
from pyflame_rt.frontends.onnx.text import text
from pyflame_rt.frontends.onnx.wire import WireModel
from pyflame_rt.limits import Expansion

Array: TypeAlias = npt.NDArray[Any]

MAX_RANK = 64
MAX_SPARSE = 1 << 28
"""Bytes that a sparse tensor may take as a dense one."""

_TYPED_FIELDS = {
    "float_data": (TensorProto.FLOAT, TensorProto.COMPLEX64),
    "double_data": (TensorProto.DOUBLE, TensorProto.COMPLEX128),
    "int64_data": (TensorProto.INT64,),
    "uint64_data": (TensorProto.UINT32, TensorProto.UINT64),
}
"""Where a dtype's elements are when they are not raw; `int32_data` for all others."""


def bits_of(dtype: np.dtype[Any]) -> int:
    """Bits of an element in a file: sub-byte types are packed there, though not in memory."""
    if dtype.kind in "biufc":
        return dtype.itemsize * 8
    if dtype == np.dtype(ml_dtypes.float4_e2m1fn):
        return 4
    try:
        return int(ml_dtypes.iinfo(dtype).bits)
    except ValueError:
        return dtype.itemsize * 8


def dtype_of_code(code: int, where: str) -> np.dtype[Any]:
    """The NumPy dtype of a `TensorProto.DataType` code.

    Raises InvalidModelError for no type at all, UnsupportedOperatorError for one we lack.
    """
    if (row := dtypes.by_onnx().get(code)) is not None:
        return row.numpy
    if code == TensorProto.STRING:
        return STRING
    if code == TensorProto.UNDEFINED:
        raise InvalidModelError("has no element type", where=where)
    known = {number: label for label, number in TensorProto.DataType.items()}
    if code not in known:
        raise InvalidModelError(f"has the unknown element type {code}", where=where)
    raise UnsupportedOperatorError(f"element type {known[code]} is not supported", where=where)


def checked_shape(dims: Any, where: str) -> tuple[int, ...]:
    """The dimensions of a tensor in a file, bounded and not negative."""
    if len(dims) > MAX_RANK:
        raise InvalidModelError(f"has {len(dims)} dimensions, at most {MAX_RANK}", where=where)
    shape = tuple(int(dim) for dim in dims)
    if any(dim < 0 for dim in shape):
        raise InvalidModelError(f"has the shape {list(shape)}", where=where)
    return shape


@dataclass(frozen=True)
class TensorReader:
    """Reads the tensors of one model: `wire` holds raw ones, `files` external ones."""

    wire: WireModel
    files: ExternalFiles
    expansion: Expansion = field(default_factory=Expansion)

    def array(self, tensor: TensorProto, where: str) -> Array:
        """The read-only array of a tensor; a view of the file unless elements must be unpacked.

        Raises InvalidModelError when type, shape and data do not agree.
        """
        dtype = dtype_of_code(tensor.data_type, where)
        shape = checked_shape(tensor.dims, where)
        count = math.prod(shape)
        if tensor.HasField("segment"):
            raise UnsupportedOperatorError("tensors in segments are not supported", where=where)
        if dtype == STRING:
            return _strings(tensor, shape, where)
        raw = self._raw(tensor, dtype, count, where)
        flat = (
            _from_raw(raw, dtype, count) if raw is not None else _typed(tensor, dtype, count, where)
        )
        array = flat.reshape(shape)
        array.flags.writeable = False
        return array

    def _raw(
        self, tensor: TensorProto, dtype: np.dtype[Any], count: int, where: str
    ) -> Array | None:
        size = (count * bits_of(dtype) + 7) // 8
        raw = self.wire.raw_data(tensor)
        if tensor.data_location == TensorProto.EXTERNAL:
            if raw is not None:
                raise InvalidModelError("has raw data and external data", where=where)
            entries = {
                text(entry.key, "external data key", where): text(
                    entry.value, "external data value", where
                )
                for entry in tensor.external_data
            }
            return self.files.read(entries, size, where)
        if raw is not None and raw.size != size:
            raise InvalidModelError(
                f"{raw.size} bytes of data, but type and shape need {size}", where=where
            )
        return raw

    def sparse(self, tensor: SparseTensorProto, where: str) -> Array:
        """A sparse tensor as a dense array. Raises as `array`, and when it would be huge."""
        values = self.array(tensor.values, where)
        indices = self.array(tensor.indices, where)
        shape = checked_shape(tensor.dims, where)
        count = math.prod(shape)
        if count * values.dtype.itemsize > MAX_SPARSE:
            raise UnsupportedOperatorError(
                f"a sparse tensor of shape {list(shape)} is too large to be made dense", where=where
            )
        self.expansion.add(values.nbytes + indices.nbytes, count * values.dtype.itemsize)
        if not self.expansion.admits():
            raise UnsupportedOperatorError(
                f"sparse tensors of {self.expansion.expanded} bytes in {self.expansion.stored} are "
                "not believed",
                where=where,
            )
        if values.ndim != 1 or indices.dtype != np.int64:
            raise InvalidModelError("needs a vector of values and int64 indices", where=where)
        if indices.shape == (values.size, len(shape)):
            bounds = np.array(shape, np.int64)
            inside = bool(((indices >= 0) & (indices < bounds)).all())
            flat_indices = np.ravel_multi_index(tuple(indices.T), shape) if inside and shape else 0
        elif indices.shape == values.shape:
            inside = bool(((indices >= 0) & (indices < count)).all())
            flat_indices = indices
        else:
            raise InvalidModelError(
                f"{values.size} sparse values with indices of shape {list(indices.shape)}",
                where=where,
            )
        if not inside:
            raise InvalidModelError("a sparse index lies outside the shape", where=where)
        dense = np.zeros(count, values.dtype)
        dense[flat_indices] = values
        dense = dense.reshape(shape)
        dense.flags.writeable = False
        return dense


def _strings(tensor: TensorProto, shape: tuple[int, ...], where: str) -> Array:
    if len(tensor.string_data) != math.prod(shape):
        raise InvalidModelError(
            f"{len(tensor.string_data)} texts, but the shape needs {math.prod(shape)}", where=where
        )
    try:
        return strings([item.decode() for item in tensor.string_data], shape)
    except UnicodeDecodeError as error:
        raise InvalidModelError("an element is not UTF-8 text", where=where) from error


def _from_raw(raw: Array, dtype: np.dtype[Any], count: int) -> Array:
    """Elements of little-endian packed bytes of the right length."""
    bits = bits_of(dtype)
    if bits < 8:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        codes = ((raw[:, None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(-1)[:count]
        return codes.view(dtype)
    if dtype == np.bool_:
        # Any byte but 0 and 1 would make a bool that is neither.
        return raw.view(np.bool_) if not (raw > 1).any() else raw != 0
    return raw.view(dtype)


def _typed(tensor: TensorProto, dtype: np.dtype[Any], count: int, where: str) -> Array:
    """Elements of the typed field that the dtype uses."""
    field = next(
        (f for f, codes in _TYPED_FIELDS.items() if tensor.data_type in codes), "int32_data"
    )
    items = getattr(tensor, field)
    bits = bits_of(dtype)
    per_item = {"c": 0.5}.get(dtype.kind, 8 // bits if bits < 8 else 1)
    expected = math.ceil(count / per_item)
    if len(items) != expected:
        raise InvalidModelError(
            f"{len(items)} elements in {field}, but type and shape need {expected}", where=where
        )
    storage = {
        "float_data": np.float32,
        "double_data": np.float64,
        "int64_data": np.int64,
        "uint64_data": np.uint64,
        "int32_data": np.int32,
    }[field]
    stored: Array = np.fromiter(items, storage, len(items))
    if dtype.kind == "c":
        return stored.view(dtype)
    if field != "int32_data":
        narrow = stored.astype(dtype, copy=False)
        return _unchanged(narrow, stored, where)
    if bits < 8:
        return _from_raw(_unchanged(stored.astype(np.uint8), stored, where), dtype, count)
    if dtype == np.bool_:
        return stored != 0
    if dtype.kind in "iu":
        return _unchanged(stored.astype(dtype), stored, where)
    carrier = np.dtype(f"u{dtype.itemsize}")
    return stored.astype(carrier).view(dtype)


def _unchanged(narrow: Array, stored: Array, where: str) -> Array:
    if narrow.dtype.kind in "iu" and not np.array_equal(narrow, stored):
        raise InvalidModelError("an element is out of its type's range", where=where)
    return narrow
