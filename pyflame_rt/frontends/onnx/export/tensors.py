"""Arrays as tensors of a file: sub-byte types packed, strings as texts, everything else raw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from onnx.onnx_ml_pb2 import SparseTensorProto, TensorProto

from pyflame_rt.dtypes import STRING
from pyflame_rt.frontends.onnx.export.nodes import code_of
from pyflame_rt.frontends.onnx.tensors import MAX_SPARSE, bits_of
from pyflame_rt.limits import Expansion

Array: TypeAlias = npt.NDArray[Any]

_SPARSE = 0.75
"""What a sparse tensor takes at most of the dense one's bytes; an index has 8."""


@dataclass(frozen=True)
class Initializer:
    """A named constant of a graph; its values are read only when it is written."""

    name: str
    array: Array
    is_pruned: bool = False
    """Whether zeros were put into it, which a sparse tensor may leave out."""

    @property
    def is_raw(self) -> bool:
        """Whether its values are bytes."""
        return self.array.dtype != STRING

    @property
    def size(self) -> int:
        """Bytes that its values take in a file."""
        return (self.array.size * bits_of(self.array.dtype) + 7) // 8 if self.is_raw else 0

    def header(self) -> TensorProto:
        """The tensor without its raw values."""
        proto = TensorProto(name=self.name, data_type=code_of(self.array.dtype))
        proto.dims.extend(self.array.shape)
        if not self.is_raw:
            proto.string_data.extend(str(item).encode() for item in self.array.reshape(-1))
        return proto

    def raw(self) -> memoryview:
        """The values as they are in a file, a view of the array where that is possible."""
        return raw_bytes(self.array)


def sparse_proto(row: Initializer, expansion: Expansion) -> SparseTensorProto | None:
    """A pruned tensor by its nonzeros and their flat indices; None where that is not smaller, or
    more than a reader makes dense."""
    array = row.array
    if not row.is_pruned or array.dtype.kind != "f" or not 0 < array.nbytes <= MAX_SPARSE:
        return None
    flat = np.ascontiguousarray(array).reshape(-1)
    indices = np.flatnonzero(flat)
    size = indices.size * (indices.itemsize + flat.itemsize)
    if size > _SPARSE * array.nbytes or not expansion.admits(size, array.nbytes):
        return None
    expansion.add(size, array.nbytes)
    proto = SparseTensorProto(dims=array.shape)
    proto.values.CopyFrom(tensor_proto(row.name, flat[indices]))
    # The indices of a sparse tensor have no name.
    proto.indices.CopyFrom(tensor_proto("", indices.astype(np.int64)))
    return proto


def raw_bytes(array: Array) -> memoryview:
    """The elements of an array in little-endian order, packed if they are smaller than a byte."""
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = bits_of(array.dtype)
    if bits >= 8:
        return cast(Any, flat.view(np.uint8)).data
    each = 8 // bits
    codes = flat.view(np.uint8) & np.uint8((1 << bits) - 1)
    padded = np.zeros(-(-codes.size // each) * each, np.uint8)
    padded[: codes.size] = codes
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    packed = np.bitwise_or.reduce(padded.reshape(-1, each) << shifts, axis=1)
    return packed.astype(np.uint8).data


def tensor_proto(name: str, array: Array) -> TensorProto:
    """A whole tensor, values included."""
    initializer = Initializer(name, array)
    proto = initializer.header()
    if initializer.is_raw:
        proto.raw_data = bytes(initializer.raw())
    return proto
