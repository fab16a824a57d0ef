"""What the parts of the interpreter share: budgets, places, the block being built, and a journal
of what was changed since a region was entered."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, LocationAttr, NameLoc, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.aten.builder import (
    Array,
    AtenBuilder,
    Facts,
    Operand,
    Properties,
)
from pyflame_rt.frontends.torch.aten.sizes import Call as SizeCall
from pyflame_rt.frontends.torch.aten.sizes import Dim, Item, Size, atoms
from pyflame_rt.frontends.torch.aten.values import Dtype, TensorValue, Value
from pyflame_rt.frontends.torch.script.values import (
    Choice,
    DictObject,
    Instance,
    Known,
    ListObject,
    Storage,
    next_serial,
)
from pyflame_rt.limits import Limits

Mutable: TypeAlias = Storage | ListObject | DictObject | Instance
State: TypeAlias = tuple[Known, ...]


class UnknownRank(UnsupportedOperatorError):
    """The number of dimensions of a value is needed, but not known."""

    def __init__(self, value: SSAValue, where: str):
        super().__init__(
            "needs a tensor whose number of dimensions is known",
            where=where,
            hint="give the shapes of the model's inputs (input_shapes)",
        )
        self.value = value


class LimitError(InvalidModelError):
    """The code asks for more than `Limits` allow; no other shapes of inputs would help."""


class ScriptRaise(Exception):
    """The interpreted code raises an exception."""

    def __init__(self, message: str, where: str):
        super().__init__(message)
        self.message = message
        self.where = where


@dataclass
class Budget:
    """What is left of the limits that hold for all attempts together."""

    steps: int
    operations: int


class ScriptBuilder(AtenBuilder):
    """A builder that counts ops, and tells which value's number of dimensions is missing."""

    def __init__(
        self,
        block: Block,
        location: LocationAttr,
        where: str,
        facts: Facts | None = None,
        parent: AtenBuilder | None = None,
        *,
        budget: Budget,
    ):
        super().__init__(block, location, where, facts, parent)
        self._budget = budget

    def emit(
        self,
        name: str,
        operands: Sequence[Operand],
        properties: Properties | None = None,
        *,
        count: int | None = None,
    ) -> tuple[Value, ...]:
        self._count()
        return super().emit(name, operands, properties, count=count)

    def constant(self, array: Array | int | float | bool, dtype: Dtype | None = None) -> Value:
        self._count()
        return super().constant(array, dtype)

    def _count(self) -> None:
        self._budget.operations -= 1
        if self._budget.operations < 0:
            raise LimitError(
                "has too many operations",
                where=self.where,
                hint="raise Limits.script_operations if the file can be trusted",
            )

    def rank(self, value: Value) -> int:
        if value.rank is None:
            raise UnknownRank(value.ssa, self.where)
        return value.rank

    def at(self, location: LocationAttr, where: str) -> ScriptBuilder:
        other = copy(self)
        other.location, other.where = location, where
        return other

    def inside(self, block: Block) -> ScriptBuilder:
        return ScriptBuilder(
            block, self.location, self.where, self.facts, self, budget=self._budget
        )


@dataclass
class Place:
    """Where the interpreter is: in which module of the model, and on which line of which file."""

    path: str
    file: str
    line: int = 0


@dataclass
class Region:
    """A block that is being built, and what older objects were before they changed in it."""

    builder: ScriptBuilder
    serial: int
    touched: dict[int, tuple[Mutable, State]] = field(
        default_factory=dict[int, "tuple[Mutable, State]"]
    )

    @property
    def block(self) -> Block:
        """The block itself."""
        return self.builder.block


@dataclass(frozen=True)
class MissingOperator:
    """An operator without a rule, and where it was called first."""

    operator: str
    where: str


class Machine:
    """The state of an interpretation."""

    def __init__(self, file: str, block: Block, limits: Limits, budget: Budget):
        self.file = file
        self.limits = limits
        self.place = Place("", "")
        self.missing: dict[str, MissingOperator] = {}
        self.facts: dict[SSAValue, bool] = {}
        self.negations: dict[SSAValue, SSAValue] = {}
        self.consequences: dict[tuple[SSAValue, bool], list[tuple[SSAValue, bool]]] = {}
        self.loops = 0
        self.assumed: frozenset[int] = frozenset()
        """The inputs whose element type nothing has told."""
        self.fitting: set[int] = set()
        """The inputs of which an operator wants the number of dimensions that they have."""
        self.budget = budget
        self._frames = 0
        self._locations: dict[tuple[str, str, int], LocationAttr] = {}
        start = FileLineColLoc(StringAttr(file), IntAttr(0), IntAttr(0))
        main = ScriptBuilder(block, start, file, Facts(), budget=budget)
        self.main = main
        self.regions: list[Region] = [Region(main, -1)]
        self._blocks: set[Block] = {block}

    # Budgets.

    def tick(self) -> None:
        """Count a step."""
        self.budget.steps -= 1
        if self.budget.steps < 0:
            raise self.over("steps", "takes too long to interpret")

    def over(self, limit: str, why: str) -> LimitError:
        """The error for what exceeds a limit."""
        hint = f"raise Limits.script_{limit} if the file can be trusted"
        return LimitError(why, where=self.where, hint=hint)

    def enter(self, frames: int) -> None:
        """Go deeper into calls, blocks or expressions, by that many frames of Python's."""
        self._frames += frames
        if self._frames > self.limits.script_frames:
            raise self.over("frames", "calls and blocks are nested too deeply")

    def leave(self, frames: int) -> None:
        """Come back; an error that ends the import need not."""
        self._frames -= frames

    def require_iterable(self, values: range) -> None:
        """Refuse a range that no loop can go through."""
        if len(values) >= 2**62:
            raise self.error(f"a loop of {len(values)} passes is not believed")

    def require_length(self, length: int) -> None:
        """Refuse to make a list or text that is too long."""
        if length > self.limits.script_elements:
            raise self.over("elements", f"makes a list or text of {length} elements")

    # Places.

    @property
    def where(self) -> str:
        """The place, for messages."""
        place = self.place
        if not place.file:
            return self.file
        module = f" ({place.path})" if place.path else ""
        return f"{self.file}: {place.file}:{place.line}{module}"

    def error(self, why: str, hint: str | None = None) -> InvalidModelError:
        """The error for code that contradicts itself."""
        return InvalidModelError(why, where=self.where, hint=hint)

    def unsupported(self, why: str, hint: str | None = None) -> UnsupportedOperatorError:
        """The error for correct code of a form that cannot be imported."""
        return UnsupportedOperatorError(why, where=self.where, hint=hint)

    @property
    def b(self) -> ScriptBuilder:
        """A builder at the place."""
        region = self.regions[-1]
        place = self.place
        key = (place.path, place.file, place.line)
        if key not in self._locations:
            line = FileLineColLoc(StringAttr(place.file), IntAttr(place.line), IntAttr(0))
            self._locations[key] = NameLoc(StringAttr(place.path or "forward"), line)
        return region.builder.at(self._locations[key], self.where)

    def miss(self, operator: str) -> None:
        """Note an operator that is not supported."""
        self.missing.setdefault(operator, MissingOperator(operator, self.where))

    # Regions.

    @contextmanager
    def region(self, block: Block) -> Generator[Region]:
        """Build in a block of a region; what is known in it is forgotten with it."""
        region = Region(self.regions[-1].builder.inside(block), next_serial())
        facts, frames, place = dict(self.facts), self._frames, replace(self.place)
        self.regions.append(region)
        self._blocks.add(block)
        try:
            yield region
        finally:
            self.regions.pop()
            self._blocks.discard(block)
            self.facts, self._frames, self.place = facts, frames, place

    def touch(self, item: Mutable) -> None:
        """Remember what an object is before it changes."""
        region = self.regions[-1]
        if item.serial < region.serial or region.serial < 0:
            region.touched.setdefault(id(item), (item, state_of(item)))

    def is_visible(self, value: SSAValue) -> bool:
        """Whether a value can be used in the block being built."""
        owner = value.owner
        block = owner.parent_block() if isinstance(owner, Operation) else owner
        return block in self._blocks

    def is_size_visible(self, size: Size) -> bool:
        """Whether all that a size depends on can be used in the block being built."""
        for atom in atoms(size):
            match atom:
                case Dim(value) | Item(value):
                    visible = self.is_visible(value)
                case SizeCall(_, lhs, rhs):
                    parts = [part for part in (lhs, rhs) if isinstance(part, Size)]
                    visible = all(map(self.is_size_visible, parts))
            if not visible:
                return False
        return True

    # Conditions.

    def truth(self, value: Known) -> bool | TensorValue:
        """A condition: known, or a boolean known at run time."""
        value = self.settled(value)
        if isinstance(value, bool | int | float | complex | str) or value is None:
            return bool(value)
        if isinstance(value, Size):
            value = self.compare("equal", value, 0, negate=True)
            if isinstance(value, bool):
                return value
        if not isinstance(value, TensorValue):
            raise self.error("a condition is no bool")
        return self.known_truth(value)

    def known_truth(self, value: TensorValue) -> bool | TensorValue:
        """A boolean, told if it is known."""
        array = self.b.known(value)
        if array is not None:
            return bool(np.all(array))
        said = self.fact(value.ssa)
        return value if said is None else said

    def compare(self, op: str, a: Known, b: Known, *, negate: bool = False) -> bool | TensorValue:
        """A comparison of numbers that are known at run time."""
        builder = self.b
        lhs, rhs = (builder.number(x) if isinstance(x, int | Size) else x for x in (a, b))
        found = TensorValue(builder.one(op, [lhs, rhs]).ssa, wrapped=True)
        return self.negated(self.known_truth(found)) if negate else self.known_truth(found)

    def negated(self, value: bool | TensorValue) -> bool | TensorValue:
        """not value"""
        if isinstance(value, bool):
            return not value
        if (before := self.negations.get(value.ssa)) is not None and self.is_visible(before):
            return TensorValue(before, wrapped=True)
        found = self.b.one("not", [value])
        self.negations[found.ssa] = value.ssa
        return TensorValue(found.ssa, wrapped=True)

    def fact(self, condition: SSAValue) -> bool | None:
        """What a condition is where the code is now, if that is known."""
        if (said := self.facts.get(condition)) is not None:
            return said
        positive = self.negations.get(condition)
        said = None if positive is None else self.facts.get(positive)
        return None if said is None else not said

    def assume(self, condition: SSAValue, said: bool) -> None:
        """Take a condition as known from here on."""
        self.facts[condition] = said
        if (positive := self.negations.get(condition)) is not None:
            self.assume(positive, not said)
        for other, value in self.consequences.get((condition, said), ()):
            if other not in self.facts:
                self.assume(other, value)

    def settled(self, value: Known) -> Known:
        """A value; of a choice, the one that is known to be meant."""
        while isinstance(value, Choice):
            said = self.known_truth(value.condition)
            if not isinstance(said, bool):
                return value
            value = value.if_true if said else value.if_false
        return value


def state_of(item: Mutable) -> State:
    """What a mutable object is now."""
    match item:
        case Storage():
            return (item.value, item.version, item.stale)
        case ListObject():
            return (tuple(item.items), item.sequence)
        case DictObject():
            return (dict(item.items),)
        case Instance():
            return (dict(item.attributes),)


def restore(item: Mutable, state: State) -> None:
    """Make a mutable object what it was."""
    match item:
        case Storage():
            item.value, item.version, item.stale = state
        case ListObject():
            items, item.sequence = state
            item.items = list(items)
        case DictObject():
            item.items = dict(state[0])
        case Instance():
            item.attributes = dict(state[0])


def unsupported_error(file: str, missing: Sequence[MissingOperator]) -> UnsupportedOperatorError:
    """The error that lists all operators without a rule."""
    shown = "; ".join(f"{quoted(row.operator)[1:-1]} at {row.where}" for row in missing[:20])
    more = f"; and {len(missing) - 20} more" if len(missing) > 20 else ""
    count = "1 operator is" if len(missing) == 1 else f"{len(missing)} operators are"
    return UnsupportedOperatorError(f"{count} not supported: {shown}{more}", where=file)
