"""Reshapes of sizes that are not known: what they result in, and how to write them down.

In the vector of a reshape a 0 copies the operand's dimension, and an element that only happens to be
0 at run time does so too. So an element says what its dimension is only if it cannot be 0, or if the
copied dimension is 0 as well then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.parameters import known_ints
from pyflame_rt.passes.symbolic.facts import Facts, Sizes
from pyflame_rt.passes.symbolic.sizes import (
    Size,
    divide,
    is_never_negative,
    is_positive,
    product,
)


def given(facts: Facts, op: PfrtOp, name: str) -> Sizes | None:
    """The elements of an op's parameter, a property or an operand; None when not known."""
    if (known := known_ints(op, name)) is not None:
        return known
    value = cast(SSAValue | None, getattr(op, f"{name}_value"))
    return None if value is None else facts.contents(value)


def reshaped(shape: Sizes, wanted: Sizes, *, allowzero: bool) -> list[Size | None]:
    """The sizes after a reshape, None for each that is not known."""
    if allowzero:
        return [None if size == -1 else size for size in _with_rest(shape, wanted)]
    target = _copied(shape, wanted)
    doubtful = [i for i, size in enumerate(target) if not _is_certain(shape, i, size)]
    if doubtful and (-1 in target or len(doubtful) > 1 or not _same_count(shape, target)):
        return [None if i in doubtful or size == -1 else size for i, size in enumerate(target)]
    return [None if size == -1 else size for size in _with_rest(shape, target)]


def as_property(shape: Sizes, wanted: Sizes, *, allowzero: bool) -> tuple[int, ...] | None:
    """The `shape` property, to be used without `allowzero`, that does what the vector does.

    None when there is none: more than one element is neither a number nor that of the operand's
    dimension in its place.
    """
    if allowzero and 0 in wanted:
        return None
    target = _copied(shape, wanted)
    numbers = [_number(shape, index, size) for index, size in enumerate(target)]
    open_ones = [index for index, number in enumerate(numbers) if number is None]
    if not open_ones:
        return cast("tuple[int, ...]", tuple(numbers))
    if len(open_ones) > 1 or -1 in numbers:
        return None
    others = [number for number in numbers if number is not None]
    # Beside a copied dimension of 0 the rest could be anything, unless it is what the counts say.
    if min(others, default=1) < 1 and not _same_count(shape, target):
        return None
    return tuple(-1 if number is None else number for number in numbers)


def _number(shape: Sizes, index: int, size: Size) -> int | None:
    if isinstance(size, int) and size != 0:
        return size
    return 0 if index < len(shape) and shape[index] == size else None


def _copied(shape: Sizes, wanted: Sizes) -> Sizes:
    """The vector with the operand's dimensions in the place of its zeros."""
    return tuple(
        shape[index] if size == 0 and index < len(shape) else size
        for index, size in enumerate(wanted)
    )


def _is_certain(shape: Sizes, index: int, size: Size) -> bool:
    if size == -1 or is_positive(size):
        return True
    if index >= len(shape):
        # There is nothing to copy: a 0 fails at run time.
        return is_never_negative(size)
    before = shape[index]
    return before == size or divide(before, size) is not None


def _same_count(shape: Sizes, target: Sequence[Size]) -> bool:
    """Whether both shapes have as many elements, whatever the sizes are."""
    count = product(shape)
    return count is not None and count == product(target)


def _with_rest(shape: Sizes, target: Sizes) -> Sizes:
    """The target with a size in the place of -1, where the other dimensions give one."""
    if -1 not in target:
        return target
    others = [(i, size) for i, size in enumerate(target) if size != -1]
    exact = all(
        is_positive(size) or (index < len(shape) and shape[index] == size) for index, size in others
    )
    known, count = product(size for _, size in others), product(shape)
    if not exact or known is None or count is None or known == 0:
        return target
    rest = divide(count, known)
    if rest is None or not is_never_negative(rest):
        return target
    return tuple(rest if size == -1 else size for size in target)
