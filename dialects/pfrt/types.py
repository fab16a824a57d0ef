"""Bridges between NumPy and IR: element types, shapes, constants, property values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias, TypeGuard, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import builtin
from xdsl.dialects.builtin import (
    ArrayAttr,
    BytesAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    Signedness,
    StringAttr,
    TensorType,
    UnitAttr,
    UnrankedTensorType,
)
from xdsl.ir import Attribute, SSAValue, TypeAttribute

from pyflame_rt import dtypes
from pyflame_rt.dialects.pfrt.attributes import ActivationAttr, Strings, StringsAttr, WeightAttr
from pyflame_rt.dialects.pfrt.containers import MapType, OptionalType, SequenceType, StringType
from pyflame_rt.dtypes import STRING, strings
from pyflame_rt.kernels.epilogue import Activation
from pyflame_rt.weights import Weight

Array: TypeAlias = npt.NDArray[Any]
DYNAMIC = builtin.DYNAMIC_INDEX
DENSE_LIMIT = 1024
"""Constants of up to this many elements are `dense<…>`, larger ones `#pfrt.weight`."""

_FEW = 16
"""Lists of up to this many integers are made once."""

AnyTensor: TypeAlias = TensorType[Any] | UnrankedTensorType[Any]
ConstantValue: TypeAlias = DenseIntOrFPElementsAttr[Any] | WeightAttr | StringsAttr


@cache
def _element_types() -> dict[str, TypeAttribute]:
    floats = (
        builtin.f16, builtin.bf16, builtin.f32, builtin.f64,
        builtin.Float8E4M3FNType(), builtin.Float8E4M3FNUZType(), builtin.Float8E5M2Type(),
        builtin.Float8E5M2FNUZType(), builtin.Float8E8M0FNUType(), builtin.Float4E2M1FNType(),
    )  # fmt: skip
    types: dict[str, TypeAttribute] = {t.name: t for t in floats}
    for width in (1, 2, 4, 8, 16, 32, 64):
        types[f"i{width}"] = IntegerType(width)
        types[f"ui{width}"] = IntegerType(width, Signedness.UNSIGNED)
    types["complex<f32>"] = builtin.ComplexType(builtin.f32)
    types["complex<f64>"] = builtin.ComplexType(builtin.f64)
    return types


@cache
def element_type(dtype: np.dtype[Any]) -> TypeAttribute:
    """The IR element type of a NumPy dtype: float32 -> f32, uint8 -> ui8, bool -> i1, object ->
    !pfrt.string."""
    if dtype == STRING:
        return StringType()
    return _element_types()[dtypes.by_numpy()[dtype].mlir]


@cache
def _numpy_dtypes() -> dict[Attribute, np.dtype[Any]]:
    numbers = {_element_types()[row.mlir]: row.numpy for row in dtypes.table()}
    return {**numbers, StringType(): STRING}


def numpy_dtype(element: Attribute) -> np.dtype[Any]:
    """The NumPy dtype of an IR element type. Raises KeyError when there is none (e.g. i128)."""
    return _numpy_dtypes()[element]


def is_element_type(element: Attribute) -> bool:
    """Whether NumPy arrays can hold elements of this type."""
    return element in _numpy_dtypes()


def is_value_type(kind: Attribute) -> bool:
    """Whether a value of the dialect can have this type."""
    match kind:
        case TensorType() | UnrankedTensorType():
            return is_element_type(cast(AnyTensor, kind).element_type)
        case SequenceType(item=item):
            return not isinstance(item, SequenceType | OptionalType) and is_value_type(item)
        case OptionalType(item=item):
            return not isinstance(item, OptionalType | MapType) and is_value_type(item)
        case MapType(key=key, value=value):
            return key in (StringType(), builtin.i64) and is_element_type(value)
        case _:
            return False


def is_tensor(kind: Attribute) -> TypeGuard[AnyTensor]:
    """Whether a type is that of a tensor, of known rank or not."""
    return isinstance(kind, TensorType | UnrankedTensorType)


def is_string(kind: Attribute) -> bool:
    """Whether a type is that of a tensor (or buffer) of strings."""
    return getattr(kind, "element_type", None) == StringType()


def tensor_of(array: Array) -> TensorType[Any]:
    """The static tensor type of an array."""
    return _ranked(element_type(array.dtype), array.shape)


def tensor(element: Attribute, shape: Sequence[int] | None) -> AnyTensor:
    """`tensor<shape x element>`; unranked when `shape` is None. `DYNAMIC` marks a `?`."""
    if shape is None:
        return UnrankedTensorType(element)
    return _ranked(element, tuple(map(int, shape)))


@lru_cache(maxsize=4096)
def _ranked(element: Attribute, shape: tuple[int, ...]) -> TensorType[Any]:
    # A model has few types and inference asks for them all the time: making one takes longer than
    # all the rest of it.
    return TensorType(element, shape)


def type_of(value: SSAValue) -> AnyTensor:
    """The tensor type of a value of the pfrt dialect."""
    return cast(AnyTensor, value.type)


def shape_of(value: SSAValue) -> tuple[int, ...] | None:
    """The shape of a value, `DYNAMIC` for each `?`; None when the rank is unknown."""
    kind = value.type
    return kind.get_shape() if isinstance(kind, TensorType) else None


def static_shape_of(value: SSAValue) -> tuple[int, ...] | None:
    """The shape of a value if every dimension is known."""
    shape = shape_of(value)
    return None if shape is None or DYNAMIC in shape else shape


def dtype_of(value: SSAValue) -> np.dtype[Any]:
    """The NumPy dtype of a value."""
    return numpy_dtype(type_of(value).element_type)


def constant_attr(array: Array) -> ConstantValue:
    """The attribute that holds an array: dense up to `DENSE_LIMIT` elements, else a weight.

    Values whose text does not round-trip in xDSL (non-finite floats and long whole ones, sub-byte
    and 8-bit floats, complex numbers, empty arrays) are weights whatever their number. Strings
    are never weights.
    """
    if array.dtype == STRING:
        return StringsAttr(Strings(array.shape, tuple(array.reshape(-1))))
    if not 0 < array.size <= DENSE_LIMIT or not _has_dense_text(array):
        return WeightAttr(Weight(array))
    stored = np.where(array, 0xFF, 0).astype(np.uint8) if array.dtype == np.bool_ else array
    return DenseIntOrFPElementsAttr(tensor_of(array), BytesAttr(stored.tobytes()))


def _has_dense_text(array: Array) -> bool:
    match array.dtype.kind:
        case "b":
            return True
        case "i" | "u":
            return True
        case "f":
            # Whole numbers of many digits are printed as the hexadecimal digits of their bits, and
            # read back as integers.
            if not np.isfinite(array).all():
                return False
            size = np.abs(array.astype(np.float64))
            many_digits = (size >= 1e6) & (size < 1e17) & (size == np.floor(size))
            return not many_digits.any()
        case _:
            return False


def constant_array(value: ConstantValue) -> Array | None:
    """The read-only array of a constant's attribute; None for a weight that is not at hand."""
    if isinstance(value, WeightAttr):
        return value.data.array if value.data.is_present else None
    if isinstance(value, StringsAttr):
        return strings(value.data.items, value.data.shape)
    dtype = numpy_dtype(value.get_element_type())
    if dtype == np.bool_:
        flat: Array = np.frombuffer(value.data.data, np.uint8) != 0
    else:
        flat = np.frombuffer(value.data.data, dtype)
    shape = value.get_shape()
    return np.broadcast_to(flat.reshape(()), shape) if flat.size == 1 else flat.reshape(shape)


PropertyValue: TypeAlias = (
    bool
    | int
    | float
    | str
    | tuple[int, ...]
    | tuple[str, ...]
    | np.dtype[Any]
    | Array
    | Activation
)
"""Python form of a property: what builders take and kernels get."""


def to_property(value: PropertyValue) -> Attribute:
    """Attribute of a Python value.

    bool -> unit-like i1, int -> i64, float -> f32, str -> string, tuple of int -> array<i64>,
    tuple of str -> array of strings, dtype -> element type, array -> constant.
    """
    match value:
        case bool():
            return _integer(int(value), 1)
        case int():
            return _integer(int(value), 64)
        case float():
            return FloatAttr(value, builtin.f32)
        case str():
            return StringAttr(value)
        case np.dtype():
            return element_type(value)
        case Activation():
            properties = {name: to_property(item) for name, item in value.properties.items()}
            return ActivationAttr.of(value.op, properties)
        case np.ndarray():
            return constant_attr(value)
        case _:
            if value and isinstance(value[0], str):
                return ArrayAttr([StringAttr(cast(str, item)) for item in value])
            return _integers(tuple(map(int, cast(Sequence[int], value))))


@lru_cache(maxsize=1024)
def _integer(value: int, width: int) -> IntegerAttr[Any]:
    return IntegerAttr(value, width)


def _integers(values: tuple[int, ...]) -> DenseArrayBase[Any]:
    return _few(values) if len(values) <= _FEW else DenseArrayBase.from_list(builtin.i64, values)


@lru_cache(maxsize=1024)
def _few(values: tuple[int, ...]) -> DenseArrayBase[Any]:
    return DenseArrayBase.from_list(builtin.i64, values)


def from_property(attr: Attribute) -> PropertyValue:
    """Python value of a property; the inverse of `to_property`."""
    match attr:
        case IntegerAttr():
            integer = cast(IntegerAttr[Any], attr)
            value = integer.value.data
            return bool(value) if integer.type == builtin.i1 else value
        case FloatAttr():
            return attr.value.data
        case StringAttr():
            return attr.data
        case UnitAttr():
            return True
        case DenseArrayBase():
            return tuple(cast(Sequence[int], cast(Any, attr).get_values()))
        case ArrayAttr():
            return cast("tuple[str, ...]", tuple(from_property(item) for item in attr))
        case DictionaryAttr():
            return cast(PropertyValue, from_properties(attr.data))
        case WeightAttr():
            return attr.data.array
        case StringsAttr():
            return strings(attr.data.items, attr.data.shape)
        case ActivationAttr():
            return Activation(attr.op.data, from_properties(attr.properties.data))
        case DenseIntOrFPElementsAttr():
            return cast(Array, constant_array(cast(ConstantValue, attr)))
        case _:
            return numpy_dtype(attr)


def from_properties(properties: Mapping[str, Attribute]) -> dict[str, PropertyValue]:
    """Python values of an op's own properties: without names and segment sizes."""
    return {
        name: from_property(attr)
        for name, attr in properties.items()
        if name not in ("names", "operandSegmentSizes", "resultSegmentSizes")
    }
