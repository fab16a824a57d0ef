"""Patterns: what is found where, under which condition, and what stands there instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from xdsl.dialects.builtin import FloatAttr, f32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import OpDef, OperandDef, OptOperandDef, OptPropertyDef, VarOperandDef
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.patterns import text
from pyflame_rt.dialects.patterns.matching import (
    ABSENT,
    HIDDEN,
    Found,
    Match,
    matches,
    number_of,
)
from pyflame_rt.dialects.patterns.text import Call, Let, Number, PropertyName, Term, Variable
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import dtype_of, to_property
from pyflame_rt.dialects.rewriting import declined, describe, replace
from pyflame_rt.errors import ValidationError

Condition = Callable[[Match], "str | bool | None"]


@dataclass(frozen=True)
class Pattern:
    """What `source` computes, `target` computes too: one op, or a few, instead of many.

    ```python
    Pattern("swish", source="mul(x, sigmoid(mul(x, a:scalar)))", target="swish(x) {alpha=a}")
    ```
    The grammar is that of `patterns/text.py`; `docs/adding_a_fusion.md` explains it by examples. A
    source is matched where no value inside it is used by anything else or is a result.
    `where` looks at a match, which it may add variables to (`Match.let`), and returns None or True
    to agree, else False or a sentence that says why not.
    """

    name: str
    source: str
    target: str
    where: Condition | None = None

    @cached_property
    def _source(self) -> Term:
        term = text.parse(self.source)
        for part in text.walk(term):
            if isinstance(part, Call):
                self._check(part)
        if term.heads is None or text.CONSTANT in term.heads:
            raise self._error("has no op at the root of its source")
        return term

    @cached_property
    def _target(self) -> Term:
        term = text.parse(self.target)
        for part in text.walk(term):
            if isinstance(part, Call):
                self._check(part)
            elif isinstance(part, text.Either):
                raise self._error("has two forms of its target")
        if self.where is None:
            self._check_names(term)
        return term

    def _check(self, term: Call) -> None:
        op = self._definition(term.op)
        if len(term.operands) > len(op.operands) and not any(_is_list(d) for _, d in op.operands):
            raise self._error(f"gives {term.op} {len(term.operands)} operands")
        known = {name: op.properties[name] for name in op.properties if name not in HIDDEN}
        named = {name for name, _ in term.properties}
        if unknown := sorted(named - set(known)):
            raise self._error(f"{term.op} has no property {', '.join(unknown)}")
        for name, definition in known.items():
            is_optional = isinstance(definition, OptPropertyDef)
            has_default = is_optional or definition.default_value is not None
            if not has_default and name not in named and term.rest is None:
                raise self._error(f"does not say what {name} of {term.op} is")

    def _check_names(self, target: Term) -> None:
        parts = list(text.walk(self._source))
        values = {part.name for part in parts if isinstance(part, Variable | Let)} | {ABSENT}
        calls = [part for part in parts if isinstance(part, Call)]
        properties = {v.name for c in calls for _, v in c.properties if isinstance(v, PropertyName)}
        rests = {c.rest for c in calls}
        for part in text.walk(target):
            used: set[str] = set()
            if isinstance(part, Variable):
                used = {part.name} - values
            elif isinstance(part, Call):
                names = {v.name for _, v in part.properties if isinstance(v, PropertyName)}
                used = names - properties - values
                used |= {part.rest} - rests if part.rest is not None else set()
            if used:
                raise self._error(f"uses {', '.join(sorted(used))}, which its source has not")

    def _definition(self, name: str) -> OpDef:
        op = operations().get(f"pfrt.{name}")
        if op is None:
            raise self._error(f'names an op "{name}", which there is not')
        return op.get_irdl_definition()

    def _error(self, why: str) -> ValidationError:
        return ValidationError(why, where=f'pattern "{self.name}"')

    @property
    def roots(self) -> frozenset[str]:
        """Names of the ops at which the source ends. Raises ValidationError for a wrong pattern."""
        # A wrong target is to be found before any op is looked at.
        return (self._source.heads or frozenset()) if self._target else frozenset()

    def rewrite(self, op: PfrtOp) -> bool:
        """Replace what ends at an op by the target, if the source is there; whether it was."""
        why = None
        for found in matches(self._source, op):
            match = Match(found)
            reason = self._objection(match) or self._replace(match)
            if reason is None:
                return True
            why = why or reason
        if why is not None:
            declined(op, f'{why} (pattern "{self.name}")')
        return False

    def _objection(self, match: Match) -> str | None:
        """Why a match must be left alone."""
        if (outside := used_outside(match.found)) is not None:
            return outside
        verdict = None if self.where is None else self.where(match)
        if isinstance(verdict, str):
            return verdict
        return "its condition does not hold" if verdict is False else None

    def _replace(self, match: Match) -> str | None:
        """Put the target in the place of a match, or say why that cannot be."""
        builder = _Builder(match)
        try:
            value = builder.result(self._target)
        except (VerifyException, _Unsuitable) as error:
            for op in builder.ops:
                op.drop_all_references()
            return str(error).splitlines()[0]
        replace_all(match, builder.ops, value)
        return None


def used_outside(found: Found) -> str | None:
    """Which op of a match but the root has a result that something else uses, in words."""
    ops = set(found.ops)
    for op in found.ops:
        if op is found.root:
            continue
        for use in op.results[0].uses:
            if use.operation not in ops:
                return f"{describe(op)} is also used by {describe(use.operation)}"
    return None


def replace_all(match: Match, new_ops: Sequence[Operation], value: SSAValue) -> None:
    """Put new ops in the place of a match's root, and remove its other ops."""
    inner = match.inner
    replace_last(match.root, new_ops, value)
    erase_unused(inner)


def replace_last(op: Operation, new_ops: Sequence[Operation], value: SSAValue) -> None:
    """Replace an op of one result by a value, which the last of some new ops defines.

    Only this one is named like the op; the others share its location.
    """
    rewriter = PatternRewriter(op)
    for new in new_ops[:-1]:
        new.location = op.location
        rewriter.insert(new, InsertPoint.before(op))
    replace(rewriter, op, new_ops[-1:], [value])


def erase_unused(ops: Sequence[Operation]) -> None:
    """Remove those of some ops that nothing uses, users before what they use."""
    left = list(ops)
    while unused := [op for op in left if not any(result.uses for result in op.results)]:
        for op in unused:
            op.detach()
            op.erase()
        left = [op for op in left if op not in unused]


def _is_list(operand: OperandDef) -> bool:
    """Whether an op takes any number of values as this operand."""
    return isinstance(operand, VarOperandDef) and not isinstance(operand, OptOperandDef)


class _Unsuitable(Exception):
    """A match has no target."""


class _Builder:
    """Makes the ops of a target."""

    def __init__(self, match: Match):
        self._match = match
        self.ops: list[Operation] = []

    def result(self, target: Term) -> SSAValue:
        """The value of a target, of the type of the root's result."""
        old, value = self._match.root.results[0], self.value(target)
        if value is None or not compatible(old.type, value.type):
            raise _Unsuitable(f"the result is a {old.type}, the target's not")
        if value.owner in self.ops:
            # Users may rely on more, or less, of its shape than can be inferred.
            return Rewriter.replace_value_with_new_type(value, old.type)
        if value.type != old.type:
            raise _Unsuitable(f"the result is a {old.type}, but would be a {value.type}")
        return value

    def value(self, term: Term) -> SSAValue | None:
        """The value of a target's term."""
        match term:
            case Variable(name=name):
                return None if name == ABSENT else self._match.value(name)
            case Number(value=number):
                kind = dtype_of(self._match.root.results[0])
                return self._insert(ConstantOp.get(np.array(number, kind)))
            case Call():
                return self._insert(self._call(term))
            case _:
                raise _Unsuitable("the target has parts with names")

    def _call(self, term: Call) -> PfrtOp:
        kind = cast("type[PfrtOp]", operations()[f"pfrt.{term.op}"])
        operands: list[OperandArg] = [self.value(operand) for operand in term.operands]
        slots = kind.get_irdl_definition().operands
        if len(slots) == 1 and _is_list(slots[0][1]):
            operands = [[value for value in operands if isinstance(value, SSAValue)]]
        operands += [None] * (len(slots) - len(operands))
        rest: Mapping[str, Attribute] = {}
        if term.rest is not None:
            rest = self._match.found.rests[term.rest]
        named = {name: self._property(name, value) for name, value in term.properties}
        return kind.create_op(operands, {**rest, **named})

    def _property(self, name: str, term: text.PropertyTerm) -> Attribute:
        if not isinstance(term, PropertyName):
            return self._float(name, term) if isinstance(term, float) else to_property(term)
        extra = self._match.extra.get(term.name)
        if isinstance(extra, Attribute):
            return extra
        if extra is not None and not isinstance(extra, SSAValue):
            return self._float(name, extra) if isinstance(extra, float) else to_property(extra)
        if term.name in self._match.found.properties:
            return self._match.found.properties[term.name]
        number = number_of(self._match.value(term.name))
        if number is None:
            raise _Unsuitable(f"{name} is not one number")
        if dtype_of(self._match.value(term.name)).kind in "iu":
            return to_property(int(number))
        return self._float(name, number)

    def _float(self, name: str, number: float) -> Attribute:
        """A number as an f32 property, which must not make an f64 computation less exact."""
        with np.errstate(all="ignore"):
            rounded = float(np.float32(number))
        if rounded != number and dtype_of(self._match.root.results[0]).name == "float64":
            raise _Unsuitable(f"{name} would be {number}, which is no f32")
        return FloatAttr(rounded, f32)

    def _insert(self, op: PfrtOp) -> SSAValue:
        self.ops.append(op)
        return op.results[0]


def apply_patterns(module: Operation, patterns: Sequence[Pattern]) -> int:
    """Rewrite everything inside an op by some patterns, until none applies; how often one did.

    Of two patterns that end at the same op the first one given is tried first; where one is inside
    another, the one that ends later in the program.
    """
    by_root: dict[str, list[Pattern]] = {}
    for pattern in patterns:
        for root in pattern.roots:
            by_root.setdefault(root, []).append(pattern)
    total = 0
    # Each round leaves fewer ops, or none is rewritten: rounds are as many as patterns are nested.
    while count := sum(_rewrite(op, by_root) for op in _candidates(module, by_root)):
        total += count
    return total


def _candidates(module: Operation, by_root: Mapping[str, object]) -> Iterator[PfrtOp]:
    found = [op for op in module.walk() if op.name in by_root and isinstance(op, PfrtOp)]
    for op in reversed(found):
        # It may be gone with the match of a later one.
        if op.parent is not None and not isinstance(op.parent_op(), FusedOp):
            yield op


def _rewrite(op: PfrtOp, by_root: Mapping[str, Sequence[Pattern]]) -> bool:
    return any(pattern.rewrite(op) for pattern in by_root[op.name])
