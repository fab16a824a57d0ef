"""Reading and writing tensors that may be views of each other.

Writes become new values: a write to a view is scattered back into its storage, and every other
view of that storage is made again when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pyflame_rt.frontends.torch.aten.rules import Rule
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.machine import Machine
from pyflame_rt.frontends.torch.script.values import Known, Step, Storage, Tensor


def fresh(value: TensorValue) -> Tensor:
    """A tensor that nothing else is a view of."""
    return Tensor(Storage(value))


def read(m: Machine, tensor: Tensor) -> TensorValue:
    """The tensor's value now."""
    storage = tensor.storage
    if storage.stale:
        raise m.unsupported(
            f"reads a tensor that may have been changed in place at {storage.stale}",
            hint="write that line without an in-place operation, or on a clone()",
        )
    base = _value_of(m, storage)
    if not tensor.steps:
        return base
    if (
        tensor.value is None
        or tensor.version != storage.version
        or not m.is_visible(tensor.value.ssa)
    ):
        tensor.value = _chain(m, base, tensor.steps)[-1]
        tensor.version = storage.version
    return tensor.value


def _value_of(m: Machine, storage: Storage) -> TensorValue:
    if storage.value is None:
        assert storage.make is not None
        storage.value = storage.make()
    if not m.is_visible(storage.value.ssa):
        raise m.unsupported("uses a tensor that is made in only one of the arms of an if")
    return storage.value


def _chain(m: Machine, base: TensorValue, steps: Sequence[Step]) -> list[TensorValue]:
    """The values of a view and of what it is a view of, the storage's first."""
    values = [base]
    for step in steps:
        made: Known = step.rule.call(m.b, [values[-1], *step.arguments], step.keywords)
        values.append(cast(TensorValue, made if step.index is None else made[step.index]))
    return values


def write(m: Machine, tensor: Tensor, value: TensorValue) -> None:
    """Make a value the tensor's, and its part of whatever it is a view of.

    The value takes on the tensor's element type and shape, as in-place operators do.
    """
    before = read(m, tensor)
    builder = m.b
    part = builder.cast(value, before.dtype)
    if before.rank is not None and part.rank is not None and part.rank < before.rank:
        part = builder.expand(part, builder.sizes(before))
    storage = tensor.storage
    if storage.captured:
        raise m.unsupported(
            "changes in place a tensor that is in a list whose length depends on the run",
            hint="put a clone() into the list",
        )
    if storage.make is not None and storage.owner is None:
        raise m.unsupported("changes a constant of the model in place")
    if tensor.steps:
        chain = _chain(m, _value_of(m, storage), tensor.steps)
        for step, base in zip(reversed(tensor.steps), reversed(chain[:-1]), strict=True):
            args = [base, *step.arguments]
            part = step.rule.scatter(builder, args, step.keywords, part, step.index or 0)
    m.touch(storage)
    storage.written(part)
    outdate(m, storage)


def outdate(m: Machine, storage: Storage) -> None:
    """Note that what may be the same memory as a storage that was written to cannot be read."""
    for other in storage.group or ():
        # What was made in a region that is left will not be read again.
        is_gone = other.value is not None and not m.is_visible(other.value.ssa)
        if other is not storage and not is_gone:
            m.touch(other)
            other.stale = m.where


def view(
    m: Machine,
    base: Tensor,
    rule: Rule[..., Known],
    arguments: Sequence[Known],
    keywords: Mapping[str, Known],
    value: TensorValue,
    index: int | None,
) -> Tensor:
    """The tensor that an operator of views gives for a base."""
    step = Step(rule, tuple(arguments), dict(keywords), index)
    return Tensor(base.storage, (*base.steps, step), value, base.storage.version)


def link(tensor: Tensor, other: Tensor) -> None:
    """Note that two tensors may share memory."""
    a, b = tensor.storage, other.storage
    if a is b:
        return
    group = b.group if b.group is not None else [b]
    joining = a.group if a.group is not None else [a]
    if joining is not group:
        group.extend(joining)
    for each in group:
        each.group = group
