"""Where the values of one block live while it is lowered to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, cast

from xdsl.dialects.builtin import (
    LocationAttr,
    MemRefType,
    TensorType,
    UnrankedMemRefType,
    UnrankedTensorType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt.types import PropertyValue, to_property
from pyflame_rt.dialects.plan import ops


def buffer_type(kind: Attribute) -> Attribute:
    """The buffer type of a tensor type; other types are their own."""
    match kind:
        case TensorType():
            ranked = cast("TensorType[Any]", kind)
            return ranked_buffer(ranked.element_type, ranked.get_shape())
        case UnrankedTensorType():
            return UnrankedMemRefType.from_type(cast("UnrankedTensorType[Any]", kind).element_type)
        case _:
            return kind


@lru_cache(maxsize=4096)
def ranked_buffer(element: Attribute, shape: tuple[int, ...]) -> MemRefType[Any]:
    """A buffer type."""
    # Making one takes as long as lowering the rest of an op, and a model has few of them.
    return MemRefType(element, shape)


@dataclass(frozen=True)
class Buffer:
    """Where a value lives. `leaves`: nothing else shows this memory, so that it may escape."""

    value: SSAValue
    late: bool
    leaves: bool = False


@dataclass
class Scope:
    """Buffers of the values of one block, and bound copies of late ones; inner blocks see both."""

    block: Block
    outer: Scope | None = None
    buffers: dict[SSAValue, Buffer] = field(default_factory=dict[SSAValue, Buffer])
    copies: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def buffer(self, value: SSAValue) -> Buffer:
        """The buffer of a pfrt value."""
        scope: Scope | None = self
        while scope is not None:
            if (found := scope.buffers.get(value)) is not None:
                return found
            scope = scope.outer
        raise KeyError(value)

    def copy(self, buffer: SSAValue) -> SSAValue | None:
        """The bound copy of a late buffer, once there is one."""
        scope: Scope | None = self
        while scope is not None:
            if (found := scope.copies.get(buffer)) is not None:
                return found
            scope = scope.outer
        return None


class Lowering(Protocol):
    """What lowers the ops of a block."""

    def lower_op(self, scope: Scope, op: Operation) -> None:
        """Append what an op becomes to the scope's block."""
        ...

    def escape(self, scope: Scope, value: SSAValue, location: LocationAttr) -> SSAValue:
        """A buffer with this value that nobody else owns, made in this block."""
        ...


def define(scope: Scope, op: Operation, buffers: Sequence[Buffer]) -> None:
    """Remember where the results of an op live."""
    for result, buffer in zip(op.results, buffers, strict=True):
        scope.buffers[result] = buffer
        if buffer.value.name_hint is None:
            buffer.value.name_hint = result.name_hint


def add_op(scope: Scope, op: Operation, location: LocationAttr) -> Operation:
    """Append an op to the scope's block."""
    op.location = location
    scope.block.add_op(op)
    return op


def add_call(
    scope: Scope,
    callee: str,
    inputs: Sequence[SSAValue | None],
    *,
    into: Sequence[SSAValue] = (),
    scratch: Sequence[SSAValue] = (),
    owned: Sequence[Attribute] = (),
    params: Mapping[str, Attribute] | None = None,
    location: LocationAttr,
) -> ops.CallOp:
    """Append a `plan.call`."""
    call = ops.CallOp(
        callee, inputs, into=into, scratch=scratch, owned=owned, params=params, location=location
    )
    scope.block.add_op(call)
    return call


def add_kernel_call(
    scope: Scope,
    kernel: str,
    inputs: Sequence[SSAValue | None],
    result: Attribute,
    location: LocationAttr,
    **params: PropertyValue,
) -> SSAValue:
    """Append the call of a kernel, and return its owned result."""
    attributes = {name: to_property(value) for name, value in params.items()}
    call = add_call(scope, kernel, inputs, owned=[result], params=attributes, location=location)
    return call.owned[0]
