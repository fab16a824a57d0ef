"""What a session tells about its model: inputs, outputs, metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, ModuleOp, StringAttr

from pyflame_rt import dtypes
from pyflame_rt.compiler import Dim, TensorSpec
from pyflame_rt.dialects.custom.schema import numpy_dtype_of
from pyflame_rt.dtypes import DType
from pyflame_rt.errors import ArgumentTypeError, ValidationError


@dataclass(frozen=True)
class NodeArg:
    """An input or output of a model: name, `tensor(float)`-style type, shape.

    Dimensions are ints, symbols, or None for unknown ones; `shape` is [] for a scalar and when the
    rank is unknown, which `rank` (None) tells apart.
    """

    name: str
    type: str
    shape: list[int | str | None]
    rank: int | None

    @staticmethod
    def of(spec: TensorSpec) -> NodeArg:
        """The description of a compiled model's input or output."""
        rank = None if spec.shape is None else len(spec.shape)
        return NodeArg(spec.name, spec.type, list(spec.shape or ()), rank)

    def __str__(self) -> str:
        return f"NodeArg(name={self.name!r}, type={self.type!r}, shape={self.shape})"


class TensorInfo:
    """What is known of a value of a graph before it is computed: name, element type, shape."""

    def __init__(
        self,
        name: str = "",
        dtype: DType | npt.DTypeLike = DType.Float32,
        shape: Sequence[Dim] | None = (),
    ):
        dims = _dims(shape)
        self._spec = TensorSpec(name, element_dtype(dtype, name), dims)

    @classmethod
    def of(cls, spec: TensorSpec) -> TensorInfo:
        """The description of a function's input or output."""
        info = cls()
        info._spec = spec
        return info

    @property
    def spec(self) -> TensorSpec:
        """The same as the compiler has it."""
        return self._spec

    @property
    def name(self) -> str:
        """The value's name."""
        return self._spec.name

    @name.setter
    def name(self, name: str) -> None:
        self._spec = replace(self._spec, name=name)

    @property
    def dtype(self) -> DType | None:
        """The element type; None for strings, and for what is no tensor."""
        row = dtypes.by_numpy().get(self._spec.dtype)
        return None if row is None else row.dtype

    @dtype.setter
    def dtype(self, dtype: DType | npt.DTypeLike) -> None:
        self._spec = replace(self._spec, dtype=element_dtype(dtype, self.name))

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The element type as NumPy's arrays have it; `object` for strings."""
        return self._spec.dtype

    @property
    def shape(self) -> list[int | None] | None:
        """The sizes, None for one that only a run tells; None when not even their number is known."""
        dims = self._spec.shape
        return None if dims is None else [dim if isinstance(dim, int) else None for dim in dims]

    @shape.setter
    def shape(self, shape: Sequence[Dim] | None) -> None:
        self._spec = replace(self._spec, shape=_dims(shape))

    @property
    def dims(self) -> tuple[Dim, ...] | None:
        """The shape with the names of dimensions that have one: ("N", 3, None)."""
        return self._spec.shape

    @property
    def type(self) -> str:
        """ONNX's spelling of the type: `tensor(float)`, `seq(tensor(float))`."""
        return self._spec.type

    def is_dynamic(self) -> bool:
        """Whether a run tells something about the shape."""
        return not self._spec.is_static

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorInfo) and self._spec == other._spec

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        dims = None if self.dims is None else list(self.dims)
        return f"TensorInfo(name={self.name!r}, type={self.type!r}, shape={dims})"


def element_dtype(dtype: DType | npt.DTypeLike, name: str) -> np.dtype[Any]:
    """The NumPy dtype of the elements of a value that a user describes.

    Strings are `str` or `object`. Raises ValidationError for something that no tensor has.
    """
    try:
        found = numpy_dtype_of(dtype)
    except ValueError as error:
        raise ValidationError(str(error), where=f'"{name}"') from error
    if found is None:
        raise ValidationError("has no element type", where=f'"{name}"')
    return found


def _dims(shape: Sequence[Dim] | None) -> tuple[Dim, ...] | None:
    if shape is None:
        return None
    if not all(isinstance(dim, int | str | None) for dim in _items(shape)):
        raise ArgumentTypeError(
            f"{shape!r} is no shape", hint="a shape is a list such as [None, 3]"
        )
    return tuple(shape)


def _items(shape: object) -> Sequence[object]:
    """The items of a sequence that is no text; else something that no dimension is."""
    is_sequence = isinstance(shape, Sequence) and not isinstance(shape, str)
    return cast("Sequence[object]", shape) if is_sequence else (object(),)


@dataclass(frozen=True)
class ModelMetadata:
    """What a model's file says about itself."""

    producer_name: str = ""
    graph_name: str = ""
    domain: str = ""
    description: str = ""
    graph_description: str = ""
    version: int = 0
    custom_metadata_map: dict[str, str] = field(default_factory=dict[str, str])
    producer_version: str = ""

    @property
    def custom_metadata(self) -> dict[str, str]:
        """`custom_metadata_map` under its documented name."""
        return self.custom_metadata_map

    @staticmethod
    def of(module: ModuleOp) -> ModelMetadata:
        """What a module says of the file it comes from."""
        attr = module.attributes.get("pfrt.model")
        if not isinstance(attr, DictionaryAttr):
            return ModelMetadata()

        def text(key: str) -> str:
            value = attr.data.get(key)
            return value.data if isinstance(value, StringAttr) else ""

        version = attr.data.get("version")
        custom = attr.data.get("custom_metadata")
        entries = custom.data.items() if isinstance(custom, DictionaryAttr) else ()
        return ModelMetadata(
            producer_name=text("producer_name"),
            graph_name=text("graph_name"),
            domain=text("domain"),
            description=text("description"),
            graph_description=text("graph_description"),
            version=version.value.data if isinstance(version, IntegerAttr) else 0,
            custom_metadata_map={
                key: value.data for key, value in entries if isinstance(value, StringAttr)
            },
            producer_version=text("producer_version"),
        )
