"""Expressions of CSL for `arith` and `math`: each says what the op computes, to the bit.

Integers of CSL are signed where the IR's have no sign, so what looks at them as unsigned is written
with `@bitcast`. `math.fma` is the exception: it may be rounded twice. What the simulator has no instruction for
has no expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    Float16Type,
    Float32Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    i1,
)
from xdsl.ir import Attribute, Operation, SSAValue

from pyflame_rt.dialects.wse.scalars import COMMANDS

Text: TypeAlias = Callable[[SSAValue], str]
Rule: TypeAlias = Callable[[Operation, Text], str | None]

INDEX: Final = "i32"
_NO_TASK: Final = 31


def type_name(kind: Attribute) -> str | None:
    """The type of a scalar; None when CSL has none."""
    match kind:
        case Float16Type():
            return "f16"
        case Float32Type():
            return "f32"
        case IndexType():
            return INDEX
        case IntegerType() if kind.width.data == 1:
            return "bool"
        case IntegerType() if kind.width.data in (16, 32):
            return f"i{kind.width.data}"
        case _:
            return None


def literal(value: Attribute) -> str | None:
    """A number as it is written; None for what is no number."""
    if isinstance(value, IntegerAttr):
        integer = cast("IntegerAttr[Any]", value)
        kind: Attribute = integer.type
        if kind == i1:
            return "true" if integer.value.data else "false"
        bits = 32 if isinstance(kind, IndexType) else cast(IntegerType, kind).width.data
        number = integer.value.data & ((1 << bits) - 1)
        number -= (1 << bits) if number >> (bits - 1) else 0
        return str(number) if number >= 0 else f"({number})"
    if not isinstance(value, FloatAttr):
        return None
    real = cast("FloatAttr[Any]", value)
    number = float(real.value.data)
    if number != number or number in (float("inf"), float("-inf")):
        return _special(number, real.type)
    text = repr(number)
    return f"({text})" if text.startswith("-") else text


def _special(number: float, kind: Attribute) -> str:
    bits = {"inf": 0x7F800000, "-inf": 0xFF800000}.get(str(number), 0x7FC00000)
    if isinstance(kind, Float16Type):
        half = {"inf": 0x7C00, "-inf": 0xFC00}.get(str(number), 0x7E00)
        return f"@bitcast(f16, @as(u16, {half}))"
    return f"@bitcast(f32, @as(u32, {bits}))"


def expression(op: Operation, text: Text) -> str | None:
    """What computes an op's result; None for an op that has no expression."""
    rule = _RULES.get(type(op))
    if rule is None or any(type_name(value.type) is None for value in (*op.operands, *op.results)):
        return None
    return rule(op, text)


def _two(op: Operation, text: Text) -> tuple[str, str]:
    return text(op.operands[0]), text(op.operands[1])


def _type(value: SSAValue) -> str:
    return cast(str, type_name(value.type))


def _infix(sign: str, truth: str | None = None) -> Rule:
    """`a sign b`; on truth values with another sign."""

    def rule(op: Operation, text: Text) -> str | None:
        left, right = _two(op, text)
        chosen = truth if _type(op.results[0]) == "bool" else sign
        return None if chosen is None else f"{left} {chosen} {right}"

    return rule


def _unsigned(sign: str) -> Rule:
    def rule(op: Operation, text: Text) -> str | None:
        left, right = _two(op, text)
        kind = _type(op.results[0])
        if kind == "bool":
            return None
        return f"@bitcast({kind}, {_as_unsigned(left, kind)} {sign} {_as_unsigned(right, kind)})"

    return rule


def _as_unsigned(text: str, kind: str) -> str:
    return f"@bitcast(u{kind[1:]}, @as({kind}, {text}))"


def _shift(sign: str) -> Rule:
    """The number of bits is unsigned."""

    def rule(op: Operation, text: Text) -> str | None:
        left, right = _two(op, text)
        kind = _type(op.results[0])
        return None if kind == "bool" else f"{left} {sign} {_as_unsigned(right, kind)}"

    return rule


def _choice(sign: str, *, unsigned: bool = False) -> Rule:
    """The smaller or larger one; a float that is no number loses."""

    def rule(op: Operation, text: Text) -> str | None:
        left, right = _two(op, text)
        kind = _type(op.results[0])
        if kind == "bool":
            return None
        compared = f"{left} {sign} {right}"
        if unsigned:
            compared = f"{_as_unsigned(left, kind)} {sign} {_as_unsigned(right, kind)}"
        elif kind.startswith("f") and not _is_number(right):
            compared = f"({compared}) or ({right} != {right})"
        return f"if ({compared}) {left} else {right}"

    return rule


def _is_number(text: str) -> bool:
    """Whether an expression is a number that is written out."""
    return re.fullmatch(r"\(?-?\d[\d.]*(e[+-]?\d+)?\)?", text) is not None


_PREDICATES: Final = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
_ORDERED: Final[Mapping[int, str]] = {1: "==", 2: ">", 3: ">=", 4: "<", 5: "<=", 13: "!="}
_NEGATED: Final[Mapping[int, str]] = {9: "<=", 10: "<", 11: ">=", 12: ">"}


def _cmpi(op: Operation, text: Text) -> str | None:
    left, right = _two(op, text)
    predicate = cast(arith.CmpiOp, op).predicate.value.data
    kind = _type(op.operands[0])
    if kind == "bool" and predicate > 1:
        return None
    if predicate >= 6:
        left, right = _as_unsigned(left, kind), _as_unsigned(right, kind)
    return f"{left} {_PREDICATES[predicate]} {right}"


def _cmpf(op: Operation, text: Text) -> str | None:
    left, right = _two(op, text)
    predicate = cast(arith.CmpfOp, op).predicate.value.data
    if predicate in _ORDERED:
        return f"{left} {_ORDERED[predicate]} {right}"
    if predicate in _NEGATED:
        return f"!({left} {_NEGATED[predicate]} {right})"
    if predicate in (0, 15):
        return "true" if predicate else "false"
    if predicate in (6, 8):
        either = f"({left} < {right}) or ({left} > {right})"
        return either if predicate == 6 else f"!({either})"
    sign, joined = ("==", "and") if predicate == 7 else ("!=", "or")
    return f"({left} {sign} {left}) {joined} ({right} {sign} {right})"


def _select(op: Operation, text: Text) -> str | None:
    condition, yes, no = (text(operand) for operand in op.operands)
    return f"if ({condition}) {yes} else {no}"


def _cast(op: Operation, text: Text) -> str | None:
    """Between signed integers and floats, `@as`; a truth value is 0 or 1 (-1 when it is signed)."""
    value, source, target = text(op.operands[0]), _type(op.operands[0]), _type(op.results[0])
    if source == target:
        return value
    if target == "bool":
        return f"({value} & 1) != 0" if source.startswith("i") else None
    if source == "bool":
        one = "(-1)" if isinstance(op, arith.ExtSIOp | arith.SIToFPOp) else "1"
        return f"@as({target}, if ({value}) {one} else 0)"
    return f"@as({target}, {value})"


def _cast_unsigned(op: Operation, text: Text) -> str | None:
    value, source, target = text(op.operands[0]), _type(op.operands[0]), _type(op.results[0])
    if source == "bool" or source == target:
        return _cast(op, text)
    if isinstance(op, arith.FPToUIOp):
        return None if target == "bool" else f"@bitcast({target}, @as(u{target[1:]}, {value}))"
    return f"@as({target}, {_as_unsigned(value, source)})"


def _bitcast(op: Operation, text: Text) -> str | None:
    return f"@bitcast({_type(op.results[0])}, {text(op.operands[0])})"


def _multiply_add(op: Operation, text: Text) -> str | None:
    """Two ops, which the compiler may make one: CSL has no multiply-add of scalars."""
    left, right, addend = (text(operand) for operand in op.operands)
    return f"({left} * {right}) + {addend}"


def _negated(op: Operation, text: Text) -> str | None:
    return f"-{text(op.operands[0])}"


def _absolute(op: Operation, text: Text) -> str | None:
    value = text(op.operands[0])
    return f"if ({value} < 0) -{value} else {value}"


_RULES: Final[Mapping[type[Operation], Rule]] = {
    arith.AddiOp: _infix("+"),
    arith.SubiOp: _infix("-"),
    arith.MuliOp: _infix("*"),
    arith.DivSIOp: _infix("/"),
    arith.RemSIOp: _infix("%"),
    arith.DivUIOp: _unsigned("/"),
    arith.RemUIOp: _unsigned("%"),
    arith.AndIOp: _infix("&", "and"),
    arith.OrIOp: _infix("|", "or"),
    arith.XOrIOp: _infix("^", "!="),
    arith.ShLIOp: _shift("<<"),
    arith.ShRSIOp: _shift(">>"),
    arith.ShRUIOp: _unsigned(">>"),
    arith.MinSIOp: _choice("<"),
    arith.MaxSIOp: _choice(">"),
    arith.MinUIOp: _choice("<", unsigned=True),
    arith.MaxUIOp: _choice(">", unsigned=True),
    arith.AddfOp: _infix("+"),
    arith.SubfOp: _infix("-"),
    arith.MulfOp: _infix("*"),
    arith.DivfOp: _infix("/"),
    arith.MinnumfOp: _choice("<"),
    arith.MaxnumfOp: _choice(">"),
    arith.MinimumfOp: _choice("<"),
    arith.MaximumfOp: _choice(">"),
    arith.NegfOp: _negated,
    math.FmaOp: _multiply_add,
    math.AbsIOp: _absolute,
    arith.CmpiOp: _cmpi,
    arith.CmpfOp: _cmpf,
    arith.SelectOp: _select,
    arith.ExtSIOp: _cast,
    arith.TruncIOp: _cast,
    arith.IndexCastOp: _cast,
    arith.SIToFPOp: _cast,
    arith.FPToSIOp: _cast,
    arith.ExtFOp: _cast,
    arith.TruncFOp: _cast,
    arith.ExtUIOp: _cast_unsigned,
    arith.UIToFPOp: _cast_unsigned,
    arith.FPToUIOp: _cast_unsigned,
    arith.BitcastOp: _bitcast,
}


def router_commands(commands: Sequence[str], *, ignore: bool) -> int:
    """The word of a control wavelet with a command for each router that takes one off, and no task.

    Eight groups of two bits for the command and one that keeps the word from the PE begin at bit 22 and go on
    below bit 0 of the top two; 31 in bits 16 to 20 is no task. Its data, in the low half, is theirs.
    """
    word = _NO_TASK << 16
    for place in range(8):
        code = COMMANDS.index(commands[place]) if place < len(commands) else 0
        at = 22 + 3 * place
        word |= code << (at if at < 30 else at - 30)
        word |= ignore << ((at + 2) % 30)
    return word
