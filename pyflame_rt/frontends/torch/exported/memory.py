"""Tensors that may be views of each other: what is written to one shows in the others.

Writes become new values. A write to a view is scattered back into the tensor that it is a view of,
and its other views are made again when they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.rules import Rule
from pyflame_rt.frontends.torch.aten.values import Argument, Value


@dataclass(eq=False)
class Storage:
    """A tensor that is a view of nothing, and how often it was written."""

    value: Value
    depth: int
    """How many regions it is inside of."""
    version: int = 0


@dataclass(frozen=True)
class Step:
    """An operator that gives a view of its first argument."""

    rule: Rule[Any, Any]
    args: tuple[Argument, ...]
    kwargs: Mapping[str, Argument]
    index: int | None

    def apply(self, b: AtenBuilder, base: Value) -> Value:
        """The view of a base."""
        made = self.rule.call(b, [base, *self.args], self.kwargs)
        return cast(Value, made if self.index is None else made[self.index])


@dataclass(eq=False)
class Tensor:
    """A tensor of the program: a storage, or a view of one."""

    storage: Storage
    steps: tuple[Step, ...]
    value: Value
    version: int

    @staticmethod
    def of(value: Value, depth: int = 0) -> Tensor:
        """A tensor that is a view of nothing."""
        return Tensor(Storage(value, depth), (), value, 0)

    def view(self, step: Step, value: Value) -> Tensor:
        """A view of this one, whose value is known."""
        return Tensor(self.storage, (*self.steps, step), value, self.storage.version)

    def read(self, b: AtenBuilder, depth: int) -> Value:
        """The value now, for a builder inside so many regions."""
        if self.version == self.storage.version:
            return self.value
        value = self._chain(b)[-1]
        # What is made in a region is not seen outside of it.
        if depth == self.storage.depth:
            self.value, self.version = value, self.storage.version
        return value

    def write(self, b: AtenBuilder, value: Value, depth: int) -> None:
        """Make a value, cast and broadcast to this one's type and shape, that of the tensor."""
        if depth != self.storage.depth:
            raise b.unsupported("writes in a branch to a tensor from outside of it")
        before = self.read(b, depth)
        part = b.cast(value, before.dtype)
        part = b.expand(part, b.sizes(before)) if part.rank != before.rank else part
        chain = self._chain(b)
        for step, base in zip(reversed(self.steps), reversed(chain[:-1]), strict=True):
            part = step.rule.scatter(b, [base, *step.args], step.kwargs, part, step.index or 0)
        self.storage.value = part
        self.storage.version += 1

    def _chain(self, b: AtenBuilder) -> list[Value]:
        values = [self.storage.value]
        for step in self.steps:
            values.append(step.apply(b, values[-1]))
        return values
