"""Arrays as tensors of a file: sub-byte types packed, strings as texts, everything else raw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from onnx.onnx_ml_pb2 import TensorProto

from pyflame_rt.dtypes import STRING
from pyflame_rt.frontends.onnx.export.nodes import code_of
from pyflame_rt.frontends.onnx.tensors import bits_of

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Initializer:
    """A named constant of a graph; its values are read only when it is written."""

    name: str
    array: Array

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
