"""What the backends on NumPy share: lifetimes, control flow, fresh outputs, one-line failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ContainerType, ShapedType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, numpy_dtype
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

    def require(self, array: object, what: str = "the kernel's result") -> Array:
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


def is_true(condition: Array) -> bool:
    """The condition of an if or loop. Raises ValueError unless it holds one element."""
    if condition.size != 1:
        raise ValueError(f"the condition must hold one element, got shape {list(condition.shape)}")
    return bool(condition.reshape(-1)[0])


def run_loop(
    trip_count: Array | None,
    condition: Array | None,
    carried: Sequence[Array],
    scans: Sequence[ArrayType],
    body: Callable[[Array, Array, Sequence[Array]], Sequence[Array]],
) -> list[Array]:
    """ONNX's Loop: the final carried values, then the scan outputs stacked on a new first axis.

    `body` maps iteration, condition and carried values to the next condition, the next carried
    values and one element of each scan output, whose declared types are `scans`.
    """
    if trip_count is not None and trip_count.size != 1:
        raise ValueError(
            f"the trip count must hold one element, got shape {list(trip_count.shape)}"
        )
    limit = None if trip_count is None else int(trip_count.reshape(-1)[0])
    proceed = np.array(True) if condition is None else condition
    values: Sequence[Array] = carried
    parts: list[list[Array]] = [[] for _ in scans]
    iteration = 0
    while (limit is None or iteration < limit) and is_true(proceed):
        proceed, *rest = body(np.array(iteration, np.int64), proceed, values)
        values = rest[: len(carried)]
        for part, element in zip(parts, rest[len(carried) :], strict=True):
            part.append(element)
        iteration += 1
    return [*values, *map(_stacked, parts, scans)]


def _stacked(parts: list[Array], kind: ArrayType) -> Array:
    if parts:
        return np.stack(parts)
    # What the loop would have yielded is known only as far as its type says.
    dims = [0 if d == DYNAMIC else d for d in kind.shape or ()]
    return np.empty((0, *dims), kind.dtype)


def root(array: Array) -> Array:
    """The array whose memory a view shows; two arrays of different roots do not overlap."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def detached(outputs: Sequence[Array], inputs: Sequence[Array]) -> list[Array]:
    """C-contiguous outputs that share no memory with inputs, constants (read-only) or each other.

    Copies only those that need it.
    """
    taken = {id(root(array)) for array in inputs}
    results: list[Array] = []
    for output in outputs:
        key = id(root(output))
        flags = output.flags
        if key in taken or not flags.writeable or not flags.c_contiguous:
            results.append(output.copy())
        else:
            taken.add(key)
            results.append(output)
    return results


def failure(where: str, error: Exception) -> PyFlameRTError:
    """An exception of a kernel as an error of one line that names the op."""
    if isinstance(error, PyFlameRTError):
        return error
    text = str(error)
    if isinstance(error, MemoryError) or not text:
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return BackendError(text, where=where)
