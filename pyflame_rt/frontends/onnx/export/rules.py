"""Rules: how a pfrt op becomes ONNX nodes, or ops that do.

Most ops need none: see `nodes.default_nodes`. A *rule* says which nodes an op is, an *expansion*
which other pfrt ops it can be made of where the operator set that is written for has no operator
for it. An op is expanded only when its rule refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import LocationAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, PropertyValue, dtype_of, is_tensor, shape_of
from pyflame_rt.frontends.onnx.export.nodes import Node, Refused
from pyflame_rt.frontends.onnx.export.schemas import Target

Array: TypeAlias = npt.NDArray[Any]
Nodes: TypeAlias = "Callable[[Any, Target], Sequence[Node]]"
Expand: TypeAlias = "Callable[[Expansion, Any], Sequence[SSAValue]]"


@dataclass(frozen=True)
class Rule:
    """How ops of a name are nodes. `nodes` takes the op and the target, and raises Refused."""

    op: str
    nodes: Nodes


@dataclass(frozen=True)
class ExpansionRule:
    """How ops of a name are made of others. `expand` gives the values of the op's results."""

    op: str
    expand: Expand


def rule(op: str) -> Callable[[Nodes], Rule]:
    """Make a function the rule of `pfrt.<op>`."""
    return lambda nodes: Rule(f"pfrt.{op}", nodes)


def expansion(op: str) -> Callable[[Expand], ExpansionRule]:
    """Make a function the expansion of `pfrt.<op>`."""
    return lambda expand: ExpansionRule(f"pfrt.{op}", expand)


@dataclass
class Expansion:
    """The ops that stand for one, in order, as they are made."""

    location: LocationAttr
    target: Target
    ops: list[Operation] = field(default_factory=list[Operation])

    def emit(
        self,
        name: str,
        operands: Sequence[OperandArg],
        properties: Mapping[str, PropertyValue | Attribute | None] | None = None,
        *,
        names: Sequence[str] | None = None,
    ) -> Sequence[SSAValue]:
        """Make `pfrt.<name>` and return its results. Raises Refused when it cannot be."""
        kind = cast("type[PfrtOp]", operations()[f"pfrt.{name}"])
        try:
            op = kind.create_op(operands, properties, names=names, location=self.location)
        except VerifyException as error:
            raise Refused(str(error).splitlines()[0]) from error
        self.ops.append(op)
        return op.results

    def one(
        self,
        name: str,
        *operands: OperandArg,
        **properties: PropertyValue | Attribute | None,
    ) -> SSAValue:
        """Make an op of one result."""
        (result,) = self.emit(name, operands, properties)
        return result

    def constant(self, array: Array) -> SSAValue:
        """A constant that the expansion needs."""
        op = ConstantOp.get(array, location=self.location)
        self.ops.append(op)
        return op.result

    def scalar(self, number: float, like: SSAValue) -> SSAValue:
        """A number of the element type of another value."""
        return self.constant(np.array(number, dtype_of(like)))

    def ints(self, *numbers: int) -> SSAValue:
        """A vector of integers."""
        return self.constant(np.array(numbers, np.int64))

    def cast(self, value: SSAValue, dtype: np.dtype[Any]) -> SSAValue:
        """A value in another element type."""
        return value if dtype_of(value) == dtype else self.one("cast", value, to=dtype)

    def wide(self, value: SSAValue) -> SSAValue:
        """Floats in f32 at least, in which what follows is computed."""
        dtype = dtype_of(value)
        return self.cast(value, np.dtype(np.float32)) if _is_narrow(dtype) else value

    def back(self, value: SSAValue, like: SSAValue) -> SSAValue:
        """What was computed in a wide type in that of another value."""
        return self.cast(value, dtype_of(like))

    def size(self, value: SSAValue, axis: int) -> int | SSAValue:
        """One dimension of a value: a number if it is known, else a vector of one element."""
        shape = shape_of(value)
        if shape is not None and shape[axis] != DYNAMIC:
            return shape[axis]
        end = None if axis == -1 else axis + 1
        return self.one("shape", value, start=axis, end=end)

    def vector(self, sizes: Sequence[int | SSAValue]) -> SSAValue:
        """Sizes as one value."""
        parts = [self.ints(size) if isinstance(size, int) else size for size in sizes]
        return parts[0] if len(parts) == 1 else self.one("concat", parts, axis=0)

    def reshape(self, value: SSAValue, sizes: Sequence[int | SSAValue]) -> SSAValue:
        """A value in a shape of which some sizes may be known only at run time."""
        unknown = [size for size in sizes if not isinstance(size, int)]
        if len(unknown) <= 1 and 0 not in sizes and (not unknown or -1 not in sizes):
            known = tuple(size if isinstance(size, int) else -1 for size in sizes)
            return self.one("reshape", value, None, shape=known)
        return self.one("reshape", value, self.vector(sizes))

    def transpose(self, value: SSAValue, perm: Sequence[int]) -> SSAValue:
        """A value with its dimensions in another order."""
        if tuple(perm) == tuple(range(len(perm))):
            return value
        return self.one("transpose", value, perm=tuple(perm))


def _is_narrow(dtype: np.dtype[Any]) -> bool:
    return dtype.name in ("float16", "bfloat16")


def rank_of(value: SSAValue) -> int:
    """The rank of a value. Raises Refused when it is unknown."""
    shape = shape_of(value)
    if shape is None:
        raise Refused("the rank of its operand is not known")
    return len(shape)


_EXACT = frozenset(
    f"pfrt.{name}"
    for name in (
        "bit_cast", "cast", "cast_map", "dequantize_linear", "dropout", "dynamic_quantize_linear",
        "if", "loop", "quantize_linear", "scan", "sequence_map",
    )
)  # fmt: skip
"""Ops that mean something else in another type."""


def in_f32(e: Expansion, op: PfrtOp) -> Sequence[SSAValue]:
    """op(x) -> cast(op(cast(x))), of floats that an operator does not take.

    This is how the kernels compute with floats of 16 bits: in f32, rounding once.
    """
    if op.name in _EXACT or not any(_is_narrow_tensor(value) for value in op.operands):
        raise Refused("its types are needed as they are")
    operands: list[OperandArg] = []
    for name, _ in op.get_irdl_definition().operands:
        given = cast(OperandArg, getattr(op, name))
        if given is None or isinstance(given, SSAValue):
            operands.append(None if given is None else _widened(e, given))
        else:
            operands.append([_widened(e, value) for value in given])
    hidden = ("names", "operandSegmentSizes", "resultSegmentSizes")
    properties = {name: attr for name, attr in op.properties.items() if name not in hidden}
    names = [""] * len(op.results)
    results = e.emit(op.name.removeprefix("pfrt."), operands, properties, names=names)
    return [_narrowed(e, value, result) for value, result in zip(results, op.results, strict=True)]


def _is_narrow_tensor(value: SSAValue) -> bool:
    return is_tensor(value.type) and _is_narrow(dtype_of(value))


def _widened(e: Expansion, value: SSAValue) -> SSAValue:
    return e.wide(value) if _is_narrow_tensor(value) else value


def _narrowed(e: Expansion, value: SSAValue, result: SSAValue) -> SSAValue:
    if not is_tensor(value.type) or not is_tensor(result.type):
        if value.type != result.type:
            raise Refused("its types are needed as they are")
        return value
    if dtype_of(value) == dtype_of(result):
        return value
    if not _is_narrow(dtype_of(result)):
        raise Refused("its types are needed as they are")
    return e.cast(value, dtype_of(result))
