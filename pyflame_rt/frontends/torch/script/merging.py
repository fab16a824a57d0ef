"""Values that leave a region: what the arms of an if, or the passes of a loop, have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.containers import SequenceType
from pyflame_rt.dialects.pfrt.lattice import join
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, numpy_dtype, type_of
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.machine import Machine, ScriptBuilder
from pyflame_rt.frontends.torch.script.tensors import fresh, link, read
from pyflame_rt.frontends.torch.script.values import (
    MISSING,
    UNSET,
    Choice,
    Known,
    ListObject,
    Record,
    Tensor,
)

Kind: TypeAlias = Literal["tensor", "int", "float", "bool", "list"]
Rebuild: TypeAlias = Callable[[Sequence[SSAValue]], Known]


@dataclass(frozen=True, eq=False)
class Frozen:
    """A tensor or list as it was at the end of a region; tensors are read there."""

    original: Known
    value: TensorValue | None = None
    """Of a tensor."""
    items: tuple[Known, ...] | None = None
    """Frozen, of a list."""
    sequence: SSAValue | None = None
    """Of a list that is one."""


def freeze(m: Machine, value: Known) -> Known:
    """A value with its tensors read, now."""
    match value:
        case Tensor():
            return Frozen(value, value=read(m, value))
        case ListObject():
            return Frozen(
                value, items=tuple(freeze(m, each) for each in value.items), sequence=value.sequence
            )
        case tuple():
            return tuple(freeze(m, each) for each in cast("tuple[Known, ...]", value))
        case Record():
            items = tuple(freeze(m, each) for each in value.items)
            return Record(value.info, value.fields, items)
        case _:
            return value


def thaw(value: Known) -> Known:
    """The value that was frozen."""
    match value:
        case Frozen():
            return value.original
        case tuple():
            return tuple(map(thaw, cast("tuple[Known, ...]", value)))
        case Record():
            return Record(value.info, value.fields, tuple(map(thaw, value.items)))
        case _:
            return value


def kind_of(value: Known) -> Kind | None:
    """How a (frozen) value is carried as a value of the module; None when it cannot be."""
    match value:
        case Frozen(value=TensorValue()) | Tensor():
            return "tensor"
        case Frozen() | ListObject():
            return "list"
        case bool():
            return "bool"
        case int() | Size():
            return "int"
        case float():
            return "float"
        case TensorValue(wrapped=True):
            return "bool" if value.dtype.kind == "b" else "float"
        case _:
            return None


def carried(m: Machine, b: ScriptBuilder, value: Known, kind: Kind) -> SSAValue:
    """A frozen value as a value of the module, made by a builder of its region."""
    match kind, value:
        case "tensor", Frozen(value=TensorValue() as tensor):
            return tensor.ssa
        case "list", Frozen():
            return sequence_of(m, b, value)
        case "int", int() | Size():
            return b.number(value).ssa
        case (("bool" | "float"), TensorValue()):
            return b.cast(value, np.dtype(np.float64 if kind == "float" else np.bool_)).ssa
        case "bool", bool():
            return b.constant(np.array(value)).ssa
        case "float", float():
            return b.constant(np.array(value, np.float64)).ssa
        case _:
            raise m.unsupported("a variable is of another type after an if or loop")


def sequence_of(
    m: Machine, b: ScriptBuilder, frozen: Frozen, item: Attribute | None = None
) -> SSAValue:
    """A frozen list of tensors as a sequence; `item` is the type of an empty one's items."""
    if frozen.sequence is not None:
        return frozen.sequence
    items = frozen.items or ()
    values: list[TensorValue] = []
    for each in items:
        if not isinstance(each, Frozen) or each.value is None:
            raise m.unsupported("a list whose length depends on the run holds tensors only")
        each.original.storage.captured = True
        values.append(each.value)
    if values:
        return b.one("sequence_construct", [values]).ssa
    if item is None or not is_tensor(item):
        raise m.unsupported("a list that stays empty does not tell what its items are")
    made = b.one("sequence_empty", [], {"dtype": item.element_type}).ssa
    # The op's own inference knows no shapes of items that are not there.
    made._type = SequenceType(item)  # pyright: ignore[reportPrivateUsage]
    return made


def uncarried(kind: Kind, value: SSAValue) -> Known:
    """What a variable holds that is a value of the module."""
    match kind:
        case "tensor":
            return fresh(TensorValue(value))
        case "list":
            return ListObject([], value)
        case "int":
            return Size.of_item(value)
        case "bool" | "float":
            return TensorValue(value, wrapped=True)


def dummy(b: ScriptBuilder, kind: Kind, like: SSAValue) -> SSAValue:
    """Some value of a kind and type, which nothing reads."""
    if kind == "list":
        return like
    found = type_of(like)
    element = numpy_dtype(found.element_type)
    shape = tuple(0 if n == DYNAMIC else n for n in TensorValue(like).shape or ())
    return b.full(shape, np.zeros((), element)).ssa


@dataclass
class Merge:
    """The results of an if: pairs of values that its arms yield, and how variables come of them."""

    m: Machine
    condition: TensorValue
    then_builder: ScriptBuilder
    else_builder: ScriptBuilder
    pairs: list[tuple[SSAValue, SSAValue]] = field(default_factory=list[tuple[SSAValue, SSAValue]])

    def plan(self, a: Known, b: Known) -> Rebuild:
        """How two frozen values become one; what is yielded for that is added to the pairs."""
        if a is MISSING or b is MISSING:
            return lambda _: MISSING
        if self._same(a, b):
            return lambda _: thaw(a)
        for one, other in ((a, b), (b, a)):
            if one is UNSET:
                return self._yield_one(other, other is a)
        if isinstance(a, tuple) and isinstance(b, tuple):
            left, right = cast("tuple[Known, ...]", a), cast("tuple[Known, ...]", b)
            if len(left) == len(right):
                return self._each(left, right, tuple)
        if isinstance(a, Record) and isinstance(b, Record) and a.info is b.info:
            info, fields = a.info, a.fields
            return self._each(a.items, b.items, lambda items: Record(info, fields, tuple(items)))
        kind = kind_of(a)
        if kind is None or kind != kind_of(b):
            return self._choice(a, b)
        if kind == "list":
            return self._lists(cast(Frozen, a), cast(Frozen, b))
        first = carried(self.m, self.then_builder, a, kind)
        second = carried(self.m, self.else_builder, b, kind)
        rebuild = self._pair(kind, first, second)
        if kind == "tensor":
            return self._linked(rebuild, a, b)
        if kind == "bool":
            return self._with_consequences(rebuild, a, b)
        return rebuild

    def plan_storage(self, a: Frozen, b: Frozen) -> Rebuild:
        """How two values of one storage become one."""
        if self._same(a, b):
            return lambda _: None
        first = carried(self.m, self.then_builder, a, "tensor")
        second = carried(self.m, self.else_builder, b, "tensor")
        return self._pair("tensor", first, second)

    def _same(self, a: Known, b: Known) -> bool:
        """Whether both arms leave one value, which exists outside of them."""
        if isinstance(a, Frozen) and isinstance(b, Frozen):
            if a.original is not b.original:
                return False
            if a.value is not None and b.value is not None:
                return a.value.ssa is b.value.ssa
            same_items = (
                a.items is not None
                and b.items is not None
                and len(a.items) == len(b.items)
                and all(x is y or self._same(x, y) for x, y in zip(a.items, b.items, strict=True))
            )
            return a.sequence is b.sequence and same_items
        if a is b:
            return not isinstance(a, TensorValue | Size) or self._is_outside(a)
        if isinstance(a, Size) and isinstance(b, Size):
            return a == b and self._is_outside(a)
        simple = (bool, int, float, str, complex)
        return type(a) is type(b) and isinstance(a, simple) and bool(a == b)

    def _is_outside(self, value: TensorValue | Size) -> bool:
        if isinstance(value, Size):
            return self.m.is_size_visible(value)
        return self.m.is_visible(value.ssa)

    def _pair(self, kind: Kind, first: SSAValue, second: SSAValue) -> Rebuild:
        index = len(self.pairs)
        self.pairs.append((first, second))
        return lambda results: uncarried(kind, results[index])

    def _each(
        self, a: Sequence[Known], b: Sequence[Known], make: Callable[[Sequence[Known]], Known]
    ) -> Rebuild:
        plans = [self.plan(x, y) for x, y in zip(a, b, strict=True)]
        return lambda results: make([plan(results) for plan in plans])

    def _lists(self, a: Frozen, b: Frozen) -> Rebuild:
        flat = a.sequence is None and b.sequence is None
        left, right = a.items or (), b.items or ()
        if flat and len(left) == len(right):
            return self._each(left, right, lambda items: ListObject(list(items)))
        item = item_type(a) or item_type(b)
        first = sequence_of(self.m, self.then_builder, a, item)
        second = sequence_of(self.m, self.else_builder, b, item)
        return self._pair("list", first, second)

    def _yield_one(self, value: Known, in_then: bool) -> Rebuild:
        """A value that only one arm has; nothing reads what the other one yields."""
        kind = kind_of(value)
        if isinstance(value, tuple):
            items = cast("tuple[Known, ...]", value)
            unset = (UNSET,) * len(items)
            return self._each(*((items, unset) if in_then else (unset, items)), tuple)
        if kind is None or kind == "list":
            return lambda _: thaw(value)
        if isinstance(value, bool | int | float):
            return lambda _: value
        builders = (self.then_builder, self.else_builder)
        mine, theirs = builders if in_then else reversed(builders)
        made = carried(self.m, mine, value, kind)
        if self.m.is_visible(made):
            return lambda _: thaw(value)
        other = dummy(theirs, kind, made)
        rebuild = self._pair(kind, *((made, other) if in_then else (other, made)))
        return self._linked(rebuild, value) if kind == "tensor" else rebuild

    def _choice(self, a: Known, b: Known) -> Rebuild:
        """Values of different kinds: which one it is stays open until the condition is known."""
        first, second = self._yield_one(a, True), self._yield_one(b, False)
        condition = self.condition
        return lambda results: Choice(condition, first(results), second(results))

    def _linked(self, rebuild: Rebuild, *arms: Known) -> Rebuild:
        """A tensor that may be one of others: writing to it, or to them, must be noticed."""

        def make(results: Sequence[SSAValue]) -> Known:
            merged = rebuild(results)
            for arm in arms:
                link(merged, cast(Frozen, arm).original)
            return merged

        return make

    def _with_consequences(self, rebuild: Rebuild, a: Known, b: Known) -> Rebuild:
        """A bool that is known in one arm tells, where it is the opposite, what the condition is."""

        def make(results: Sequence[SSAValue]) -> Known:
            merged: Any = rebuild(results)
            for arm, said in ((a, True), (b, False)):
                if isinstance(arm, bool):
                    row = self.m.consequences.setdefault((merged.ssa, not arm), [])
                    row.append((self.condition.ssa, not said))
            return merged

        return make


def item_type(frozen: Frozen) -> Attribute | None:
    """The type of a list's items."""
    if frozen.sequence is not None:
        kind = frozen.sequence.type
        return kind.item if isinstance(kind, SequenceType) else None
    found: Attribute | None = None
    for item in frozen.items or ():
        if isinstance(item, Frozen) and item.value is not None:
            kind = item.value.ssa.type
            found = kind if found is None else join(found, kind)
    return found
