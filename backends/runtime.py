"""What the backends on NumPy share: types of values, lifetimes, fresh outputs, one-line failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ContainerType, ShapedType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt.containers import CONTAINERS, MapType, OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.types import DYNAMIC, STRING, numpy_dtype
from pyflame_rt.errors import BackendError, PyFlameRTError

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class ArrayType:
    """What IR declares of an array: its dtype, and its shape (None: of unknown rank)."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None

    @staticmethod
    def of(kind: Attribute) -> ArrayType:
        """The declaration in a tensor or memref type."""
        element = cast("ContainerType[Attribute]", kind).get_element_type()
        shape = kind.get_shape() if isinstance(kind, ShapedType) else None
        return ArrayType(numpy_dtype(element), shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape. Raises ValueError when a dimension is not known."""
        if self.shape is None or not self.is_static:
            raise ValueError("the shape is known at run time only")
        return self.shape

    @property
    def is_static(self) -> bool:
        """Whether every dimension is known."""
        return self.shape is not None and DYNAMIC not in self.shape

    def require(self, array: Any, what: str = "the kernel's result") -> Array:
        """The value as an array, given that it is as declared. Raises ValueError otherwise."""
        value = array if type(array) is np.ndarray else np.asarray(array)
        if value.dtype != self.dtype:
            raise ValueError(f"{what} is {value.dtype.name}, declared {self.dtype.name}")
        shape = self.shape
        if shape is None or value.shape == shape:
            return value
        if len(shape) != value.ndim or any(
            d not in (n, DYNAMIC) for d, n in zip(shape, value.shape, strict=True)
        ):
            declared = ", ".join("?" if d == DYNAMIC else str(d) for d in shape)
            raise ValueError(f"{what} has shape {list(value.shape)}, declared [{declared}]")
        return value


@dataclass(frozen=True)
class ObjectType:
    """What IR declares of a value that is no array: a sequence, an optional or a map."""

    kind: Attribute

    is_static = False

    @property
    def static_shape(self) -> tuple[int, ...]:
        """Raises ValueError: there is none."""
        raise ValueError(f"a {self.kind} has no shape")

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of values which are no arrays."""
        return STRING

    def require(self, value: Any, what: str = "the kernel's result") -> Any:
        """The value, given that it is as declared. Raises ValueError otherwise."""
        match self.kind:
            case SequenceType(item=item) if isinstance(value, list):
                declared = value_type(item)
                return [declared.require(part, what) for part in cast("list[Any]", value)]
            case OptionalType(item=item):
                return None if value is None else value_type(item).require(value, what)
            case MapType() if isinstance(value, dict):
                return cast("dict[Any, Any]", value)
            case _:
                raise ValueError(f"{what} is a {type(value).__name__}, declared {self.kind}")


ValueType: TypeAlias = ArrayType | ObjectType


def value_type(kind: Attribute) -> ValueType:
    """What a type in IR declares."""
    return ObjectType(kind) if isinstance(kind, CONTAINERS) else ArrayType.of(kind)


def last_uses(block: Block) -> dict[Operation, tuple[SSAValue, ...]]:
    """For each op but the terminator, the results of ops of this block that nothing needs after it.

    A use inside a region counts as one of the op that holds the region.
    """
    needed: set[SSAValue] = set() if block.last_op is None else set(block.last_op.operands)
    dead: dict[Operation, tuple[SSAValue, ...]] = {}
    for op in reversed(list(block.ops)):
        if op is block.last_op:
            continue
        used = dict.fromkeys((*op.results, *_operands(op)))
        dead[op] = tuple(v for v in used if v not in needed and _defined_by_op_of(block, v))
        needed.update(used)
    return dead


def _operands(op: Operation) -> Iterable[SSAValue]:
    for nested in op.walk():
        yield from nested.operands


def _defined_by_op_of(block: Block, value: SSAValue) -> bool:
    return isinstance(value.owner, Operation) and value.owner.parent is block


def root(array: Array) -> Array:
    """The array whose memory a view shows; two arrays of different roots do not overlap."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def detached(outputs: Sequence[Array], inputs: Sequence[Array]) -> list[Array]:
    """C-contiguous outputs that share no memory with inputs, constants (read-only) or each other.

    Copies only those that need it.
    """
    taken = {id(root(array)) for value in inputs for array in arrays_in(value)}

    def detach(output: Array) -> Array:
        key = id(root(output))
        flags = output.flags
        if key in taken or not flags.writeable or not flags.c_contiguous:
            return output.copy()
        taken.add(key)
        return output

    return [mapped(detach, output) for output in outputs]


def arrays_in(value: Any) -> Iterator[Array]:
    """The arrays that a value is or holds."""
    if isinstance(value, np.ndarray):
        yield cast(Array, value)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from arrays_in(item)


def mapped(change: Callable[[Array], Array], value: Any) -> Any:
    """A value with each of its arrays changed."""
    match value:
        case np.ndarray():
            return change(cast(Array, value))
        case list():
            return [mapped(change, item) for item in cast("list[Any]", value)]
        case dict():
            return cast("dict[Any, Any]", value).copy()
        case _:
            return value


def failure(where: str, error: Exception) -> PyFlameRTError:
    """An exception of a kernel as an error of one line that names the op."""
    if isinstance(error, PyFlameRTError):
        return error
    text = str(error)
    if isinstance(error, MemoryError) or not text:
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return BackendError(text, where=where)
