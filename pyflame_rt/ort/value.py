"""OrtValue: a tensor, sequence or optional with its ONNX type, in memory that callers may share."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.dtypes import STRING
from pyflame_rt.errors import ArgumentTypeError, InputError, PyFlameRTError, UnfeedableError
from pyflame_rt.ort.errors import NotImplemented as Unsupported

Array: TypeAlias = npt.NDArray[Any]

_STRING_CODE = 8
_DEVICE_TYPES = {"cpu": 0, "cuda": 1, "gpu": 1, "dml": 4, "cann": 2, "webgpu": 1, "npu": 2}
_VENDORS = {"cuda": 0x10DE, "dml": 0x1414, "cann": 0x19E5, "webgpu": 0}


class OrtDeviceVendorId(IntEnum):
    """Vendors of devices by their PCI number."""

    NONE = 0x0000
    AMD = 0x1002
    NVIDIA = 0x10DE
    ARM = 0x13B5
    MICROSOFT = 0x1414
    HUAWEI = 0x19E5
    QUALCOMM = 0x5143
    INTEL = 0x8086


class OrtDevice:
    """A place where tensors lie; only the CPU has memory here."""

    def __init__(self, name: str, device_id: int = 0, vendor_id: int = 0):
        self._name = name
        self._id = device_id
        self._vendor = vendor_id

    @staticmethod
    def make(ort_device_name: str, device_id: int, vendor_id: int = -1) -> OrtDevice:
        """The device of that name. Raises PyFlameRTError for a name that no device has."""
        if ort_device_name not in _DEVICE_TYPES:
            raise PyFlameRTError(f"Unsupported device type: {ort_device_name}")
        vendor = _VENDORS.get(ort_device_name, 0) if vendor_id < 0 else int(vendor_id)
        return OrtDevice(ort_device_name, device_id, vendor)

    def device_id(self) -> int:
        """Its number among those of its type."""
        return self._id

    def device_type(self) -> int:
        """ONNX Runtime's number of its type; 0 for the CPU."""
        return _DEVICE_TYPES[self._name]

    def device_vendor_id(self) -> int:
        """Its vendor's PCI number."""
        return self._vendor

    def device_mem_type(self) -> int:
        """0: its default memory."""
        return 0

    def require_memory(self) -> None:
        """Raise UnfeedableError unless it is the CPU."""
        if self._name != "cpu":
            raise UnfeedableError(
                "Can't allocate memory on the device using this package of OnnxRuntime. Please use "
                "the appropriate package of OnnxRuntime for your hardware to use this feature."
            )


class OrtValue:
    """A value of an ONNX type. One made from an array shares its memory where it is contiguous.

    bfloat16, float8 and 4-bit tensors are arrays of ml_dtypes' types.
    """

    def __init__(self, value: Any):
        self._value = value

    @classmethod
    def ortvalue_from_numpy(
        cls, numpy_obj: Array, /, device_type: str = "cpu", device_id: int = 0, vendor_id: int = -1
    ) -> OrtValue:
        """The array as a value. Raises UnfeedableError for what is no array of numbers."""
        OrtDevice.make(device_type, device_id, vendor_id).require_memory()
        if not isinstance(cast(object, numpy_obj), np.ndarray) or _row(numpy_obj.dtype) is None:
            raise UnfeedableError(
                "Creation of OrtValues is currently only supported from non-string numpy arrays"
            )
        return cls(_plain(numpy_obj))

    @classmethod
    def ortvalue_from_numpy_with_onnx_type(cls, data: Array, /, onnx_element_type: int) -> OrtValue:
        """The bits of an array as elements of an ONNX type of the same size, as bfloat16 from
        uint16. Raises UnfeedableError when the sizes differ."""
        dtype = _dtype_of_code(onnx_element_type)
        if dtype.itemsize != data.dtype.itemsize:
            raise UnfeedableError(
                f"Items size in the incoming array: {data.dtype.itemsize} "
                f"specified by onnxtype: {dtype.itemsize}"
            )
        return cls(_plain(data).view(dtype))

    @classmethod
    def ortvalue_from_shape_and_type(
        cls,
        shape: Sequence[int],
        element_type: npt.DTypeLike | int,
        device_type: str = "cpu",
        device_id: int = 0,
        vendor_id: int = -1,
        memory_info: object | None = None,
    ) -> OrtValue:
        """A tensor of unspecified elements; the type is NumPy's or the number of an ONNX one."""
        OrtDevice.make(device_type, device_id, vendor_id).require_memory()
        return cls(np.empty(tuple(shape), element_dtype(element_type)))

    @classmethod
    def from_dlpack(cls, data: Any, /) -> OrtValue:
        """What an object with `__dlpack__`, or a capsule, holds; the memory is shared."""
        if not hasattr(data, "__dlpack__"):
            data = _Capsule(data)
        try:
            return cls(np.from_dlpack(data))
        except (TypeError, RuntimeError, ValueError, BufferError) as error:
            raise ArgumentTypeError(f"no DLPack tensor can be taken from this: {error}") from error

    @classmethod
    def ort_value_from_sparse_tensor(cls, sparse_tensor: object) -> OrtValue:
        """Raises NotImplemented."""
        raise _no_sparse()

    def as_sparse_tensor(self) -> object:
        """Raises NotImplemented."""
        raise _no_sparse()

    @property
    def value(self) -> Any:
        """The array, the list of a sequence, the dict of a map, or None of an empty optional."""
        return self._value

    def numpy(self) -> Array:
        """The tensor as an array that shares its memory. Raises UnfeedableError for no tensor."""
        return self._tensor()

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._tensor().ctypes.data

    def device_name(self) -> str:
        """Where it lies: "cpu"."""
        return "cpu"

    def shape(self) -> list[int]:
        """The tensor's shape."""
        return list(self._tensor().shape)

    def data_type(self) -> str:
        """The ONNX type: `tensor(float)`, `seq(tensor(float))`."""
        return _type_text(self._value)

    def element_type(self) -> int:
        """The number of the tensor's element type in ONNX."""
        dtype = self._tensor().dtype
        row = _row(dtype)
        return _STRING_CODE if row is None else row.onnx

    def tensor_size_in_bytes(self) -> int:
        """How many bytes the tensor takes."""
        return self._tensor().nbytes

    def has_value(self) -> bool:
        """False for an optional that is empty."""
        return self._value is not None

    def is_tensor(self) -> bool:
        """Whether it is a tensor."""
        return isinstance(self._value, np.ndarray)

    def is_sparse_tensor(self) -> bool:
        """False: there are none."""
        return False

    def is_tensor_sequence(self) -> bool:
        """Whether it is a sequence of tensors."""
        return isinstance(self._value, list)

    def update_inplace(self, data: Array | OrtValue) -> None:
        """Copy other elements into the tensor's memory.

        Raises ArgumentTypeError for what is neither array nor OrtValue, UnfeedableError for
        another shape, InputError for another element type.
        """
        target = self._tensor()
        if isinstance(data, OrtValue):
            data = data.numpy()
        if not isinstance(cast(object, data), np.ndarray):
            raise ArgumentTypeError("data must be a numpy.ndarray or an OrtValue.")
        if data.size != target.size:
            raise UnfeedableError(
                "The input size of numpy arrays does not match the size of the OrtValue."
            )
        if data.dtype.newbyteorder("=") != target.dtype:
            raise InputError(
                f"an array of {data.dtype} cannot replace one of {target.dtype}",
                hint=f"convert it with .astype('{target.dtype}')",
            )
        np.copyto(target, data.reshape(target.shape))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self._tensor()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, *, stream: object = None) -> Any:
        return self._tensor().__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self._tensor().__dlpack_device__()
        return int(kind), number

    def _tensor(self) -> Array:
        if not isinstance(self._value, np.ndarray):
            raise UnfeedableError(f"a {self.data_type()} is no tensor")
        return cast(Array, self._value)


class _Capsule:
    """A DLPack capsule in the form that NumPy takes."""

    def __init__(self, capsule: object):
        self._capsule = capsule

    def __dlpack__(self, **options: object) -> object:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def at_address(address: int, dtype: np.dtype[Any], shape: Sequence[int]) -> Array:
    """The memory at an address as an array; the caller keeps it alive."""
    count = int(np.prod(tuple(shape), dtype=np.int64))
    raw = (ctypes.c_uint8 * (count * dtype.itemsize)).from_address(address)
    return np.frombuffer(cast(Any, raw), np.uint8).view(dtype).reshape(tuple(shape))


def element_dtype(element_type: npt.DTypeLike | int) -> np.dtype[Any]:
    """The dtype of a NumPy type or of the number of an ONNX one. Raises UnfeedableError."""
    if isinstance(element_type, int):
        return _dtype_of_code(element_type)
    dtype = np.dtype(element_type)
    if _row(dtype) is None:
        raise UnfeedableError(
            "Creation of OrtValues is currently only supported from non-string numpy arrays"
        )
    return dtype


def copy_tensors(src: Sequence[OrtValue], dst: Sequence[OrtValue], stream: object = None) -> None:
    """Copy the elements of tensors into others. Raises InputError unless there are as many."""
    if len(src) != len(dst):
        raise InputError(f"{len(src)} tensors cannot be copied into {len(dst)}")
    for source, target in zip(src, dst, strict=True):
        target.update_inplace(source)


def _row(dtype: np.dtype[Any]) -> dtypes.DTypeRow | None:
    return dtypes.by_numpy().get(dtype.newbyteorder("="))


def _dtype_of_code(code: int) -> np.dtype[Any]:
    if code == _STRING_CODE:
        return STRING
    row = dtypes.by_onnx().get(code)
    if row is None:
        raise InputError(f"{code} is not the number of an ONNX element type")
    return row.numpy


def _plain(array: Array) -> Array:
    """The array itself if it is C-contiguous and native, else a copy that is."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)


def _type_text(value: object) -> str:
    match value:
        case np.ndarray():
            row = _row(cast(Array, value).dtype)
            return f"tensor({'string' if row is None else row.onnx_name})"
        case list():
            items = cast("list[object]", value)
            return f"seq({_type_text(items[0]) if items else 'tensor(float)'})"
        case dict():
            return "map"
        case _:
            return "optional"


def _no_sparse() -> Unsupported:
    return Unsupported("sparse tensors are not supported; give a dense one")
