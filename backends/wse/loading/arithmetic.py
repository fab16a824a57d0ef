"""Instruction selection for `arith` and `math`: one op to the image's ALU instructions.

Registers hold i16 sign-extended and i1 as 0 or 1, so widening a signed value and reinterpreting 32
bits cost nothing, while unsigned meanings of 16 bits take a conversion. Unsigned order of
sign-extended values is that of their 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    Float16Type,
    Float32Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Operation, SSAValue

from pyflame_rt.backends.wse.loading.code import Code, Constant, Operand, Register
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.dialects.wse.base import bits_of

Values: TypeAlias = Callable[[SSAValue], Operand]


class Unsupported(Exception):
    """The machine has no instructions for this; the text says what."""


def type_name(kind: Attribute) -> str:
    """The image's name of a scalar type. Raises Unsupported."""
    match kind:
        case IndexType():
            return "i32"
        case Float16Type():
            return "f16"
        case Float32Type():
            return "f32"
        case IntegerType() if kind.width.data in (16, 32):
            return f"i{kind.width.data}"
        case IntegerType() if kind.width.data == 1:
            return "i32"
        case _:
            raise Unsupported(f"a register holds i1, i16, i32, index, f16 or f32, not {kind}")


def constant(attribute: Attribute) -> Constant:
    """The number that an attribute holds. Raises Unsupported."""
    match attribute:
        case IntegerAttr():
            kind = attribute.type
            name = type_name(kind)
            return Constant(_wrapped(attribute.value.data, kind), name)
        case FloatAttr():
            return Constant(attribute.value.data, type_name(attribute.type))
        case _:
            raise Unsupported(f"no register holds the constant {attribute}")


def select(op: Operation, code: Code, values: Values) -> Operand | None:
    """Append what computes an op's result, which is returned; None for an op of neither dialect.

    Raises Unsupported.
    """
    rule = _RULES.get(type(op))
    return None if rule is None else rule(op, code, values)


def _wrapped(value: int, kind: Attribute) -> int:
    bits = 32 if isinstance(kind, IndexType) else bits_of(kind)
    value &= (1 << bits) - 1
    return value - (1 << bits) if bits > 1 and value >> (bits - 1) else value


Rule: TypeAlias = Callable[[Operation, Code, Values], Operand]
_COMMUTES: Final = ("add", "mul", "min", "max", "and", "or", "xor", "eq", "ne")
_MIRRORED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def _binary(code: Code, function: str, name: str, left: Operand, right: Operand) -> Register:
    if isinstance(left, Constant) and isinstance(right, Register):
        if function == "sub" and left.bits == 0 and not name.startswith("f"):
            return code.alu("neg", name, right)
        if function in _COMMUTES:
            left, right = right, left
        elif function in _MIRRORED:
            function, left, right = _MIRRORED[function], right, left
    return code.alu(function, name, left, right)


@dataclass(frozen=True)
class _Binary:
    """An op of two operands that is one function of the ALU; `unsigned` ones look at u16 or u32."""

    function: str
    unsigned: bool = False

    def __call__(self, op: Operation, code: Code, values: Values) -> Operand:
        name = type_name(op.results[0].type)
        if op.results[0].type == IntegerType(1) and self.function not in ("and", "or", "xor"):
            raise Unsupported(f"i1 has no {self.function}")
        left, right = (values(operand) for operand in op.operands)
        if not self.unsigned:
            return _binary(code, self.function, name, left, right)
        if name == "i32":
            return _binary(code, self.function, "u32", left, _as(right, "u32"))
        if self.function in ("min", "max"):
            return _binary(code, self.function, "u32", left, _as(right, "u32"))
        left = code.convert(left, "i16", "u16")
        if isinstance(right, Constant):
            right = Constant(int(right.value) & 0xFFFF, "u16")
        elif self.function != "shr":
            right = code.convert(right, "i16", "u16")
        return code.convert(code.alu(self.function, "u16", left, right), "u16", "i16")


@dataclass(frozen=True)
class _Unary:
    function: str

    def __call__(self, op: Operation, code: Code, values: Values) -> Operand:
        return code.alu(self.function, type_name(op.results[0].type), values(op.operands[0]))


def _as(operand: Operand, name: str) -> Operand:
    """A constant as another integer type: its bits are the same."""
    if isinstance(operand, Constant) and name == "u32":
        return Constant(int(operand.value) & 0xFFFFFFFF, "u32")
    return operand


def _constant(op: Operation, code: Code, values: Values) -> Operand:
    return code.constant(constant(cast(arith.ConstantOp, op).value))


_INTEGER_ORDERS: Final = ("eq", "ne", "lt", "le", "gt", "ge", "lt", "le", "gt", "ge")


def _cmpi(op: Operation, code: Code, values: Values) -> Operand:
    predicate = cast(arith.CmpiOp, op).predicate.value.data
    name = type_name(op.operands[0].type)
    left, right = (values(operand) for operand in op.operands)
    if predicate >= 6:
        name, left, right = "u32", _as(left, "u32"), _as(right, "u32")
    elif op.operands[0].type == IntegerType(1) and predicate >= 2:
        # Signed order of one bit: 1 is below 0.
        left, right = right, left
    return _binary(code, _INTEGER_ORDERS[predicate], name, left, right)


# arith's order of predicates; the ALU's comparisons are those of IEEE: ordered but for `ne`.
_FLOAT_ORDERS: Final = {1: "eq", 2: "gt", 3: "ge", 4: "lt", 5: "le", 13: "ne"}
_NEGATED: Final = {9: "le", 10: "lt", 11: "ge", 12: "gt"}


def _cmpf(op: Operation, code: Code, values: Values) -> Operand:
    predicate = cast(arith.CmpfOp, op).predicate.value.data
    name = type_name(op.operands[0].type)
    left, right = (values(operand) for operand in op.operands)

    def compared(function: str, x: Operand, y: Operand) -> Register:
        return _binary(code, function, name, x, y)

    def opposite(x: Register) -> Register:
        return code.alu("xor", "i32", x, Constant(1, "i32"))

    if predicate in _FLOAT_ORDERS:
        return compared(_FLOAT_ORDERS[predicate], left, right)
    if predicate in _NEGATED:
        return opposite(compared(_NEGATED[predicate], left, right))
    if predicate in (0, 15):
        return Constant(int(predicate == 15), "i32")
    if predicate in (6, 8):
        either = code.alu("or", "i32", compared("lt", left, right), compared("gt", left, right))
        return either if predicate == 6 else opposite(either)
    function, joined = ("eq", "and") if predicate == 7 else ("ne", "or")
    left, right = code.register(left), code.register(right)
    return code.alu(joined, "i32", compared(function, left, left), compared(function, right, right))


def _select(op: Operation, code: Code, values: Values) -> Operand:
    """b xor ((a xor b) and -c): four instructions without a branch, on the bits of any type."""
    condition, yes, no = (values(operand) for operand in op.operands)
    if isinstance(condition, Constant):
        return yes if condition.value else no
    other: Operand = Constant(no.bits, "i32") if isinstance(no, Constant) else no
    if isinstance(yes, Constant) and isinstance(no, Constant):
        difference: Operand = Constant(_wrapped(yes.bits ^ no.bits, IntegerType(32)), "i32")
    elif isinstance(yes, Constant):
        difference = code.alu("xor", "i32", other, Constant(yes.bits, "i32"))
    else:
        difference = code.alu("xor", "i32", yes, other)
    mask = code.alu("neg", "i32", condition)
    return code.alu("xor", "i32", code.alu("and", "i32", mask, difference), other)


def _extsi(op: Operation, code: Code, values: Values) -> Operand:
    value = values(op.operands[0])
    if isinstance(value, Constant):
        narrow = op.operands[0].type == IntegerType(1)
        return Constant(-value.value if narrow else value.value, type_name(op.results[0].type))
    return code.alu("neg", "i32", value) if op.operands[0].type == IntegerType(1) else value


def _extui(op: Operation, code: Code, values: Values) -> Operand:
    value, source = values(op.operands[0]), op.operands[0].type
    name = type_name(op.results[0].type)
    if isinstance(value, Constant):
        return Constant(int(value.value) & 0xFFFF, name)
    if source == IntegerType(1) or type_name(source) == name:
        return value
    return code.convert(value, "i16", "u16")


def _narrow(op: Operation, code: Code, values: Values) -> Operand:
    value, target = values(op.operands[0]), op.results[0].type
    name = type_name(target)
    if isinstance(value, Constant):
        return Constant(_wrapped(int(value.value), target), name)
    if target == IntegerType(1):
        return code.alu("and", "i32", value, Constant(1, "i32"))
    source = type_name(op.operands[0].type)
    return value if name in (source, "i32") else code.convert(value, source, name)


def _to_float(op: Operation, code: Code, values: Values) -> Operand:
    value, source = values(op.operands[0]), type_name(op.operands[0].type)
    target = type_name(op.results[0].type)
    if isinstance(op, arith.UIToFPOp) and op.operands[0].type != IntegerType(1):
        if source == "i16":
            value = code.convert(value, "i16", "u16")
        source = f"u{source[1:]}"
        value = _as(value, source)
    elif op.operands[0].type == IntegerType(1) and isinstance(op, arith.SIToFPOp):
        value = code.alu("neg", "i32", value)
    return code.convert(value, source, target)


def _to_unsigned(op: Operation, code: Code, values: Values) -> Operand:
    source, target = (type_name(v.type) for v in (op.operands[0], op.results[0]))
    found = code.convert(values(op.operands[0]), source, f"u{target[1:]}")
    return code.convert(found, "u16", "i16") if target == "i16" else found


def _convert(op: Operation, code: Code, values: Values) -> Operand:
    source, target = (type_name(v.type) for v in (op.operands[0], op.results[0]))
    if isinstance(op, arith.FPToSIOp) and op.results[0].type == IntegerType(1):
        raise Unsupported("a float is converted to i16 or i32, not i1")
    return code.convert(values(op.operands[0]), source, target)


def _bitcast(op: Operation, code: Code, values: Values) -> Operand:
    value = values(op.operands[0])
    source, target = (type_name(v.type) for v in (op.operands[0], op.results[0]))
    if source == target:
        return value
    value = code.register(value)
    if target == "f16":
        return code.convert(value, "i16", "u16")
    return code.convert(value, "u16", "i16") if source == "f16" else value


def _fma(op: Operation, code: Code, values: Values) -> Operand:
    to = Register()
    x, y, z = (code.register(values(operand)) for operand in op.operands)
    kind = im.TYPES.index(type_name(op.results[0].type))
    code.add(im.FMA, to, x, y, z, kind, cost=im.COST_FLOAT)
    return to


_RULES: Final[Mapping[type[Operation], Rule]] = {
    arith.ConstantOp: _constant,
    arith.AddiOp: _Binary("add"),
    arith.SubiOp: _Binary("sub"),
    arith.MuliOp: _Binary("mul"),
    arith.DivSIOp: _Binary("div"),
    arith.RemSIOp: _Binary("rem"),
    arith.DivUIOp: _Binary("div", unsigned=True),
    arith.RemUIOp: _Binary("rem", unsigned=True),
    arith.AndIOp: _Binary("and"),
    arith.OrIOp: _Binary("or"),
    arith.XOrIOp: _Binary("xor"),
    arith.ShLIOp: _Binary("shl"),
    arith.ShRSIOp: _Binary("shr"),
    arith.ShRUIOp: _Binary("shr", unsigned=True),
    arith.MinSIOp: _Binary("min"),
    arith.MaxSIOp: _Binary("max"),
    arith.MinUIOp: _Binary("min", unsigned=True),
    arith.MaxUIOp: _Binary("max", unsigned=True),
    arith.AddfOp: _Binary("add"),
    arith.SubfOp: _Binary("sub"),
    arith.MulfOp: _Binary("mul"),
    arith.DivfOp: _Binary("div"),
    # The machine's choose the number when the other one is no number.
    arith.MinnumfOp: _Binary("min"),
    arith.MaxnumfOp: _Binary("max"),
    arith.MinimumfOp: _Binary("min"),
    arith.MaximumfOp: _Binary("max"),
    arith.NegfOp: _Unary("neg"),
    math.AbsFOp: _Unary("abs"),
    math.AbsIOp: _Unary("abs"),
    math.SqrtOp: _Unary("sqrt"),
    math.FmaOp: _fma,
    arith.CmpiOp: _cmpi,
    arith.CmpfOp: _cmpf,
    arith.SelectOp: _select,
    arith.ExtSIOp: _extsi,
    arith.ExtUIOp: _extui,
    arith.TruncIOp: _narrow,
    arith.IndexCastOp: _narrow,
    arith.SIToFPOp: _to_float,
    arith.UIToFPOp: _to_float,
    arith.FPToSIOp: _convert,
    arith.FPToUIOp: _to_unsigned,
    arith.ExtFOp: _convert,
    arith.TruncFOp: _convert,
    arith.BitcastOp: _bitcast,
}
