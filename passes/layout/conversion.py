"""Choosing a layout for the ops of a block, and rewriting those that take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.attributes import NamesAttr, WeightAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.shape import TransposeOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.layout.assignment import SOURCE, TARGET, Choice, Conversions, assign
from pyflame_rt.passes.layout.costs import (
    conversions,
    difference,
    difference_reading_nchw,
    is_compiled,
    reads_either,
    saved_by_code,
)
from pyflame_rt.passes.layout.directions import Direction
from pyflame_rt.passes.layout.remapping import Following, following, reading_source

_FORTH, _BACK = "forth", "back"

Ways: TypeAlias = "tuple[Following, ...] | str"
"""How an op can be in the target layout; of a transpose, which conversion it is."""


@dataclass(frozen=True)
class Conversion:
    """A change of layout: of all ops that have one if `forced`, else of those that gain, which are
    more of them if they are `compiled`."""

    direction: Direction
    forced: bool
    compiled: bool = False

    def apply(self, block: Block) -> None:
        """Rewrite the ops of a block, but not those of regions in it."""
        candidates = self._candidates(block)
        anchors = [op for op in candidates if isinstance(op, LayoutOp)]
        if not anchors or not (self.forced or any(self.difference(op) < 0 for op in anchors)):
            return
        chosen = _Problem(self, block, candidates).solve()
        rewriting = _Rewriting(self.direction)
        for op, way in chosen.items():
            if isinstance(way, Following):
                rewriting.follow(op, way)
            elif isinstance(op, TransposeOp):
                rewriting.cancel(op, way)
        rewriting.finish()
        for op in anchors:
            if op not in chosen:
                declined(op, "its transposes would cost more than the layout saves")

    def difference(self, op: PfrtOp, reading_nchw: bool = False) -> float:
        """What an op costs more in the target layout."""
        cost = difference_reading_nchw(op) if reading_nchw else difference(op)
        return min(cost, 0.0) - saved_by_code(op) if self.compiled and is_compiled(op) else cost

    def _candidates(self, block: Block) -> dict[PfrtOp, Ways]:
        """The ops that can follow, and the transposes that can go."""
        found: dict[PfrtOp, Ways] = {}
        for op in block.ops:
            if not isinstance(op, PfrtOp) or not op.operands or op.regions:
                continue
            way = self._transpose(op) if isinstance(op, TransposeOp) else None
            if way is not None:
                found[op] = way
            elif (follows := following(op, self.direction)) is not None:
                found[op] = (follows, *self._reading_source(op, follows))
        return found

    def _reading_source(self, op: PfrtOp, follows: Following) -> tuple[Following, ...]:
        """Where a choice is left, also the op that makes the target form of the source form."""
        if self.forced or self.direction.source != "nchw" or not reads_either(op):
            return ()
        return (reading_source(follows, self.direction),)

    def _transpose(self, op: TransposeOp) -> str | None:
        """Whether a transpose of the model is a conversion forth or back."""
        shape, direction = shape_of(op.operand), self.direction
        if not direction.permutes or shape is None or len(shape) < 3:
            return None
        perm, rank = op.permutation(), len(shape)
        if perm == direction.permutation(rank) and op.result.type == direction.type(op.operand):
            return _FORTH
        if perm == direction.inverse(rank) and op.operand.type == direction.type(op.result):
            return _BACK
        return None


class _Problem:
    """A block as steps that choose between forms of values."""

    def __init__(
        self, conversion: Conversion, block: Block, candidates: dict[PfrtOp, Ways]
    ) -> None:
        self._conversion, self._candidates = conversion, candidates
        self._numbers: dict[SSAValue, int] = {}
        self._values: list[Conversions] = []
        self._steps: list[list[Choice]] = []
        self._ops: list[Operation] = []
        # Ops that cannot follow matter where they touch values of those that can.
        others: dict[Operation, dict[SSAValue, None]] = {}
        for op in candidates:
            for value in (*op.operands, *op.results):
                for user in _users(value, block):
                    if user not in candidates:
                        others.setdefault(user, {})[value] = None
        producers = {value.owner for op in candidates for value in op.operands}
        for op in block.ops:
            if isinstance(op, PfrtOp) and op in candidates:
                self._add(op, self._choices(op, candidates[op]))
            elif op in others or (op in producers and not _is_constant(op.results[0])):
                # What cannot follow reads and writes source forms.
                reads = [value for value in others.get(op, ()) if not _is_constant(value)]
                writes = [v for v in op.results if self._is_converted(v)]
                self._add(op, [self._choice(0.0, reads, [], writes, [])])

    def _is_converted(self, value: SSAValue) -> bool:
        return any(use.operation in self._candidates for use in value.uses)

    def _add(self, op: Operation, choices: list[Choice]) -> None:
        self._ops.append(op)
        self._steps.append(choices)

    def solve(self) -> dict[PfrtOp, Following | str]:
        """The ops to rewrite, in their order."""
        _, chosen = assign(self._steps, self._values)
        found: dict[PfrtOp, Following | str] = {}
        for op, choices, index in zip(self._ops, self._steps, chosen, strict=True):
            if isinstance(op, PfrtOp) and op in self._candidates and choices[index].is_target:
                ways = self._candidates[op]
                # What leaves the op as it is comes first.
                found[op] = ways if isinstance(ways, str) else ways[index - len(choices)]
        return found

    def _choices(self, op: PfrtOp, ways: Ways) -> list[Choice]:
        """As it is, unless the layout is forced on it; and in the target layout."""
        operands = [v for v in op.operands if not _is_constant(v)]
        results = list(op.results)
        if isinstance(ways, str):
            value = op.operands[0] if ways == _FORTH else op.results[0]
            price = self._convert(value)
            cost = price.to_target if ways == _FORTH else price.to_source
            as_it_is = self._choice(cost, operands, [], results, [])
            if ways == _FORTH:
                return [as_it_is, self._choice(0.0, [], operands, results, [])]
            return [as_it_is, self._choice(0.0, operands, [], [], results)]
        follow = [self._follow(op, way) for way in ways]
        if self._conversion.forced and isinstance(op, LayoutOp):
            return follow
        return [self._choice(0.0, operands, [], results, []), *follow]

    def _follow(self, op: PfrtOp, way: Following) -> Choice:
        operands = [(i, v) for i, v in enumerate(op.operands) if not _is_constant(v)]
        cost = 0.0
        if not self._conversion.forced:
            cost = self._conversion.difference(op, way.changes_layout)
        return self._choice(
            cost,
            [v for i, v in operands if i not in way.operands],
            [v for i, v in operands if i in way.operands],
            [v for i, v in enumerate(op.results) if i not in way.results],
            [v for i, v in enumerate(op.results) if i in way.results],
        )

    def _choice(
        self,
        cost: float,
        reads: Sequence[SSAValue],
        reads_target: Sequence[SSAValue],
        writes: Sequence[SSAValue],
        writes_target: Sequence[SSAValue],
    ) -> Choice:
        def forms(
            sources: Sequence[SSAValue], targets: Sequence[SSAValue]
        ) -> tuple[tuple[int, int], ...]:
            pairs = ((values, form) for values, form in ((sources, SOURCE), (targets, TARGET)))
            return tuple((self._number(v), form) for values, form in pairs for v in values)

        target = bool(reads_target or writes_target)
        return Choice(cost, forms(reads, reads_target), forms(writes, writes_target), target)

    def _number(self, value: SSAValue) -> int:
        if value not in self._numbers:
            self._numbers[value] = len(self._values)
            self._values.append(self._convert(value))
        return self._numbers[value]

    def _convert(self, value: SSAValue) -> Conversions:
        shape, direction = shape_of(value), self._conversion.direction
        if shape is None or len(shape) < 3:
            # Never converted: it is an operand that stays as it is.
            return Conversions(0.0, 0.0)
        channel = 1 if direction.source == "nchw" else len(shape) - 1
        price = conversions(value, channel, not direction.keeps_order(value))
        back = direction.source != "nchw"
        return Conversions(price.to_source, price.to_target) if back else price


@dataclass
class _Rewriting:
    """Rewrites ops in their order; converts values where they are first needed."""

    direction: Direction
    targets: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    constants: dict[tuple[SSAValue, int], SSAValue] = field(
        default_factory=dict[tuple[SSAValue, int], SSAValue]
    )
    """Target forms of constants, which differ with the rank that they broadcast to."""

    rebuilt: list[tuple[PfrtOp, PfrtOp, Following]] = field(
        default_factory=list[tuple[PfrtOp, PfrtOp, Following]]
    )

    transposes: list[TransposeOp] = field(default_factory=list[TransposeOp])

    def follow(self, op: PfrtOp, way: Following) -> None:
        """Put the op in the target layout before the op, which `finish` removes."""
        rank = len(shape_of(op.results[0]) or ())
        if not way.results:
            rank = len(shape_of(op.operands[0]) or ())
        operands = [
            self._target(value, op, rank) if index in way.operands else value
            for index, value in enumerate(op.operands)
        ]
        new = op.clone()
        new.operands = operands
        new.location = op.location
        for name, attr in way.properties.items():
            if attr is None:
                new.properties.pop(name, None)
            else:
                new.properties[name] = attr
        if way.results:
            # The model's name is that of the value before it was converted.
            new.names = None
        for index, old in enumerate(op.results):
            new.results[index].name_hint = old.name_hint
            if index in way.results:
                kind = self.direction.type(old)
                self.targets[old] = Rewriter.replace_value_with_new_type(new.results[index], kind)
        Rewriter.insert_op(new, InsertPoint.before(op))
        self.rebuilt.append((op, new, way))

    def cancel(self, op: TransposeOp, way: str) -> None:
        """Make the uses of a transpose use what it transposes, in its other form."""
        if way == _BACK:
            self.targets[op.result] = op.operand
            self.transposes.append(op)
            return
        target = self._target(op.operand, op, len(shape_of(op.operand) or ()))
        op.result.replace_all_uses_with(target)
        Rewriter.erase_op(op)

    def finish(self) -> None:
        """Remove what was rewritten, and convert back what others still use."""
        for op, new, way in reversed(self.rebuilt):
            for index, (old, result) in enumerate(zip(op.results, new.results, strict=True)):
                if index not in way.results:
                    old.replace_all_uses_with(result)
                elif old.uses:
                    self._convert_back(op, index, new, result)
            Rewriter.erase_op(op)
        for op in self.transposes:
            if not op.result.uses:
                Rewriter.erase_op(op)

    def _convert_back(self, op: PfrtOp, index: int, new: PfrtOp, result: SSAValue) -> None:
        old = op.results[index]
        back = self.direction.back(result, old)
        back.location = op.location
        Rewriter.replace_value_with_new_type(back.results[0], old.type)
        if op.names is not None and (name := op.names.data[index]):
            back.names = NamesAttr.of([name])
        back.results[0].name_hint, result.name_hint = old.name_hint, None
        Rewriter.insert_op(back, InsertPoint.after(new))
        old.replace_all_uses_with(back.results[0])

    def _target(self, value: SSAValue, user: Operation, rank: int) -> SSAValue:
        """The target form of a value, made before its first user."""
        if value in self.targets:
            return self.targets[value]
        array = constant_of(value)
        if array is None:
            return self.targets.setdefault(
                value, self._made(self.direction.forth(value), value, user)
            )
        key = value, rank
        if key not in self.constants:
            constant = ConstantOp.get(self.direction.array(array, rank))
            self.constants[key] = self._made(constant, value, user)
        return self.constants[key]

    def _made(self, op: PfrtOp, value: SSAValue, user: Operation) -> SSAValue:
        op.location = value.owner.location if isinstance(value.owner, PfrtOp) else user.location
        Rewriter.insert_op(op, InsertPoint.before(user))
        return op.results[0]


def _users(value: SSAValue, block: Block) -> list[Operation]:
    """The ops of a block that use a value, themselves or in their regions."""
    found: list[Operation] = []
    for use in value.uses:
        user: Operation | None = use.operation
        while user is not None and user.parent is not block:
            user = user.parent_op()
        if user is not None:
            found.append(user)
    return found


def _is_constant(value: SSAValue) -> bool:
    if isinstance(value.owner, ConstantOp) and isinstance(value.owner.value, WeightAttr):
        # Its values may have to be made first.
        return value.owner.value.data.is_present
    return constant_of(value) is not None
