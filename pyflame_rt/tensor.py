"""Tensor: a dense array with a documented element type, and its way from and to NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.dtypes import DType
from pyflame_rt.errors import ArgumentTypeError, ShapeMismatchError, ValidationError

Array: TypeAlias = npt.NDArray[Any]


class Tensor:
    """A multi-dimensional array of numbers; the bits of a new one are zeros.

    NumPy takes a Tensor for an array, which then shares its memory.
    """

    def __init__(self, shape: Sequence[int], dtype: DType = DType.Float32):
        if any(size < 0 for size in shape):
            raise ShapeMismatchError(f"the shape {list(shape)} has a negative size", where="Tensor")
        row = dtypes.by_dtype().get(dtype)
        if row is None:
            raise ArgumentTypeError(f"{dtype!r} is no DType", where="Tensor")
        self._array: Array = np.zeros(tuple(shape), row.numpy)

    @classmethod
    def viewing(cls, array: Array) -> Tensor:
        """A Tensor of an array's own memory, which may be read-only.

        Raises ArgumentTypeError for what is no array, ValidationError for elements that no Tensor
        has.
        """
        made = cls.__new__(cls)
        made._array = _native(array).view()
        return made

    @classmethod
    def owning(cls, array: Array) -> Tensor:
        """A Tensor of a copy of an array's elements. Raises as `viewing`."""
        made = cls.__new__(cls)
        made._array = _native(array).copy()
        return made

    @property
    def shape(self) -> list[int]:
        """The size of each dimension."""
        return list(self._array.shape)

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return dtypes.by_numpy()[self._array.dtype].dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    @property
    def num_elements(self) -> int:
        """The number of elements."""
        return self._array.size

    @property
    def size_bytes(self) -> int:
        """The bytes that the elements take; types of less than a byte take one."""
        return self._array.nbytes

    @property
    def is_valid(self) -> bool:
        """True: there is no Tensor without memory."""
        return True

    @property
    def owns_data(self) -> bool:
        """Whether the memory is the Tensor's own; a reshaped one, or a weight, looks at another's."""
        return bool(self._array.flags.owndata)

    def numpy(self) -> Array:
        """A copy as an array."""
        return self._array.copy()

    def clone(self) -> Tensor:
        """A copy with memory of its own."""
        return Tensor.owning(self._array)

    def reshape(self, new_shape: Sequence[int]) -> Tensor:
        """The same elements, in the same memory, in another shape; -1 is what is left for one size.

        Raises ShapeMismatchError when the number of elements differs.
        """
        try:
            return Tensor.viewing(self._array.reshape(tuple(new_shape)))
        except ValueError as error:
            raise ShapeMismatchError(
                f"{self.num_elements} elements of shape {self.shape} do not fit {list(new_shape)}",
                where="Tensor.reshape",
            ) from error

    def zero(self) -> None:
        """Make all elements 0. Raises ValidationError for a weight's memory, which is read-only."""
        self.fill(0)

    def fill(self, value: float) -> None:
        """Make all elements the same. Raises ValidationError as `zero` does."""
        if not self._array.flags.writeable:
            raise ValidationError(
                "its memory is read-only", where="Tensor", hint="change a clone() of it"
            )
        self._array.fill(value)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if dtype is not None and self._array.dtype != np.dtype(dtype):
            return self._array.astype(dtype)
        return self._array.copy() if copy else self._array

    def __repr__(self) -> str:
        return f"Tensor(shape={self.shape}, dtype={self.dtype})"


def from_numpy(array: Array) -> Tensor:
    """A Tensor that owns a copy of an array's elements, in native byte order.

    Raises ArgumentTypeError for what is no array, ValidationError for elements that no Tensor has.
    """
    return Tensor.owning(array)


def to_numpy(tensor: Tensor | Array) -> Array:
    """A copy of a Tensor's elements as an array, or of an array, which kernels are given too."""
    return np.array(tensor)


def _native(array: object) -> Array:
    if not isinstance(array, np.ndarray | np.generic):
        raise ArgumentTypeError(
            f"a Tensor is made of a NumPy array, not of {type(array).__name__}",
            hint="use numpy.asarray",
        )
    plain = np.asarray(cast(Any, array))
    native = plain.dtype.newbyteorder("=")
    if native not in dtypes.by_numpy():
        raise ValidationError(f"no Tensor has elements of {plain.dtype}")
    return plain.astype(native, copy=False)
