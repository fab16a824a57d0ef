"""What two types say of one value: whether they agree, and what both or either of them say.

A dimension `?` and an unknown rank say nothing; a sequence says what its items are. Any value is
also an optional that holds it: optional<T> says less of a value than T.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from xdsl.dialects.builtin import TensorType, UnrankedTensorType
from xdsl.ir import Attribute

from pyflame_rt.dialects.pfrt.containers import OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.types import DYNAMIC, AnyTensor, tensor

T = TypeVar("T", bound=Attribute)


def compatible(declared: Attribute, inferred: Attribute) -> bool:
    """Whether two types can describe one value: `?` and unknown rank agree with anything."""
    return merge(declared, inferred) is not None


def merge(left: Attribute, right: Attribute) -> Attribute | None:
    """The type that says what both say of one value; None when they contradict each other."""
    if left is right:
        return left
    merged: Attribute | None = None
    match left, right:
        case (TensorType() | UnrankedTensorType(), TensorType() | UnrankedTensorType()):
            merged = _merged(cast(AnyTensor, left), cast(AnyTensor, right))
        case (SequenceType(item=a), SequenceType(item=b)):
            item = merge(a, b)
            merged = None if item is None else SequenceType(item)
        case (OptionalType(item=a), OptionalType(item=b)):
            item = merge(a, b)
            merged = None if item is None else OptionalType(item)
        case (OptionalType(item=a), _):
            merged = merge(a, right)
        case (_, OptionalType(item=b)):
            merged = merge(left, b)
        case _:
            merged = left if left == right else None
    return merged


def join(left: Attribute, right: Attribute) -> Attribute | None:
    """The most precise type that describes values of both, differing dimensions being `?`.

    None when no type does.
    """
    joined: Attribute | None = None
    match left, right:
        case (TensorType() | UnrankedTensorType(), TensorType() | UnrankedTensorType()):
            joined = _joined(cast(AnyTensor, left), cast(AnyTensor, right))
        case (SequenceType(item=a), SequenceType(item=b)):
            item = join(a, b)
            joined = None if item is None else SequenceType(item)
        case (OptionalType(item=a), OptionalType(item=b)):
            item = join(a, b)
            joined = None if item is None else OptionalType(item)
        case (OptionalType(item=a), b) | (b, OptionalType(item=a)):
            item = join(a, b)
            joined = None if item is None else OptionalType(item)
        case _:
            joined = left if left == right else None
    return joined


def widest(kind: T) -> T:
    """The type that says nothing of shapes."""
    match kind:
        case TensorType() | UnrankedTensorType():
            wide: Attribute = tensor(cast("TensorType[Any]", kind).element_type, None)
        case SequenceType(item=item):
            wide = SequenceType(widest(item))
        case OptionalType(item=item):
            wide = OptionalType(widest(item))
        case _:
            wide = kind
    return cast(T, wide)


def _merged(left: AnyTensor, right: AnyTensor) -> AnyTensor | None:
    if left.element_type != right.element_type:
        return None
    if isinstance(left, UnrankedTensorType):
        return right
    if isinstance(right, UnrankedTensorType):
        return left
    a, b = left.get_shape(), right.get_shape()
    if a == b:
        return tensor(left.element_type, a)
    if len(a) != len(b):
        return None
    if any(x != y and DYNAMIC not in (x, y) for x, y in zip(a, b, strict=True)):
        return None
    return tensor(left.element_type, [y if x == DYNAMIC else x for x, y in zip(a, b, strict=True)])


def _joined(left: AnyTensor, right: AnyTensor) -> AnyTensor | None:
    if left.element_type != right.element_type:
        return None
    if isinstance(left, UnrankedTensorType) or isinstance(right, UnrankedTensorType):
        return tensor(left.element_type, None)
    a, b = left.get_shape(), right.get_shape()
    if len(a) != len(b):
        return tensor(left.element_type, None)
    dims = [x if x == y else DYNAMIC for x, y in zip(a, b, strict=True)]
    return tensor(left.element_type, dims)
